"""The multiplexer: the pi-app-server protocol over every agent of the host.

A command goes from a transport (`websocket`, `stdio`) through a client of the `multiplexer` to
the `executor`, which calls the function that `dispatch` chooses; nothing of these knows who
calls it.  Events go from the log through `event_streams` to `subscribers`, in frames of an
`encoder`, which has them translated with the transcript of their run.

================ =====================================================================
codex_commands   commands for a session of codex, where codex differs from other agents
commands         the commands: one tagged union
dialogs          approvals as dialogs of pi's extensions, and the answers as decisions
dispatch         which function does a command
encoder          events as frames, encoded once for all readers
event_streams    events of sessions for clients, from any cursor on
executor         admission, idempotency, lanes, time limits: one response to each command
executor_state   what the executor keeps between commands: versions, counts, stores
fields           the types of the commands' fields
idempotency      responses by command id and idempotency key
lanes            the order of the commands for one session
messages         messages of a transcript in pi's form
multiplexer      the clients, each with its commands; where the parts are put together
pi_commands      commands for a session of pi: nearly all are pi's own
rate_limits      how often commands may come
responses        the frames that are sent: responses and notifications
scheduling       of each command: its scope, what it overtakes, its time limit
server_commands  commands for the server
session_commands commands for a session, whichever agent it has
session_files    the files in which pi and codex keep their sessions
session_info     the description of a session, and its messages
session_names    what clients call sessions, and the ids that these have in the host
session_tree     the tree of a pi session as a list of nodes, parents first
stdio            the transport over two pipes
subscribers      what clients are sent: subscriptions, notifications, back-pressure
translate_any    events of any agent to events of pi
translate_pi     events of pi, complete again
translator       events translated, with the transcript of their run
validation       commands decoded from frames
command_rules    why a command is invalid, in the order and the sentences of pi-app-server
websocket        the transport over a WebSocket
================ =====================================================================
"""

"""The multiplexer: the pi-app-server protocol over every agent of the host.

================ =====================================================================
codex_commands   what the commands for a session do with codex beyond what all agents do
commands         the commands: one tagged union
connection       one client: commands, subscriptions, whether it keeps up
dialogs          approvals as pi's extensions ask, and back
dispatch         which agent does which command, and how: the table of tables
encoder          a log as frames, made once for all readers
executor         a command's way to its one answer: admitted, in its lane, in time, remembered
fields           how their fields are written
idempotency      what was answered already, by id and key
lanes            who goes before whom in a session
multiplexer      the multiplexer: its clients, and who does which command
partial_message  a message that grows: what it was at any event of its log, as bytes
pi_commands      what the commands for a session do with pi: nearly all are commands of its
                 own
rate_limits      how often commands may come
responses        answers, and what everybody is told
scheduling       what each is like: scope, whether it overtakes, how long it may take
server_commands  the commands for the server
session_commands what the commands for a session do, whichever agent it has; pi has more of
                 its own
session_files    what agents have written down: pi's session files, and the threads of codex
session_info     a session in the source's words
session_tree     a session's tree in the words of the source system: a list of nodes, parents
                 first
stdio            the multiplexer over two pipes
table            the commands as a table for the documents
transcript       what is known of a run from its beginning on: what its later events must
                 repeat
transcript_cache the runs that are known of sessions that somebody reads: where the log is
                 told from
translate_any    a log of an agent that is not pi, in the words of pi that come nearest
translate_pi     a log of pi in pi's own words: whole again where the log does not repeat
                 itself
validation       what is wrong with one, in the source's words
websocket        the multiplexer over a WebSocket
================ =====================================================================
"""

"""The command ``sxhost``: a group of commands to a room.

================ =====================================================================
main             the group of all commands
commands         which module has which command: imported when it is asked for
serve            serve: in the foreground, as a daemon, over two pipes
sessions         sessions, show, register, rm, prune
session_list     the list of sessions for people
session_watch    the list of sessions as it changes
session_view     all about a session
messages         send, pull
events           events, tail, fire
event_text       an event in a line
log              log, transcript: a conversation
log_reader       the part of a conversation that is shown
conversation     a conversation's items as lines of a terminal
log_follow       a conversation as it goes on
export           a conversation as a document
qr               a link as a QR code, for a phone's camera
redact           secrets and names taken out of a conversation
pager            what long output is read through
search           search: where something was said
cost             cost: what agents have used, and what that costs
follow           what goes on: the events of tail and events -f, as they come
agents           new, turn, chat, steer, interrupt, end, run
approvals        approvals, approve, deny, answer
approval_view    what agents wait for, for people
approval_desk    approvals asked for as they come, a key for each
keys             single keys at the terminal
answers          the words of answer, as an answer
completion       what a shell completes of what the host knows
shells           the shells' completion scripts
names            sessions and approvals by what people call them
filters          which sessions a list or a command on many is about
bulk             one thing done to many sessions
moments          times as people write them
keyboard         what is typed while a command runs
turns            a turn at the terminal, to its end
turn_view        what a session does, printed as it comes
approval_prompts what agents ask, asked at the terminal
chat             a conversation with an agent, line by line
run              an agent at the terminal, for one turn
notify           whom the host tells of what, and what became of it
policy           what the rules of a file would decide
admin            status, stop, token, open, audit
doctor           what works here, and what to do about the rest
doctor_checks    what it checks without a host
service          the host as a service of this user: systemd, launchd
store            backup, restore, store copy: a host's log, copied
attach           any program as an attached session
handover         take, give, adopt: a conversation at this terminal, or the host's
barrier          wait: until a session is idle, asks, or is over
hooks            agents' hooks, and their settings
top              the live board (board/), where there can be one
trust            which projects may say where telemetry goes
stdio            the multiplexer over two pipes
progress         what a command waits for, where it takes long
terminal         a command's two ends: the host, and what it tells of that in lines
words            commands that take a person's words, whatever these begin with
standing         how sessions stand: who needs somebody, what each does
formats          times, counts and texts as a person reads them
table            tables for a terminal
live             a list that stays on the terminal
output           all that is printed: escaped in one place
================ =====================================================================
"""

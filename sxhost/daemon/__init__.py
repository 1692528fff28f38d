"""The host as a daemon of the machine that it runs on.

=============== ===============================================================
service         listens, starts, stops in order
standby         waits for the store that another host has; shows that this one lives
preflight       what would fail later, met while a terminal can be told
init            process 1 of a container, which reaps what is left to it
pidfile         the pidfile, a warning to root, SIGHUP
listening       the endpoints of the command line, opened; the file with the address
stores          the store that the settings name
store_copies    copies of a store, to another place or engine
threads         the threads for what blocks
entrances       under which URLs other machines reach the host
logfile         the log as it is written
access_lines    the lines of the access log, some written together
journald        its lines for systemd's journal
systemd         systemd is told how the host is
agents          what hosts agents, put together: programs, drivers, places
agent_catalogue which agents can be started, and why not
serving_options the table of all options of serving
options         the command line of `twistd sxhost`, made from that table
=============== ===============================================================
"""

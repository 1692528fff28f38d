"""Agents' processes: started, spoken with in lines, and ended with all their descendants.

=========== =====================================================================
child       child processes of the host: an agent's program, its pipes, its end in order
contracts   the contract between drivers and child processes, as Protocols
environ     which of the host's environment variables agents get
marks       the mark that all processes of an agent inherit, by which they are found
once        an event that happens once, and coroutines that wait for it
orphans     agents' processes that an earlier run of this host left, after ``kill -9`` say
pipes       a child's output and input pipes in the reactor, and the news of its end
spawn       starts a program in a session of its own, or says why it cannot be started
table       the process table: /proc, descendants, signals that cannot hit another process
versions    which version a program is, as it says itself
watching    tells when processes end that are no children of ours, and how
termination ending processes: SIGTERM first, SIGKILL for what stays
=========== =====================================================================
"""

"""Agents' programs: run, spoken with in lines, and ended with all that they have started.

=========== =====================================================================
child       agents' programs: run, spoken with in lines, and ended with all that they have
            started
contracts   What a driver and its child say to each other, as Protocols
environ     what of the host's environment agents get
marks       What stands in the environment of each child, and tells whose it is
once        something that happens once, and who waits for it
orphans     what an earlier life of this host has left running, for instance after ``kill -9``
pipes       the reactor's ends of a child: what it prints, what it is told, and that it has
            ended
spawn       starting a program: found by us, in a session of its own, at once or with a reason
table       who runs on this machine: /proc, families of processes, signals that meet only who
            is meant
termination ending processes: asked first, then made to
=========== =====================================================================
"""

"""What every driver needs, once: a driver is written from these parts and its protocol.

================= ====================================================================
program_driver    the driver of agents with a process each
stored_directory  where a stored conversation works
line_client       the host's end of a program's stdin and stdout: a line is an answer to a
                  call, or it goes to the driver; one that is no message is logged
pending_calls     calls that wait: answered, refused, too late, or ended with the program
jsonrpc_peer      the line client of agents that speak JSON-RPC
open_items        texts and tools' calls that have begun: what is open is cut, exactly once
background_tasks  what outlives its turn, as values of a size that fits anywhere
pending_questions requests of the agent that wait for a decision: answered exactly once
changes           changes of files, as questions have them
forms             forms of tool servers (JSON Schema) as inquiries, answers as their content
================= ====================================================================

``docs/drivers.md`` says how to write a driver with them.
"""

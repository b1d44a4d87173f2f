"""Where units are carried out: one seam, three engines, and what they need to know of a machine.

| module | does |
|---|---|
| `engine` | the seam: a task builds a worker, a worker turns one unit into one result |
| `choice`, `cores` | which engine `auto` means; how many CPUs this process may use |
| `opening` | an engine by its name, for as long as it is used |
| `process_engine`, `child` | in processes of this machine, each seen from its driver |
| `serving` | what runs in such a process |
| `local_engine`, `apart` | in this process; a unit that had better not be built here, in another |
| `ray_engine` | on Ray: a cluster that is named, or an embedded one |
| `ray_feed` | a Ray data set of units that grows while it is worked on |
| `ray_embedded`, `ray_keeper` | an embedded Ray: starts in bounded time, ends with its driver |
| `ray_reach`, `ray_nodes` | whether anybody answers at an address; what every node says of itself |
| `capacity`, `placing` | what a cluster can hold; where a generator's workers go |
| `suspects`, `ending` | units that ended their process before; SIGTERM and time limits |
"""

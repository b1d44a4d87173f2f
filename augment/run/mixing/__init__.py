"""From census and pool to a committed data set.

| module | does |
|---|---|
| `mix`, `mix_unit` | the units of a data set, and what a worker does with one |
| `rows`, `copying`, `copied` | real, generated and copied rows |
| `losses`, `refused`, `emptied` | rows that are left out, and what that leaves of a class |
| `holding` | limits that hold a commit back, judged on the rows that it would make visible |
| `judging`, `gates`, `commit`, `outcome` | limits; one transaction; what a run says at its end |
| `retry_plan`, `retry_unit` | rows that were left out, made again beside the others |
"""

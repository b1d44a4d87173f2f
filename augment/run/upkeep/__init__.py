"""What is done with a job that has run, or that others left behind.

| module | does |
|---|---|
| `status`, `states` | what every job of a folder is doing or has become |
| `again`, `attempts`, `generations`, `changes` | what ran before; what has changed since |
| `retry`, `retry_build` | a new generation with the rows that were left out |
| `clean`, `pool`, `litter`, `kept` | what may be deleted, what is still used, and the deleting |
"""

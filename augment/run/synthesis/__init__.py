"""One generator's part of a pool: what is wanted of it, asked for, made, judged and spent.

| module | does |
|---|---|
| `synthesize`, `filling` | a pool filled for a job, round by round, until every quota is met |
| `rounds` | which units come next: claimed, cut, and what is certain while others are made |
| `accounts`, `verdicts`, `stock` | what is wanted of a cell; what of it passed; what a pool holds |
| `pool_unit`, `sampling`, `asking`, `batches` | one unit: requests, batches, filters, shards |
| `cost`, `measuring`, `budget`, `limits` | seconds and GPUs: estimated, measured, spent, limited |
| `uses` | which jobs draw from a pool |
"""

"""Scores of made images that need real ones: what a filter such as `agreement` judges by.

| module | does |
|---|---|
| `scorers` | the scorers of a job: each fit on its real images once, frozen by digest |
| `reference` | the real images that scorers are fit on |
| `sides` | the real images that copies are looked for of |
| `agreement`, `feature_outlier`, `near_copy` | one scorer each: arithmetic on images of a shard |
| `kept` | scores of a pool's shards as small files, a file for each shard and scorer |
| `score_unit`, `scoring` | a stage of its own: a shard of the pool is a unit |

A scorer's digest covers the real images, the network and the seed, and no threshold: jobs that
differ in thresholds share scores, and a changed one needs neither a generator nor a network.
"""

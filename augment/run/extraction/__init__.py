"""Images of a data set -> features beside it: a stage of its own, for audits and filters.

| module | does |
|---|---|
| `extracting` | which shards lack which features; has them made; what a reader iterates over |
| `extract_unit` | one shard: every image decoded once, for all extractors that lack it |
| `fitting` | the classifier behind the extractor `task`, on the real train images |
| `shelving` | where features are kept: beside the table, in a cache, or for this run alone |

A unit is a shard, its result a file of each extractor (`features.kept`): what is whole is not made
again, by whatever run, on whatever engine.
"""

"""What people and programs see of a run while it goes on. Nothing here changes what is made.

| module | does |
|---|---|
| `telling` | the one that all of a run tells; hands on to the reporter and the observers |
| `account` | what became of one cell of a plan |
| `observed`, `beats`, `timing` | what workers add to their results, and say inside a unit |
| `metrics`, `exporter`, `timeline`, `observing` | observers: Prometheus, and a file of spans |
| `journal` | what `augment status` reads of a run that lasts |
"""

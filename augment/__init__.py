"""augment: extend and balance training sets for vision models, and prove what is in them.

    from augment.api import load_spec, plan, run, audit, open_dataset

The steps that a sample passes are sibling packages (see ARCHITECTURE.md). The verbs stand in
`augment.api`, because `plan`, `audit` and `run` are also names of steps.
"""

__version__ = "0.1.0"

DISTRIBUTION = "augment-vision"
"""What pip calls it: `augment` on the public index is another project."""

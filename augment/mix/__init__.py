"""The order of a data set: which row of what stands in which shard, as index arithmetic.

A mix unit is a slice of the permuted census, the copies of those rows, and the selected
rows of a few row groups of the pool. No image is shuffled, and no bytes are seen here.
"""

from augment.mix.order import copies_of, order_census, shuffled
from augment.mix.select import DrawLike, select
from augment.mix.units import MixUnit, PoolGroup, PoolSlice, cut_mix_units

__all__ = [
    "DrawLike",
    "MixUnit",
    "PoolGroup",
    "PoolSlice",
    "copies_of",
    "cut_mix_units",
    "order_census",
    "select",
    "shuffled",
]

"""2 planned: census and rules in, whole-number quotas, units and manifests out. Pure."""

from augment.plan.explain import Line, broken_limits, explain, totals
from augment.plan.foresee import foresee
from augment.plan.inputs import InputList, Inputs, choose_inputs
from augment.plan.make import make_plan, unknown_classes
from augment.plan.manifest import manifest_batches
from augment.plan.plan import (
    Capped,
    Cell,
    CensusFacts,
    Copies,
    Count,
    Draw,
    GeneratorFacts,
    Plan,
    PlannedGenerator,
    Step,
    generator_kind,
    generator_of,
)
from augment.plan.tables import ManifestRows, read_manifest
from augment.plan.training import open_draws, other_draws
from augment.plan.units import (
    POOL_UNIT_BYTES,
    PoolUnit,
    PoolUnits,
    certain_needs,
    considered,
    cut_pool_units,
    first_of,
    mix_unit_count,
    next_needs,
    pool_unit_rows,
)

__all__ = [
    "POOL_UNIT_BYTES",
    "Capped",
    "Cell",
    "CensusFacts",
    "Copies",
    "Count",
    "Draw",
    "GeneratorFacts",
    "InputList",
    "Inputs",
    "Line",
    "ManifestRows",
    "Plan",
    "PlannedGenerator",
    "PoolUnit",
    "PoolUnits",
    "Step",
    "broken_limits",
    "certain_needs",
    "choose_inputs",
    "considered",
    "cut_pool_units",
    "explain",
    "first_of",
    "foresee",
    "generator_kind",
    "generator_of",
    "make_plan",
    "manifest_batches",
    "mix_unit_count",
    "next_needs",
    "open_draws",
    "other_draws",
    "pool_unit_rows",
    "read_manifest",
    "totals",
    "unknown_classes",
]

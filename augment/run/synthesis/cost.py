"""What making samples costs: measured on a few batches, estimated for the rest, spent at the end.

Arithmetic and its forms in JSON; measuring.py does the measuring. Knows no Ray.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from typing import Any

from augment.write import Work

ESTIMATES = "estimate.json"
"""In a job's work folder: generator -> its estimate."""
_HOUR = 3600.0


@dataclass(frozen=True)
class Measured:
    """A few batches of one generator on one actor. load_s: until it could sample. batch_s:
    seconds of a batch, the median, its images encoded. made, accepted: of all batches, by the
    job's filters. image_bytes: mean, encoded. device: `cpu` or `cuda`."""

    generator: str
    device: str
    load_s: float
    batch_s: float
    batch_rows: int
    made: int
    accepted: int
    image_bytes: float


@dataclass(frozen=True)
class Estimate:
    """What is still to be made costs so much. samples: accepted ones that are missing.
    gpus: of one actor. actors: that may run at once."""

    measured: Measured
    samples: int
    gpus: float
    actors: int

    @property
    def generator(self) -> str:
        return self.measured.generator

    @property
    def rows(self) -> int:
        """Samples to be made, those that will be rejected included."""
        seen = self.measured
        return math.ceil(self.samples * seen.made / max(1, seen.accepted))

    @property
    def bytes(self) -> int:
        """Of the pool's shards."""
        return round(self.rows * self.measured.image_bytes)

    def busy_s(self, actors: int) -> float:
        """Seconds of all actors together, loading included."""
        each = self.measured.batch_s / max(1, self.measured.batch_rows)
        return self.rows * each + actors * self.measured.load_s

    def wall_s(self, actors: int) -> float:
        """Seconds until `actors` actors are done."""
        return self.busy_s(actors) / actors

    def gpu_hours(self, actors: int | None = None) -> float:
        """actors: None for as many as may run."""
        return self.gpus * self.busy_s(actors or self.actors) / _HOUR

    def to_json(self) -> dict[str, Any]:
        n = self.actors
        figures = {
            "rows": self.rows,
            "bytes": self.bytes,
            "gpu_hours": round(self.gpu_hours(), 6),
            "wall_s": {str(k): round(self.wall_s(k), 6) for k in counts(n)},
        }
        return {**asdict(self), **figures}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Estimate:
        measured = Measured(**raw["measured"])
        return cls(measured, raw["samples"], raw["gpus"], raw["actors"])


@dataclass(frozen=True)
class Spent:
    """What was spent on a generator's samples for one job. busy_s: of all actors together.
    device_s: of the actors' time, in which their devices sampled; made_s: what those units took
    without loading, and rows: how many samples they are. Units of versions that did not say it are
    not in these three."""

    units: int = 0
    busy_s: float = 0.0
    gpu_s: float = 0.0
    device_s: float = 0.0
    made_s: float = 0.0
    rows: int = 0

    @classmethod
    def kept(cls, values: Sequence[float]) -> Spent:
        """As a fold keeps it: its fields in their order; of earlier versions the first three."""
        units, busy_s, gpu_s, device_s, made_s, rows = (*values, 0.0, 0.0, 0)[:6]
        return cls(int(units), busy_s, gpu_s, device_s, made_s, int(rows))

    def to_keep(self) -> list[float]:
        """What `kept` reads."""
        return list(astuple(self))

    def and_of(self, other: Spent) -> Spent:
        """With what other units took."""
        return Spent(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def plus(self, record: Mapping[str, Any]) -> Spent:
        """With one more unit's record, which says how long it took."""
        took = record.get("seconds", {})
        seconds = sum(took.values())
        gpus = record.get("gpus", 0.0)
        more = replace(
            self,
            units=self.units + 1,
            busy_s=self.busy_s + seconds,
            gpu_s=self.gpu_s + gpus * seconds,
        )
        if "device_s" not in record:
            return more
        return replace(
            more,
            device_s=self.device_s + record["device_s"],
            made_s=self.made_s + took.get("make", 0.0),
            rows=self.rows + sum(stop - start for _, start, stop in record["ranges"]),
        )

    @property
    def gpu_hours(self) -> float:
        return self.gpu_s / _HOUR

    @property
    def busy_share(self) -> float | None:
        """Of the seconds that units took, those in which the device sampled; None where no unit
        says it."""
        return self.device_s / self.made_s if self.made_s else None

    @property
    def rows_per_s(self) -> float | None:
        """Samples that one actor makes in a second of its units; None where no unit says it."""
        return self.rows / self.made_s if self.made_s else None

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"busy_share": self.busy_share, "rows_per_s": self.rows_per_s}


def counts(most: int) -> list[int]:
    """1, 2, 4 ... and `most`: numbers of actors to compare."""
    powers = [1 << k for k in range(most.bit_length())]
    return sorted({*(n for n in powers if n <= most), most})


def over_budget(
    estimates: Sequence[Estimate], spent: Mapping[str, Spent], limit: float | None
) -> str | None:
    """Why the plan is over `limits.gpu_hours`, None where it is not."""
    if limit is None:
        return None
    before = sum(one.gpu_hours for one in spent.values())
    ahead = sum(one.gpu_hours() for one in estimates)
    if before + ahead <= limit:
        return None
    parts = ", ".join(f"{e.generator} {e.gpu_hours():.3g}" for e in estimates)
    return (
        f"limits.gpu_hours: {before + ahead:.3g} GPU hours ({before:.3g} spent, {ahead:.3g} "
        f"estimated: {parts}) exceed {limit:g} by {before + ahead - limit:.3g}; ask for fewer "
        "samples or a cheaper sampling, or raise the limit"
    )


def kept_estimates(work: Work) -> list[Estimate]:
    """What runs left in a job's work folder; nothing where none measured, or where what they left
    cannot be read: it decides nothing, and the next one writes it anew."""
    try:
        document = json.loads(work.folder.read(ESTIMATES))
        return [Estimate.from_json(one) for one in document.values()]
    except (FileNotFoundError, ValueError, RecursionError):
        return []
    except (AttributeError, KeyError, TypeError):  # JSON, and not ours
        return []

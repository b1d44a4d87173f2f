"""What a study is asked, and the trainings that it takes. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from augment.errors import RequestError

Start = Literal["scratch", "pretrained"]
SCRATCH: Start = "scratch"
PRETRAINED: Start = "pretrained"
SHARES = (0.25, 0.5, 0.75)
DRAWS, SEEDS, STEPS = 3, 5, 300
SMALL = "small"
"""The network that needs no library but torch, see `networks`."""
TORCHVISION = "torchvision:"
MOST_TRAININGS = 100_000
_LEAST_SIDE, _MOST_SIDE = 16, 512


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A study. shares: of synthetic images in a batch, each in (0, 1). draws: of what is left out
    of train. seeds: trainings of an arm in each draw. steps: batches of every training. seed: of
    everything random. network: `small`, or `torchvision:` and an architecture. size: side of its
    input in px, None: 32 or 64, by the images; 224 where there are weights. weights: a file of
    trained weights of the architecture, whose arms stand beside those from scratch; path or URI.
    each_generator: also arms of each generator alone. train, validation, test: splits; None: see
    `rows.splits_of`. corrupted: also test under common corruptions. rates: times the usual learning
    rate; of several, each in 0.01 to 100, validation chooses one for each arm."""

    shares: tuple[float, ...] = SHARES
    draws: int = DRAWS
    seeds: int = SEEDS
    steps: int = STEPS
    seed: int = 0
    network: str = SMALL
    size: int | None = None
    weights: str | None = None
    each_generator: bool = False
    train: str = "train"
    validation: str | None = None
    test: str | None = None
    corrupted: bool = True
    rates: tuple[float, ...] = (1.0,)


class Arm(NamedTuple):
    """What a classifier is trained on. copies: with the classical copies of real images. share: of
    synthetic images in a batch, 0.0: none. maker: id of the one generator they are of, None: all.
    rival: digest of retrieved real images, which stand in the place of synthetic ones."""

    start: Start = SCRATCH
    copies: bool = False
    share: float = 0.0
    maker: str | None = None
    rival: str | None = None

    @property
    def kind(self) -> str:
        """`real`, `classical`, `synthetic`, `retrieved` or `both`."""
        if self.rival is not None:
            return "retrieved"
        if self.share:
            return "both" if self.copies else "synthetic"
        return "classical" if self.copies else "real"

    @property
    def without(self) -> Arm:
        """The same arm without its synthetic or retrieved images."""
        return self._replace(share=0.0, maker=None, rival=None)


class Training(NamedTuple):
    """One unit of a study. draw, run: from 0; run counts the seeds of a draw. rate: times the usual
    learning rate."""

    arm: Arm
    draw: int
    run: int
    rate: float = 1.0

    @property
    def name(self) -> str:
        """Of its record: letters, digits, dashes and dots, the same for the same training."""
        arm = self.arm
        maker = "".join(f"-{one[:32]}" for one in (arm.maker, arm.rival) if one is not None)
        rate = "" if self.rate == 1.0 else f"-r{self.rate!r}"
        return f"{arm.start}-{arm.kind}-{arm.share!r}{maker}-d{self.draw}-s{self.run}{rate}"


def checked(asked: Asked) -> Asked:
    """The same, with its shares and rates sorted.

    Raises:
        RequestError: a number is out of its range, or names no network.
    """
    shares = _grid("shares", asked.shares, 0.01, 0.99, "a part of a batch")
    rates = _grid("rates", asked.rates, 0.01, 100, "times the usual learning rate")
    for name, value, least, most in (
        ("draws", asked.draws, 1, 1000),
        ("seeds", asked.seeds, 1, 1000),
        ("steps", asked.steps, 1, 1_000_000),
        ("seed", asked.seed, 0, (1 << 63) - 1),
        ("size", asked.size if asked.size is not None else 32, _LEAST_SIDE, _MOST_SIDE),
    ):
        if not least <= value <= most:
            raise _refused(name, value, f"a whole number from {least} to {most}")
    if asked.network != SMALL and not asked.network.removeprefix(TORCHVISION).isidentifier():
        raise _refused("network", asked.network, f"{SMALL}, or {TORCHVISION}resnet18 and the like")
    if asked.network != SMALL and not asked.network.startswith(TORCHVISION):
        raise _refused("network", asked.network, f"{SMALL}, or {TORCHVISION}{asked.network}")
    if asked.weights is not None and asked.network == SMALL:
        raise _refused(
            "weights", asked.weights, f"them with a network of {TORCHVISION}, which they are of"
        )
    return Asked(**{**vars(asked), "shares": shares, "rates": rates})


def _grid(
    what: str, values: tuple[float, ...], least: float, most: float, meaning: str
) -> tuple[float, ...]:
    if not values or len(set(values)) < len(values):
        raise _refused(what, list(values), f"one or more different {what}")
    for value in values:
        if not (math.isfinite(value) and least <= value <= most):
            raise _refused(what, value, f"{meaning}, {least:g} to {most:g}")
    return tuple(sorted(values))


def arms_of(
    asked: Asked, makers: Sequence[str], copies: bool, rival: str | None = None
) -> tuple[Arm, ...]:
    """Real alone first. makers: ids of the generators with rows, empty: there are no synthetic
    rows. copies: whether there are classical ones. rival: digest of retrieved real images, whose
    arms stand beside synthetic ones, where there are any."""
    starts = (SCRATCH,) if asked.weights is None else (SCRATCH, PRETRAINED)
    alone = makers if asked.each_generator and len(makers) > 1 else ()
    found = []
    for start in starts:
        for with_copies in (False, True) if copies else (False,):
            found.append(Arm(start, with_copies))
            if makers:
                found += [Arm(start, with_copies, share, maker)
                          for maker in (None, *alone) for share in asked.shares]  # fmt: skip
            if makers and rival is not None and not with_copies:
                found += [Arm(start, False, share, None, rival) for share in asked.shares]
    return tuple(found)


def trainings_of(arms: Sequence[Arm], asked: Asked) -> tuple[Training, ...]:
    """Every arm in every draw with every seed and every rate; a draw after the other, so that a
    study that was stopped has whole pairs.

    Raises:
        RequestError: there are too many.
    """
    n = len(arms) * asked.draws * asked.seeds * len(asked.rates)
    if n > MOST_TRAININGS:
        raise _refused("study", f"{n} trainings", f"at most {MOST_TRAININGS}: fewer draws or seeds")
    return tuple(
        Training(arm, draw, run, rate)
        for draw in range(asked.draws) for run in range(asked.seeds) for arm in arms
        for rate in asked.rates
    )  # fmt: skip


def _refused(what: str, came: object, expected: str) -> RequestError:
    return RequestError(f"{what}: got {came}; expected {expected}")

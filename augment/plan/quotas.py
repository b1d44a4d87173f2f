"""The arithmetic of rules: exact fractions in, whole numbers out.

Largest remainder, shares that are solved together, caps, and how copies spread over
parents. Pure functions of numbers and names; knows nothing of jobs, classes or images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction


def decimal(number: float) -> Fraction:
    """The number as it is written: 0.1 is 1/10, not the binary float next to it."""
    return Fraction(str(number))


def apportion(total: int, weights: Mapping[str, Fraction | int]) -> dict[str, int]:
    """Split `total` in proportion to `weights` by largest remainder, ties by name.

    Every part is the floor or the ceiling of total x weight / sum (Hamilton's method).

    Raises:
        ValueError: total is negative, or positive with no positive weight.
    """
    quotas = _quotas(total, weights)
    return _largest_remainder(total, quotas, lambda name: 1)


def apportion_within(
    total: int, weights: Mapping[str, Fraction | int], room: Mapping[str, int | None]
) -> dict[str, int]:
    """As `apportion`, where a name may take no more than its room (None: any number): what
    it cannot take goes to the others in proportion to their weights.

    Raises:
        ValueError: the total is larger than all room.
    """
    parts = apportion(total, weights)
    full = {n: r for n in parts if (r := room[n]) is not None and parts[n] > r}
    if not full:
        return parts
    others = {name: w for name, w in weights.items() if name not in full}
    return {**full, **apportion_within(total - sum(full.values()), others, room)}


def apportion_targets(targets: Mapping[str, Fraction]) -> dict[str, int]:
    """Whole numbers near real-valued targets; their sum is the rounded sum (half to even).

    Largest remainder over the rounded total, ties by name. Rounding the total moves all
    parts a little, which in rare cases would put one more than 1 from its target; such a
    part is served first or last instead, so that every part lies within 1 of its target.

    Raises:
        ValueError: no target is positive.
    """
    total = round(sum(targets.values(), Fraction(0)))
    quotas = _quotas(total, targets)

    def turn(name: str) -> int:
        low = quotas[name].__floor__()
        if targets[name] - low > 1:
            return 0
        return 2 if low + 1 - targets[name] > 1 else 1

    return _largest_remainder(total, quotas, turn)


def solve_shares(shares: Sequence[Fraction], others: int) -> list[Fraction]:
    """Rows (not yet whole) of rules that ask for these shares of a whole which also holds
    `others` rows: n_i = s_i / (1 - sum s) x others.

    Raises:
        ValueError: the shares sum to 1 or more.
    """
    rest = 1 - sum(shares, Fraction(0))
    if rest <= 0:
        raise ValueError(f"the shares sum to {float(1 - rest):g}; expected less than 1")
    return [s / rest * others for s in shares]


def clamp(wanted: int, real: int, max_added: int | None, max_times_real: float | None) -> int:
    """`wanted` under a rule's caps; `real`: untouched real rows of the class in the split."""
    if max_added is not None:
        wanted = min(wanted, max_added)
    if max_times_real is not None:
        wanted = min(wanted, (decimal(max_times_real) * real).__floor__())
    return wanted


def spread(total: int, groups: Sequence[int]) -> list[int]:
    """How many of `total` copies each group of parents gets.

    Parents stand in the order of their groups; the parent at position p of P gets
    total // P + (p < total % P) copies.

    Raises:
        ValueError: copies are wanted and there is no parent.
    """
    parents = sum(groups)
    if not parents:
        if total:
            raise ValueError(f"{total} copies of 0 parents")
        return [0] * len(groups)
    each, extra = divmod(total, parents)
    out = []
    for n in groups:
        out.append(each * n + min(n, extra))
        extra -= min(n, extra)
    return out


def _quotas(total: int, weights: Mapping[str, Fraction | int]) -> dict[str, Fraction]:
    if total < 0 or any(w < 0 for w in weights.values()):
        raise ValueError("a total and its weights must not be negative")
    whole = sum(weights.values(), Fraction(0))
    if not whole:
        if total:
            raise ValueError(f"{total} rows to apportion and no positive weight")
        return {name: Fraction(0) for name in weights}
    return {name: Fraction(total * w) / whole for name, w in weights.items()}


def _largest_remainder(
    total: int, quotas: Mapping[str, Fraction], turn: Callable[[str], int]
) -> dict[str, int]:
    parts = {name: q.__floor__() for name, q in quotas.items()}
    order = sorted(quotas, key=lambda name: (turn(name), parts[name] - quotas[name], name))
    for name in order[: total - sum(parts.values())]:
        parts[name] += 1
    return parts

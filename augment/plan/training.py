"""What generators have seen, against the splits that this job draws.

A generator that learned from images which now stand in a protected split carries them into the
training set. Where splits are shares, the name of a split says nothing: another draw has other
images in it. So a draw has a name, and what a job says of it must agree with the census. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from augment.errors import Problem
from augment.spec import JobSpec
from augment.spec.generator_base import TrainedOn


def other_draws(spec: JobSpec, draws: Mapping[str, str]) -> list[Problem]:
    """Generators that have seen another draw of a source's splits than the census has.

    draws: source whose splits are shares -> name of its draw.
    """
    return [
        Problem(
            f"generators.{name}.trained_on[{n}].split_digest",
            f"{seen.split_digest}, but the splits of source {seen.source} are drawn as "
            f"{draws[seen.source]}",
            "the draw that it has seen",
            "What it has seen may stand in a protected split now. Bring the images, the shares "
            "and `split_seed` back, give the splits as folders, or train it again",
        )
        for name, n, seen in _entries(spec)
        if seen.split_digest is not None and draws.get(seen.source) not in (None, seen.split_digest)
    ]


def open_draws(spec: JobSpec, draws: Mapping[str, str]) -> list[str]:
    """Generators of which the job does not say which draw they have seen. draws: as above."""
    return [
        f"generators.{name}.trained_on[{n}].split_digest: unknown; the splits of source "
        f"{seen.source} are shares, and another draw has other images in them: write "
        f"{draws[seen.source]} where it is this draw that the generator has seen"
        for name, n, seen in _entries(spec)
        if seen.split_digest is None and seen.source in draws
    ]


def _entries(spec: JobSpec) -> Iterator[tuple[str, int, TrainedOn]]:
    for name, generator in spec.generators.items():
        for n, seen in enumerate(getattr(generator, "trained_on", None) or ()):
            yield name, n, seen

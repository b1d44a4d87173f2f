"""Tries a seeded sample of mutants of the core: `make mutants`.

Each mutant meets the tests that mirror its module, in a copy of the repository. Exit codes: 0
nine of ten of those that are not known to be equal were killed, 1 fewer were or nothing was judged
(the tests fail without any mutant, no mutant was tried), 2 the request is wrong.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.mutants.equal import Key, key_of, read_equal
from tests.mutants.mirror import stages_of
from tests.mutants.report import Judged, Report, as_json, lines_of
from tests.mutants.sampling import CORE, Drawn, sample
from tests.mutants.trial import Copy

REPOSITORY = Path(__file__).parents[2]


def main(words: Sequence[str] | None = None, repository: Path = REPOSITORY) -> int:
    """The exit code. repository: whose package `augment` is mutated."""
    asked = _parser().parse_args(words)
    try:
        drawn = sample(repository, asked.package or CORE, asked.count, asked.seed)
    except LookupError as error:
        print(error, file=sys.stderr)
        return 2
    end = time.monotonic() + 60 * asked.minutes if asked.minutes is not None else None
    with tempfile.TemporaryDirectory(prefix="augment-mutants-") as place:
        report = tried(
            Copy(repository, Path(place)), drawn, asked.seed, read_equal(),
            over=lambda: end is not None and time.monotonic() > end,
        )  # fmt: skip
    print(*lines_of(report), sep="\n", flush=True)
    if asked.json:
        Path(asked.json).write_text(as_json(report) + "\n", encoding="utf-8")
    return 0 if report.verdict == "enough" else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--count", type=int, default=40, help="mutants of the sample")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--package",
        action="extend",
        nargs="+",
        metavar="NAME",
        help=f"default: all of {', '.join(CORE)}",
    )
    parser.add_argument("--minutes", type=float, help="begin no other mutant after so many")
    parser.add_argument("--json", metavar="FILE", help="the report as JSON")
    return parser


def tried(
    copy: Copy,
    drawn: Sequence[Drawn],
    seed: int,
    equal: Mapping[Key, str],
    over: Callable[[], bool] = lambda: False,
) -> Report:
    """What becomes of each mutant until the time is over. Nothing is judged where the tests do
    not pass without one."""
    judged: list[Judged] = []
    if drawn and not copy.imports_itself("augment"):
        return Report(len(drawn), seed, (), "`import augment` finds another package than the copy")
    for one in drawn:
        if over():
            break
        try:
            judged.append(_judged(copy, one, equal))
        except KeyboardInterrupt:
            break  # what was judged is told
        except (_Failing, LookupError) as error:
            return Report(len(drawn), seed, tuple(judged), str(error))
        count = f"[{len(judged)}/{len(drawn)}]"
        change = f"{one.mutant.before} -> {one.mutant.after}"
        print(f"{count} {judged[-1].fate:9} {one.place} {change:.100}", file=sys.stderr, flush=True)
    return Report(len(drawn), seed, tuple(judged))


class _Failing(Exception):  # noqa: N818 - it names what the tests do
    """Tests that do not pass on the original can judge no mutant."""


def _judged(copy: Copy, one: Drawn, equal: Mapping[Key, str]) -> Judged:
    if (reason := equal.get(key_of(one))) is not None:
        return Judged(one, "equal", (), reason)
    ran: list[str] = []
    for tests in stages_of(copy.root, one.file):
        usual = copy.usual(tests)
        if usual.outcome != "passed":
            raise _Failing(f"without a mutant: {' '.join(tests)}: {usual.outcome}\n{usual.said}")
        ran += [test for test in tests if test not in ran]
        result = copy.mutated(one.file, one.mutant.text, tests)
        if result.outcome != "passed":
            return Judged(one, _FATES[result.outcome], tuple(ran))
    return Judged(one, "alive", tuple(ran))


_FATES = {"failed": "killed", "timed out": "timed out", "none": "killed"}

if __name__ == "__main__":
    sys.exit(main())

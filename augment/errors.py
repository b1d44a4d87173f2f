"""Every error that augment raises on purpose, and the exit code of each.

    AugmentError
    |-- RequestError              2  the request is wrong: nothing was started
    |   |-- SpecError                the job file; carries every problem at once
    |   |-- PlanError                unreachable quotas, unknown classes, a bad manifest
    |   |-- CheckpointError          a generator's files are not what the job says
    |   |   `-- UnsafeCheckpoint          a file holds code, or not what its format allows
    |   `-- OutputConflictError      the output holds another request's rows
    |-- GateError                 1  a limit or gate failed, before the work or after it
    `-- InterruptedRun            3  broke half-way; the same command resumes
        |-- StorageError             storage could not be read or written
        |-- ErrorBudgetExceeded      more bad inputs than `errors` allows
        `-- UnitFailed               a unit of work raised something unforeseen
    SampleError                      one sample is bad: becomes a quarantine row

A text names the place, what came, what was expected and the way out.
Knows nothing of where the errors are raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from augment.escaping import cut, line


class AugmentError(Exception):
    """Base of all errors raised on purpose. `exit_code` is what the command line returns.

    Made of one text, or of one a line. Whatever came from outside into a text, an error shows as
    `escaping.line` has it: no name and no library writes lines of its own into it.
    """

    exit_code = 3

    def __init__(self, *texts: str) -> None:
        super().__init__(*map(line, texts))

    def __str__(self) -> str:
        return "\n".join(self.args)


class RequestError(AugmentError):
    """The request is wrong; nothing was started."""

    exit_code = 2


_MOST_TEXT = 800
_MOST_PROBLEMS = 1000
_MOST_LINES = 40
_MOST_DETAIL = 400


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a request.

    place: where it stands, for example `job.yaml:12 synthesize[0].fill.to`.
    found: what came, as text. expected: what would have been right.
    hint: the way out, for example the nearest valid name; may be empty. Each is one line, as
    `escaping.line` has it, and cut at 800 characters.
    """

    place: str
    found: str
    expected: str
    hint: str = ""

    def __post_init__(self) -> None:
        for part in ("place", "found", "expected", "hint"):
            text = cut(line(getattr(self, part)), _MOST_TEXT)  # nobody reads a page of it
            object.__setattr__(self, part, text)

    def __str__(self) -> str:
        text = f"{self.place}: got {self.found}; expected {self.expected}"
        return f"{text}. {self.hint}" if self.hint else text


class _ProblemsError(RequestError):
    """Its text shows the first forty problems; `problems` holds the first thousand."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        if not problems:
            raise ValueError("an error of problems needs at least one problem")
        self.problems: tuple[Problem, ...] = tuple(problems)
        if len(self.problems) > _MOST_PROBLEMS:
            kept = _MOST_PROBLEMS - 1
            more = Problem("further on", f"{len(self.problems) - kept} more problems", "none")
            self.problems = (*self.problems[:kept], more)
        lines = [str(p) for p in self.problems[:_MOST_LINES]]
        if (rest := len(self.problems) - _MOST_LINES) > 0:
            lines.append(f"... and {rest} more problems")
        super().__init__(*lines)

    def __reduce__(self) -> tuple[type, tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class SpecError(_ProblemsError):
    """The job file cannot be accepted; `problems` holds everything found."""


class PlanError(_ProblemsError):
    """The job is well formed but cannot be planned; `problems` holds everything found."""


class CheckpointError(RequestError):
    """A generator's files are missing, changed, malformed or unsafe."""


class NotInstalled(CheckpointError):  # noqa: N818 - it names the machine's state
    """A package that a generator's family needs is not on this machine; another may have it."""


class UnsafeCheckpoint(CheckpointError):  # noqa: N818 - it names the file's state
    """Somebody's checkpoint file holds code, is malformed, or is larger than allowed.

    Nothing of it was executed. The text is `<file>: <what came>; <expected>; <way out>`.
    """


class OutputConflictError(RequestError):
    """The output table holds rows of another request."""


class GateError(AugmentError):
    """A limit or gate failed: before anything was begun where a plan shows it, else before the
    commit. The same command fails again, unless what it names has changed."""

    exit_code = 1


class InterruptedRun(AugmentError):  # noqa: N818 - it names the state of a run
    """The run broke half-way; nothing that was kept is lost and the same command resumes."""

    exit_code = 3


class StorageError(InterruptedRun):
    """Storage could not be read or written."""


class ErrorBudgetExceeded(InterruptedRun):
    """More bad inputs than the job's `errors` allows."""


class UnitFailed(InterruptedRun):
    """A unit of work raised something that no rule foresaw."""


class SampleError(Exception):
    """One sample cannot be used. Costs that sample, never the job.

    reason: a short code that is counted, for example `truncated`.
    detail: one sentence for a person; it is kept in records and shown, so it is cut at 400
    characters, whatever a library or a file's cell put into it.
    """

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = cut(detail, _MOST_DETAIL)
        super().__init__(line(f"{reason}: {self.detail}"))

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.reason, self.detail)

"""What a data set has lost, against what its job bears: while it is built, and before its commit.

In this order: a class of which nothing is left (exit code 1, whatever the budget), too many bad
inputs in all (3, as soon as it is known), and at the end too many of one class (3). Nothing is
committed then, and the same command tries again what was lost (`again.py`).
"""

from __future__ import annotations

from collections.abc import Iterable

from augment.errors import AugmentError
from augment.run.mixing.commit import CellResult, cell_results
from augment.run.mixing.emptied import (
    emptied_cells,
    emptied_inputs,
    refusal,
    refusal_of_nothing,
)
from augment.run.prepare import Frozen
from augment.run.synthesis.budget import Budget
from augment.write import Record


class Gates:
    """Is told of every record, also of those of earlier runs and of later tries."""

    def __init__(self, frozen: Frozen, records: Iterable[Record] = ()) -> None:
        self._frozen = frozen
        self._errors = frozen.prepared.job.spec.errors
        self._work = frozen.prepared.work.folder.uri
        self._budget = Budget(frozen)
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        self._budget.add(record)

    def check(self) -> None:
        """Raises:
        ErrorBudgetExceeded: too many inputs are bad. GateError: they are, and among them are
            all of a class.
        """
        if (error := self.early()) is not None:
            raise error

    def check_all(self, records: Iterable[Record]) -> None:
        """Once every unit is built. records: of all of them.

        Raises:
            GateError: a class, a kind of its rows, or everything is lost.
            ErrorBudgetExceeded: too many inputs are bad, in all or of one class.
        """
        if (error := self.final(records)) is not None:
            raise error

    def early(self) -> AugmentError | None:
        """Why the run has to stop although units are missing, if it has to."""
        if not self._budget.exceeded:
            return None
        whole = emptied_inputs(self._frozen.plan, self._budget, self._errors.allow_empty_classes)
        return refusal(whole, self._work) if whole else self._budget.refusal()

    def final(self, records: Iterable[Record]) -> AugmentError | None:
        """Why nothing may be committed, if it may not."""
        cells = cell_results(self._frozen, list(records))
        if (error := self._of_cells(cells)) is not None:
            return error
        if self._budget.exceeded:
            return self._budget.refusal()
        over = self._budget.over_share()
        return self._budget.refusal_of(over) if over else None

    def _of_cells(self, cells: list[CellResult]) -> AugmentError | None:
        if not any(cell.written for cell in cells):
            planned = sum(cell.planned for cell in cells)
            return refusal_of_nothing(planned, self._budget.lost, self._work)
        found = emptied_cells(cells, self._budget.lost, self._errors.allow_empty_classes)
        return refusal(found, self._work) if found else None

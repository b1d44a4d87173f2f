"""The last word of a run: why samples were rejected."""

from __future__ import annotations

from augment.cli.show.run import reason_lines
from augment.run.watch.account import Account


def test_why_samples_were_rejected_is_told_by_reason_and_class() -> None:
    def account(label: str, **rejected: int) -> Account:
        return Account("vae", label, 5, 15, 9, 5, rejected, 0, 5)

    accounts = [account("a", agreement=1, dark=1), account("b", agreement=3), account("c")]
    assert reason_lines(accounts) == [
        "rejected for agreement: 4 (vae b: 3, vae a: 1)",
        "rejected for dark: 1 (vae a: 1)",
    ]
    many = [account(f"{n:02}", agreement=1) for n in range(8)]
    (told,) = reason_lines(many)
    assert told.endswith("vae 04: 1 and 3 more)")
    (all_of_it,) = reason_lines(many, everything=True)
    assert all_of_it.endswith("vae 07: 1)")
    assert reason_lines([account("c")]) == []

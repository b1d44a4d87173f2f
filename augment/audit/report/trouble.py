"""Which classes of which splits have something against them: what is shown first of very many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def trouble_of(report: Mapping[str, Any]) -> dict[tuple[str | None, str | None], float]:
    """(split, class) -> how bad, above 0: broken limits, figures outside of what real images give,
    and labels that a classifier does not see. report: as `AuditReport.to_json`."""
    found: dict[tuple[str | None, str | None], float] = {}

    def add(one: Mapping[str, Any], how_bad: float) -> None:
        place = (one["split"], one["class"])
        found[place] = found.get(place, 0.0) + how_bad

    for limit in report["limits"]:
        if limit["ok"] is False:
            add(limit, 100.0)
    quality = report["quality"] or {}
    for figure in quality.get("figures", ()):
        if figure["apart"] and figure["measure"] in ("coverage", "vendi_ratio"):
            add(figure, 1.0)
    for labels in quality.get("labels", ()):
        share = labels["agreement"]
        if labels["maker"] is not None and share is not None and share < 0.8:
            add(labels, 10.0 * (1.0 - share))
    return found

"""Where links lead, looked up quickly, is where they lead."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from augment.storage import Odd, Reach
from augment.storage.reach import TruePlaces


@pytest.mark.parametrize("seed", range(20))
def test_true_places_are_those_of_the_system(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    root = tmp_path / "root"
    root.mkdir()
    folders = [root]
    for n in range(8):
        folders.append(draw.choice(folders) / f"d{n}")
        folders[-1].mkdir()
        (folders[-1] / "file").write_text("x")
    links: list[Path] = []
    for n in range(60):
        link = draw.choice(folders) / f"l{n}"
        target = draw.choice([*folders, *links]) / draw.choice(["", "file", ".", "..", "none/x"])
        if draw.random() < 0.6:
            target = Path(os.path.relpath(target, link.parent))
        text = str(target) + draw.choice(["", "", "/", "/."])
        link.symlink_to(
            draw.choice(["", "", "./", "../" + link.parent.name + "/"]) * (text[0] != "/") + text
        )
        links.append(link)
    places = TruePlaces()
    for link in links * 2:
        assert places.of(os.path.realpath(link.parent), link.name) == os.path.realpath(link)


def test_how_far_a_reach_goes() -> None:
    near = Reach(("/data",))
    assert [near.why_not(p) for p in ("/data", "/data/x", "/database/x", "/")] == [
        None, None, Odd.LEAVES, Odd.LEAVES,
    ]  # fmt: skip
    far = Reach(("/data",), follow=True, allowed=("/data/in", "/cache/"))
    assert [far.why_not(p) for p in ("/data/in/x", "/data/x", "/cache/x", "/cached")] == [
        None, Odd.REFUSED, None, Odd.REFUSED,
    ]  # fmt: skip
    assert Reach(("/",)).why_not("/anything") is None
    assert Reach(("/data",), follow=True).why_not("/anything") is None
    assert Reach(("/data",), allowed=()).why_not("/data/x") is Odd.REFUSED

"""Claims: every index is claimed once, whoever asks, in whatever order, at once or not."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.errors import StorageError
from augment.intervals import Intervals
from augment.storage import Folder
from augment.write.claims import Claim, Claims


def want(**needs: tuple[int, int]) -> dict[str, Intervals]:
    return {name: Intervals([span]) for name, span in needs.items()}


def counted(claims: Iterable[Claim | None]) -> Counter[tuple[str, int]]:
    return Counter((c, i) for one in claims if one for c, need in one.needs.items() for i in need)


def test_a_second_job_claims_only_what_is_left(tmp_path: Path) -> None:
    one, two = Claims(Folder(str(tmp_path)), "one"), Claims(Folder(str(tmp_path)), "two")
    first = one.claim(want(ant=(0, 10)), 4)
    assert first == Claim(0, "one", want(ant=(0, 10)), 4)
    second = two.claim(want(ant=(0, 15), bee=(0, 2)), 8)
    assert second == Claim(1, "two", want(ant=(10, 15), bee=(0, 2)), 8)
    assert one.claim(want(ant=(0, 12)), 4) is None
    assert one.all() == two.all() == [first, second]
    assert one.taken() == want(ant=(0, 15), bee=(0, 2))
    names = sorted(p.name for p in (tmp_path / "claims").iterdir())
    assert names == ["00000000.json", "00000001.json"]


def test_a_log_that_was_read_serves_who_claims(tmp_path: Path) -> None:
    Claims(Folder(str(tmp_path)), "one").claim(want(ant=(0, 10)), 4)
    read = Claims(Folder(str(tmp_path)), "")
    known = read.all()
    mine = read.under("two")
    assert mine.claim(want(ant=(5, 12)), 4) == Claim(1, "two", want(ant=(10, 12)), 4)
    assert mine.taken() == read.taken() == want(ant=(0, 12))
    assert known == read.all()[:1]


def test_nothing_to_claim_writes_nothing(tmp_path: Path) -> None:
    assert Claims(Folder(str(tmp_path)), "one").claim({"ant": Intervals()}, 4) is None
    assert list(tmp_path.iterdir()) == []


def test_a_claim_is_as_small_as_its_gaps_are_few(tmp_path: Path) -> None:
    claims = Claims(Folder(str(tmp_path)), "one")
    claims.claim({f"class-{i}": Intervals([(0, 10**6)]) for i in range(1000)}, 1000)
    assert (tmp_path / "claims/00000000.json").stat().st_size < 50_000  # 10^9 indexes


needs = st.dictionaries(
    st.sampled_from(["a", "b"]),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=3).map(
        lambda spans: Intervals((a, b) for a, b in spans if a < b)
    ),
)


@settings(deadline=None, max_examples=30, derandomize=True)
@given(st.lists(needs, min_size=1, max_size=5))
def test_every_index_is_claimed_once(
    tmp_path_factory: pytest.TempPathFactory, asked: list[Mapping[str, Intervals]]
) -> None:
    folder = Folder(str(tmp_path_factory.mktemp("claims")))
    made = [Claims(folder, str(i)).claim(n, 5) for i, n in enumerate(asked)]
    expected = {(c, i) for n in asked for c, indexes in n.items() for i in indexes}
    assert counted(made) == Counter(expected)
    assert Claims(folder, "x").all() == [claim for claim in made if claim]


@pytest.mark.parametrize("kind", ["local", "memory"])
def test_threads_at_once_share_out_the_indexes(tmp_path: Path, kind: str) -> None:
    folder = Folder(str(tmp_path) if kind == "local" else f"memory://{tmp_path.name}-claims")

    def job(i: int) -> list[Claim | None]:  # overlapping wishes, in several rounds
        claims = Claims(folder, f"job-{i}")
        return [claims.claim(want(ant=(0, 20 * r + i)), 7) for r in range(1, 6)]

    with ThreadPoolExecutor(8) as pool:
        made = [claim for claims in pool.map(job, range(8)) for claim in claims]
    assert counted(made) == Counter(("ant", i) for i in range(107))


def test_processes_at_once_share_out_the_indexes(tmp_path: Path) -> None:
    code = f"""
import sys
from augment.intervals import Intervals
from augment.storage import Folder
from augment.write.claims import Claims
claims = Claims(Folder({str(tmp_path)!r}), sys.argv[1])
print("ready", flush=True); sys.stdin.readline()
for stop in range(1, 40):
    claim = claims.claim({{"ant": Intervals([(0, stop)])}}, 4)
    print(*(claim.needs["ant"] if claim else ()))
"""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(i)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for i in range(2)
    ]  # fmt: skip
    for child in children:
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
    for child in children:  # both go, then both are read
        assert child.stdin
        child.stdin.write("go\n")
        child.stdin.flush()
    words = [word for child in children for word in child.communicate()[0].split()]
    assert Counter(map(int, words)) == Counter(range(39))


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"id": 1, "owner": "x", "need'])
def test_a_damaged_claim_names_the_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims/00000000.json").write_bytes(data)
    text = r"claims/00000000\.json: \d+ bytes that are no claim; .*use another pool"
    with pytest.raises(StorageError, match=text):
        Claims(Folder(str(tmp_path)), "one").all()

"""The audit of a whole data set: counts, shares, the log, and what rows must keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augment.audit import audit, render
from augment.errors import RequestError
from augment.sample import SampleRow
from tests.audit.conftest import JOB, JOB_FACTS, png

TRAIN_0 = "data/train/digits-0123456789ab/train-00000-aaaaaaaaaaaa.parquet"
TRAIN_1 = "data/train/digits-0123456789ab/train-00001-bbbbbbbbbbbb.parquet"
Change = Callable[[SampleRow], SampleRow]
Changed = Callable[[Callable[[SampleRow], bool], Change], str]


def findings(uri: str, **options: Any) -> list[str]:
    report = audit(uri, **options)
    assert report.ok == (not report.findings)
    return [f"{finding.check}: {finding.text}" for finding in report.findings]


def test_a_sound_data_set_passes_every_check(digits_set: Any) -> None:
    report = audit(digits_set.uri, deep=True)
    assert report.ok
    assert report.log == "agrees"
    assert (report.version, report.shards, report.classes) == (0, 3, ("0", "1", "7"))
    few = [check.name for check in report.checks if not check.passed]
    assert few == ["shortcut"]  # which needs more rows than there are
    assert report.generators == {"ae" * 32: "digits-vae"}


def test_shares_equal_a_plain_count_over_the_rows(digits_set: Any) -> None:
    rows = [
        row
        for path in sorted(digits_set.path.glob("data/**/*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]
    for share in audit(digits_set.uri).cells:
        group = dict(share.group)
        mine = [
            r for r in rows if (r["split"], r["label_name"]) == (group["split"], group["class"])
        ]
        kinds = Counter("generated" if r["generated"] else r["origin"] for r in mine)
        assert (share.real, share.augmented, share.generated) == (
            kinds["real"],
            kinds["augmented"],
            kinds["generated"],
        )
        real = {r["sha256"] for r in mine if r["origin"] == "real"}
        assert share.unique_real == len(real)
        assert share.synthetic_share == kinds["generated"] / len(mine)


def test_copies_of_generated_rows_are_generated_and_dilute_nothing(digits_set: Any) -> None:
    zero = next(
        s for s in audit(digits_set.uri).cells if dict(s.group)["class"] == "0" and s.generated
    )
    assert (zero.rows, zero.real, zero.augmented, zero.generated) == (9, 4, 2, 3)
    assert zero.synthetic_share == pytest.approx(1 / 3)
    assert zero.synthetic_to_real == 0.75


def test_a_group_without_real_rows_has_an_infinite_ratio(digits_set: Any) -> None:
    groups = {dict(s.group)["origin"]: s for s in audit(digits_set.uri, by="origin").groups}
    assert groups["synthetic"].synthetic_to_real is None
    assert groups["synthetic"].to_json()["synthetic_to_real"] == "infinite"
    assert groups["real"].synthetic_to_real == 0.0


def test_groups_add_up_and_name_their_words(digits_set: Any) -> None:
    report = audit(digits_set.uri, by=("class", "split", "origin", "generator", "source"))
    assert sum(share.rows for share in report.groups) == report.whole.rows == 25
    assert [word for word, _ in report.groups[0].group] == list(report.by)
    assert {dict(s.group)["generator"] for s in report.groups} == {None, "ae" * 32}
    assert sum(s.unique_real or 0 for s in report.groups) == report.whole.unique_real


def test_by_refuses_words_that_it_does_not_know(digits_set: Any) -> None:
    with pytest.raises(
        RequestError, match=r"^by: got 'colour'; expected some of class, split, orig"
    ):
        audit(digits_set.uri, by="class,colour")
    with pytest.raises(RequestError, match=r"^by: 'class' stands twice; name it once$"):
        audit(digits_set.uri, by="class,class")


def test_the_same_image_twice_is_one_unique_real_image(builder: Any, small_rows: Any) -> None:
    (path, rows), *_ = small_rows.items()
    twin = replace(rows[0], sample_id="f" * 32)
    builder.build({path: [rows[0], twin]})
    whole = audit(builder.uri).whole
    assert (whole.real, whole.unique_real) == (2, 1)


# ---- the log -------------------------------------------------------------------------


def test_rows_and_log_that_differ_are_named_with_both_figures(
    builder: Any, small_rows: Any
) -> None:
    builder.build(small_rows)
    for line in builder.log:
        if line["label_name"] == "7" and line["generator"]:
            line["n"] = 3
    builder.write_cube()
    report = audit(builder.uri)
    assert report.log == "differs"
    assert not report.ok
    assert [f.text for f in report.findings] == [
        f"shard {TRAIN_1}: split train, class '7', synthetic, generator {'ae' * 32}: "
        "4 rows, the log says 3"
    ]


def test_a_cell_that_only_the_log_knows_is_found(builder: Any, small_rows: Any) -> None:
    builder.build(small_rows)
    builder.log.append({**builder.log[0], "label_name": "9"})
    builder.write_cube()
    assert findings(builder.uri) == [
        f"log: shard {TRAIN_0}: split train, class '9', real: 0 rows, the log says 4"
    ]


def test_a_live_shard_without_a_cube_is_found(builder: Any, small_rows: Any) -> None:
    builder.build(small_rows)
    builder.log[:] = [line for line in builder.log if line["shard"] != TRAIN_1]
    builder.write_cube()
    assert findings(builder.uri) == [
        f"log: shard {TRAIN_1}: no counts cube in _provenance/ names it, so its 7 rows stand "
        "outside the log"
    ]


def test_a_lost_provenance_folder_fails_the_audit(builder: Any, small_rows: Any) -> None:
    builder.log.clear()
    builder.commit([builder.shard(path, rows, cube=False) for path, rows in small_rows.items()])
    assert len(findings(builder.uri)) == 3


def test_the_cube_of_a_broken_commit_counts_once(builder: Any, small_rows: Any) -> None:
    builder.build(small_rows)
    builder.write_cube("counts-000000000000")
    assert audit(builder.uri).ok


def test_cubes_speak_of_live_shards_only(builder: Any, small_rows: Any) -> None:
    builder.build(small_rows)
    builder.log.append({**builder.log[0], "shard": "data/train/x/orphan-000000000000.parquet"})
    builder.write_cube()
    assert audit(builder.uri).ok


def test_a_shard_with_another_number_of_rows_than_the_delta_log_says(
    builder: Any, small_rows: Any
) -> None:
    actions = [builder.shard(path, rows) for path, rows in small_rows.items()]
    actions[0].stats = '{"numRecords": 8}'
    builder.commit(actions)
    assert findings(builder.uri) == [f"log: shard {TRAIN_0}: holds 9 rows, the Delta log says 8"]


def test_many_differing_cells_are_listed_up_to_twenty(builder: Any, small_rows: Any) -> None:
    builder.build(small_rows)
    builder.log += [{**builder.log[0], "label_name": f"x{i:02}"} for i in range(25)]
    builder.write_cube()
    found = findings(builder.uri)
    assert len(found) == 21
    assert found[-1] == "log: 5 more cells of rows and log differ"


def test_an_older_version_is_audited_by_itself(builder: Any, small_rows: Any) -> None:
    (first, rows), *rest = small_rows.items()
    builder.build({first: rows})
    builder.commit([builder.shard(path, more) for path, more in rest])
    assert audit(builder.uri, version=0).whole.rows == 9
    assert audit(builder.uri).whole.rows == 25
    assert audit(builder.uri, version=0).ok


# ---- what every row must keep --------------------------------------------------------


def is_generated(row: SampleRow) -> bool:
    return row.generated


def is_copy(row: SampleRow) -> bool:
    return bool(row.transforms)


def is_test(row: SampleRow) -> bool:
    return row.split == "test"


def test_a_repeated_sample_id_is_found(changed: Changed, small_rows: Any) -> None:
    taken = small_rows[TRAIN_0][0].sample_id
    uri = changed(is_test, lambda row: replace(row, sample_id=taken))
    assert findings(uri) == [
        f"sample_id: 1 rows repeat the sample_id of another row, for example {taken}"
    ]


@pytest.mark.parametrize(
    ("fits", "change", "said"),
    [
        (is_generated, {"generator": None}, "generator: 1 rows are generated and name no gen"),
        (is_generated, {"marks": ()}, "marks: 1 rows are generated and list no mark; the first: "),
        (is_copy, {"parents": ()}, "parents: 1 rows are made from images and name no parent; "),
        (is_test, {"source": None}, "source: 1 rows are real and name no source; the first: "),
        (is_test, {"label": 2}, "label: 1 rows have a label that is not the place of their cla"),
        (is_test, {"label_name": "8"}, "label: 1 rows have a label that is not the place of th"),
        (is_test, {"generated": True}, "origin: 1 rows have an origin that is unknown or does"),
    ],
)
def test_a_row_that_breaks_a_promise_is_named(
    changed: Changed, fits: Callable[[SampleRow], bool], change: dict[str, Any], said: str
) -> None:
    seen: list[SampleRow] = []

    def alter(row: SampleRow) -> SampleRow:
        seen.append(replace(row, **change))
        return seen[0]

    found = findings(changed(fits, alter))
    line = next(text for text in found if text.startswith(said))
    assert f"sample {seen[0].sample_id} in shard data/" in line
    assert f"split {seen[0].split}, class {seen[0].label_name!r}" in line


def test_a_generated_row_of_a_model_needs_a_checkpoint(changed: Changed) -> None:
    def alter(row: SampleRow) -> SampleRow:
        assert row.generator is not None
        return replace(row, generator=replace(row.generator, checkpoint_sha256=""))

    (found,) = findings(changed(is_generated, alter))
    assert found.startswith("checkpoint: 1 rows are generated by a model and name no checkpoint")


def test_a_procedural_generator_has_no_checkpoint(changed: Changed) -> None:
    kind = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"

    def alter(row: SampleRow) -> SampleRow:
        assert row.generator is not None
        made_by = replace(row.generator, checkpoint_sha256="")
        return replace(row, generator=made_by, digital_source_type=kind)

    report = audit(changed(is_generated, alter))
    assert (report.ok, [found.check for found in report.findings]) == (True, ["procedural"])


def test_a_protected_split_holds_real_rows_only(changed: Changed) -> None:
    uri = changed(is_generated, lambda row: replace(row, split="test"))
    (found,) = [text for text in findings(uri) if text.startswith("protected")]
    assert found.startswith(
        "protected: 1 rows of protected splits are not untouched real images; the first: sample "
    )


def test_without_job_json_protection_is_not_checked(builder: Any, small_rows: Any) -> None:
    builder.build(small_rows)
    (builder.path / "_provenance" / "digits-0123456789ab" / "job.json").unlink()
    report = audit(builder.uri)
    check = next(c for c in report.checks if c.name == "protected")
    assert report.ok
    assert check.passed is None
    assert check.text == (
        "protected splits hold untouched real rows only: not checked, "
        "no job.json in _provenance/ names protected splits"
    )


def test_class_lists_may_grow_at_the_end_only(builder: Any, small_rows: Any) -> None:
    (first, rows), (second, more), (third, test) = small_rows.items()
    actions = [
        builder.shard(first, rows, classes=("0", "1", "7")),
        builder.shard(second, more, classes=("0", "1", "7", "8")),
    ]
    builder.commit(actions)
    assert audit(builder.uri).ok
    builder.commit([builder.shard(third, test, classes=("1", "0", "7"))])
    found = findings(builder.uri)
    assert found[0] == (
        f"classes: shard {TRAIN_0}: its class list [0, 1, 7] of 3 and that of an earlier shard "
        "[1, 0, 7] of 3 give one label two meanings"
    )
    assert any(text.startswith("label: 6 rows") for text in found)


# ---- images --------------------------------------------------------------------------


def test_deep_finds_changed_bytes(changed: Changed) -> None:
    uri = changed(is_test, lambda row: replace(row, sha256="0" * 64))
    assert findings(uri) == []
    (found,) = findings(uri, deep=True)
    assert found.startswith("hash: 1 images fail; the first: sample ")
    assert found.endswith(f"the row says {'0' * 64}")


def test_deep_finds_images_that_do_not_decode(changed: Changed) -> None:
    uri = changed(is_test, lambda row: replace(row, image=row.image[:60]))
    names = {text.split(":")[0] for text in findings(uri, deep=True)}
    assert names == {"hash", "decode"}


def test_deep_finds_a_size_that_is_not_the_row_s(changed: Changed) -> None:
    (found,) = findings(changed(is_test, lambda row: replace(row, width=9)), deep=True)
    assert found.endswith(": it is 8 x 8 pixels, the row says 9 x 8")


def test_deep_finds_a_row_without_bytes(changed: Changed) -> None:
    (found,) = findings(changed(is_test, lambda row: replace(row, image=b"")), deep=True)
    assert found.endswith(": the row holds no image bytes")


def test_deep_finds_a_lost_mark(changed: Changed, small_rows: Any) -> None:
    plain = small_rows[TRAIN_0][0]
    uri = changed(is_generated, lambda row: replace(row, image=plain.image, sha256=plain.sha256))
    (found,) = findings(uri, deep=True)
    assert found.endswith("it is generated, but its bytes hold no XMP packet that says so")


def test_deep_finds_a_mark_of_another_kind(changed: Changed) -> None:
    other = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeSynthetic"
    uri = changed(is_generated, lambda row: replace(row, digital_source_type=other))
    (found,) = findings(uri, deep=True)
    assert found.endswith(f"its XMP packet does not say {other}, which the row says")


@pytest.mark.parametrize(
    ("told", "passed", "text"),
    [
        ("unknown", None, "what generators were trained on is known: unknown of vae of {job}"),
        (None, None, "what generators were trained on is known: unknown of vae of {job}"),
        (
            [{"source": "digits", "splits": ["train"]}],
            True,
            "what generators were trained on is known: 1 generators",
        ),
    ],
)
def test_what_a_generator_has_seen(
    builder: Any, small_rows: Any, told: Any, passed: bool | None, text: str
) -> None:
    """Not knowing fails no audit, but it is said; a procedural generator has seen nothing."""
    builder.build(small_rows)
    facts = {
        "vae": {"checkpoint_sha256": "ab" * 32, "trained_on": told},
        "palette": {"checkpoint_sha256": "", "trained_on": "unknown"},
    }
    builder.job({**JOB_FACTS, "generators": facts})
    report = audit(builder.uri)
    (check,) = [c for c in report.checks if c.name == "trained_on"]
    assert (check.passed, check.text) == (passed, text.format(job=JOB))
    assert report.ok


@pytest.mark.parametrize(
    ("seen", "passed", "text"),
    [
        ({"split_digest": "aa"}, True, "what generators were trained on is known: 1 generators"),
        (
            {},
            None,
            "what generators were trained on is known: not which draw of the splits it was, of "
            "vae of {job}",
        ),
        (
            {"split_digest": "bb"},
            False,
            "vae of {job}: it has seen draw bb of the splits of source digits, whose images are "
            "drawn as aa here: protected ones may be among those it has seen",
        ),
        (
            {"split_digest": "aa", "splits": ["test"]},
            False,
            "vae of {job}: it has seen the protected split 'test' of source digits",
        ),
    ],
)
def test_which_draw_of_the_splits_a_generator_has_seen(
    builder: Any, small_rows: Any, seen: Any, passed: bool | None, text: str
) -> None:
    builder.build(small_rows)
    told = [{"source": "digits", "splits": ["train"], **seen}]
    generators = {"vae": {"checkpoint_sha256": "ab" * 32, "trained_on": told}}
    sources = {"digits": {"split_digest": "aa"}}
    builder.job({**JOB_FACTS, "generators": generators, "sources": sources})
    report = audit(builder.uri)
    (check,) = [c for c in report.checks if c.name == "trained_on"]
    assert check.passed is passed
    texts = [f.text for f in report.findings] if passed is False else [check.text]
    assert texts == [text.format(job=JOB)]
    assert report.ok is (passed is not False)


def test_classes_of_rows_that_no_list_names_are_classes_all_the_same(tmp_path: Path) -> None:
    """A foreign table has no class list."""
    rows = {
        "image": [{"bytes": png(n), "path": None} for n in range(3)],
        "label_name": ["b", "a", "b"],
        "split": ["train", "train", "test"],
        "origin": ["real"] * 3,
        "generated": [False] * 3,
    }
    pq.write_table(pa.table(rows), tmp_path / "part.parquet")
    report = audit(str(tmp_path))
    assert report.classes == ("a", "b")
    assert "2 classes; counts from the rows" in render(report)

"""Manifests in three formats, every problem's text, and the way there and back."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from augment.errors import PlanError
from augment.intervals import Intervals
from augment.plan import Draw, ManifestRows, Plan, manifest_batches, read_manifest
from augment.sample import MANIFEST_SCHEMA
from augment.seeds import class_conditioning, synthetic_id

PlanOf = Callable[..., Plan]
_JOB: dict[str, Any] = {
    "counts": {"train": {"cat": 5, "dog": 5}, "test": {"cat": 1}},
    "generators": {"gan": ["cat", "dog"], "vae": ["cat"]},
}


def _parquet(columns: dict[str, Any]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def _plan(plan_of: PlanOf, rows: ManifestRows, *names: str, **more: Any) -> Plan:
    rule = {"generators": list(names or ("gan",)), "manifest": rows.name}
    return plan_of(
        _JOB["counts"],
        generators=_JOB["generators"],
        manifests={0: rows},
        synthesize=[rule, *more.pop("rules", [])],
        **more,
    )


def _refused(act: Callable[[], object]) -> list[str]:
    with pytest.raises(PlanError) as caught:
        act()
    return [str(p) for p in caught.value.problems]


# ---- what is read --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("m.csv", b"label_name,count\ncat,3\n\ndog,\n"),
        ("m.csv", b"\xef\xbb\xbflabel_name,count\r\ncat,3\r\ndog,1\r\n"),
        ("m.jsonl", b'{"label_name": "cat", "count": 3}\n\n{"label_name": "dog"}\n'),
        ("m.NDJSON", b'{"label_name": "dog", "count": null}\n{"label_name":"cat","count":3}'),
        ("m.parquet", _parquet({"label_name": ["cat", "dog"], "count": pa.array([3, None])})),
    ],
)
def test_each_format_says_the_same(plan_of: PlanOf, name: str, data: bytes) -> None:
    plan = _plan(plan_of, read_manifest(name, data))
    assert plan.draws == (Draw("gan", "cat", "train", 3), Draw("gan", "dog", "train", 1))


def test_all_columns(plan_of: PlanOf) -> None:
    data = b"generator,label_name,split,count\nvae,cat,train,2\ngan,cat,more,3\ngan,cat,more,1\n"
    plan = plan_of(
        {"train": {"cat": 1}, "more": {"cat": 1}},
        generators={"gan": ["cat"], "vae": ["cat"]},
        manifests={0: read_manifest("m.csv", data)},
        protected_splits=[],
        synthesize=[{"generators": ["gan", "vae"], "manifest": "m.csv"}],
    )
    assert plan.draws == (Draw("gan", "cat", "more", 4), Draw("vae", "cat", "train", 2))


def test_indexes_are_exact(plan_of: PlanOf) -> None:
    data = b"label_name,index\ncat,7\ncat,5\ndog,0\ncat,6\n"
    plan = _plan(plan_of, read_manifest("m.csv", data))
    assert plan.draws == (
        Draw("gan", "cat", "train", 3, Intervals([(5, 8)])),
        Draw("gan", "dog", "train", 1, Intervals([(0, 1)])),
    )
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_dictionary_encoded_and_large_text(plan_of: PlanOf) -> None:
    labels = pa.array(["cat", "dog", "cat"]).dictionary_encode()
    counts = pa.array([1, 2, 3], pa.uint16())
    rows = read_manifest("m.parquet", _parquet({"label_name": labels, "count": counts}))
    assert _plan(plan_of, rows).rows("train") == 16
    large = pa.array(["cat"], pa.large_string())
    assert _plan(plan_of, read_manifest("m.parquet", _parquet({"label_name": large}))).draws


# ---- there and back ------------------------------------------------------------------


def test_a_written_manifest_makes_the_same_samples(plan_of: PlanOf) -> None:
    plan = plan_of(
        _JOB["counts"],
        generators=_JOB["generators"],
        synthesize=[{"generators": ["gan", "vae"], "fill": {"to": 60}}],
    )
    batches = list(manifest_batches(plan, rows_per_batch=7))
    table = pa.Table.from_batches(batches, MANIFEST_SCHEMA)
    assert table.num_rows == sum(d.n for d in plan.draws) == 110
    assert [len(b) for b in batches] == [7] * 15 + [5]
    assert table["sample_id"].to_pylist() == [
        synthetic_id(
            7,
            f"identity of {row['generator']}",
            "s" * 8,
            class_conditioning(row["label_name"]),
            row["index"],
        )
        for row in table.to_pylist()
    ]
    parquet, text = io.BytesIO(), io.BytesIO()
    pq.write_table(table, parquet)
    pyarrow.csv.write_csv(table, text)
    for name, data in (("m.parquet", parquet.getvalue()), ("m.csv", text.getvalue())):
        again = _plan(plan_of, read_manifest(name, data), "gan", "vae")
        assert again.cells == plan.cells
        assert pa.Table.from_batches(manifest_batches(again)).equals(table)


def test_splits_of_a_cell_take_indexes_one_after_the_other(plan_of: PlanOf) -> None:
    rules = [{"generators": ["g"], "fill": {"to": n}, "split": s} for s, n in (("t", 5), ("s", 3))]
    plan = plan_of(
        {"t": {"a": 1}, "s": {"a": 1}},
        generators={"g": ["a"]},
        protected_splits=[],
        synthesize=rules,
    )
    rows = [(r["split"], r["index"]) for b in manifest_batches(plan) for r in b.to_pylist()]
    assert rows == [("s", 0), ("s", 1), ("t", 2), ("t", 3), ("t", 4), ("t", 5)]


# ---- form ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "problems"),
    [
        ("m.txt", b"", ["m.txt: got the ending .txt; expected one of .parquet, .csv, .jsonl"]),
        ("m.csv", b"", ["m.csv: got an empty file; expected a header and rows"]),
        (
            "m.csv",
            b"label,generator\nx,y\n",
            [
                "m.csv: column label: got an unknown column; expected one of generator, "
                "label_name, split, count, index, sample_id. The class stands in `label_name`"
            ],
        ),
        (
            "m.csv",
            b"split,split\nx,y\n",
            ["m.csv: column split: got the column twice; expected once"],
        ),
        (
            "m.csv",
            b"label_name,count\ncat\ndog,2,3\n",
            [
                "m.csv: row 1: got 1 values; expected 2, one per column",
                "m.csv: row 2: got 3 values; expected 2, one per column",
            ],
        ),
        (
            "m.csv",
            b"label_name,count\ncat,3\ndog,many\ncat,2.5\n",
            [
                "m.csv: row 2, column count: got 'many'; expected a whole number",
                "m.csv: row 3, column count: got '2.5'; expected a whole number",
            ],
        ),
        (
            "m.csv",
            b"label_name,index\ncat,99999999999999999999\n",
            [
                "m.csv: row 1, column index: got 99999999999999999999; expected a whole number "
                "up to 9223372036854775807"
            ],
        ),
        (
            "m.csv",
            "label_name\nk\u00e4se\n".encode("latin-1"),
            ["m.csv: got bytes that are not UTF-8 (at 12); expected UTF-8 text. Save it as UTF-8"],
        ),
        (
            "m.csv",
            b'label_name\n"cat\n',
            [
                "m.csv: line 2: got broken CSV (unexpected end of data); expected "
                "comma-separated values"
            ],
        ),
        (
            "m.jsonl",
            b'{"label_name": "cat", "count": true}\n{"label_name": 3, "index": 1.0}\n',
            [
                "m.jsonl: row 1, column count: got True; expected a whole number",
                "m.jsonl: row 2, column label_name: got 3; expected text",
                "m.jsonl: row 2, column index: got 1.0; expected a whole number",
            ],
        ),
        (
            "m.jsonl",
            b'{"label_name": "cat"}\n[1]\n{"label',
            [
                "m.jsonl: row 2: got a JSON list; expected one object a line",
                "m.jsonl: row 3: got broken JSON (Unterminated string starting at: line 1 column "
                "2 (char 1)); expected one object a line",
            ],
        ),
        (
            "m.parquet",
            _parquet({"label": ["cat"]}),
            [
                "m.parquet: column label: got an unknown column; expected one of generator, "
                "label_name, split, count, index, sample_id. The class stands in `label_name`"
            ],
        ),
        (
            "m.parquet",
            _parquet({"label_name": [1], "count": [1.5]}),
            [
                "m.parquet: column label_name: got the type int64; expected text",
                "m.parquet: column count: got the type double; expected whole numbers",
            ],
        ),
        (
            "m.parquet",
            _parquet({"count": pa.array([1 << 63], pa.uint64())}),
            ["m.parquet: column count: got numbers that do not fit; expected int64"],
        ),
    ],
)
def test_form(name: str, data: bytes, problems: list[str]) -> None:
    assert _refused(lambda: read_manifest(name, data)) == problems


@pytest.mark.parametrize(
    ("name", "line", "text"),
    [
        ("m.csv", "cat,2,3", "row 1: got 3 values; expected 2, one per column"),
        ("m.csv", "cat," + "9" * 5000, "row 1, column count: got '" + "9" * 76 + "..."),
        ("m.csv", "cat,\N{ARABIC-INDIC DIGIT FIVE}", "row 1, column count: got '\u0665'"),
        ("m.jsonl", "[" * 100_000, "row 1: got broken JSON ("),
        ("m.jsonl", '{"count": ' + "9" * 5000 + "}", "row 1: got broken JSON ("),
        ("m.jsonl", '{"label_name": ' + "[1]" * 1 + "}", "column label_name: got a list of 1"),
        ("m.jsonl", '"' + "x" * (1 << 21) + '"', "row 1: got a line of more than 1048576 char"),
    ],
    ids=lambda value: value[:12],
)
def test_hostile_rows_are_told_in_a_line_and_counted(name: str, line: str, text: str) -> None:
    head = "label_name,count\n" if name == "m.csv" else ""
    repeated = 1 if len(line) > 1 << 20 else 200
    found = _refused(lambda: read_manifest(name, (head + f"{line}\n" * repeated).encode()))
    assert found[0].startswith(f"{name}: {text}") or text in found[0]
    assert all(len(said) < 400 for said in found)
    if repeated > 1:
        assert found[-1] == f"{name}: got 200 problems; expected none. The first 20 are listed"


def test_rows_are_read_in_batches() -> None:
    rows = 40_000
    lines = [f"class {n % 7},{n}" for n in range(rows)]
    table = read_manifest("m.csv", "\n".join(["label_name,index", *lines]).encode()).table
    assert (table.num_rows, table.column_names) == (rows, ["label_name", "index"])
    assert table.column("index").to_pylist() == list(range(rows))
    objects = [f'{{"label_name": "class {n % 7}", "index": {n}}}' for n in range(rows)]
    assert read_manifest("m.jsonl", "\n".join(objects).encode()).table.equals(table)


def test_a_manifest_of_too_many_rows_is_refused_before_it_is_read() -> None:
    column = pa.array(["a"] * 1000)
    out = pa.BufferOutputStream()
    with pq.ParquetWriter(out, pa.schema([("label_name", pa.string())])) as writer:
        for _ in range(51):
            table = pa.table({"label_name": pa.chunked_array([column] * 1000)})
            writer.write_table(table, row_group_size=1 << 20)
    data = out.getvalue().to_pybytes()
    assert _refused(lambda: read_manifest("m.parquet", data)) == [
        "m.parquet: got more than 50000000 rows; expected fewer. "
        "Use `count`: one row stands for many samples"
    ]


def test_texts_of_every_kind_in_parquet() -> None:
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        data = _parquet({"label_name": pa.array(["a", "b"], kind)})
        table = read_manifest("m.parquet", data).table
        assert table.column("label_name").to_pylist() == ["a", "b"]


def test_no_parquet() -> None:
    (text,) = _refused(lambda: read_manifest("m.parquet", b"PK\x03\x04 not parquet"))
    assert text.startswith("m.parquet: got no readable Parquet (")
    assert "magic bytes not found" in text
    assert text.endswith("; expected a Parquet file")


# ---- names and numbers ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "data", "problems"),
    [
        (
            ("gan",),
            "label_name\n",
            ["m.csv: got 0 rows; expected at least 1: a rule must add something"],
        ),
        (
            ("gan", "vae"),
            "count\n3\n",
            [
                "m.csv: column label_name: got no such column; expected it: every row has one",
                "m.csv: column generator: got no such column; expected it: the rule names several",
            ],
        ),
        (
            ("gan", "vae"),
            "generator,label_name,split\nagn,cat,train\ngan,cta,\n,cat,test\nvae,,train\n",
            [
                "m.csv: row 1, column generator: got 'agn'; expected one of gan, vae. "
                "Did you mean 'gan'?",
                "m.csv: row 3, column generator: got nothing; expected one of gan, vae",
                "m.csv: row 2, column label_name: got 'cta'; expected one of cat, dog. "
                "Did you mean 'cat'?",
                "m.csv: row 4, column label_name: got nothing; expected one of cat, dog",
                "m.csv: row 3, column split: got 'test'; expected train",
            ],
        ),
        (
            ("gan", "vae"),
            "generator,label_name\ngan,dog\nvae,dog\n",
            [
                "m.csv: row 2, column label_name: got 'dog'; expected a class that generator vae "
                "can make"
            ],
        ),
        (
            ("gan",),
            "label_name,count,index\ncat,-2,\ncat,0,\ncat,2,5\ndog,,-1\n",
            [
                "m.csv: row 3, column count: got 2 together with index 5; expected one of them: "
                "an index is one sample",
                "m.csv: row 1, column count: got -2; expected a whole number >= 1",
                "m.csv: row 2, column count: got 0; expected a whole number >= 1",
                "m.csv: row 4, column index: got -1; expected a whole number >= 0",
            ],
        ),
        (
            ("gan",),
            "label_name,index,sample_id\ncat,1,\ncat,,\ndog,,abc\n",
            [
                "m.csv: row 2, column index: got nothing, while other rows of gan / cat have an "
                "index; expected an index in all rows of a generator's class or in none",
                "m.csv: row 3, column sample_id: got an id without an index; expected an index "
                "with it, so that the id can be checked",
            ],
        ),
        (
            ("gan",),
            "label_name,index\ncat,1\ndog,1\ncat,0\ncat,1\n",
            [
                "m.csv: row 4, column index: got 1, which row 1 has already for gan / cat; "
                "expected every index once"
            ],
        ),
    ],
)
def test_names_and_numbers(
    plan_of: PlanOf, names: tuple[str, ...], data: str, problems: list[str]
) -> None:
    rows = read_manifest("m.csv", data.encode())
    assert _refused(lambda: _plan(plan_of, rows, *names)) == problems


def test_an_id_of_another_seed(plan_of: PlanOf) -> None:
    right = synthetic_id(7, "identity of gan", "s" * 8, class_conditioning("cat"), 4)
    good = read_manifest("m.csv", f"label_name,index,sample_id\ncat,4,{right}\n".encode())
    assert _plan(plan_of, good).draws
    bad = read_manifest("m.csv", f"label_name,index,sample_id\ncat,5,{right}\n".encode())
    (text,) = _refused(lambda: _plan(plan_of, bad))
    other = synthetic_id(7, "identity of gan", "s" * 8, class_conditioning("cat"), 5)
    assert text == (
        f"m.csv: row 1, column sample_id: got '{right}'; expected {other}. The manifest is of "
        "another seed, checkpoint or sampling"
    )


def test_many_problems_are_counted(plan_of: PlanOf) -> None:
    rows = read_manifest("m.csv", ("label_name\n" + "cow\n" * 57).encode())
    problems = _refused(lambda: _plan(plan_of, rows))
    assert len(problems) == 21
    assert problems[-1] == "m.csv: got 57 problems; expected none. The first 20 are listed"


def test_a_class_outside_the_rules_classes(plan_of: PlanOf) -> None:
    rule = {"generators": ["gan"], "manifest": "m.csv", "classes": ["dog"]}
    rows = read_manifest("m.csv", b"label_name\ncat\n")
    assert _refused(
        lambda: plan_of(
            {"cat": 1, "dog": 1},
            generators={"gan": ["cat", "dog"]},
            manifests={0: rows},
            synthesize=[rule],
        )
    ) == ["m.csv: row 1, column label_name: got 'cat'; expected dog"]


def test_weights_beside_a_manifest(plan_of: PlanOf) -> None:
    rule = {"generators": {"gan": 2.0}, "manifest": "m.csv"}
    rows = read_manifest("m.csv", b"label_name\ncat\n")
    assert _refused(
        lambda: plan_of(
            {"cat": 1}, generators={"gan": ["cat"]}, manifests={0: rows}, synthesize=[rule]
        )
    ) == [
        "synthesize[0].generators: got weights; expected no weights beside `manifest`. Give a "
        "list: the manifest says how many each makes"
    ]


def test_exact_indexes_and_numbers_of_one_cell(plan_of: PlanOf) -> None:
    rows = read_manifest("m.csv", b"label_name,index\ncat,3\n")
    rule = {"generators": ["gan"], "fill": {"to": 20}}
    assert _refused(lambda: _plan(plan_of, rows, rules=[rule])) == [
        "synthesize[0]: got exact indexes of gan / cat, of which synthesize[1] draws by number; "
        "expected one way per generator and class. List all of them by index, or none"
    ]


def test_two_manifests_with_one_index(plan_of: PlanOf) -> None:
    rows = read_manifest("m.csv", b"label_name,index\ncat,3\ncat,9\n")
    more = read_manifest("n.csv", b"label_name,index\ncat,9\ncat,10\n")
    rules = [{"generators": ["gan"], "manifest": m} for m in ("m.csv", "n.csv")]
    made = {"generators": {"gan": ["cat"]}, "synthesize": rules}
    assert _refused(lambda: plan_of({"cat": 1}, **made, manifests={0: rows, 1: more})) == [
        "synthesize[1]: got index 9 of gan / cat, which another rule takes; expected every "
        "index once"
    ]
    apart = read_manifest("n.csv", b"label_name,index\ncat,10\n")
    plan = plan_of({"cat": 1}, **made, manifests={0: rows, 1: apart})
    assert plan.draws == (Draw("gan", "cat", "train", 3, Intervals([(3, 4), (9, 11)])),)


def test_a_large_draw_is_streamed_without_a_gap(plan_of: PlanOf) -> None:
    rule = {"generators": ["g"], "fill": {"to": {"a": 10_001, "b": 3}}}
    plan = plan_of({"a": 1, "b": 1}, generators={"g": "ab"}, synthesize=[rule])
    batches = list(manifest_batches(plan, rows_per_batch=9_000))
    assert [b.num_rows for b in batches] == [9_000, 1_002]
    rows = [(r["label_name"], r["index"]) for b in batches for r in b.to_pylist()]
    assert rows == [("a", i) for i in range(10_000)] + [("b", 0), ("b", 1)]

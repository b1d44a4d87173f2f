"""What each wrong request is told: one edit of a job that is right, and the exact text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augment.generators.catalog import FAMILIES
from augment.spec import Job

Problems = Callable[..., list[str]]

FAMILY_NAMES = ", ".join(family.name for family in FAMILIES)
SHARES = {"train": 0.9, "validation": 0.1}
WEIGHTS = {"generators.other": {"family": "palette", "classes": ["0"]}}
NO_SHARE = "synthesize.0.fill"

ONE_EDIT: list[tuple[dict[str, Any], str]] = [
    # ---- shapes ----
    (
        {"outptu": {}},
        "outptu: got an unknown key; expected one of about, augmentations, classes, errors, "
        "execution, filters, generators, limits, max_attempts_per_sample, name, on_shortfall, "
        "output, pool, protected_splits, seed, sources, split_seed, synthesize, version. "
        "Did you mean 'output'?",
    ),
    (
        {"sources.real.format": "imagefoldr"},
        "sources.real.format: got 'imagefoldr'; expected one of imagefolder, parquet. "
        "Did you mean 'imagefolder'?",
    ),
    (
        {"generators.fake.family": "palete"},
        f"generators.fake.family: got 'palete'; expected one of {FAMILY_NAMES}. "
        "Did you mean 'palette'?",
    ),
    (
        {"generators.fake.sampling": {"contrst": 1}},
        "generators.fake.sampling.contrst: got an unknown key; expected contrast. "
        "Did you mean 'contrast'?",
    ),
    (
        {"generators.fake.sampling": {"contrast": 2}},
        "generators.fake.sampling.contrast: got 2; expected a number <= 1",
    ),
    (
        {"generators.fake.family": "vae", "generators.fake.checkpoint": "."},
        "generators.fake.classes: got an unknown key; expected one of checkpoint, class_index, "
        "family, label, license, preprocess, sampling, sha256, trained_on. "
        "Did you mean 'class_index'?",
    ),
    # ---- links and class folders ----
    (
        {"sources.real.uri": "s3://b/x", "sources.real.follow_links": True},
        "sources.real.follow_links: got true, which has no effect on 's3://b/x': object stores "
        "have no links; expected no such key",
    ),
    (
        {"sources.real.empty_classes": "keep", "classes": {"names": ["0", "1", "2"]}},
        "sources.real.empty_classes: got keep, which has no effect: `classes` says which classes "
        "there are; expected no such key",
    ),
    (
        {"sources.real.empty_classes": "leave"},
        "sources.real.empty_classes: got 'leave'; expected one of drop, keep",
    ),
    (
        {"name": "two words"},
        "name: got 'two words'; expected a name of at most 64 letters, digits, '.', '_' and '-' "
        "that starts with a letter or digit",
    ),
    (
        {"on_shortfall": "wran"},
        "on_shortfall: got 'wran'; expected one of fail, warn. Did you mean 'warn'?",
    ),
    (
        {"synthesize.0.fill.to": "maxx"},
        "synthesize[0].fill.to: got 'maxx'; expected a whole number or max or a mapping. "
        "Did you mean 'max'?",
    ),
    (
        {"synthesize.0.fill.to": {}},
        "synthesize[0].fill.to: got an empty mapping; expected at least 1 entry",
    ),
    (
        {"synthesize.0.generators": []},
        "synthesize[0].generators: got an empty list; expected at least 1 entry",
    ),
    (
        {"limits": {"synthetic_share": {"max": float("nan")}}},
        "limits.synthetic_share.max: got nan; expected a finite number",
    ),
    # ---- sources and classes ----
    (
        {"sources.real.uri": "hf://set"},
        "sources.real.uri: got 'hf://set': the scheme hf://; expected a path, or a URI that starts "
        "with one of abfs://, abfss://, az://, file://, gcs://, gs://, memory://, s3://, s3a://",
    ),
    ({"sources.real.uri": ""}, "sources.real.uri: got ''; expected a path or URI"),
    (
        {"sources.real.splits": {}},
        "sources.real.splits: got an empty mapping; expected at least one split",
    ),
    (
        {"sources.real.splits": {"train": 0.5, "test": "x"}},
        "sources.real.splits: got texts and shares in one source; expected all texts (folders or "
        "values) or all shares (numbers). A folder whose name is a number needs quotes",
    ),
    (
        {"sources.real.splits": {"train": 0.9, "test": 0.05}},
        "sources.real.splits: got shares that sum to 0.95; expected shares that sum to 1",
    ),
    (
        {"sources.real.splits": {"train": 1, "test": 0}},
        "sources.real.splits.test: got 0, so that the split is empty; expected a share above 0",
    ),
    (
        {
            "sources.real": {
                "format": "parquet",
                "uri": "x",
                "splits": {"train": 1},
                "columns": {"split": "s"},
            }
        },
        "sources.real.columns.split: got 's', which has no effect: the splits are shares; "
        "expected no such key",
    ),
    (
        {"sources.real.label_map": {}},
        "sources.real.label_map: got neither file nor map; expected exactly one of them",
    ),
    (
        {"sources.real.label_map": {"file": "gone.csv"}},
        "sources.real.label_map.file: got 'gone.csv', no such file; expected CSV with the header "
        "from,to, or a YAML or JSON mapping. Looked at {folder}/gone.csv",
    ),
    (
        {"sources.real.label_map": {"map": {"x": "ctas"}}, "classes": {"names": ["cats", "dogs"]}},
        "sources.real.label_map.map.x: got the class 'ctas'; expected one of cats, dogs. "
        "Did you mean 'cats'?",
    ),
    ({"classes": {}}, "classes: got neither file nor names; expected exactly one of them"),
    (
        {"classes": {"names": ["a", "b", "a"]}},
        "classes.names[2]: got 'a' a second time; expected each name once",
    ),
    (
        {"classes": {"file": "gone.txt"}},
        "classes.file: got 'gone.txt', no such file; expected a file of one class name a line. "
        "Looked at {folder}/gone.txt",
    ),
    (
        {"protected_splits": ["tset"]},
        "protected_splits[0]: got the split 'tset'; expected one of test, train. "
        "Did you mean 'test'?",
    ),
    # ---- generators ----
    (
        WEIGHTS,
        "generators.other: got a generator that no rule uses; expected no such key. "
        "Name it under `generators` of a rule of `synthesize`, or remove it",
    ),
    (
        {"generators.fake": {"family": "vae", "checkpoint": "gone"}},
        "generators.fake.checkpoint: got 'gone', no such folder; expected the folder of a "
        "checkpoint. Looked at {folder}/gone",
    ),
    (
        {"synthesize.0.generators": ["fake", "fkae"]},
        "synthesize[0].generators[1]: got the generator 'fkae'; expected fake. "
        "Did you mean 'fake'?",
    ),
    (
        {"synthesize.0.generators": ["fake", "fake"]},
        "synthesize[0].generators[1]: got 'fake' a second time; expected each name once",
    ),
    (
        {"synthesize.0.generators": {"fake": 2}},
        "synthesize[0].generators: got a mapping of fake, which has no effect: weights need "
        "several generators and `fill`; expected a list of names",
    ),
    (
        {**WEIGHTS, "synthesize.0.generators": {"fake": 1, "other": 0}},
        "synthesize[0].generators.other: got 0; expected a number > 0",
    ),
    # ---- rules ----
    (
        {"augmentations.0.fill": {"to": 3}},
        "augmentations[0]: got both copies and fill; expected exactly one of them",
    ),
    (
        {"augmentations.0.copies": None},
        "augmentations[0]: got neither copies nor fill; expected exactly one of them",
    ),
    (
        {"augmentations.0.ops": None, "augmentations.0.pipeline": None},
        "augmentations[0]: got neither ops nor pipeline; expected exactly one of them",
    ),
    (
        {"augmentations.1": {"name": "light", "copies": 2, "ops": ["Blur"]}},
        "augmentations[1].name: got 'light' a second time; "
        "expected a name of its own (first in augmentations[0])",
    ),
    (
        {"augmentations.0.from": {"origin": ["reel"]}},
        "augmentations[0].from.origin[0]: got 'reel'; expected one of real, synthetic, translated. "
        "Did you mean 'real'?",
    ),
    (
        {"augmentations.0.from": {"splits": ["test"]}},
        "augmentations[0].from.splits[0]: got the protected split 'test'; expected train. "
        "Protected splits hold real rows only; `protected_splits` says which they are",
    ),
    (
        {"augmentations.0.from": {"classes": ["dgos"]}, "classes": {"names": ["cats", "dogs"]}},
        "augmentations[0].from.classes[0]: got the class 'dgos'; expected one of cats, dogs. "
        "Did you mean 'dogs'?",
    ),
    (
        {"protected_splits": ["train", "test"], "synthesize": [], "generators": {}, "filters": []},
        "augmentations[0]: got no split to vary: all are protected; "
        "expected a split that is not protected",
    ),
    (
        {
            "augmentations.0.from": {"origin": ["real", "synthetic"]},
            "synthesize": [],
            "generators": {},
            "filters": [],
        },
        "augmentations[0].from.origin: got synthetic, but nothing is synthesized; expected real. "
        "Or add `synthesize`",
    ),
    (
        {
            "augmentations.0.from": {"origin": ["synthetic"]},
            "synthesize.0.fill": {"share": 0.3},
        },
        "augmentations[0].from.origin: got synthetic beside a rule with fill.share; expected real, "
        "or rules without fill.share. Copies of synthetic rows would change the share they are "
        "counted in: give counts with fill.to",
    ),
    (
        {"synthesize.0.manifest": "m.csv"},
        "synthesize[0]: got both fill and manifest; expected exactly one of them",
    ),
    (
        {"synthesize.0": {"generators": ["fake"], "manifest": "m.csv"}},
        "synthesize[0].manifest: got 'm.csv', no such file; expected a manifest. "
        "Looked at {folder}/m.csv",
    ),
    (
        {"synthesize.0": {"generators": ["fake"], "manifest": "m.xls"}},
        "synthesize[0].manifest: got 'm.xls'; expected a file that ends in one of .csv, .jsonl, "
        ".parquet",
    ),
    (
        {"synthesize.0.split": "test"},
        "synthesize[0].split: got the protected split 'test'; expected train. "
        "Protected splits hold real rows only; `protected_splits` says which they are",
    ),
    (
        {"synthesize.0.split": "trian"},
        "synthesize[0].split: got the split 'trian'; expected one of test, train. "
        "Did you mean 'train'?",
    ),
    (
        {
            "synthesize.0.fill": {"to": {"dogs": 3, "ctas": 4}},
            "classes": {"names": ["cats", "dogs"]},
        },
        "synthesize[0].fill.to.ctas: got the class 'ctas'; expected one of cats, dogs. "
        "Did you mean 'cats'?",
    ),
    (
        {"synthesize.0.fill": {"to": {"0": 3}}, "synthesize.0.classes": ["0"]},
        "synthesize[0].classes: got a list of 1, which has no effect: fill.to names the classes; "
        "expected no such key",
    ),
    (
        {"synthesize.0.fill": {"to": 3, "share": 0.5}},
        "synthesize[0].fill: got both to and share; expected exactly one of them",
    ),
    (
        {"synthesize.0.fill": {"share": 0.5, "max_added": 3}},
        "synthesize[0].fill.max_added: got 3, which has no effect: caps clamp `to`, not `share`; "
        "expected no such key",
    ),
    (
        {"synthesize.0.fill.to": 0},
        "synthesize[0].fill.to: got 0, so that nothing is added; expected a number above 0",
    ),
    (
        {
            "synthesize.0.fill": {"share": 0.5},
            "synthesize.1": {"generators": ["fake"], "fill": {"share": 0.5}},
        },
        "synthesize[1].fill.share: got shares of 1 in all in the split 'train'; "
        "expected shares of less than 1 in all",
    ),
    (
        {
            "synthesize.0.fill": {"share": 0.5},
            "synthesize.1": {"generators": ["fake"], "fill": {"to": 5}},
        },
        "synthesize[1].fill.to: got fill.to after a rule with fill.share in the split 'train'; "
        "expected counts before shares. "
        "Shares are solved together after all counts: move this rule before them",
    ),
    # ---- filters and what needs synthesize ----
    (
        {"filters": [{}]},
        "filters[0]: got an empty mapping; expected exactly one filter, for example "
        "{degenerate: {}}",
    ),
    (
        {"filters": [{"degenerat": {}}]},
        "filters[0].degenerat: got an unknown key; expected one of agreement, degenerate, "
        "feature_outlier, near_copy. Did you mean 'degenerate'?",
    ),
    (
        {"filters": [{"degenerate": {}}, {"degenerate": {}}]},
        "filters[1].degenerate: got 'degenerate' a second time; expected each filter once",
    ),
    (
        {"filters": [{"agreement": {"min": 0}}]},
        "filters[0].agreement.min: got 0; expected a number > 0",
    ),
    (
        {"filters": [{"agreement": {"not_judged": "accept"}}]},
        "filters[0].agreement.not_judged: got 'accept'; expected one of pass, refuse",
    ),
    (
        {"filters": [{"agrement": {}}]},
        "filters[0].agrement: got an unknown key; expected one of agreement, degenerate, "
        "feature_outlier, near_copy. Did you mean 'agreement'?",
    ),
    (
        {"filters": [{"agreement": {"max": 0.5}}]},
        "filters[0].agreement.max: got an unknown key; expected one of min, not_judged",
    ),
    (
        {"filters": [{"feature_outlier": {"max": 0}}]},
        "filters[0].feature_outlier.max: got 0; expected a number > 0",
    ),
    (
        {"filters": [{"feature_outlier": {"extractor": "inception"}}]},
        "filters[0].feature_outlier.extractor: got 'inception'; expected one of "
        "efficientnet_lite0, random",
    ),
    (
        {"filters": [{"feature_outlier": {"min": 1}}]},
        "filters[0].feature_outlier.min: got an unknown key; expected one of extractor, max, "
        "not_judged",
    ),
    (
        {"filters": [{"near_copies": {}}]},
        "filters[0].near_copies: got an unknown key; expected one of agreement, degenerate, "
        "feature_outlier, near_copy. Did you mean 'near_copy'?",
    ),
    (
        {"filters": [{"near_copy": {"max": 1}}]},
        "filters[0].near_copy.max: got an unknown key; expected one of false_positives, "
        "not_judged, of",
    ),
    (
        {"filters": [{"near_copy": {"of": "test"}}]},
        "filters[0].near_copy.of: got 'test'; expected one of all, holdout, train",
    ),
    (
        {"filters": [{"near_copy": {"false_positives": 0}}]},
        "filters[0].near_copy.false_positives: got 0; expected a number >= 0.00025",
    ),
    (
        {"filters": [{"near_copy": {"false_positives": 0.06}}]},
        "filters[0].near_copy.false_positives: got 0.06; expected a number <= 0.05",
    ),
    # ---- result ----
    (
        {"output.image": {"quality": 90}},
        "output.image.quality: got 90, which has no effect with format: match_real; "
        "expected no such key. Write format: jpeg beside it, or remove it",
    ),
    (
        {"output.uri": "data/real/out"},
        "output.uri: got 'data/real/out', which overlaps sources.real.uri; "
        "expected a folder of its own, neither inside nor around it",
    ),
    (
        {"output.uri": "pool"},
        "output.uri: got 'pool', which overlaps pool; "
        "expected a folder of its own, neither inside nor around it",
    ),
    (
        {"pool": "out/digits/pool"},
        "output.uri: got 'out/digits', which overlaps pool; "
        "expected a folder of its own, neither inside nor around it",
    ),
    (
        {"limits": {"synthetic_share": {"max": 1.0}}},
        "limits.synthetic_share.max: got 1, which no share exceeds; expected a share below 1",
    ),
    (
        {"limits": {"min_rows_per_class": {"trian": 3}}},
        "limits.min_rows_per_class.trian: got the split 'trian'; expected one of test, train. "
        "Did you mean 'train'?",
    ),
    (
        {"limits": {"min_unique_real_per_class": {}}},
        "limits.min_unique_real_per_class: got an empty mapping; expected split: least rows",
    ),
    # ---- execution ----
    (
        {"execution": {"generators": {"fkae": {}}}},
        "execution.generators.fkae: got the generator 'fkae'; expected fake. Did you mean 'fake'?",
    ),
    (
        {"execution": {"engine": "local", "address": "auto"}},
        "execution.address: got 'auto', which has no effect; "
        "expected no address with engine: local",
    ),
    (
        {"execution": {"generators": {"fake": {"resources": {"gpus": 1.5}}}}},
        "execution.generators.fake.resources.gpus: got 1.5, more than one GPU and a part of "
        "another; expected a whole number, or a fraction below 1",
    ),
    (
        {
            "execution": {
                "generators": {"fake": {"resources": {"gpus": 0, "accelerator_type": "T4"}}}
            }
        },
        "execution.generators.fake.resources.accelerator_type: got 'T4', which has no effect; "
        "expected no such key with gpus: 0",
    ),
    (
        {"execution": {"generators": {"fake": {"replicas": {"min": 3, "max": 2}}}}},
        "execution.generators.fake.replicas.max: got 2, less than min (3); expected at least 3",
    ),
    (
        {"execution": {"autoscale": {"gpus": 8}}},
        "execution.autoscale: got what an embedded Ray cannot do; expected no such key, or the "
        "address of a cluster",
    ),
    (
        {"execution": {"storage_options": {"s3": {"anon": True}}}},
        "execution.storage_options.s3: got options for 's3', which no URI of the job uses; "
        "expected file",
    ),
]


@pytest.mark.parametrize(("edits", "text"), ONE_EDIT, ids=[", ".join(e) for e, _ in ONE_EDIT])
def test_one_edit(problems: Problems, tmp_path: Path, edits: dict[str, Any], text: str) -> None:
    assert problems(edits) == ["job: " + text.replace("{folder}", str(tmp_path))]


def test_the_job_itself_is_right(job: Callable[..., Job]) -> None:
    assert job().spec.name == "digits"


def test_options_that_need_synthesize(problems: Problems) -> None:
    without = {"synthesize": [], "generators": {}}
    options = {"max_attempts_per_sample": 5, "on_shortfall": "warn", "pool": "mine"}
    no_effect = "which has no effect: nothing is synthesized; expected no such key"
    assert problems(without | options) == [
        f"job: filters: got a list of 1, {no_effect}",
        f"job: max_attempts_per_sample: got 5, {no_effect}",
        f"job: on_shortfall: got 'warn', {no_effect}",
        f"job: pool: got 'mine', {no_effect}",
    ]


def test_every_problem_at_once_though_rules_are_malformed(problems: Problems) -> None:
    found = problems(
        {
            "seed": -1,
            "synthesize.0.fill.to": "many",
            "synthesize.1": {"generators": ["fake"], "fill": {"to": 3}, "split": "test"},
            "augmentations.0.ops": ["Afine"],
            "augmentations.0.copies": 0,
            "output.image": {"quality": 90},
        }
    )
    assert [text.split(":")[1].strip() for text in found] == [
        "seed",
        "augmentations[0].copies",
        "synthesize[0].fill.to",
        "augmentations[0].ops[0]",
        "synthesize[1].split",
        "output.image.quality",
    ]


@pytest.mark.parametrize(
    "edits",
    [
        {"sources.real.splits": {"train": 0.7, "test": 0.2, "validation": 0.1}},
        {"sources.real.splits": dict.fromkeys(["train", *"abcdefghi"], 0.1)},
        {"protected_splits": [], "synthesize.0.split": "test"},
        {"synthesize.0.fill": {"to": "max", "max_times_real": 2.5, "max_added": 10}},
        {**WEIGHTS, "synthesize.0.generators": {"fake": 1, "other": 0.5}},
        {"output.image": {"format": "jpeg", "quality": 90}},
        {"output.uri": "s3://b/x", "execution": {"storage_options": {"s3": {"anon": True}}}},
        {"output.uri": "data/real-extended"},
        {"augmentations.0.from": {"origin": ["real", "synthetic"]}},
        {
            "synthesize.0.fill": {"to": 5},
            "synthesize.1": {"generators": ["fake"], "fill": {"share": 0.5}},
        },
    ],
    ids=str,
)
def test_right_jobs(problems: Problems, edits: dict[str, Any]) -> None:
    assert problems(edits) == []


def test_a_link_does_not_hide_an_overlap(problems: Problems, tmp_path: Path) -> None:
    (tmp_path / "data" / "real").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert problems({"output.uri": "link/real/out"}) == [
        "job: output.uri: got 'link/real/out', which overlaps sources.real.uri; "
        "expected a folder of its own, neither inside nor around it"
    ]


def test_of_very_many_unknown_classes_the_first_are_named(problems: Problems) -> None:
    targets = {f"class-{n:05}": 1 for n in range(5000)}
    known = {"classes": {"names": [f"known-{n:05}" for n in range(5000)]}}
    found = problems({**known, "synthesize.0.fill.to": targets})
    assert len(found) == 21
    assert found[-1].startswith(
        "job: synthesize[0].fill.to.class-00020: got 4980 more problems of this kind; expected none"
    )

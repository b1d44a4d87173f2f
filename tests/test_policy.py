"""The operator's policy: what it allows, how it is refused, and that no job can replace it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from augment.errors import CheckpointError, SpecError
from augment.places import Fault
from augment.policy import (
    MAX_BYTES,
    PATH,
    VARIABLE,
    Policy,
    PolicyLimits,
    PolicyRules,
    read_policy,
)
from augment.spec import load_spec


def written(folder: Path, text: str | bytes, mode: int = 0o644) -> Path:
    path = folder / "policy.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def read(path: Path | str) -> Policy:
    return read_policy({VARIABLE: str(path)})


def refused(path: Path | str) -> str:
    with pytest.raises(SpecError) as caught:
        read(path)
    return str(caught.value)


def test_a_file_that_is_named_and_missing_ends_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = (
        f"{tmp_path}/none.yaml: got no such file; expected the operator's policy. Without its "
        "policy this machine allows nothing; unset AUGMENT_POLICY where there is none"
    )
    assert refused(tmp_path / "none.yaml") == said
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none.yaml"))
    with pytest.raises(SpecError) as caught:
        load_spec(job(tmp_path))
    assert str(caught.value) == said
    (tmp_path / "link.yaml").symlink_to(tmp_path / "none.yaml")
    assert "link.yaml: got no such file" in refused(tmp_path / "link.yaml")


def test_the_path_is_fixed_where_the_operator_says_nothing() -> None:
    assert PATH == "/etc/augment/policy.yaml"
    assert read_policy({}).path == PATH


@pytest.mark.parametrize("text", ["", "\n", "# nothing yet\n", "---\n"])
def test_an_empty_file_may_be_a_cut_one(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    said = (
        f"{path}: got an empty file; expected a mapping of keys. Write {{}} where nothing is ruled"
    )
    assert refused(path) == said


def test_a_policy_may_rule_nothing(tmp_path: Path) -> None:
    assert read(written(tmp_path, "{}\n")).rules == PolicyRules()


def test_listed_code_is_allowed_and_no_other(tmp_path: Path) -> None:
    policy = read(written(tmp_path, "allow_code: ['pkg.mod:Good', 'other:Class']\n"))
    policy.require_code("pkg.mod:Good", "generators.g.class_path")
    with pytest.raises(CheckpointError) as caught:
        policy.require_code("pkg.mod:Goo", "generators.g.class_path")
    assert str(caught.value) == (
        "generators.g.class_path: got 'pkg.mod:Goo', code that this machine does not allow; it "
        "allows: pkg.mod:Good, other:Class. A job cannot allow it: ask the operator to list it "
        f"under `allow_code` in {tmp_path}/policy.yaml"
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("- a\n", ": got a list; expected a mapping of keys"),
        ("allow_code: [\n", ": got an error (while parsing a flow node"),
        (b"\xff\xfe\x00", ": got an error ("),
        ("a: !!python/object/apply:os.system [x]\n", "could not determine a constructor"),
        ("allow_codes: []\n", ": allow_codes: got an unknown key; expected one of allow_code, all"),
        ("allow_code: x\n", ": allow_code: got 'x'; expected Input should be a valid list"),
        ("allow_code: ['os.system']\n", ": allow_code.0: got 'os.system'; expected String should"),
        ("allow_code: ['a b:C']\n", ": allow_code.0: got 'a b:C'; expected String should match"),
        ("allow_code: [1]\n", ": allow_code.0: got 1; expected Input should be a valid string"),
        ("allowed_uris: ['']\n", ": allowed_uris.0: got ''; expected a path or URI"),
        ("allowed_uris: ['s3:/b']\n", ": allowed_uris.0: got 's3:/b'; expected s3://BUCKET/path"),
        ("allowed_uris: [data]\n", ": allowed_uris.0: got 'data'; expected an absolute path, or"),
        ("allowed_uris: s3://b\n", ": allowed_uris: got 's3://b'; expected Input should be a va"),
        ("allowed_addresses: ['x://h']\n", ": allowed_addresses.0: got 'x://h'; expected auto or"),
        ("allowed_endpoints: [h:1]\n", ": allowed_endpoints.0: got 'h:1'; expected http://HOST:P"),
        ("allowed_variables: ['${A}']\n", ": allowed_variables.0: got '${A}'; expected String sh"),
        ("allowed_metrics_addresses: ['*']\n", ": allowed_metrics_addresses.0: got '*'; expected"),
        ("cache: {foldr: /x}\n", ": cache.foldr: got an unknown key; expected one of folder, max"),
        ("cache: {folder: x}\n", ": cache.folder: got 'x'; expected String should match pattern"),
        ("cache: {max_bytes: 0}\n", ": cache.max_bytes: got 0; expected Input should be greater"),
        ("allow_code: []\nallow_code: ['a:B']\n", "got the key 'allow_code' twice; expected each"),
        ("limits: {gpus: 1, gpus: 9}\n", "got the key 'gpus' twice; expected each"),
        ("allow_code: []\nallowed_uris:\n", ": allowed_uris: got no value; expected one. Write nu"),
        ("allowed_uris:\n# - s3://b\nallow_code: []\n", ": allowed_uris: got no value; expected"),
        ("limits: {gpus: }\n", ": gpus: got no value; expected one. Write null where it rules not"),
        (b"#" * (MAX_BYTES + 1), f"got more than {MAX_BYTES} bytes; expected a small file"),
    ],
)
def test_what_is_no_policy(tmp_path: Path, text: str | bytes, found: str) -> None:
    path = written(tmp_path, text)
    said = refused(path)
    assert said.startswith(str(path))
    assert found in said


def test_a_file_that_makes_much_of_little_is_refused(tmp_path: Path) -> None:
    rows = ["a0: &a0 {k0: 1, k1: 1}"]
    rows += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 12)]
    assert "policy.yaml:2: got an alias; expected values written out" in refused(
        written(tmp_path, "\n".join(rows))
    )
    many = "allow_code: [" + "a, " * 30_000 + "]"
    assert "got more than a policy has to say; expected a small file" in refused(
        written(tmp_path, many)
    )


def test_a_file_that_anyone_can_write_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "allow_code: ['a:B']\n", mode=0o666)
    assert refused(path) == (
        f"{path}: got a file that anyone can write; expected one that its owner writes. "
        f"Run `chmod o-w {path}` after looking at what is in it"
    )


def test_a_folder_where_anyone_can_replace_the_file_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    path = written(folder, "allow_code: ['a:B']\n")
    folder.chmod(0o777)
    assert refused(path).startswith(f"{path}: got a folder where anyone can replace it; expected")
    (folder / "link.yaml").symlink_to(written(tmp_path, "{}\n"))
    assert "got a folder where anyone can replace it" in refused(folder / "link.yaml")
    folder.chmod(0o1777)  # a sticky folder, such as /tmp: only the owner can replace it
    assert read(path).rules.allow_code == ["a:B"]


def test_what_is_no_file_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert "got something that is no file; expected a regular" in refused(tmp_path / "fifo")
    assert "got something that is no file; expected a regular" in refused(tmp_path)


def test_a_relative_path_is_refused() -> None:
    assert refused("policy.yaml").startswith(
        "AUGMENT_POLICY: got 'policy.yaml'; expected an absolute path"
    )


# ---- places --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        ("s3://bucket/a", True),
        ("s3://bucket/a/", True),
        ("s3://bucket/a/b.parquet", True),
        ("s3://bucket/abc", False),
        ("s3a://bucket/a/b", True),
        ("s3://bucket/c/../a", False),
        ("s3://bucket", False),
        ("/data/x", True),
        ("file:///data/x", True),
        ("/data/../etc/passwd", False),
        ("/database", False),
    ],
)
def test_places_are_whole_folders(uri: str, allowed: bool) -> None:
    policy = Policy("p", PolicyRules(allowed_uris=["s3://bucket/a/", "file:/data"]))
    assert policy.allows_uri(uri) is allowed
    assert Policy("p").allows_uri(uri) is (".." not in uri or uri.startswith("/"))


def test_a_link_out_of_an_allowed_folder_lies_outside(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/link").symlink_to("/etc")
    policy = Policy("p", PolicyRules(allowed_uris=[str(tmp_path / "in")]))
    assert policy.allows_uri(str(tmp_path / "in/new"))
    assert not policy.allows_uri(str(tmp_path / "in/link/passwd"))


def job(root: Path, **more: Any) -> dict[str, Any]:
    (root / "data/train/a").mkdir(parents=True, exist_ok=True)
    source = {"format": "imagefolder", "uri": str(root / "data"), "splits": {"train": "train"}}
    return {
        "version": 1,
        "name": "j",
        "seed": 1,
        "sources": {"r": source},
        "generators": {"p": {"family": "palette", "classes": ["a"]}},
        "synthesize": [{"generators": ["p"], "fill": {"to": 2}}],
        "output": {"uri": str(root / "out")},
        **more,
    }


def test_a_job_is_held_to_the_allowed_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    inside = job(tmp_path, pool=str(tmp_path / "pool"))
    policy = written(tmp_path, f"allowed_uris: ['{tmp_path}']\n")
    monkeypatch.setenv(VARIABLE, str(policy))
    assert load_spec(inside).spec.name == "j"
    assert load_spec(job(tmp_path)).spec.pool == str(tmp_path / "pool")
    with pytest.raises(SpecError) as caught:
        load_spec(inside | {"output": {"uri": "s3://elsewhere/out"}})
    assert str(caught.value) == (
        "job: output.uri: got 's3://elsewhere/out', where this machine lets no job go; expected "
        f"a place in {tmp_path}. Ask the operator to list it under `allowed_uris` in {policy}"
    )


def test_a_default_pool_outside_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ok").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv(VARIABLE, str(written(tmp_path, f"allowed_uris: ['{tmp_path}/ok']\n")))
    with pytest.raises(SpecError, match=r"pool: got '.*/elsewhere/pool', where this machine"):
        load_spec(job(tmp_path / "ok"))


def test_a_bad_policy_stops_every_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(written(tmp_path, "nonsense: 1\n")))
    with pytest.raises(SpecError, match="nonsense: got an unknown key"):
        load_spec(job(tmp_path))


def test_a_job_cannot_bring_its_own_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(written(tmp_path, "{}")))
    with pytest.raises(SpecError, match="allow_code: got an unknown key"):
        load_spec(job(tmp_path, allow_code=["pkg.mod:Class"]))
    ours = {VARIABLE: str(tmp_path / "none.yaml")}
    assert load_spec(job(tmp_path), env=ours).spec.name == "j"


# ---- limits --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "limits: {gpu: 1}\n",
            ": limits.gpu: got an unknown key; expected one of actors, gpu_hours",
        ),
        ("limits: {actors: 0}\n", ": limits.actors: got 0; expected Input should be greater"),
        ("limits: {gpus: .nan}\n", ": limits.gpus: got nan; expected Input should be a finite"),
        (
            "limits: {synthetic_share: 1}\n",
            ": limits.synthetic_share: got 1; expected Input should",
        ),
        ("limits: {gpus: -0.5}\n", ": limits.gpus: got -0.5; expected Input should be greater"),
        ("limits: {gpus: .inf}\n", ": limits.gpus: got inf; expected Input should be a finite"),
        ("limits: {gpu_hours: -1}\n", ": limits.gpu_hours: got -1; expected Input should be gre"),
        ("limits: {gpu_hours: .inf}\n", ": limits.gpu_hours: got inf; expected Input should be"),
        ("limits: {synthetic_share: -0.1}\n", ": limits.synthetic_share: got -0.1; expected"),
        ("limits: {actors: '2'}\n", ": limits.actors: got '2'; expected Input should be a valid"),
        ("limits: 3\n", ": limits: got 3; expected Input should be a valid dictionary"),
    ],
)
def test_limits_that_are_none(tmp_path: Path, text: str, found: str) -> None:
    assert found in refused(written(tmp_path, text))


def test_limits_may_allow_nothing_or_the_least(tmp_path: Path) -> None:
    least = "{gpus: 0, actors: 1, gpu_hours: 0, synthetic_share: 0}"
    rules = read(written(tmp_path, f"limits: {least}\ncache: {{max_bytes: 1}}\n")).rules
    assert rules.limits == PolicyLimits(gpus=0.0, actors=1, gpu_hours=0.0, synthetic_share=0.0)
    assert rules.cache.max_bytes == 1
    assert PolicyRules().cache.max_bytes == 100 << 30


def test_names_have_256_characters_at_most(tmp_path: Path) -> None:
    longest = "a" * 254 + ":B"
    text = "allow_code: ['{}']\nallowed_variables: [{}]\n"
    rules = read(written(tmp_path, text.format(longest, "V" * 256))).rules
    assert (rules.allow_code, rules.allowed_variables) == ([longest], ["V" * 256])
    assert "allow_code.0: got" in refused(written(tmp_path, text.format(f"a{longest}", "V")))
    assert "allowed_variables.0: got" in refused(written(tmp_path, text.format("a:B", "V" * 257)))


def test_places_that_can_only_be_read_may_be_listed(tmp_path: Path) -> None:
    policy = read(written(tmp_path, "allowed_uris: ['hf://owner/set']\n"))
    assert policy.rules.allowed_uris == ["hf://owner/set"]
    assert policy.allows_uri("hf://owner/set/a")
    assert not policy.allows_uri("hf://owner/other")


def test_a_listed_jobs_api_is_allowed_in_any_spelling_and_no_other() -> None:
    policy = Policy("p", PolicyRules(allowed_addresses=["https://h:1", "auto"]))
    assert policy.dashboard("https://h:1/") == policy.dashboard("https://h:1") == "https://h:1"
    assert isinstance(policy.dashboard("https://h:2"), Fault)
    assert isinstance(policy.dashboard("auto"), Fault)
    assert policy.cluster("auto") == "auto"
    assert isinstance(policy.cluster("h:1"), Fault)
    assert Policy("p").dashboard("https://h:2") == "https://h:2"
    assert isinstance(Policy("p").dashboard("h"), Fault)


def test_a_policy_that_was_read_or_refused_is_closed(tmp_path: Path) -> None:
    path = written(tmp_path, "{}\n")
    open_files = len(os.listdir("/dev/fd"))
    read(path)
    path.chmod(0o666)
    assert "anyone can write" in refused(path)
    assert len(os.listdir("/dev/fd")) == open_files


def test_a_file_may_have_as_many_bytes_as_it_may(tmp_path: Path) -> None:
    text = b"{}\n#"
    assert read(written(tmp_path, text + b"#" * (MAX_BYTES - len(text)))).rules == PolicyRules()


def test_a_policy_knows_the_digest_of_its_file(tmp_path: Path) -> None:
    text = "allow_code: []\n"
    assert Policy("p").sha256 is None
    assert read(written(tmp_path, text)).sha256 == hashlib.sha256(text.encode()).hexdigest()

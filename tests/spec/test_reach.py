"""What a job reaches for: addresses, endpoints, variables, metrics and places, by the closed
grammar and under the operator's policy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augment.api import audit, open_dataset, status
from augment.errors import SpecError
from augment.policy import VARIABLE
from augment.spec import Job, check_storage_options, load_spec, load_storage_options

Problems = Callable[..., list[str]]
Load = Callable[..., Job]
Policy = Callable[[str], Path]

S3_JOB = {"pool": "s3://corp/pool", "output.uri": "s3://corp/out"}


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Policy:
    """Writes the policy of this machine."""

    def write(text: str) -> Path:
        path = tmp_path / "policy.yaml"
        path.write_text(text.replace("HERE", str(tmp_path)))
        monkeypatch.setenv(VARIABLE, str(path))
        return path

    return write


def execution(**keys: Any) -> dict[str, Any]:
    return {"execution": keys}


# ---- the cluster ---------------------------------------------------------------------


@pytest.mark.parametrize("address", ["auto", "head:6379", "10.1.2.3:1", "[::1]:6379"])
def test_addresses_that_a_job_may_say(job: Load, address: str) -> None:
    assert job(execution(address=address)).spec.execution.address == address


@pytest.mark.parametrize(
    "address",
    ["evilmod://x", "this://", "ray://head:10001", "http://head:8265", "head", "", "local"],
)
def test_addresses_that_a_job_may_not_say(problems: Problems, address: str) -> None:
    (said,) = problems(execution(address=address))
    assert said.startswith(f"job: execution.address: got {address!r}")
    assert "expected auto or HOST:PORT" in said


def test_an_address_of_the_command_line_is_judged_alike(problems: Problems) -> None:
    (said,) = problems({}, overrides=["address=evilmod://x"])
    assert said.startswith("--set address=evilmod://x: execution.address: got 'evilmod://x'; exp")
    (said,) = problems(execution(address="${A}"), env={"A": "evilmod://x"})
    assert "execution.address: got 'evilmod://x'; expected auto or HOST:PORT" in said


def test_the_policy_lists_addresses(problems: Problems, job: Load, policy: Policy) -> None:
    path = policy("allowed_addresses: ['auto', 'ray://Head:10001', 'http://head:8265']\n")
    for fine in ("auto", "ray://head:10001", None):
        assert job(execution(address=fine)).spec.execution.address == fine
    for other in ("head:6379", "ray://other:10001", "ray://head:10002"):
        (said,) = problems(execution(address=other))
        assert said == (
            f"job: execution.address: got {other!r}, where this machine lets nobody go; expected "
            "one of auto, ray://head:10001, http://head:8265. Ask the operator to list it under "
            f"`allowed_addresses` in {path}"
        )


# ---- where a policy says which places there are, the other doors are closed too ------------


def test_a_policy_of_places_alone_allows_the_least_of_all_else(
    problems: Problems, job: Load, policy: Policy
) -> None:
    policy("allowed_uris: ['HERE', 's3://corp']\n")
    assert job({**S3_JOB, **execution(address="auto")}).spec.execution.address == "auto"
    assert job(execution(metrics={"port": 0})).spec.execution.metrics is not None
    endpoint = {"s3": {"endpoint_url": "http://127.0.0.1:9000"}}
    found = [
        *problems(execution(address="head:6379")),
        *problems({**S3_JOB, **execution(storage_options=endpoint)}),
        *problems(
            {**S3_JOB, **execution(storage_options={"s3": {"key": "${KEY}"}})}, env={"KEY": "k"}
        ),
        *problems({"output.uri": "s3://corp/${DB_PASSWORD}"}, env={"DB_PASSWORD": "hunter2"}),
        *problems(execution(metrics={"port": 0, "address": "0.0.0.0"})),
    ]
    assert [text.partition("; ")[0] for text in found] == [
        "job: execution.address: got 'head:6379', where this machine lets nobody go",
        "job: execution.storage_options.s3.endpoint_url: got 'http://127.0.0.1:9000', where this "
        "machine lets no job go",
        "job: execution.storage_options.s3.key: got ${KEY}, which this machine lets no job have",
        "job: output.uri: got ${DB_PASSWORD}, which this machine lets no job have",
        "job: execution.metrics.address: got '0.0.0.0', where this machine lets nobody go",
    ]
    assert "hunter2" not in "".join(found)


def test_a_policy_opens_them_one_by_one(problems: Problems, job: Load, policy: Policy) -> None:
    policy(
        "allowed_uris: ['HERE', 's3://corp']\n"
        "allowed_addresses: ['head:6379']\n"
        "allowed_endpoints: ['http://127.0.0.1:9000', 'https://s3.example/a']\n"
        "allowed_variables: [KEY]\n"
        "allowed_metrics_addresses: ['10.0.0.1']\n"
    )
    options = {
        "s3": {"endpoint_url": "http://127.0.0.1:9000/", "key": "${KEY}"},
        "s3://corp/pool": {"client_kwargs": {"endpoint_url": "https://s3.example/a/b"}},
    }
    wanted = execution(
        address="head:6379", metrics={"port": 0, "address": "10.0.0.1"}, storage_options=options
    )
    made = job({**S3_JOB, **wanted}, env={"KEY": "k", "OTHER": "o"})
    assert made.spec.execution.storage_options["s3"]["key"] == "k"
    for endpoint in ("http://127.0.0.1:9001", "http://127.0.0.1", "https://s3.example/ab"):
        (said,) = problems(
            {**S3_JOB, **execution(storage_options={"s3": {"endpoint_url": endpoint}})}
        )
        assert (
            f"got {endpoint!r}, where this machine lets no job go; expected one of http://" in said
        )
    (said,) = problems(execution(metrics={"port": 0, "address": "10.0.0.2"}))
    assert "expected one of 10.0.0.1, 127.0.0.1, localhost" in said
    (said,) = problems({"output.uri": "${OTHER}"}, env={"OTHER": "o"})
    assert "got ${OTHER}, which this machine lets no job have; expected a variable that is" in said


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("allowed_endpoints: ['http://h:1']\n", []),
        ("allowed_addresses: []\n", ["${X}"]),
        ("allowed_variables: []\n", []),
        ("allow_code: []\n", ["${X}"]),
    ],
)
def test_which_policies_close_the_variables(
    job: Load, problems: Problems, policy: Policy, text: str, left: list[str]
) -> None:
    policy(text)
    edits = {"output.uri": "out/${X}"}
    if left:
        assert job(edits, env={"X": "x"}).spec.output.uri.endswith("out/x")
    else:
        (said,) = problems(edits, env={"X": "x"})
        assert "got ${X}, which this machine lets no job have; expected a variable" in said


def test_a_variable_that_is_refused_is_not_looked_up(problems: Problems, policy: Policy) -> None:
    policy("allowed_variables: []\n")
    assert (
        problems({"output.uri": "${SET}"}, env={"SET": "x"})[0].replace("${SET}", "${NOT}")
        == (problems({"output.uri": "${NOT}"}, env={})[0])
    )


def test_options_of_the_command_line_are_held_to_the_policy(policy: Policy) -> None:
    policy("allowed_uris: ['HERE']\n")
    for given, said in (
        (
            '{"s3": {"endpoint_url": "http://h:1"}}',
            "endpoint_url: got 'http://h:1', where this mac",
        ),
        ('{"s3": {"key": "${K}"}}', "key: got ${K}, which this machine lets no job have"),
        ('{"s3": {"session": 1}}', "session: got an option that is not taken"),
    ):
        with pytest.raises(SpecError) as refused:
            load_storage_options(given, env={"K": "k"})
        assert said in str(refused.value)


def test_options_of_a_program_are_held_to_the_policy(policy: Policy) -> None:
    endpoint = {"s3": {"endpoint_url": "http://h:1"}}
    for open_wide in (None, {}, endpoint, {"s3": {"key": "${K}"}}):
        check_storage_options(open_wide)
    policy("allowed_uris: ['HERE']\n")
    check_storage_options({"s3": {"region": "eu-central-1"}})
    for given, said in (
        (endpoint, "s3.endpoint_url: got 'http://h:1', where this machine lets no job go"),
        ({"s3": {"session": 1}}, "s3.session: got an option that is not taken"),
    ):
        with pytest.raises(SpecError) as refused:
            check_storage_options(given)
        assert f"storage options: execution.storage_options.{said}" in str(refused.value)


@pytest.mark.parametrize("verb", [audit, open_dataset, status])
def test_the_verbs_for_programs_ask_the_policy(
    policy: Policy, tmp_path: Path, verb: Callable[..., object]
) -> None:
    policy("allowed_endpoints: []\n")
    with pytest.raises(SpecError, match="where this machine lets no job go"):
        verb("s3://corp/out", options={"s3": {"endpoint_url": "http://h:1"}})
    policy("allowed_endpoints: []\n").unlink()
    with pytest.raises(SpecError, match="Without its policy this machine allows nothing"):
        verb(str(tmp_path))


# ---- what Ray schedules by ---------------------------------------------------------------


def of(**resources: Any) -> dict[str, Any]:
    return execution(generators={"fake": {"resources": resources}})


@pytest.mark.parametrize("wanted", ["spot", "!spot", "in(a, b)", "!in(a,b)", "us-west4.a"])
def test_labels_that_a_node_must_have(job: Load, wanted: str) -> None:
    assert job(of(labels={"ray.io/market-type": wanted}))
    assert job(of(accelerator_type="NVIDIA_A100-40.x"))


@pytest.mark.parametrize(
    "resources",
    [
        {"labels": {"a": "-x"}},
        {"labels": {"a": "in()"}},
        {"labels": {"a": "in(a"}},
        {"labels": {"a": "x; y"}},
        {"labels": {"-a": "x"}},
        {"labels": {"a b": "x"}},
        {"accelerator_type": "A100\n"},
        {"accelerator_type": "A 100"},
        {"accelerator_type": "x" * 64},
    ],
)
def test_labels_that_ray_would_not_take(problems: Problems, resources: dict[str, Any]) -> None:
    (said,) = problems(of(**resources))
    assert said.startswith("job: execution.generators.fake.resources.")


# ---- metrics -----------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["*", "127.1", "a b", "h:1", "http://h"])
def test_what_metrics_cannot_be_served_on(problems: Problems, address: str) -> None:
    (said,) = problems(execution(metrics={"port": 0, "address": address}))
    assert said.startswith(f"job: execution.metrics.address: got {address!r}; expected an IP addr")


# ---- places ------------------------------------------------------------------------------


def test_every_place_of_a_job_is_one_path_or_uri(job: Load, tmp_path: Path) -> None:
    spec = job(
        {
            "output.uri": f"file:{tmp_path}/o%20ut",
            "pool": f"file://localhost{tmp_path}/pool",
            "sources.real.uri": "s3://b/data/",
        }
    ).spec
    assert spec.output.uri == f"{tmp_path}/o ut"
    assert spec.pool == f"{tmp_path}/pool"
    assert spec.sources["real"].uri == "s3://b/data"


@pytest.mark.parametrize(
    ("edits", "place"),
    [
        ({"output.uri": "file:out2"}, "output.uri"),
        ({"output.uri": "s3:/b/out"}, "output.uri"),
        ({"pool": "s3:b/pool"}, "pool"),
        ({"sources.real.uri": "gs:/b/x"}, "sources.real.uri"),
        ({"classes": {"file": "s3:/b/c.txt"}}, "classes.file"),
        ({"augmentations.0.ops": None, "augmentations.0.pipeline": "s3:/b/p.json"}, "pipeline"),
        ({"synthesize.0": {"generators": ["fake"], "manifest": "s3:/b/m.csv"}}, "manifest"),
        ({"generators.fake": {"family": "vae", "checkpoint": "az:/c/x"}}, "checkpoint"),
        ({"sources.real.label_map": {"file": "file://h/x.csv"}}, "label_map.file"),
    ],
)
def test_one_slash_is_told_once_wherever_it_stands(
    problems: Problems, edits: dict[str, Any], place: str
) -> None:
    (said,) = problems(edits)
    assert f"{place}: got " in said


def test_a_secret_in_a_uri_is_refused_and_not_repeated(problems: Problems) -> None:
    (said,) = problems({"output.uri": "s3://AKIA:hunter2@b/x?X-Amz-Signature=hunter2"})
    assert said.startswith("job: output.uri: got 's3://***@b/x?...': credentials or a port in the")
    (said,) = problems({"output.uri": "s3://${K}@b/x"}, env={"K": "AKIA:hunter2"})
    assert said.startswith("job: output.uri: got 's3://***@b/x': credentials or a port in the URI")
    assert "hunter2" not in said


@pytest.mark.parametrize(
    "text",
    [
        "classes: 's3://KEY:{}@b/x'",
        "limits: 'KEY:{}@b'",
        "generators: 'https://user:{}@h/x'",
        "execution: {{storage_options: {{s3: '{}'}}}}",
        "execution: {{storage_options: {{s3: {{anon: '{}'}}}}}}",
        "execution: {{storage_options: {{s3: {{profile: 'a/{}'}}}}}}",
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(tmp_path: Path, text: str) -> None:
    """Nor its first half, as a value that is cut before it is judged would show it."""
    secret = "canary" + "x" * 90
    (tmp_path / "data/train/a").mkdir(parents=True)
    path = tmp_path / "job.yaml"
    source = "{format: imagefolder, uri: data, splits: {train: train}}"
    path.write_text(
        f"version: 1\nname: j\nseed: 1\nsources: {{r: {source}}}\noutput: {{uri: out}}\n"
        + text.format(secret)
    )
    with pytest.raises(SpecError) as refused:
        load_spec(path)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("name", ["o[1]", "o*", "a::b", "$HOME"])
def test_an_output_that_readers_take_for_a_pattern(problems: Problems, name: str) -> None:
    (said,) = problems({"output.uri": f"{name}/out"})
    assert "which readers take for a pattern; expected a place without * ? [ ] :: and $NAME" in said
    assert not problems({"pool": f"{name}/pool"})


def test_a_job_in_a_folder_that_readers_take_for_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "v [2]").mkdir()
    path = tmp_path / "v [2]/job.yaml"
    source = "{format: imagefolder, uri: d, splits: {train: train}}"
    path.write_text(
        f"version: 1\nname: j\nseed: 1\nsources: {{r: {source}}}\noutput: {{uri: out}}\n"
    )
    with pytest.raises(
        SpecError, match=r"job.yaml:5: output.uri: got 'out': '\[' in '.*v \[2\]/out'"
    ):
        load_spec(path)
    path.write_text(path.read_text().replace("uri: out", f"uri: {tmp_path}/out"))
    assert load_spec(path).spec.sources["r"].uri == f"{tmp_path}/v [2]/d"


def test_two_names_of_one_store_overlap(problems: Problems) -> None:
    (said,) = problems({"output.uri": "s3a://b/x/out", "sources.real.uri": "s3://b/x"})
    assert "which overlaps sources.real.uri" in said


# ---- options -----------------------------------------------------------------------------


def test_two_buckets_have_options_of_their_own(job: Load) -> None:
    options = {"s3://one": {"key": "k1"}, "s3://two/deep": {"key": "k2"}}
    edits = {"output.uri": "s3://one/out", "pool": "s3://two/deep/pool"}
    made = job({**edits, **execution(storage_options=options)})
    assert made.spec.execution.storage_options == options


def test_a_block_that_no_uri_uses_is_an_error(problems: Problems) -> None:
    options = {"s3": {"anon": True}, "s3://one": {"anon": True}, "s3://three": {"anon": True}}
    edits = {"output.uri": "s3://one/out", "pool": "s3://one/pool"}
    assert [
        p.partition("; ")[0] for p in problems({**edits, **execution(storage_options=options)})
    ] == [
        "job: execution.storage_options.s3: got options for 's3', which no URI of the job uses",
        "job: execution.storage_options['s3://three']: got options for 's3://three', which no URI "
        "of the job uses",
    ]


def test_an_unknown_option_names_the_nearest(problems: Problems) -> None:
    options = {"s3": {"endpoint": "http://h:1", "session": "x"}}
    found = problems({**S3_JOB, **execution(storage_options=options)})
    assert [text.partition(": got ")[0] for text in found] == [
        "job: execution.storage_options.s3.endpoint",
        "job: execution.storage_options.s3.session",
    ]
    assert found[0].endswith("requester_pays, secret, token. Did you mean 'endpoint_url'?")


def test_what_describes_a_value_is_not_offered_as_a_name(problems: Problems) -> None:
    """`Did you mean "a region's name"?` helps nobody."""
    options = {"s3": {"region": "x.evil/#", "client_kwargs": {"region_name": "x.evil/#"}}}
    for said in problems({**S3_JOB, **execution(storage_options=options)}):
        assert said.endswith("got 'x.evil/#'; expected a region's name, for example eu-central-1")

"""How a job is run, never what it makes: nothing here enters ids, the digest or a resume.

Resources, actors, batch sizes, timeouts, storage options. Reads no file.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from augment.spec.base import Free, Name, Spec

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
LabelKey = Annotated[str, Field(pattern=rf"^([A-Za-z0-9.-]{{1,253}}/)?{_LABEL}$")]
LabelWanted = Annotated[str, Field(pattern=rf"^(!?{_LABEL}|!?in\({_LABEL}(, ?{_LABEL})*\))$")]
"""As Ray's grammar of labels, which is that of Kubernetes with `!` and `in(a, b)` before values."""


class ActorResources(Spec):
    """What one actor takes of its node, in Ray's terms."""

    gpus: Annotated[float, Field(ge=0.0, le=1024.0)] | None = None
    """GPUs; a fraction below 1 shares one, more than 1 are whole. Not given: 1 where the cluster
    has any, else 0."""
    cpus: Annotated[float, Field(ge=0.0, le=4096.0)] | None = None
    """CPU cores; not given: 1, and beside a GPU images become files on as many cores as the machine
    has for each of its GPUs."""
    memory: Annotated[int, Field(ge=1)] | None = None
    """Bytes that Ray sets aside on the node; it does not enforce them."""
    accelerator_type: Annotated[str, Field(pattern=rf"^{_LABEL}$")] | None = None
    """Ray's name of a kind of GPU."""
    labels: dict[LabelKey, LabelWanted] = {}
    """Labels that the node must have, as in Ray's `label_selector`."""


class Replicas(Spec):
    """How many actors host a generator."""

    min: Annotated[int, Field(ge=1, le=4096)] = 1
    """So many from the start."""
    max: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Up to so many while work waits; not given: as `min`."""

    @property
    def most(self) -> int:
        return self.min if self.max is None else self.max


class GeneratorExecution(Spec):
    """How one generator is run."""

    batch_size: Annotated[int, Field(ge=1, le=65536)] = 64
    """Samples at once; halved by itself where memory runs out."""
    batch_timeout_s: Annotated[float, Field(gt=0.0, le=86_400.0)] = 900.0
    """Seconds after which a batch is given up; loading the generator is not counted."""
    load_timeout_s: Annotated[float, Field(gt=0.0, le=86_400.0)] = 1800.0
    """Seconds that loading the generator may take, from its files to its first image."""
    resources: ActorResources = ActorResources()
    """What one of its actors takes."""
    replicas: Replicas = Replicas()
    """How many actors host it."""
    channels_last: bool | None = None
    """Lay convolutions out channels last (NHWC); not given: where the family is faster so."""
    compile: Literal["off", "default", "reduce-overhead"] = "off"
    """The mode of `torch.compile`; with one, batches are padded to `batch_size`."""


class Autoscale(Spec):
    """What the cluster may grow to: Ray does not say. Actors may ask for so much, and wait."""

    cpus: Annotated[float, Field(ge=0.0)] = 0.0
    """CPU cores in all."""
    gpus: Annotated[float, Field(ge=0.0)] = 0.0
    """GPUs in all."""


class MetricsExport(Spec):
    """Prometheus metrics over HTTP, while the run lives (docs/observability.md)."""

    port: Annotated[int, Field(ge=0, le=65535)]
    """TCP port; 0: any free one, which the run prints."""
    address: Annotated[str, Field(min_length=1, max_length=255)] = "127.0.0.1"
    """The IP address or host that it listens on. Who can reach it can read it: there are no
    passwords."""
    linger_s: Annotated[float, Field(ge=0.0, le=3600.0)] = 0.0
    """Seconds that the exporter stays after the end, for one more scrape."""


EngineName = Literal["auto", "ray", "processes", "local"]


class Execution(Spec):
    """How a job is run; nothing here changes a row."""

    engine: EngineName = "auto"
    """`ray`: in processes of Ray, here or on a cluster; `processes`: in processes of this machine,
    without Ray or a GPU; `local`: in this process, one unit after the other; `auto`: `ray` where
    `address` or `autoscale` is given, or a generator may use a GPU that this machine has or asks
    for one, else `processes`."""
    address: str | None = None
    """A Ray cluster that runs: `auto`, or `host:port` of its head; `ray://host:port` where the
    operator's policy lists it; not given: this machine alone is used."""
    workers: Annotated[int, Field(ge=1, le=65536)] | None = None
    """Units of the mix at once; not given: one per CPU."""
    image_timeout_s: Annotated[float, Field(gt=0.0, le=86_400.0)] = 60.0
    """A row of the data set that takes longer to make (its image decoded, changed, encoded) is
    given up, and so is a source image of a generator, once reading one is suspected."""
    generators: dict[Name, GeneratorExecution] = {}
    """Name of a generator -> how it is run."""
    autoscale: Autoscale | None = None
    """What the cluster may grow to."""
    metrics: MetricsExport | None = None
    """Prometheus metrics over HTTP; not given: none."""
    log_format: Literal["text", "json"] = "text"
    """Of the run's log file; `json`: one object a line, with the ids of job, unit and actor."""
    storage_options: dict[str, dict[str, Free]] = {}
    """Protocol, or URI of a bucket or of a folder in one -> options of its client; a closed list
    for each store, the longest URI wins (docs/storage.md)."""

    def of(self, generator: str) -> GeneratorExecution:
        """How a generator is run."""
        return self.generators.get(generator, GeneratorExecution())

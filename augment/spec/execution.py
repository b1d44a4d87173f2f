"""How a job is run, never what it makes: nothing here enters ids, the digest or a resume.

Resources, actors, batch sizes, timeouts, storage options. Reads no file.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from augment.spec.base import Free, Name, Spec


class ActorResources(Spec):
    """What one actor takes of its node, in Ray's terms."""

    gpus: Annotated[float, Field(ge=0.0, le=1024.0)] | None = None
    """A fraction below 1 shares a GPU; more than 1 are whole. None: 1 where the cluster has
    any, else 0."""
    cpus: Annotated[float, Field(ge=0.0, le=4096.0)] | None = None
    """None: 1."""
    memory: Annotated[int, Field(ge=1)] | None = None
    """Bytes that Ray sets aside on the node; it does not enforce them."""
    accelerator_type: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """Ray's name of a kind of GPU, for example A100."""
    labels: dict[Annotated[str, Field(min_length=1)], str] = {}
    """Labels that the node must have, as in Ray's `label_selector`."""


class Replicas(Spec):
    """How many actors host a generator: `min` from the start, up to `max` while work waits."""

    min: Annotated[int, Field(ge=1, le=4096)] = 1
    max: Annotated[int, Field(ge=1, le=4096)] | None = None
    """None: as `min`."""

    @property
    def most(self) -> int:
        return self.min if self.max is None else self.max


class GeneratorExecution(Spec):
    batch_size: Annotated[int, Field(ge=1, le=65536)] = 64
    batch_timeout_s: Annotated[float, Field(gt=0.0, le=86_400.0)] = 900.0
    """A batch that takes longer is given up; loading the generator is not counted."""
    resources: ActorResources = ActorResources()
    replicas: Replicas = Replicas()
    channels_last: bool | None = None
    """Lay convolutions out channels last (NHWC); None: where the family is faster so."""
    compile: Literal["off", "default", "reduce-overhead"] = "off"
    """The mode of `torch.compile`; with one, batches are padded to `batch_size`."""


class Autoscale(Spec):
    """What the cluster may grow to: Ray does not say. Actors may ask for so much, and wait."""

    cpus: Annotated[float, Field(ge=0.0)] = 0.0
    gpus: Annotated[float, Field(ge=0.0)] = 0.0


class MetricsExport(Spec):
    """Prometheus metrics over HTTP, while the run lives (docs/observability.md)."""

    port: Annotated[int, Field(ge=0, le=65535)]
    """0: any free one, which the run prints."""
    address: Annotated[str, Field(min_length=1, max_length=255)] = "127.0.0.1"
    """Who can reach it can read it: there are no passwords."""
    linger_s: Annotated[float, Field(ge=0.0, le=3600.0)] = 0.0
    """The exporter stays so long after the end, for one more scrape."""


class Execution(Spec):
    engine: Literal["ray", "local"] = "ray"
    address: str | None = None
    """A running Ray cluster ("auto", "ray://..."); None: an embedded one."""
    workers: Annotated[int, Field(ge=1, le=65536)] | None = None
    """Mix units at once; None: one per CPU."""
    generators: dict[Name, GeneratorExecution] = {}
    autoscale: Autoscale | None = None
    metrics: MetricsExport | None = None
    log_format: Literal["text", "json"] = "text"
    """Of the run's log file; json: one object a line, with the ids of job, unit and actor."""
    storage_options: dict[str, dict[str, Free]] = {}
    """fsspec options by protocol, for example {s3: {endpoint_url: ...}}."""

    def of(self, generator: str) -> GeneratorExecution:
        """How a generator is run."""
        return self.generators.get(generator, GeneratorExecution())

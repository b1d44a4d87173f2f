"""Units that come while actors work: the same actors take them, and a feed that dies is told."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from tests.waiting import run

SCRIPT = """
import json, os, signal, sys, tempfile
import ray
from augment.errors import AugmentError
from augment.run.engines.engine import Resources
from augment.run.engines.ray_engine import RayEngine
from tests.ray_starts import started
from tests.run.engines.tasks import Notes

quiet = {"include_dashboard": False, "logging_level": "ERROR", "log_to_driver": False}
started(lambda: ray.init("local", num_cpus=4, num_gpus=2, **quiet))
engine = RayEngine()

def processes(title):
    # of this Ray alone: they descend from this process
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            parent = int(open(f"/proc/{name}/stat").read().rpartition(")")[2].split()[1])
            found[int(name)] = parent, open(f"/proc/{name}/cmdline").read()
        except OSError:
            continue
    def mine(pid):
        return pid == os.getpid() or (pid in found and mine(found[pid][0]))
    return [pid for pid, (_, said) in found.items() if said.startswith(title) and mine(pid)]

def stage(first, parts, resources=Resources(2, 0.1, 1.0), meanwhile=lambda taken: None):
    folder, found = tempfile.mkdtemp(dir=sys.argv[1]), []
    def more():
        meanwhile(len(found))
        return parts.get(len(found), ())
    try:
        for result in engine.stream(Notes(folder), first, more, resources):
            found.append(json.loads(result)[:2])
    except AugmentError as error:
        return [type(error).__name__, str(error), len(found)]
    return found

def kill_reader(taken):
    if taken == 3:
        [reader] = processes("ray::ReadUnits")
        os.kill(reader, signal.SIGKILL)

found = {}
found["goes_on"] = stage(["wait", "a"], {1: [str(i) for i in range(30)], 20: ["go"]})
found["late"] = stage(["a", "b"], {2: ["c"], 3: ["d", "e"]})
found["closed"] = stage(["a", "b"], {1: None, 2: ["not heard any more"]})
found["many"] = stage(["a"], {1: [f"{i}" + "x" * 200 for i in range(400)]})
found["killed"] = stage(["a", "kill"], {1: ["b", "c", "kill2"]})
found["error"] = stage(["a"], {1: ["disk"]})
found["reader"] = stage(["a", "b", "c", "d"], {1: ["e"], 4: ["f"]}, meanwhile=kill_reader)
found["nothing"] = stage([], {})
found["infeasible"] = stage(["a"], {}, Resources(3, 0.1, 1.0))
print(json.dumps(found))
engine.close()
ray.shutdown()
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    done = run([sys.executable, "-c", SCRIPT, str(tmp_path_factory.mktemp("stages"))])
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def units(rows: list[Any]) -> list[str]:
    return sorted(unit for unit, _ in rows)


def test_actors_go_on_while_one_has_not_ended(found: dict[str, Any]) -> None:
    """Of two actors one waits for the last unit that was given later; both stay to the end."""
    expected = ["wait", "a", "go", *map(str, range(30))]
    assert units(found["goes_on"]) == sorted(expected)
    assert len({process for _, process in found["goes_on"]}) == 2


def test_what_comes_when_all_else_is_done_is_carried_out_too(found: dict[str, Any]) -> None:
    assert units(found["late"]) == ["a", "b", "c", "d", "e"]
    assert units(found["closed"]) == ["a", "b"]
    assert found["nothing"] == []


def test_each_of_many_comes_back_once(found: dict[str, Any]) -> None:
    assert units(found["many"]) == sorted(["a", *(f"{i}" + "x" * 200 for i in range(400))])


def test_what_an_actor_dies_at_is_built_again(found: dict[str, Any]) -> None:
    assert units(found["killed"]) == ["a", "b", "c", "kill", "kill2"]


def test_an_error_of_what_came_later_ends_it(found: dict[str, Any]) -> None:
    assert found["error"] == ["StorageError", "the disk is full", 1]


def test_a_feed_that_dies_ends_the_run_and_loses_nothing_in_silence(found: dict[str, Any]) -> None:
    kind, text, _ = found["reader"]
    assert kind == "InterruptedRun"
    assert text == (
        "Ray: 1 units were not carried out, for the process that handed them over has died; "
        "finished units are kept: run the same command again"
    )


def test_what_can_never_start_is_refused(found: dict[str, Any]) -> None:
    assert found["infeasible"][0] == "RequestError"

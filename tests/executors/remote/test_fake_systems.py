"""Every language, spoken with the fake scheduler of its system: what is typed there is taken, and what it prints is read right."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.fake_scheduler.scheduler import FakeScheduler, fake_scheduler
from kit.fake_scheduler.systems import MODULES
from kit.waiting import wait_until
from markab.executors.base import Seen
from markab.executors.remote.batch_system import BatchCommand, BatchElement, BatchJob, BatchSystem, QueueEntry
from markab.executors.remote.batch_systems import LANGUAGES, language

USER = pwd.getpwuid(os.getuid()).pw_name
FORGETS = {"sge", "cobalt"}
"""Systems whose listing has nothing of what has ended."""


class Bench:
    """A fake system and its language."""

    def __init__(self, site: FakeScheduler, system: BatchSystem, top: Path) -> None:
        self.site = site
        self.system = system
        self.top = top

    def run(self, command: BatchCommand) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command.argv,
            input=command.stdin,
            capture_output=True,
            text=True,
            env=self.site.environment(),
            check=False,
            timeout=60,
        )

    def job(self, text: str, name: str = "mk-1", **asked: object) -> BatchJob:
        settings = {
            "name": name,
            "elements": 1,
            "script": f"{self.top}/{name}.sh",
            "output": f"{self.top}/out",
        } | asked
        job = BatchJob(**settings)  # type: ignore[arg-type]
        Path(job.script).write_text(self.system.script(job, text))
        return job

    def submit(self, text: str, elements: int = 1, **asked: object) -> list[BatchElement]:
        """Submit as many elements: as one job, or a job each where there are no arrays."""
        most = self.system.most_elements("")
        found = []
        for number in range(1 if most > 1 else elements):
            job = self.job(text, name=f"mk-{number + 1}", elements=elements if most > 1 else 1, **asked)
            done = self.run(self.system.submit(job))
            assert done.returncode == 0, done.stderr
            native_id = self.system.read_submitted(done.stdout)
            found += [BatchElement(native_id, position) for position in range(job.elements)]
        return found

    def queue(self) -> dict[BatchElement, QueueEntry]:
        done = self.run(self.system.queue(USER, [f"mk-{number}" for number in range(1, 9)]))
        assert done.returncode == 0, done.stderr
        return self.system.read_queue(done.stdout)

    def ends(self, elements: list[BatchElement]) -> list[str]:
        """Return the kinds of ends, from the listing or from the accounts; "?" where neither tells it."""
        wait_until(lambda: self.site.count("ended") == len(elements), what="the end of all")
        found = dict(self.queue())
        for native_id in {element.native_id for element in elements if element not in found}:
            if command := self.system.ended("mk-1", native_id):
                found |= self.system.read_ended(self.run(command).stdout)
        return [found[element].kind if element in found else "?" for element in elements]


@pytest.fixture(params=LANGUAGES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with fake_scheduler(tmp_path / "the site", request.param) as site:
        yield Bench(site, language(request.param), tmp_path)


def test_there_is_a_fake_of_each_system() -> None:
    assert MODULES.keys() == LANGUAGES.keys()


def test_elements_wait_run_and_end(bench: Bench) -> None:
    bench.site.set(slots=2)
    elements = bench.submit(
        f"while [ ! -e '{bench.top}/go' ]; do sleep 0.02; done\nmkdir '{bench.top}/one' 2>/dev/null && exit 0; exit 3",
        3,
    )
    wait_until(lambda: bench.site.count("running") == 2)

    found = bench.queue()

    assert [found[element].seen for element in elements] == [Seen.RUNNING, Seen.RUNNING, Seen.QUEUED]
    assert {found[element].name for element in elements} <= {"mk-1", "mk-2", "mk-3"}
    assert found[elements[0]].host == "n1" and found[elements[1]].host == "n2"
    (bench.top / "go").touch()
    kinds = bench.ends(elements)
    assert sorted(kinds) == (["?"] * 3 if bench.system.name == "cobalt" else ["", "exit", "exit"])


def test_each_element_knows_its_position(bench: Bench) -> None:
    elements = bench.submit(f"echo x >> '{bench.top}/made'-$MARKAB_ELEMENT", 3)
    bench.ends(elements)

    made = sorted(path.name for path in bench.top.glob("made-*"))

    assert made == (
        [f"made-{position}" for position in range(3)] if bench.system.most_elements("") > 1 else ["made-0"]
    )


def test_elements_are_cancelled_while_they_wait_and_while_they_run(bench: Bench) -> None:
    bench.site.set(slots=1)
    elements = bench.submit(
        f"trap 'echo asked > \"{bench.top}/asked\"; exit 1' TERM; echo > '{bench.top}/up'; while :; do sleep 0.02; done",
        3,
    )
    wait_until((bench.top / "up").exists)

    for command in bench.system.cancel([elements[0], elements[2]]):
        assert bench.run(command).returncode == 0
    wait_until(lambda: bench.site.count("ended") == 2)
    wait_until(lambda: bench.site.count("running") == 1)

    assert (bench.top / "asked").exists()
    assert bench.queue()[elements[1]].seen is Seen.RUNNING
    kept = {element: entry for element, entry in bench.queue().items() if entry.seen is Seen.ENDED}
    assert kept.keys() == (set() if bench.system.name in FORGETS else {elements[0], elements[2]})


def test_held_elements_say_so(bench: Bench) -> None:
    bench.site.hold("mk")

    elements = bench.submit("exit 0", 2)

    assert {bench.queue()[element].seen for element in elements} == {Seen.HELD}
    bench.site.release("mk")
    bench.ends(elements)


def test_a_time_limit_is_told(bench: Bench) -> None:
    elements = bench.submit("trap '' TERM; while :; do sleep 0.02; done", 1, runtime_s=120)
    bench.site.set(kill_wait_s=0.1)
    wait_until(lambda: bench.site.count("running") == 1)

    bench.site.jump_clock(3600)

    wait_until(lambda: bench.site.count("ended") == 1)
    assert bench.ends(elements) == ["?" if bench.system.name == "cobalt" else "timeout"]


def test_a_lost_node_is_told(bench: Bench) -> None:
    elements = bench.submit("exec sleep 600")
    wait_until(lambda: bench.site.count("running") == 1)

    bench.site.lose_nodes("mk-1")

    assert bench.ends(elements) == ["?" if bench.system.name == "cobalt" else "lost"]


@pytest.mark.parametrize("mode", ["busy", "full"])
def test_a_refusal_for_the_moment_is_known(bench: Bench, mode: str) -> None:
    bench.site.fails(bench.system.programs[0], mode)
    job = bench.job("exit 0")

    done = bench.run(bench.system.submit(job))

    assert done.returncode and bench.system.is_busy(done.stderr), done.stderr
    assert bench.run(bench.system.submit(job)).returncode == 0


@pytest.mark.parametrize("asked", [{"queue": "no where"}, {"cores": 1000}, {"memory_mb": 10**6}, {}], ids=str)
def test_a_refusal_for_good_is_known(bench: Bench, asked: dict[str, object]) -> None:
    if asked.keys() & bench.system.unsupported or (
        asked.keys() & {"cores"} and bench.system.name == "cobalt"
    ):
        pytest.skip("it cannot be asked for")
    if not asked:
        bench.site.fails(bench.system.programs[0], "refused")

    done = bench.run(bench.system.submit(bench.job("exit 0", **asked)))

    assert done.returncode and done.stderr and "unrecognized" not in done.stderr
    assert not bench.system.is_busy(done.stderr)


def test_all_that_can_be_asked_for_is_taken(bench: Bench) -> None:
    job = bench.job(
        "exit 0",
        cores=4,
        memory_mb=200,
        gpus=1,
        runtime_s=100,
        grace_s=10,
        queue="long",
        project="p",
        comment="it's",
        nodes=2,
        processes_per_node=2,
    )

    done = bench.run(bench.system.submit(job))

    assert done.returncode == 0, done.stderr


def test_the_limit_of_an_array_is_told(bench: Bench) -> None:
    bench.site.set(max_array=77)
    command = bench.system.limits()

    assert bench.system.most_elements(bench.run(command).stdout if command else "") == (77 if command else 1)


def test_a_queue_with_nothing_in_it_is_empty(bench: Bench) -> None:
    assert bench.queue() == {}

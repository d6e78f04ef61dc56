"""Testing a site: what is wrong is said in the order in which one would look."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from integration.tools import script
from kit.fake_podman import FakePodman
from kit.mounts import mounted
from markab.errors import ExecutorUnavailable, MarkabError
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, Record, Report, Seen
from markab.executors.local import LocalExecutor
from markab.executors.registry import BACK_ENDS, MakeExecutor
from markab.operations import check_site, find_site_documents, list_sites, show_site
from markab.operations.site_test import Check, SiteTest
from markab.planner import site_executors
from markab.worker.record import unseen_record


class Far(LocalExecutor):
    """A site of its own, on this machine; a test says what goes wrong there."""

    new: Sequence[Report] = ()
    """What it reports next."""

    def wait(self, timeout_s: float) -> Sequence[Report]:
        return [
            Report(one.id, one.seen, self.record(one.record), one.reason, "17.0", "node7")
            for one in super().wait(timeout_s)
        ]

    def record(self, record: Record | None) -> Record | None:
        return record


class Waits(Far):
    """Its jobs never start."""

    seen, reason = Seen.QUEUED, "QOSMaxJobsPerUserLimit"

    def submit(self, attempts: Sequence[Attempt]) -> None:
        self.new = [Report(one.id, self.seen, reason=self.reason, native_id="17.0") for one in attempts]

    def wait(self, timeout_s: float) -> Sequence[Report]:
        super().wait(timeout_s)
        reports, self.new = self.new, ()
        return reports

    def cancel(self, attempts: Sequence[AttemptId]) -> None:
        self.new = [Report(id, Seen.ENDED, unseen_record("cancelled", "cancelled")) for id in attempts]


class Holds(Waits):
    seen, reason = Seen.HELD, "disk quota exceeded"


class Unknown(Far):
    """Its queue is unknown."""

    def submit(self, attempts: Sequence[Attempt]) -> None:
        raise ExecutorUnavailable("invalid partition specified: nope")


class Refuses(Far):
    """It refuses every job for good, in its own words."""

    def submit(self, attempts: Sequence[Attempt]) -> None:
        self.new = [
            Report(one.id, Seen.ENDED, unseen_record("rejected", "invalid account or partition"))
            for one in attempts
        ]

    def wait(self, timeout_s: float) -> Sequence[Report]:
        super().wait(timeout_s)
        reports, self.new = self.new, ()
        return reports


class Starts(Far):
    """Reports that a job runs."""

    def submit(self, attempts: Sequence[Attempt]) -> None:
        super().submit(attempts)
        self.new = [Report(one.id, Seen.RUNNING, native_id="17.0", host="node7") for one in attempts]

    def wait(self, timeout_s: float) -> Sequence[Report]:
        if self.new:
            reports, self.new = self.new, ()
            return reports
        return super().wait(timeout_s)


class Fails(Starts):
    """Every job fails there."""

    def record(self, record: Record | None) -> Record | None:
        return unseen_record("no-program", "cannot run python3: no such file") if record else None


class RefusesCores(Starts):
    """Nothing there has two cores."""

    def submit(self, attempts: Sequence[Attempt]) -> None:
        refused = [one for one in attempts if one.job.cores > 1]
        super().submit([one for one in attempts if one not in refused])
        words = unseen_record("refused", "Requested node configuration is not available")
        self.new = [*self.new, *(Report(one.id, Seen.ENDED, words) for one in refused)]


class KeepsCores(RefusesCores):
    """A job of two cores waits there for ever."""

    def submit(self, attempts: Sequence[Attempt]) -> None:
        self.kept = [one.id for one in attempts if one.job.cores > 1]
        Starts.submit(self, [one for one in attempts if one.id not in self.kept])
        self.new = [*self.new, *(Report(id, Seen.QUEUED, reason="PartitionConfig") for id in self.kept)]

    def cancel(self, attempts: Sequence[AttemptId]) -> None:
        super().cancel([id for id in attempts if id not in self.kept])
        self.new = [
            Report(id, Seen.ENDED, unseen_record("cancelled", "cancelled"))
            for id in attempts
            if id in self.kept
        ]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SiteTest]:
    """Test the site `far`, which has an executor of its own."""
    monkeypatch.setattr(site_executors, "AVAILABLE", frozenset({"local", "far", "slurm"}))
    monkeypatch.setitem(site_executors.EXECUTORS, ("far", ""), "far")  # type: ignore[arg-type]
    monkeypatch.setattr("markab.engine.submission.SUBMIT_AGAIN_AFTER_S", 0.1)
    write_site(tmp_path)

    def checked(far: type[Far], limit_s: float = 60) -> SiteTest:
        ends: Mapping[str, MakeExecutor] = {**BACK_ENDS, "far": lambda *_: far()}
        return check_site("far", find_site_documents(tmp_path), limit_s=limit_s, back_ends=ends)

    return checked


def write_site(top: Path, style: str = "far", scheduler: str = "") -> None:
    servers = [{"operation": "all", "url": f"file://{top}/scratch"}]
    directories = [{"type": "sharedScratch", "path": f"{top}/scratch", "fileServers": servers}]
    site = {"name": "far", "directories": directories, "profiles": {"pegasus": {"style": style}}}
    if scheduler:
        site["grids"] = [{"type": "batch", "contact": "here", "scheduler": scheduler}]
    (top / "sites.yml").write_text(json.dumps({"pegasus": "5.0", "sites": [site]}))


def failure(result: SiteTest) -> Check:
    """Return the one thing that is wrong; all above it is right, and nothing below was looked at."""
    states = [check.ok for check in result.checks]
    at = states.index(False)
    assert not result.ok and set(states[:at]) <= {True} and set(states[at + 1 :]) <= {None}
    return result.checks[at]


def test_a_site_that_works_passes_every_check_and_keeps_nothing(
    tmp_path: Path, check: Callable[..., SiteTest]
) -> None:
    result = check(Starts)
    assert result.ok and [one.name for one in result.checks] == [
        "site", "program", "plan", "stage-in", "queue", "start", "job", "python", "outputs",
        "array", "cores", "container", "cancel",
    ]  # fmt: skip
    assert "condorio, nonsharedfs, sharedfs" in result.checks[2].text
    assert "17.0" in result.checks[4].text and "on node7" in result.checks[5].text
    assert [path.name for path in tmp_path.iterdir() if path.name != "scratch"] == ["sites.yml"]
    assert not list((tmp_path / "scratch").iterdir())
    assert result.to_json()["ok"] is True


def test_this_machine_is_a_site_too(tmp_path: Path) -> None:
    assert check_site("local", find_site_documents(tmp_path)).ok
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("far", "name", "words"),
    [
        (Waits, "start", "the site says: QOSMaxJobsPerUserLimit"),
        (Holds, "start", "the site holds it: disk quota exceeded"),
        (Unknown, "queue", "invalid partition specified: nope"),
        (Refuses, "queue", "invalid account or partition"),
        (Fails, "job", "cannot run python3: no such file"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_the_site(
    far: type[Far], name: str, words: str, check: Callable[..., SiteTest]
) -> None:
    found = failure(check(far, 0.5 if name in ("start", "queue") else 60))
    assert found.name == name and words in found.text and found.hint


@pytest.mark.parametrize(
    ("far", "limit_s", "words"),
    [
        (RefusesCores, 60, "Requested node configuration is not available"),
        (KeepsCores, 3, "a job of 2 cores did not start within 3.0 s: the site says: PartitionConfig"),
    ],
)
def test_a_request_that_fails_hides_no_other_check(
    far: type[Far], limit_s: float, words: str, check: Callable[..., SiteTest]
) -> None:
    result = check(far, limit_s)
    (failed,) = [one for one in result.checks if one.ok is not True]
    assert not result.ok and failed.name == "cores" and words in failed.text and failed.hint
    assert result.checks[-1].name == "cancel"


def test_a_full_scratch_directory_is_a_failure_of_staging(
    tmp_path: Path, check: Callable[..., SiteTest]
) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "pegasus.properties").write_text("pegasus.data.configuration = sharedfs\n")
    with mounted(tmp_path / "scratch", "-t", "tmpfs", "-o", "nr_inodes=2", "none"):
        found = failure(check(Starts))
    assert found.name == "stage-in" and "No space left" in found.text and found.hint


def test_an_image_of_the_catalog_that_cannot_be_had_is_said(
    tmp_path: Path, check: Callable[..., SiteTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    FakePodman(tmp_path / "podman", monkeypatch).refuses("manifest unknown")
    write_site(tmp_path, "far")
    entry = {"name": "far", "type": "installed", "pfn": "/bin/x", "container": "box"}
    box = {"name": "box", "type": "docker", "image": "docker://tool:1"}
    catalog = {"transformations": [{"name": "x", "sites": [entry]}], "containers": [box]}
    (tmp_path / "transformations.yml").write_text(json.dumps({"pegasus": "5.0", **catalog}))
    result = check(Starts)
    (failed,) = [one for one in result.checks if one.ok is not True]
    assert failed.name == "container" and "manifest unknown" in failed.text and failed.hint
    assert result.checks[-1].name == "cancel"


def test_a_missing_program_is_found_before_anything_is_run(
    tmp_path: Path, check: Callable[..., SiteTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_site(tmp_path, "glite", "slurm")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = failure(check(Far))
    assert (found.name, found.text) == ("program", "this machine has no 'sbatch' on PATH")
    assert "module" in found.hint


def test_what_planning_refuses_is_said(
    tmp_path: Path, check: Callable[..., SiteTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scratch").write_text("in the way")
    write_site(tmp_path, "glite", "slurm")
    script(tmp_path / "sbatch", "#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = failure(check(Far))
    assert found.name == "plan" and "not a directory" in found.text and found.hint


def test_sites_are_listed_with_where_their_jobs_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_executors, "AVAILABLE", frozenset({"local", "slurm", "htcondor"}))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CONDOR_CONFIG", raising=False)
    write_site(tmp_path, "glite", "slurm")
    found = {site.name: site for site in list_sites(find_site_documents(tmp_path))}
    assert list(found) == ["condorpool", "far", "local"]
    assert found["far"].lacks == "sbatch" and found["far"].title == "Slurm"
    assert found["condorpool"].title == "this machine (HTCondor is not available here)"
    script(tmp_path / "sbatch", "#!/bin/sh\n")
    assert show_site("far", find_site_documents(tmp_path)).program == str(tmp_path / "sbatch")
    with pytest.raises(MarkabError, match="site 'fare' is neither in the site catalog nor") as caught:
        show_site("fare", find_site_documents(tmp_path))
    assert caught.value.hint == "did you mean 'far'?"

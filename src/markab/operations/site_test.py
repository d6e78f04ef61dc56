"""Testing a site: small workflows are planned for it and run there, and what is wrong is said in the order in which one would look.

For each data configuration that the site can have, one job reads a file, runs Python, and makes a file that is delivered
and compared. A second workflow has jobs that ask for the same, one that asks for several cores, and one in each container of
the user's executables. A third has a job that waits, which is cancelled once it runs. All are planned with the user's own
site catalog and properties, in a directory of their own, which is removed at the end.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from markab.formatting import count, duration
from markab.operations.readable_runs import open_run
from markab.operations.site_documents import SiteDocuments, find_site_documents
from markab.operations.sites import SiteFacts, show_site
from markab.plan.model import LOCAL

if TYPE_CHECKING:
    from markab.engine.run import Outcome
    from markab.errors import Problem
    from markab.executors.registry import MakeExecutor
    from markab.journal.progress import Progress, RunningJob
    from markab.spec.model import Container

LIMIT_S = 300.0
"""How long a job may wait for its start, and take from there."""

_LOOK = """#!/bin/sh
# usage: look OUT: prints the content of the file that it reads, its host, and the version of Python
{ cat token.txt; uname -n; python3 -V || echo none; } > "$1"
"""
_COPY = """#!/bin/sh
# usage: copy OUT: writes the content of the file that it reads; an image may have no other program
read -r line < token.txt; echo "$line" > "$1"
"""
_WAIT = "#!/bin/sh\nexec sleep 3600\n"
_OLDEST_PYTHON = (3, 6)
_LEVELS = 3
"""Directories of a user, and of all runs of a workflow, between a scratch directory and that of a run."""


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    ok: bool | None
    """None: it was not looked at, because of what is wrong above it."""
    text: str
    hint: str = ""


class SiteTest(NamedTuple):
    """The result of a test."""

    site: str
    executor: str
    checks: list[Check]

    @property
    def ok(self) -> bool:
        """Whether all was looked at, and nothing is wrong."""
        return all(check.ok for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        checks = [check._asdict() for check in self.checks]
        return {"site": self.site, "executor": self.executor, "ok": self.ok, "checks": checks}


_NAMES = (
    "site", "program", "plan", "stage-in", "queue", "start", "job", "python", "outputs",
    "array", "cores", "container", "cancel",
)  # fmt: skip
_INDEPENDENT = ("array", "cores", "container")
"""After one of these has failed, the others are still looked at."""
_ARRAY = 4
"""Jobs that ask for the same."""


def check_site(
    name: str,
    documents: SiteDocuments | None = None,
    *,
    limit_s: float = LIMIT_S,
    on_check: Callable[[Check], None] = lambda check: None,
    back_ends: Mapping[str, MakeExecutor] | None = None,
) -> SiteTest:
    """Test a site; `on_check` gets each result when it is known.

    Raises:
        MarkabError: there is no such site, or a document is wrong.
        StorageError: something cannot be read or written here.
    """
    documents = documents or find_site_documents()
    site = show_site(name, documents)
    checks: list[Check] = []

    def note(one: Check) -> None:
        checks.append(one)
        on_check(one)

    with _directory(documents.directory) as top:
        for check in _Tester(site, documents, top, limit_s, back_ends).checks():
            note(check)
            if check.ok is False and check.name not in _INDEPENDENT:
                break
    done = {check.name for check in checks}
    for left in _NAMES:
        if left not in done:
            note(Check(left, None, "not looked at"))
    return SiteTest(name, site.executor, checks)


@contextmanager
def _directory(here: Path) -> Iterator[Path]:
    """Make the directory of the test; what the plans leave beside it is removed too, if it is empty."""
    left = [here / name for name in ("wf-scratch", "wf-output") if not (here / name).exists()]
    top = Path(tempfile.mkdtemp(prefix=".markab-site-test-", dir=here))
    try:
        yield top
    finally:
        shutil.rmtree(top, ignore_errors=True)
        for path in left:
            _remove_empty(path)


def _remove_scratch(submit_dir: Path) -> None:
    """Remove what a run left in its scratch directories on this machine: one that failed or was ended has not cleaned up."""
    from markab.operations.run_scratch import scratch_of_run
    from markab.plan.braindump import read_braindump
    from markab.plan.plan_file import PlanFile
    from markab.plan.submit_dir import SubmitDir
    from markab.transfers.reserved_names import MARKER
    from markab.transfers.tree_removal import remove_tree

    place = SubmitDir(submit_dir)
    with closing(PlanFile(place.plan)) as plan:
        found = scratch_of_run(submit_dir, plan, read_braindump(place.braindump).get("wf_uuid") or "")
        used = [site.scratch for site in plan.header.sites.values() if site.scratch is not None]
    for scratch in found:
        if not scratch.why_kept:
            remove_tree(scratch.place, last=MARKER)
    for each in used:
        for above in [*Path(each.path).parents][:_LEVELS] if each.is_local else ():
            with suppress(OSError):  # others have something in it
                above.rmdir()


def _remove_empty(path: Path) -> None:
    for below in sorted(path.rglob("*"), reverse=True) if path.is_dir() else ():
        try:
            below.rmdir()
        except OSError:
            return  # something is in it
    try:
        path.rmdir()
    except OSError:
        return


class _Watch:
    """What is seen of the jobs at a site while a test runs; ends the run when that takes too long."""

    def __init__(self, site: str, limit_s: float, *, cancels: bool = False) -> None:
        self.site = site
        self.limit_s = limit_s
        self.cancels = cancels
        """The run is ended as soon as a job runs."""
        self.begun_s = time.monotonic()
        self.queued: RunningJob | None = None
        """The job as last seen before one ran."""
        self.running: RunningJob | None = None
        self.waiting: dict[str, RunningJob] = {}
        """Those that have not started, by the names of their jobs."""
        self.started_s: float | None = None
        self.stopped = ""
        """Why the run was ended from here: "start", "end" or "cancel"."""
        self.warnings: Sequence[str] = ()

    def __call__(self, progress: Progress) -> None:
        if progress.outcome is not None:
            return
        self.warnings = progress.warnings or self.warnings
        if not self.stopped:
            waiting = (job for job in progress.jobs if job.site == self.site and (job.queued or job.held))
            self.waiting = {_name_of(job.id): job for job in waiting}
        for job in progress.jobs:
            if job.site != self.site:
                continue
            if self.stopped:
                continue
            if job.queued or job.held:
                if self.queued is None or job.held or job.reason or not self.queued.reason:
                    self.queued = job
            elif self.running is None:
                self.running, self.started_s = job, time.monotonic()
        now_s = time.monotonic()
        if self.started_s is None:
            if now_s - self.begun_s > self.limit_s:
                self._stop("start")
        elif self.cancels:
            self._stop("cancel")
        elif now_s - self.started_s > self.limit_s:
            self._stop("end")

    def _stop(self, why: str) -> None:
        if not self.stopped:
            self.stopped = why
            signal.raise_signal(signal.SIGTERM)  # the engine cancels what runs, and ends

    @property
    def was_accepted(self) -> bool:
        """Whether the site has given a job its id or held one, or one ran."""
        job = self.queued
        return self.running is not None or (job is not None and bool(job.native_id or job.held))

    def why_waiting(self, job: RunningJob | None = None) -> str:
        """Return the words of the site about a job that did not start; None: about the one that was seen last."""
        job = job or self.queued
        if job is not None and job.held:
            return f"the site holds it: {job.held}"
        if job is not None and job.reason:
            return f"the site says: {job.reason}"
        return self.warnings[-1] if self.warnings else "the site gives no reason"


class _Tester:
    def __init__(
        self,
        site: SiteFacts,
        documents: SiteDocuments,
        top: Path,
        limit_s: float,
        back_ends: Mapping[str, MakeExecutor] | None,
    ) -> None:
        self.site, self.documents, self.top = site, documents, top
        self.limit_s = limit_s
        self.back_ends = back_ends
        self.token = secrets.token_hex(16)
        self.inline = documents.read_inline()

    def checks(self) -> Iterator[Check]:
        """Yield one result after the other; after one that is not good, nothing more can be looked at."""
        site = self.site
        yield Check("site", True, f"jobs of site {site.name!r} run at {site.title}")
        if site.lack:
            hint = "load its module or add its directory to PATH; `markab plan --dry-run` names other ways"
            if site.lacks_package:
                hint = f"pip install 'markab[{site.extra}]'"
            yield Check("program", False, site.lack, hint)
            return
        yield Check("program", True, site.program or "none is needed here")
        from markab.errors import DocumentError, PlanningError

        self._write_files()
        able, refused = self._data_configurations()
        usual = site.data
        try:
            submit_dir = self._plan("look", able if usual in able else [usual])
        except (PlanningError, DocumentError) as error:
            first = error.problems[0]
            more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
            yield Check("plan", False, f"{first.message}{more}", first.hint)
            return
        without = "".join(f"; not with {data}: {why.message}" for data, why in refused.items())
        yield Check("plan", True, f"with {', '.join(able)}{without}")
        watch, outcome = self._run(submit_dir)
        yield from self._of_run(submit_dir, watch, outcome, able)
        yield from self._of_kinds()
        yield self._cancelled()

    def _of_run(
        self, submit_dir: Path, watch: _Watch, outcome: Outcome, able: Sequence[str]
    ) -> Iterator[Check]:
        succeeded = _succeeded(submit_dir)
        works = [data for data in able if data in succeeded]
        is_usable = self.site.data in works and outcome.state in ("success", "failed")
        ours = [one for one in outcome.failed if not _is_compute(one.id)]
        before = [one for one in ours if not one.id.startswith(_AFTER)]
        if before and not is_usable:
            error = before[0].error
            why = f"{before[0].id}: {error.get('message', '')}"
            yield Check("stage-in", False, why, str(error.get("hint") or _STAGING_HINT))
            return
        yield Check("stage-in", True, "the directory of the run was made, and the inputs are in it")
        failed = {_name_of(one.id): one for one in outcome.failed if _is_compute(one.id)}
        for data in able:
            if data not in succeeded and data not in failed and ours:
                failed[data] = ours[0]
        first = failed.get(self.site.data) or next(iter(failed.values()), None)
        words = str(first.error.get("message", "")) if first else ""
        hint = str(first.error.get("hint", "")) if first else ""
        if not watch.was_accepted and not is_usable:
            why = words or (watch.warnings[-1] if watch.warnings else watch.why_waiting())
            yield Check("queue", False, why, hint or _QUEUE_HINT)
            return
        seen = watch.running or watch.queued
        native = f", as {seen.native_id}" if seen is not None and seen.native_id else ""
        yield Check("queue", True, f"took {count(len(able), 'job')}{native}")
        if watch.stopped == "start":
            why = f"no job started within {duration(self.limit_s)}: {watch.why_waiting()}"
            yield Check("start", False, why, self._waiting_hint(watch.queued))
            return
        if watch.running is None and not is_usable:
            yield Check(
                "start", False, f"it did not run: {words or watch.why_waiting()}", hint or _START_HINT
            )
            return
        after = duration((watch.started_s or watch.begun_s) - watch.begun_s)
        on = f" on {watch.running.host}" if watch.running is not None and watch.running.host else ""
        yield Check("start", True, f"the first job ran after {after}{on}")
        if not is_usable:
            why = f"it did not end within {duration(self.limit_s)}" if watch.stopped == "end" else words
            job = f"{first.id}: " if first else ""
            yield Check("job", False, f"{job}{why or outcome.state}", hint or _JOB_HINT)
            return
        without = "".join(f"; not with {data}: {one.error.get('message')}" for data, one in failed.items())
        yield Check("job", True, f"read its input and made its output with {', '.join(works)}{without}")
        late = [one for one in ours if one.id.startswith(_AFTER)]
        if late:
            why = f"{late[0].id}: {late[0].error.get('message', '')}"
            yield Check("python", None, "not looked at")
            yield Check("outputs", False, why, str(late[0].error.get("hint") or _STAGING_HINT))
            return
        yield from self._of_outputs(works)

    def _of_outputs(self, able: Sequence[str]) -> Iterator[Check]:
        hosts, versions = set(), set()
        for data in able:
            path = self.top / "results" / f"{data}.txt"
            try:
                token, host, version = path.read_text().split("\n")[:3]
            except (OSError, ValueError) as error:
                yield Check("python", None, "not looked at")
                yield Check("outputs", False, f"{path.name} did not come back as it was made: {error}")
                return
            if token != self.token:
                yield Check("python", None, "not looked at")
                yield Check("outputs", False, f"{path.name} has another content than the job wrote")
                return
            hosts.add(host)
            versions.add(version.replace("Python ", ""))
        version = min(versions, key=_numbers)
        if _numbers(version) < _OLDEST_PYTHON:
            yield Check(
                "python",
                False,
                f"python3 is {version} on {', '.join(sorted(hosts))}",
                "install Python 3.6 or newer there, or put it on PATH of its nodes",
            )
            return
        yield Check("python", True, f"{version} on {', '.join(sorted(hosts))}")
        yield Check("outputs", True, "all came back, with the checksums of their records")

    def _of_kinds(self) -> Iterator[Check]:
        """Look at jobs that ask for something: as an array, for several cores, for a container."""
        from markab.errors import DocumentError, PlanningError

        documents = self.documents
        containers = documents.containers_of(self.site.name, documents.read_properties(), self.inline)
        array = [f"array-{number}" for number in range(_ARRAY)]
        boxes = {f"container-{number}": one for number, one in enumerate(containers)}
        cores = min(_CORES, os.cpu_count() or 1) if self.site.executor == LOCAL else _CORES
        try:
            submit_dir = self._plan("copy", [*array, "cores", *boxes], cores, boxes)
        except (PlanningError, DocumentError) as error:
            for name in _INDEPENDENT:
                yield Check(name, False, error.problems[0].message, error.problems[0].hint)
            return
        watch, outcome = self._run(submit_dir)
        failed = {_name_of(one.id): one for one in outcome.failed if _is_compute(one.id)}
        ours = next((one for one in outcome.failed if not _is_compute(one.id)), None)
        succeeded = _succeeded(submit_dir)

        def why_not(job: str, what: str) -> tuple[str, str]:
            if one := failed.get(job):
                return str(one.error.get("message", "")), str(one.error.get("hint", ""))
            if job in succeeded:
                path = self.top / "results" / f"{job}.txt"
                if watch.stopped or (path.exists() and path.read_text() == f"{self.token}\n"):
                    return "", ""
                return f"{path.name} did not come back as it was made", ""
            if waits := watch.waiting.get(job):
                why = f"{what} did not start within {duration(self.limit_s)}: {watch.why_waiting(waits)}"
                return why, self._waiting_hint(waits)
            if watch.stopped:
                return f"{what} did not end within {duration(self.limit_s)}", ""
            if ours is not None:
                return f"{ours.id}: {ours.error.get('message', '')}", str(ours.error.get("hint", ""))
            return outcome.state, ""

        def of_jobs(name: str, jobs: Sequence[str], what: str, hint: str) -> Check:
            found = ((why, said) for job in jobs for why, said in [why_not(job, what)] if why)
            why, said = next(found, ("", ""))
            return Check(name, False, why, said or hint) if why else Check(name, True, f"{what} ran")

        yield of_jobs("array", array, f"{count(_ARRAY, 'job')} that ask for the same", _QUEUE_HINT)
        yield of_jobs("cores", ["cores"], f"a job of {count(cores, 'core')}", _CORES_HINT)
        if not boxes:
            yield Check("container", True, "no executable of the catalogs has one")
        else:
            names = ", ".join(repr(one.name) for one in containers)
            yield of_jobs("container", list(boxes), f"a job in {names}", _CONTAINER_HINT)

    def _cancelled(self) -> Check:
        submit_dir = self._plan("wait", ["wait"])
        watch, outcome = self._run(submit_dir, cancels=True)
        if watch.stopped == "cancel" and outcome.state == "interrupted":
            return Check("cancel", True, "a job that ran was ended")
        why = watch.why_waiting() if watch.stopped == "start" else outcome.state
        return Check("cancel", False, f"a job that was to be cancelled: {why}", _JOB_HINT)

    def _waiting_hint(self, job: RunningJob | None) -> str:
        program = _TELLS_WHY.get(self.site.executor)
        if job is None or not job.native_id or program is None:
            return "look at its queue with its own commands; or wait longer: --timeout SECONDS"
        native_id = job.native_id.partition("_")[0]
        return f"`{program} {native_id}` says more; correct what the site's profiles ask for, or wait longer: --timeout SECONDS"

    # -- the workflows ---------------------------------------------------------------

    def _write_files(self) -> None:
        (self.top / "token.txt").write_text(f"{self.token}\n")
        for name, text in (("look", _LOOK), ("copy", _COPY), ("wait", _WAIT)):
            (self.top / name).write_text(text)
            (self.top / name).chmod(0o755)
        (self.top / "empty.yml").write_text('pegasus: "5.0.4"\n')

    def _data_configurations(self) -> tuple[list[str], dict[str, Problem]]:
        """Return the data configurations that the site can have, and why it cannot have the others."""
        from markab.errors import DocumentError, PlanningError
        from markab.plan.model import DATA_CONFIGURATIONS
        from markab.planner.planning import dry_run

        able: list[str] = []
        refused: dict[str, Problem] = {}
        for data in DATA_CONFIGURATIONS:
            try:
                dry_run(self._options("look", [data]))
            except (PlanningError, DocumentError) as error:
                refused[data] = error.problems[0]
            else:
                able.append(data)
        return able, refused

    def _plan(
        self, what: str, names: Sequence[str], cores: int = 1, boxes: Mapping[str, Container] | None = None
    ) -> Path:
        from markab.planner.planning import plan

        submit_dir = plan(self._options(what, names, cores, boxes)).submit_dir
        assert submit_dir is not None
        return submit_dir

    def _options(
        self, what: str, names: Sequence[str], cores: int = 1, boxes: Mapping[str, Container] | None = None
    ) -> Any:
        """Write a workflow with a job for each name, and return the options that plan it.

        The one that is called `cores` asks for so many; those of `boxes` run in these containers.
        """
        import msgspec

        from markab.planner.options import PlanOptions

        program = {"name": LOCAL, "type": "stageable", "pfn": str(self.top / what)}
        transformations: dict[str, dict[str, Any]] = {}
        jobs = []
        for name in names:
            box = (boxes or {}).get(name)
            transformation = f"site-test-{what}" + (f"-{name}" if box else "")
            entry = program | ({"container": box.name} if box else {})
            transformations[transformation] = {"name": transformation, "sites": [entry]}
            profiles: dict[str, Any] = {
                "selector": {"execution.site": self.site.name},
                "dagman": {"retry": "0"},
            }
            if what == "look":
                profiles["pegasus"] = {"data.configuration": name}
            elif name == "cores":
                profiles["pegasus"] = {"cores": str(cores)}
            uses = [
                {"lfn": "token.txt", "type": "input"},
                {"lfn": f"{name}.txt", "type": "output", "stageOut": True},
            ]
            jobs.append(
                {
                    "type": "job",
                    "id": name,
                    "name": transformation,
                    "arguments": [] if what == "wait" else [f"{name}.txt"],
                    "uses": [] if what == "wait" else uses,
                    "profiles": profiles,
                }
            )
        token = {"lfn": "token.txt", "pfns": [{"site": LOCAL, "pfn": str(self.top / "token.txt")}]}
        document = {
            "pegasus": "5.0.4",
            "name": f"site-test-{what}",
            "replicaCatalog": {"replicas": [token]},
            "transformationCatalog": {
                "transformations": list(transformations.values()),
                "containers": [msgspec.to_builtins(box) for box in (boxes or {}).values()],
            },
            "jobs": jobs,
        }
        if self.inline is not None and self.inline.site_catalog is not None:
            document["siteCatalog"] = msgspec.to_builtins(self.inline.site_catalog)
        path = self.top / f"{what}.yml"
        path.write_text(json.dumps(document))
        return PlanOptions(
            workflow=path,
            directory=self.documents.directory,
            conf=self.documents.conf,
            sites=[self.site.name],
            output_sites=[LOCAL],
            output_dir=self.top / "results",
            dir=self.top / "runs",
            properties={
                **self.documents.properties,
                "pegasus.catalog.replica": "YAML",
                "pegasus.catalog.replica.file": str(self.top / "empty.yml"),
                "pegasus.catalog.transformation": "YAML",
                "pegasus.catalog.transformation.file": str(self.top / "empty.yml"),
                "pegasus.catalog.replica.output.file": str(self.top / "outputs.db"),
                "markab.reuse.policy": "pegasus",
                "pegasus.data.reuse.scope": "none",
            },
        )

    def _run(self, submit_dir: Path, *, cancels: bool = False) -> tuple[_Watch, Outcome]:
        from markab.engine.run import RunOptions, run
        from markab.executors.registry import BACK_ENDS

        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("a site is tested in the main thread, which gets signals")
        watch = _Watch(self.site.name, self.limit_s, cancels=cancels)
        ends = BACK_ENDS if self.back_ends is None else self.back_ends
        try:
            return watch, run(submit_dir, RunOptions(), watch, back_ends=ends)
        finally:
            _remove_scratch(submit_dir)


_TELLS_WHY = {
    "slurm": "scontrol show job",
    "sge": "qstat -j",
    "pbs": "qstat -f",
    "torque": "qstat -f",
    "moab": "checkjob",
    "lsf": "bjobs -l",
    "flux": "flux jobs",
    "cobalt": "qstat -f",
    "htcondor": "condor_q -better-analyze",
}
"""Executor → its command that says of a job why it waits."""
_QUEUE_HINT = (
    "try the site's own command with a job of yours; is the queue or the project of the profiles right?"
)
_START_HINT = (
    "is Python 3.6 or newer on PATH of the nodes, and the scratch directory the same there and here?"
)
_JOB_HINT = "is the scratch directory of the site the same on its nodes as here?"
_STAGING_HINT = "can you write there? The directories of the site catalog are those of `markab sites show`"
_CORES_HINT = "does a node have that many, and does the site know the request by these words?"
_CONTAINER_HINT = "is the container program on PATH of the nodes, and can they reach the image?"
_AFTER = ("stage_out", "clean_up", "cleanup", "register")
"""How the names of our own jobs begin that come after those of the site."""
_CORES = 2
"""As many as any node has, and more than one."""


def _name_of(job: str) -> str:
    """Return the name that a job of the plan has in the workflow."""
    return job.rpartition("_")[2]


def _succeeded(submit_dir: Path) -> set[str]:
    return {_name_of(job["job"]) for job in open_run(submit_dir).jobs() if job["state"] == "succeeded"}


def _is_compute(job: str) -> bool:
    return job.startswith("site-test-")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(word) for word in version.split(".")[:2] if word.isdigit())

"""Choosing the site of a job by a program of the user's: the policy `NonJavaCallout`.

The program (`pegasus.selector.site.path`) is called once for each job that several sites can run, with one argument:
the path of a file that has a line `key=value` for each fact:

    version=2.0
    transformation=NAMESPACE::NAME:VERSION
    derivation=ID                            of the task
    job.level=NUMBER                         its depth in the workflow, from 0
    job.id=ID
    resource.id=SITE URL                     one for each site that can run it; URL: of its files, or NONE
    input.lfn=NAME                           one for each file that it reads
    wf.name, wf.index, wf.time, wf.manager, vo.name, vo.group

It prints a line `SOLUTION:SITE`, or `SOLUTION:NONE` if no site will do; what follows a second colon is ignored, and so
are other lines. It starts in the directory in which the planner was called, with the planner's environment and the
properties `pegasus.selector.site.env.NAME`. It may take `pegasus.selector.site.timeout` seconds (60; 0: any time). The
file is removed, unless `pegasus.selector.site.keep.tmp` is `always`, or `onerror` (the default) and there was an error.

Source: Pegasus 5, "Site Selection". Beyond it, an exit code other than 0 is an error even if there is a solution.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from markab.errors import Problem, quoted
from markab.planner.draft import Context, Draft
from markab.planner.placement import Placement
from markab.planner.site_directories import shared_scratch
from markab.spec.properties import Properties

NAME = "NonJavaCallout"
PATH = "pegasus.selector.site.path"
TIMEOUT = "pegasus.selector.site.timeout"
KEEP = "pegasus.selector.site.keep.tmp"
KEPT = ("onerror", "always", "never")
ENVIRONMENT = "pegasus.selector.site.env."
TIMEOUT_S = 60

_SOLUTION = "SOLUTION:"
_SHOWN = 500
"""Characters of the program's error output that a message shows."""
_READ_BYTES = 1_000_000
"""Of what it prints; the rest is not looked at."""


class NoSolution(Exception):
    """The program gave no site that can be used; the text says why."""


@dataclass(frozen=True, slots=True)
class SiteQuestion:
    """What the program learns of a job."""

    id: str
    transformation: str
    level: int
    sites: Mapping[str, str]
    """Those that can run it → URL of their files."""
    inputs: Sequence[str]
    workflow: str
    workflow_time: str

    def text(self) -> str:
        """Return them as lines `key=value`."""
        pairs = [
            ("version", "2.0"),
            ("transformation", self.transformation),
            ("derivation", self.id),
            ("job.level", str(self.level)),
            ("job.id", self.id),
            *(("resource.id", f"{site} {url or 'NONE'}") for site, url in self.sites.items()),
            *(("input.lfn", lfn) for lfn in self.inputs),
            ("wf.name", self.workflow),
            ("wf.index", "0"),
            ("wf.time", self.workflow_time),
            ("wf.manager", "markab"),
            ("vo.name", "NONE"),
            ("vo.group", "NONE"),
        ]
        return "".join(f"{key}={' '.join(value.splitlines())}\n" for key, value in pairs)


def solution_in(output: str, sites: Sequence[str]) -> str:
    """Return the site that the program printed.

    Raises:
        NoSolution: it printed none, or one that cannot run the job.
    """
    found = [line for line in map(str.strip, output.splitlines()) if line.startswith(_SOLUTION)]
    if not found:
        raise NoSolution(f"it printed no line that begins with {_SOLUTION!r}")
    site = found[0].removeprefix(_SOLUTION).partition(":")[0].strip()
    if site not in sites:
        what = "no site" if site in ("", "NONE") else f"site {site!r}"
        raise NoSolution(f"it chose {what}; those that can run the job are {', '.join(map(repr, sites))}")
    return site


@dataclass(slots=True)
class SiteProgram:
    """The program, and how it is called."""

    path: Path
    directory: Path
    timeout_s: float | None
    keep: str
    environ: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, properties: Properties, directory: Path) -> SiteProgram:
        """Return what the properties say; `property_values.py` has checked them."""
        timeout_s = float(properties.get(TIMEOUT, "").strip() or TIMEOUT_S)
        return cls(
            directory / properties.get(PATH, "").strip(),
            directory,
            timeout_s or None,
            properties.choice(KEEP, KEPT, KEPT[0]),
            {**os.environ, "PWD": str(directory), **properties.under(ENVIRONMENT)},
        )

    def choose(self, facts: SiteQuestion) -> str:
        """Return the site that the program chooses for a job.

        Raises:
            NoSolution: it gave none that can be used.
            OSError: it cannot be started, or its file cannot be written.
        """
        fd, name = tempfile.mkstemp(prefix="markab-site-")
        keep = self.keep != "never"
        try:
            with open(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(facts.text())
            site = solution_in(self._output(name), list(facts.sites))
            keep = self.keep == "always"
        except NoSolution as error:
            raise NoSolution(f"{error}; its file is {name!r}" if keep else str(error)) from None
        finally:
            if not keep:
                os.unlink(name)
        return site

    def _output(self, file: str) -> str:
        # Files, not pipes: what the program leaves running may hold its streams for long.
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                [str(self.path), file],
                cwd=self.directory,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
            try:
                process.wait(self.timeout_s)
            except subprocess.TimeoutExpired:
                raise NoSolution(f"it gave no answer within {self.timeout_s:g} s") from None
            finally:
                _end_group(process)
            printed, said = _start_of(output), _start_of(errors).strip()
        if process.returncode:
            said = f": {said[-_SHOWN:]}" if said else ""
            how = (
                f"was ended by signal {-process.returncode}"
                if process.returncode < 0
                else f"ended with exit code {process.returncode}"
            )
            raise NoSolution(f"it {how}{said}")
        return printed


def _start_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(_READ_BYTES).decode("utf-8", "replace")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End what the program left running, and itself if it runs."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # all have ended
    process.kill()
    process.wait()


def called_out(
    draft: Draft, context: Context, possible: Mapping[int, Mapping[str, Placement]]
) -> Iterator[tuple[int, str]]:
    """Yield each job with its site; the first job for which the program gives none is a problem, and ends the calls."""
    program = SiteProgram.of(context.properties, context.options.directory)
    document = context.options.directory / context.options.workflow
    time = f"{document.stat().st_mtime:.0f}" if document.exists() else "0"
    urls: dict[str, str] = {}
    failed = False
    for job, placements in possible.items():
        site = next(iter(placements))
        if len(placements) > 1 and not failed:
            (task,) = draft.tasks_of(job)
            facts = SiteQuestion(
                task.id,
                placements[site].programs[0].executable.transformation.full_name,
                draft.levels[job],
                {name: urls.setdefault(name, _url(context, name)) for name in placements},
                [use.lfn for use in draft.inputs(job)],
                draft.workflow.name,
                time,
            )
            try:
                site = program.choose(facts)
            except (NoSolution, OSError) as error:
                failed = True
                why = f"it cannot be started: {error.strerror}" if isinstance(error, OSError) else str(error)
                context.problems.append(_problem(program.path, draft.title_of(job), why))
        yield job, site


def _problem(program: Path, job: str, why: str) -> Problem:
    return Problem(
        f"the program {str(program)!r} (property {PATH!r}) chose no site for job {job}: {why}",
        f"chmod +x {quoted(str(program))}"
        if program.is_file() and not os.access(program, os.X_OK)
        else "correct the program, or choose another policy with the property pegasus.selector.site",
        kind="site-program",
    )


def _url(context: Context, site: str) -> str:
    scratch = shared_scratch(context.sites[site])
    return scratch.url if scratch is not None else ""

"""`Workflow`: the builder of a workflow's document, with methods that plan, run, watch and stop it."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markab import operations
from markab.api import notebook
from markab.api.errors import PegasusError, as_client_error
from markab.api.files import File
from markab.api.job import AbstractJob, job_name
from markab.api.progress_bar import live_bar
from markab.api.script_session import hand_over_plan
from markab.api.warnings import warn, warn_of_unknown_options
from markab.api.workflow_document import WorkflowDocument
from markab.formatting import json_text, printable

if TYPE_CHECKING:
    from typing_extensions import Self

    from markab.api.braindump import Braindump


class Workflow(WorkflowDocument):
    """A workflow. `write` writes its document; `plan`, `run`, `wait` and other methods process it."""

    _submit_dir: Path | None = None
    _braindump: dict[str, str | None] | None = None
    _plan_keywords: Mapping[str, Any] = {}
    """Those of the last call of `plan`."""
    _run_output: dict[str, Any] | None = None
    _shown_in_cell: int | None = None
    """The cell of a notebook that last had an output about this run."""

    def __repr__(self) -> str:
        run = f", submit_dir={str(self._submit_dir)!r}" if self._submit_dir is not None else ""
        return super().__repr__().removesuffix(")") + f"{run})"

    def _repr_html_(self) -> str | None:
        """Return a table and, of a small workflow, a picture; None in a cell that has an output about the run already."""
        cell = notebook.current_cell()
        if cell is not None and cell == self._shown_in_cell:
            return None
        from markab.api.notebook_reports import workflow_html

        return workflow_html(self, self._submit_dir)

    def add_jobs(self, *jobs: AbstractJob) -> Self:
        """Add jobs; those without an id get ID0000001, ID0000002, and so on.

        Raises:
            DuplicateError: there is a job of that id.
        """
        super().add_jobs(*jobs)
        for job in jobs:
            job._workflow = self
        return self

    @property
    def submit_dir(self) -> Path:
        """The directory of the plan and all files of its run.

        Raises:
            PegasusError: the workflow is not planned.
        """
        if self._submit_dir is None:
            raise PegasusError("this workflow has no submit directory: plan it first, with plan()")
        return self._submit_dir

    def use_run(self, submit_dir: Path) -> None:
        """Let the methods process the run in a submit directory, whoever planned it.

        Raises:
            PegasusClientError: there is none.
        """
        with as_client_error("reading the run failed"):
            self._braindump = operations.read_braindump(submit_dir)
        self._submit_dir = submit_dir

    @property
    def braindump(self) -> Braindump:
        """The identity of the run: the content of `braindump.yml`.

        Raises:
            PegasusError: the workflow is not planned.
        """
        self.submit_dir  # noqa: B018  (for its error)
        from markab.api.braindump import make_braindump

        return make_braindump(self._braindump or {})

    @property
    def run_output(self) -> dict[str, Any]:
        """The braindump of the run that `run` started, with its process id.

        Raises:
            PegasusError: the workflow was not run by this object.
        """
        if self._run_output is None:
            raise PegasusError("this workflow has no run: start it first, with run()")
        return self._run_output

    def plan(
        self,
        *,
        conf: str | Path | None = None,
        basename: str | None = None,
        job_prefix: str | None = None,
        cluster: Sequence[str] | None = None,
        sites: Sequence[str] | None = None,
        output_sites: Sequence[str] | None = ("local",),
        staging_sites: Mapping[str, str] | None = None,
        cache: Sequence[str | Path] | None = None,
        input_dirs: Sequence[str | Path] | None = None,
        output_dir: str | Path | None = None,
        transformations_dir: str | Path | None = None,
        dir: str | Path | None = None,
        relative_dir: str | Path | None = None,
        random_dir: bool | str | Path = False,
        relative_submit_dir: str | Path | None = None,
        inherited_rc_files: Sequence[str | Path] | None = None,
        cleanup: str | None = None,
        reuse: Sequence[str | Path] | None = None,
        reuse_policy: str | None = None,
        engine: str | None = None,
        until: Sequence[str] | None = None,
        verbose: int = 0,
        quiet: int = 0,
        force: bool = False,
        force_replan: bool = False,
        forward: Sequence[str] | None = None,
        submit: bool = False,
        java_options: Sequence[str] | None = None,
        **properties: object,
    ) -> Self:
        """Plan the workflow for the given sites, into a new submit directory.

        It is written to its default file first if it has not been written yet.
        With `submit`, the plan is run too; with the policy `content`, an earlier run that has all the results already takes
        its place, and nothing runs. In a script that `markab plan` or `markab run` runs, the script ends
        here, and that command plans. Any other keyword is a property:
        `plan(**{"pegasus.mode": "development"})`. `java_options` is accepted, and has
        no effect.

        Raises:
            TypeError: an option has the wrong type, where a list or a dict is needed.
            PegasusClientError: it cannot be planned; the message has every reason.
        """
        given = locals()
        from markab.planner.options import KEYWORDS, PlanOptions, accepted

        keywords = {name: given[name] for name in KEYWORDS}
        options = accepted({**keywords, **properties})
        warn_of_unknown_options(properties)
        if self._path is None:
            self.write()
        hand_over_plan(self.path, {**keywords, **properties})
        request = PlanOptions(workflow=self.path, **options)
        if submit and (answer := operations.find_answer(request)) is not None:
            self.use_run(answer.submit_dir)
            self._plan_keywords = {**keywords, **properties}
            return self.run(verbose=verbose)
        with as_client_error("planning failed"):
            planned = operations.plan(request, then="start" if submit else "nothing")
        if planned.submit_dir is None:
            raise PegasusError("planning made no submit directory")
        self._submit_dir, self._plan_keywords = planned.submit_dir, {**keywords, **properties}
        self._braindump = dict(planned.braindump)
        self._run_output = None
        if not quiet:
            for problem in planned.warnings:
                hint = f" ({problem.hint})" if problem.hint else ""
                warn(f"{problem}{hint}")
        return self.run(verbose=verbose) if submit else self

    def lint(self, *, off: Collection[str] = (), **options: object) -> list[operations.Finding]:
        """Return what is wrong with the workflow, its catalogs and its programs, and what is most likely not meant.

        It is written to its default file first if it has not been written yet; nothing else is written. `off` are codes
        that are not reported, other keywords those of `plan`. Each finding has `severity` ("error", "warning" or "note"),
        `code`, `message`, `hint`, `file` and `line`.

        Raises:
            TypeError: an option has the wrong type, where a list or a dict is needed.
            PegasusClientError: the document cannot be read.
        """
        from markab.planner.options import options_from_keywords

        if self._path is None:
            self.write()
        with as_client_error("linting failed"):
            return operations.lint(options_from_keywords(self.path, options), off).findings

    def run(
        self,
        *,
        verbose: int = 0,
        grid: bool = False,
        until: Sequence[str] | None = None,
        fail_fast: bool | None = None,
        refresh: bool = False,
        restore: bool = False,
        keep_failed: bool = False,
        cores: int | None = None,
        memory: str | int | None = None,
        gpus: int | None = None,
        max_jobs: int | None = None,
    ) -> Self:
        """Start the planned workflow in the background, or continue its run.

        With `until`, it is planned first, as in the last call of `plan` but only what these targets need. With
        `fail_fast`, no job is started after one failed for good; False: continue with all that can. The
        default is that of the plan: property `markab.fail.fast`. With `refresh`, inputs, scripts and programs
        that were edited since the run took them are taken anew, and all jobs that depend on them run again.
        With `restore`, results are made again that were removed since, or have another size. With `keep_failed`,
        the directory of the last failed attempt of each job is kept, until the job is tried again.

        Args:
            cores, gpus: how many of them jobs on this machine may use together; None: all that it has.
            memory: memory that they may use together, such as "8GB"; MB as a number.
            max_jobs: number of jobs that may run at once.

        Raises:
            ValueError: `memory` is no size, or a number is not positive.
            PegasusError: it is not planned.
            PegasusClientError: it cannot be planned or started, or is running already.
        """
        if until is not None:
            self.plan(**{**self._plan_keywords, "until": until, "submit": False})
        limits = operations.make_limits(cores, memory, gpus, max_jobs)
        with as_client_error("starting the workflow failed"):
            pid, is_complete = operations.start(
                self.submit_dir, limits, keep_failed, restore, refresh, fail_fast
            )
        self._run_output = {**(self._braindump or {}), "submit_dir": str(self.submit_dir), "pid": pid}
        if verbose:
            complete = f"nothing to run: all jobs of {self.submit_dir} have succeeded already"
            print(printable(complete if is_complete else f"running {self.submit_dir} as process {pid}"))
        return self

    def runs(
        self,
        directory: str | Path | None = None,
        *,
        state: str | Collection[str] = (),
        since: datetime | timedelta | None = None,
    ) -> list[operations.ListedRun]:
        """Return your runs of workflows with this name, the newest first; see `list_runs`.

        `use_run` makes the methods of this object process one of them: `wf.use_run(wf.runs()[0].submit_dir)`.

        Raises:
            PegasusClientError: there is no such state.
        """
        from markab.api.run_list import list_runs

        return list_runs(directory, state=state, workflow=escape(self.name), since=since)

    def clean(self, *runs: str | Path, **options: Any) -> list[operations.OldRun]:
        """Return the runs of workflows with this name that go; with `yes`, delete them. Options are those of `clean_runs`.

        Raises:
            ValueError, PegasusClientError: as `clean_runs`.
        """
        from markab.api.run_list import clean_runs

        return clean_runs(*runs, workflow=escape(self.name), **options)

    def rerun(self, *, output_dir: str | Path | None = None, accept_changes: bool = False) -> Workflow:
        """Plan the run again from its own record, start that in the background, and return it as a Workflow.

        Its results go to `output_dir`, by default a directory `rerun-of-NAME`; `compare` compares them with those
        of this run, once it has ended. Inputs, programs and settings must be what they were, unless `accept_changes`.

        Raises:
            PegasusError: it is not planned.
            PegasusClientError: it has not succeeded, cannot be planned again, or something has changed.
        """
        with as_client_error("running it again failed"):
            place = None if output_dir is None else Path(output_dir)
            repetition = operations.prepare_rerun(self.submit_dir, place)
            if not accept_changes:
                operations.refuse_changes(repetition)
            for text in repetition.differences:
                warn(text)
            planned = operations.plan(repetition.options, then="start")
            assert planned.submit_dir is not None
            operations.keep_passwords(repetition, planned.submit_dir)
        again = Workflow(self.name)
        again.use_run(planned.submit_dir)
        return again.run()

    def compare(self, other: Workflow) -> list[dict[str, str]]:
        """Return the results of this run and of another one of the workflow, compared by checksum.

        Each has `lfn`, the checksums `old` and `new`, and a `verdict`: `same`, `different`, `missing` if only this run
        has it, `new` if only the other one has it, or `unknown` if a checksum is not recorded.

        Raises:
            PegasusClientError: one of them cannot be read.
        """
        with as_client_error("comparing runs failed"):
            return [result._asdict() for result in operations.compare_runs(self.submit_dir, other.submit_dir)]

    def status(
        self,
        *,
        json: bool = False,
        long: bool = False,
        dirs: bool = False,
        legend: bool = False,
        noqueue: bool = False,
        debug: bool = False,
        verbose: int = 0,
    ) -> Self:
        """Print the progress of the run; in a notebook, show it as a table.

        Raises:
            PegasusError: the workflow is not planned.
        """
        seen = self._status()
        if json:
            print(json_text(seen.to_json(queue=not noqueue)))
            return self
        text = printable(seen.text(long=long, queue=not noqueue, legend=legend, directories=dirs))
        if notebook.kernel() is None:
            print(text, end="")
        else:
            from markab.api.notebook_html import status_html

            self._show(status_html(seen, time.time(), queue=not noqueue), text)
        return self

    def get_status(self) -> dict[str, Any]:
        """Return the progress of the run as a dict with `totals` and `dags`.

        Raises:
            PegasusError: the workflow is not planned.
        """
        return self._status().to_json()

    def wait(self, delay: float = 5) -> Self:
        """Wait for the end of the run with a progress bar; the pauses between two readings grow up to `delay` seconds.

        Ctrl-C, or interrupting the kernel of a notebook, ends the waiting; the run continues.

        Raises:
            PegasusError: the workflow is not planned, or its run was never started, or refused.
        """
        submit_dir = self.submit_dir
        self._shown_in_cell = notebook.current_cell()

        def show_started(status: operations.Status) -> None:
            if status.state == "Not started":
                raise PegasusError(f"the run in {str(submit_dir)!r} was not started: call run()")
            if status.state == "Refused":
                raise PegasusError(f"the run in {str(submit_dir)!r} was {status.note}")
            show(status)

        try:
            with (
                as_client_error("reading the status failed"),
                live_bar() if self._shown_in_cell is None else notebook.live() as show,
            ):
                pauses = operations.growing_pauses(delay)
                operations.wait(submit_dir, show_started, pauses=pauses, sleep=time.sleep)
        except KeyboardInterrupt:
            pass
        return self

    def halt(self) -> Self:
        """Start no more jobs of the run; running jobs end normally. `run` can continue it later.

        Raises:
            PegasusError: the workflow is not planned.
        """
        with as_client_error("halting the workflow failed"):
            operations.halt(self.submit_dir)
        return self

    def why(self, job: AbstractJob | str) -> Self:
        """Print why a job is in the plan, what it waited for, each attempt, and why it ran or did not.

        Raises:
            PegasusError: the workflow is not planned.
            PegasusClientError: the run has no such job, or cannot be read.
        """
        with as_client_error("explaining the job failed"):
            print(printable(operations.why(self.submit_dir, job_name(job)).text()), end="")
        return self

    def trace(self, file: File | str) -> Self:
        """Print how a file was made: the jobs before it, their inputs, and where it is.

        Raises:
            PegasusError: the workflow is not planned.
            PegasusClientError: the run has no such file, or cannot be read.
        """
        with as_client_error("tracing the file failed"):
            name = file.lfn if isinstance(file, File) else file
            print(printable(operations.trace(self.submit_dir, name).text()), end="")
        return self

    def remove(self, *, verbose: int = 0) -> Self:
        """End the run and its running jobs. `run` can continue it later.

        Raises:
            PegasusError: the workflow is not planned.
        """
        with as_client_error("removing the workflow failed"):
            operations.remove(self.submit_dir, patience_s=0)
        return self

    def analyze(self, *, verbose: int = 0, json_mode: bool = False, traverse_all: bool = False) -> Self:
        """Print the failures of the run; in a notebook, show each cause in a part that can be folded.

        Raises:
            PegasusError: the workflow is not planned.
        """
        with as_client_error("analyzer failed"), operations.analyze(self.submit_dir) as found:
            text = json_text(found.to_json()) if json_mode else printable(found.text().rstrip("\n"))
            if json_mode or notebook.kernel() is None:
                print(text)
            else:
                from markab.api.notebook_reports import analysis_html

                self._show(analysis_html(found), text)
        return self

    def logs(
        self,
        job: AbstractJob | str,
        *,
        follow: bool = False,
        attempt: int | None = None,
        tail: int | None = None,
        stdout: bool = True,
        stderr: bool = True,
    ) -> Self:
        """Print what a job has written to its stdout and stderr, each to the same, while it runs too.

        With `follow` it goes on until the job has ended, across its retries; Ctrl-C, or
        interrupting the kernel of a notebook, ends that.

        Args:
            job: the job, or its name in the run, id, label, or transformation if no other job has that.
            attempt: that one, in place of the one that runs, or the last.
            tail: begin with so many last lines of each stream.

        Raises:
            PegasusError: the workflow is not planned.
            PegasusClientError: the run has no such job, or the job no such attempt, or the run cannot be read.
        """
        streams = [name for name, wanted in (("stdout", stdout), ("stderr", stderr)) if wanted]
        with (
            as_client_error("reading the logs failed"),
            operations.open_log(self.submit_dir, job_name(job), streams, attempt=attempt, lines=tail) as log,
            suppress(KeyboardInterrupt),
        ):
            for stream, text in operations.shown_log(log, follow=follow):
                place = sys.stdout if stream == "stdout" else sys.stderr
                print(printable(text), end="", file=place, flush=True)
        return self

    def get_logs(
        self, job: AbstractJob | str, *, attempt: int | None = None, tail: int | None = None
    ) -> dict[str, str]:
        """Return what a job has written by now, as `stdout` and `stderr`. Arguments and errors are those of `logs`."""
        texts = dict.fromkeys(operations.STREAMS, "")
        with (
            as_client_error("reading the logs failed"),
            operations.open_log(self.submit_dir, job_name(job), attempt=attempt, lines=tail) as log,
        ):
            for piece in operations.log_texts(log):
                if piece.stream:
                    texts[piece.stream] += piece.text
        return texts

    def statistics(self, *, verbose: int = 0) -> Self:
        """Print the statistics of the run; in a notebook, show them as tables.

        Raises:
            PegasusError: the workflow is not planned.
        """
        with as_client_error("statistics failed"):
            found = operations.save_statistics(self.submit_dir)
            text = printable(operations.statistics_text(found))
            if notebook.kernel() is None:
                print(text)
            else:
                from markab.api.notebook_reports import statistics_html

                self._show(statistics_html(found), text)
        return self

    def graph(
        self,
        include_files: bool = True,
        no_simplify: bool = True,
        label: str = "label",
        output: str | Path | None = None,
        remove: Sequence[str] | None = None,
        width: int | None = None,
        height: int | None = None,
        *,
        recursive: bool = False,
    ) -> Self:
        """Draw the jobs, files and dependencies of the written document; with `recursive`, of its run with all sub-workflows.

        The suffix of `output` is the format: `.dot`, `.mmd` (Mermaid) and `.svg`
        need no other program, all others need Graphviz. Without `output` the picture
        is shown in a notebook, coloured by state once the workflow was run, and
        printed as DOT elsewhere. More than 150 jobs are summarised by transformation
        and level.

        Raises:
            PegasusError: the workflow is not written yet, or Graphviz is needed and missing.
            PegasusClientError: the document cannot be read, or `output` cannot be written.
            ValueError: `label` is unknown.
        """
        from markab.api import graph

        cell = notebook.current_cell() if output is None else None
        run = self._submit_dir if cell is not None else None
        path = self.path
        with as_client_error("drawing the workflow failed"):
            drawing = operations.draw(
                self.submit_dir if recursive else path,
                states_of=None if recursive else run,
                recursive=recursive,
                files=include_files,
                simplify=not no_simplify,
                label=label,
                remove=remove or (),
            )
            graph.show(drawing, None if output is None else Path(output), width, height)
        self._shown_in_cell = cell or self._shown_in_cell
        return self

    def _status(self) -> operations.Status:
        with as_client_error("reading the status failed"):
            return operations.read_status(self.submit_dir)

    def _show(self, html: str, text: str) -> None:
        notebook.show_html(html, text)
        self._shown_in_cell = notebook.current_cell()

"""The text of a DAG and of its submit files, from a plan. Pure.

A node is a job of the plan. Its PRE script makes the attempt: it writes the start into the journal, and the spec of the
worker, with inputs, into the sandbox. HTCondor runs the worker there: in the pool, or on this machine in the universe
`local`. The POST script takes what came back, records the end, and says to DAGMan what follows by its exit code.

| of the plan | in the DAG |
|---|---|
| parents | `PARENT … CHILD` |
| retries | `RETRY … UNLESS-EXIT 76` |
| priority | `PRIORITY` |
| category, and how many of its jobs may run | `CATEGORY`, `MAXJOBS` |
| an exit code that ends the run | `ABORT-DAG-ON … 77`; with a `FINAL` node, DAGMan itself ends with 1 whatever `RETURN` says |
| jobs at once, jobs waiting in queues | `DAGMAN_MAX_JOBS_SUBMITTED`, `DAGMAN_MAX_JOBS_IDLE` in `CONFIG` |
| requests and profiles | the submit file |

Source: the DAGMan chapter of the HTCondor manual.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from markab.dagman.dag_layout import EVENTS, DagLayout
from markab.executors.htcondor.hold_codes import LASTING
from markab.executors.htcondor.run_files import SENT
from markab.executors.htcondor.submit_file import arguments, command_lines, commands_text, escaped, quoted
from markab.plan.model import Header, PlannedJob

DONE, FAILED, GAVE_UP, ENDS_RUN, SKIP = 0, 1, 76, 77, 78
"""Exit codes of scripts: of success; of a failure that may be tried again; of one that is not; of one that ends the run;
and of a PRE script whose job has succeeded already."""

WATCH, END = "markab_watch", "markab_end"
"""Names of nodes that are no jobs of the plan."""
HERE = "markab_submit_host"
"""Category of the jobs of the submit host that have none."""

SCRIPTS_AT_ONCE = 4
"""Each is a Python on the submit host."""
PASSWORDS = "passwords.json"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
_WORDS = frozenset({"PARENT", "CHILD", "ALL_NODES", WATCH.upper(), END.upper()})
_OUT_OF_RESOURCES = 34


class NodeNames:
    """The names of nodes: the ids of jobs, as far as DAGMan takes them."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._taken: set[str] = set()

    def add(self, job: PlannedJob) -> str:
        """Return the name of the next job."""
        name = _NOT_IN_NAMES.sub("_", job.id)
        if not _NAME.fullmatch(job.id) or job.id.upper() in _WORDS or name in self._taken:
            name = f"n{len(self._names)}_{name}"
        while name in self._taken:
            name += "_"
        self._names.append(name)
        self._taken.add(name)
        return name

    def __getitem__(self, position: int) -> str:
        return self._names[position]


def dag_lines(
    header: Header, jobs: Iterable[tuple[PlannedJob, int]], layout: DagLayout, here_at_once: int
) -> Iterator[str]:
    """Yield the lines of the DAG.

    Args:
        jobs: in the order of the plan, each with the number of its submit file.
        here_at_once: how many jobs without a category may run on the submit host: DAGMan does not know its cores.
    """
    names, used, is_any_here = NodeNames(), dict[str, str](), False
    yield f"# Workflow {' '.join(header.workflow.split())}, written by `markab plan --engine dagman`."
    yield "# Start it, and go on with it: condor_submit_dag and the name of this file."
    yield f"CONFIG {layout.config}"
    yield f"SERVICE {WATCH} {layout.watch}"
    for position, (job, number) in enumerate(jobs):
        name = names.add(job)
        yield ""
        yield f"JOB {name} {layout.submit_file(number)}"
        yield f'VARS {name} position="{position}"'
        yield f"SCRIPT PRE {name} {layout.step} pre {position} $RETRY $MAX_RETRIES"
        yield f"SCRIPT POST {name} {layout.step} post {position} $RETRY $MAX_RETRIES"
        yield f"PRE_SKIP {name} {SKIP}"
        if job.retries:
            yield f"RETRY {name} {job.retries} UNLESS-EXIT {GAVE_UP}"
        if job.priority:
            yield f"PRIORITY {name} {job.priority}"
        if job.category:
            used[job.category] = _NOT_IN_NAMES.sub("_", job.category)
            yield f"CATEGORY {name} {used[job.category]}"
        elif job.site in header.local_sites:
            is_any_here = True
            yield f"CATEGORY {name} {HERE}"
        if job.abort is not None:
            yield f"ABORT-DAG-ON {name} {ENDS_RUN}"
        if job.parents:
            yield f"PARENT {' '.join(names[parent] for parent in job.parents)} CHILD {name}"
    yield ""
    for category, shown in used.items():
        if (limit := header.limits.get(category, 0)) > 0:
            yield f"MAXJOBS {shown} {limit}"
    if is_any_here:
        yield f"MAXJOBS {HERE} {here_at_once}"
    yield f"FINAL {END} {layout.watch} NOOP"
    yield f"SCRIPT POST {END} {layout.step} end $DAG_STATUS"


def config_text(header: Header) -> str:
    """Return the settings of DAGMan for this DAG."""
    settings = {
        "DAGMAN_MAX_PRE_SCRIPTS": SCRIPTS_AT_ONCE,
        "DAGMAN_MAX_POST_SCRIPTS": SCRIPTS_AT_ONCE,
        "DAGMAN_USER_LOG_SCAN_INTERVAL": 1,
    }
    if header.max_jobs:
        settings["DAGMAN_MAX_JOBS_SUBMITTED"] = header.max_jobs
    if header.max_idle:
        settings["DAGMAN_MAX_JOBS_IDLE"] = header.max_idle
    return command_lines({key: str(value) for key, value in settings.items()})


def watch_text(layout: DagLayout) -> str:
    """Return the submit file of the process that follows the run."""
    directory = escaped(str(layout.directory))
    commands = {
        "universe": "scheduler",
        "executable": escaped(str(layout.step)),
        "arguments": arguments(["watch"]),
        "initialdir": directory,
        "output": "watch.out",
        "error": "watch.err",
        "log": f"{directory}/watch.log",
        "getenv": "True",
    }
    return f"{command_lines(commands)}queue\n"


def job_text(
    job: PlannedJob, header: Header, layout: DagLayout, run: str, *, has_passwords: bool = False
) -> str:
    """Return the submit file of a job; equal texts are one file.

    Args:
        run: its uuid.
        has_passwords: some URLs of the run have passwords, which go along in a file.
    """
    own = {
        "initialdir": f"{escaped(str(layout.directory))}/$(position)",
        "log": f"{escaped(str(layout.directory))}/$(position)/{EVENTS}",
        "log_xml": "True",
        "output": "start.out",
        "error": "start.err",
        "batch_name": escaped(" ".join(header.workflow.split())),
        "My.MarkabRun": escaped(quoted(run)),
        "My.MarkabJob": "$(position)",
    }
    if job.site in header.local_sites:
        own = {
            "executable": escaped(str(layout.step)),
            **own,
            "universe": "local",
            "arguments": arguments(["work"]),
            "getenv": "True",
        }
        return f"{command_lines(own)}queue\n"
    job, removes = _without_periodic_remove(msgspec.structs.replace(job, priority=0))
    own["periodic_remove"] = _removal(header.hold_limit_s, removes)
    sent = [name for name in SENT if name != PASSWORDS or has_passwords]
    return f"{commands_text(job, own, layout.start, layout.worker, sent)}queue\n"


def step_text(python: str, submit_dir: str) -> str:
    """Return the program by which nodes call Markab."""
    boot = "import sys; del sys.path[0]; from markab.dagman.step_program import main; sys.exit(main(sys.argv[1:]))"
    return f'#!/bin/sh\nexec {_shell_word(python)} -c {_shell_word(boot)} {_shell_word(submit_dir)} "$@"\n'


def _shell_word(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _without_periodic_remove(job: PlannedJob) -> tuple[PlannedJob, Sequence[str]]:
    """Return a job without the user's own expression of that name, and the expression."""
    if job.batch is None:
        return job, ()
    given: Mapping[str, str] = job.batch.attributes
    removes = [value for key, value in given.items() if key.lower() == "periodic_remove"]
    kept = {key: value for key, value in given.items() if key.lower() != "periodic_remove"}
    batch = msgspec.structs.replace(job.batch, attributes=kept)
    return msgspec.structs.replace(job, batch=batch), removes


def _removal(hold_limit_s: float, removes: Sequence[str]) -> str:
    """Return when HTCondor gives a job up: it is held for a reason that lasts, or too long."""
    codes = ", ".join(map(str, sorted({*LASTING, _OUT_OF_RESOURCES})))
    held = f"member(HoldReasonCode, {{{codes}}})"
    if hold_limit_s:
        held += f" || time() - EnteredCurrentStatus > {round(hold_limit_s)}"
    return " || ".join([f"(JobStatus == 5 && ({held}))", *(f"({one})" for one in removes)])

"""Submit directories in the format of Pegasus 5, written by a program of ours from the description of its formats.

    run = PegasusRun(path, "words")
    run.job("count_ID1", tasks=("ID1",), parents=("stage_in_local_local_0_0",), retries=1)
    run.attempt("count_ID1", took_s=4, exits=(0,))
    run.write(exit_code=0)

Each attempt begins when the one before it has ended. `PegasusRun.inner` makes the directory
of a sub-workflow, whose rows are in the database of its root.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

BEGIN_S = 1_790_000_000
CURRENT_SCHEMA = 14

TABLES = """
CREATE TABLE dbversion (id INTEGER PRIMARY KEY, version_number INTEGER, version VARCHAR(50) NOT NULL,
    version_timestamp INTEGER NOT NULL);
CREATE TABLE workflow (wf_id INTEGER PRIMARY KEY, wf_uuid VARCHAR(255) NOT NULL UNIQUE, dag_file_name VARCHAR(255),
    timestamp NUMERIC(16,6), submit_hostname VARCHAR(255), submit_dir TEXT, planner_arguments TEXT,
    user VARCHAR(255), grid_dn VARCHAR(255), planner_version VARCHAR(255), dax_label VARCHAR(255),
    dax_version VARCHAR(255), dax_file VARCHAR(255), db_url TEXT, parent_wf_id INTEGER REFERENCES workflow,
    root_wf_id INTEGER);
CREATE TABLE workflowstate (wf_id INTEGER NOT NULL, state VARCHAR(19) NOT NULL, timestamp NUMERIC(16,6) NOT NULL,
    restart_count INTEGER NOT NULL, status INTEGER, reason TEXT, PRIMARY KEY (wf_id, state, timestamp));
CREATE TABLE workflow_meta (wf_id INTEGER, key VARCHAR(255), value VARCHAR(255) NOT NULL, PRIMARY KEY (wf_id, key));
CREATE TABLE workflow_files (wf_id INTEGER, task_id INTEGER, lfn_id INTEGER, file_type VARCHAR(255) NOT NULL,
    PRIMARY KEY (wf_id, task_id, lfn_id));
CREATE TABLE host (host_id INTEGER PRIMARY KEY, wf_id INTEGER NOT NULL, site VARCHAR(255) NOT NULL,
    hostname VARCHAR(255) NOT NULL, ip VARCHAR(255) NOT NULL, uname VARCHAR(255), total_memory INTEGER,
    UNIQUE (wf_id, site, hostname, ip));
CREATE TABLE job (job_id INTEGER PRIMARY KEY, wf_id INTEGER NOT NULL, exec_job_id VARCHAR(255) NOT NULL,
    submit_file VARCHAR(255) NOT NULL, type_desc VARCHAR(14) NOT NULL, clustered BOOLEAN NOT NULL,
    max_retries INTEGER NOT NULL, executable TEXT NOT NULL, argv TEXT, task_count INTEGER NOT NULL,
    UNIQUE (wf_id, exec_job_id));
CREATE TABLE job_edge (wf_id INTEGER, parent_exec_job_id VARCHAR(255), child_exec_job_id VARCHAR(255),
    PRIMARY KEY (wf_id, parent_exec_job_id, child_exec_job_id));
CREATE TABLE task (task_id INTEGER PRIMARY KEY, wf_id INTEGER NOT NULL, job_id INTEGER, abs_task_id VARCHAR(255)
    NOT NULL, transformation TEXT NOT NULL, argv TEXT, type_desc VARCHAR(255) NOT NULL, UNIQUE (wf_id, abs_task_id));
CREATE TABLE task_edge (wf_id INTEGER, parent_abs_task_id VARCHAR(255), child_abs_task_id VARCHAR(255),
    PRIMARY KEY (wf_id, parent_abs_task_id, child_abs_task_id));
CREATE TABLE task_meta (task_id INTEGER, key VARCHAR(255), value VARCHAR(255) NOT NULL, PRIMARY KEY (task_id, key));
CREATE TABLE job_instance (job_instance_id INTEGER PRIMARY KEY, job_id INTEGER NOT NULL, host_id INTEGER,
    job_submit_seq INTEGER NOT NULL, sched_id VARCHAR(255), site VARCHAR(255), user VARCHAR(255), work_dir TEXT,
    cluster_start NUMERIC(16,6), cluster_duration NUMERIC(10,3), local_duration NUMERIC(10,3), subwf_id INTEGER,
    stdout_file VARCHAR(255), stdout_text TEXT, stderr_file VARCHAR(255), stderr_text TEXT, stdin_file VARCHAR(255),
    multiplier_factor INTEGER NOT NULL, exitcode INTEGER, UNIQUE (job_id, job_submit_seq));
CREATE TABLE jobstate (job_instance_id INTEGER NOT NULL, state VARCHAR(255) NOT NULL, timestamp NUMERIC(16,6) NOT NULL,
    jobstate_submit_seq INTEGER NOT NULL, reason TEXT,
    PRIMARY KEY (job_instance_id, state, timestamp, jobstate_submit_seq));
CREATE TABLE invocation (invocation_id INTEGER PRIMARY KEY, wf_id INTEGER NOT NULL, job_instance_id INTEGER NOT NULL,
    task_submit_seq INTEGER NOT NULL, start_time NUMERIC(16,6) NOT NULL, remote_duration NUMERIC(10,3) NOT NULL,
    remote_cpu_time NUMERIC(10,3), exitcode INTEGER NOT NULL, transformation TEXT NOT NULL, executable TEXT NOT NULL,
    argv TEXT, abs_task_id VARCHAR(255), maxrss INTEGER, avg_cpu NUMERIC(16,6),
    UNIQUE (job_instance_id, task_submit_seq));
CREATE TABLE integrity (integrity_id INTEGER PRIMARY KEY, wf_id INTEGER NOT NULL, job_instance_id INTEGER NOT NULL,
    type VARCHAR(7) NOT NULL, file_type VARCHAR(6), count INTEGER NOT NULL, duration NUMERIC(10,3) NOT NULL,
    UNIQUE (job_instance_id, type, file_type));
CREATE TABLE tag (tag_id INTEGER PRIMARY KEY, wf_id INTEGER NOT NULL, job_instance_id INTEGER NOT NULL,
    name VARCHAR(255) NOT NULL, count INTEGER NOT NULL, UNIQUE (wf_id, job_instance_id));
CREATE TABLE rc_lfn (lfn_id INTEGER PRIMARY KEY, lfn VARCHAR(245) NOT NULL UNIQUE);
CREATE TABLE rc_pfn (pfn_id INTEGER PRIMARY KEY, lfn_id INTEGER NOT NULL, pfn VARCHAR(245) NOT NULL,
    site VARCHAR(245), UNIQUE (lfn_id, pfn, site));
CREATE TABLE rc_meta (lfn_id INTEGER, key VARCHAR(245), value VARCHAR(245) NOT NULL, PRIMARY KEY (lfn_id, key));
CREATE TABLE master_workflow (wf_id INTEGER PRIMARY KEY, wf_uuid VARCHAR(255) NOT NULL UNIQUE,
    dag_file_name VARCHAR(255), timestamp NUMERIC(16,6), submit_hostname VARCHAR(255), submit_dir TEXT,
    planner_arguments TEXT, user VARCHAR(255), grid_dn VARCHAR(255), planner_version VARCHAR(255),
    dax_label VARCHAR(255), dax_version VARCHAR(255), dax_file VARCHAR(255), db_url TEXT, archived BOOLEAN NOT NULL);
CREATE TABLE master_workflowstate (wf_id INTEGER NOT NULL, state VARCHAR(19) NOT NULL, timestamp NUMERIC(16,6) NOT NULL,
    restart_count INTEGER NOT NULL, status INTEGER, reason TEXT, PRIMARY KEY (wf_id, state, timestamp));
CREATE TABLE ensemble (id INTEGER PRIMARY KEY, name VARCHAR(100) NOT NULL, created INTEGER NOT NULL,
    updated INTEGER NOT NULL, state VARCHAR(6) NOT NULL, max_running INTEGER NOT NULL, max_planning INTEGER NOT NULL,
    username VARCHAR(100) NOT NULL, UNIQUE (name, username));
CREATE TABLE ensemble_workflow (id INTEGER PRIMARY KEY, ensemble_id INTEGER NOT NULL, name VARCHAR(100) NOT NULL,
    basedir VARCHAR(512) NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL, state VARCHAR(11) NOT NULL,
    priority INTEGER NOT NULL, wf_uuid VARCHAR(36), submitdir VARCHAR(512), plan_command VARCHAR(1024) NOT NULL,
    UNIQUE (ensemble_id, name));
CREATE INDEX job_type_desc_COL ON job (type_desc);
CREATE INDEX job_exec_job_id_COL ON job (exec_job_id);
CREATE INDEX jobstate_submit_seq_COL ON jobstate (jobstate_submit_seq);
CREATE INDEX task_wf_id_COL ON task (wf_id);
CREATE INDEX task_abs_task_id_COL ON task (abs_task_id);
CREATE INDEX invoc_wf_id_COL ON invocation (wf_id);
CREATE INDEX invoc_abs_task_id_COL ON invocation (abs_task_id);
CREATE INDEX workflowstate_timestamp_COL ON workflowstate (timestamp);
"""
LATER = {
    14: """CREATE TABLE trigger (id INTEGER PRIMARY KEY, ensemble_id INTEGER NOT NULL, name VARCHAR(100) NOT NULL,
    state VARCHAR(7) NOT NULL, workflow TEXT NOT NULL, args TEXT, type VARCHAR(12) NOT NULL, UNIQUE (ensemble_id, name));"""
}
"""Version → what it has more than the one before."""


@dataclass
class _Job:
    name: str
    type: str
    tasks: tuple[str, ...]
    parents: tuple[str, ...]
    retries: int
    clustered: bool
    executable: str
    argv: str
    inner: PegasusRun | None = None

    @property
    def transformation(self) -> str:
        return self.name.removeprefix("merge_").rpartition("_")[0].partition("_PID")[0]


@dataclass
class _Attempt:
    job: str
    submitted: float
    took_s: float
    exits: tuple[int, ...]
    post: int | None
    states: tuple[str, ...]
    stdout: str
    stderr: str
    host: str
    site: str
    multiplier: int
    checks: int
    broken: int
    last_state: str
    sequence: int = 0


@dataclass
class PegasusRun:
    path: Path
    name: str
    version: str = "5.1.2"
    root: PegasusRun | None = None
    schema: int = CURRENT_SCHEMA
    jobs: dict[str, _Job] = field(default_factory=dict)
    attempts: list[_Attempt] = field(default_factory=list)
    events: list[tuple[float, str, int | None, int]] = field(default_factory=list)
    """Starts and ends of DAGMan: time, state, exit code, number of restarts."""
    clock: float = BEGIN_S

    def __post_init__(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        self.start()

    @property
    def uuid(self) -> str:
        return str(uuid5(NAMESPACE_URL, f"{self.root.uuid if self.root else ''}/{self.name}"))

    @property
    def database(self) -> Path:
        top = self.root or self
        return top.path / f"{top.name}-0.stampede.db"

    @property
    def dag(self) -> Path:
        return self.path / f"{self.name}-0.dag"

    def start(self) -> None:
        """A DAGMan starts."""
        restarts = sum(state == "WORKFLOW_STARTED" for _, state, _, _ in self.events)
        self.events.append((self.clock, "WORKFLOW_STARTED", None, restarts))
        self.clock += 1

    def end(self, exit_code: int) -> None:
        """The DAGMan ends."""
        self.clock += 1
        self.events.append((self.clock, "WORKFLOW_TERMINATED", exit_code, self.events[-1][3]))
        self.clock += 5

    def job(
        self,
        name: str,
        type: str = "compute",
        *,
        tasks: tuple[str, ...] = (),
        parents: tuple[str, ...] = (),
        retries: int = 0,
        executable: str = "/bin/work",
        argv: str = "-n 1",
    ) -> None:
        self.jobs[name] = _Job(
            name, type, tasks, parents, retries, name.startswith("merge_"), executable, argv
        )

    def inner(self, job: str, name: str) -> PegasusRun:
        """Return the run of a sub-workflow job, which was added before."""
        found = PegasusRun(
            self.path / "00/00" / f"{name}.000", name, self.version, self.root or self, self.schema
        )
        found.events, found.clock = [], self.clock + 1
        found.start()
        self.jobs[job].inner = found
        return found

    def attempt(
        self,
        job: str,
        *,
        took_s: float = 2.0,
        exits: tuple[int, ...] = (0,),
        post: int | None = 0,
        states: tuple[str, ...] = (),
        stdout: str = "",
        stderr: str = "",
        host: str = "node1",
        site: str = "condorpool",
        multiplier: int = 1,
        checks: int = 0,
        broken: int = 0,
        last_state: str = "",
    ) -> None:
        """A job is tried. `exits` are raw statuses of its processes, `post` the exit code of its post script.

        With `last_state` it got no further than that.
        """
        one = _Attempt(
            job, self.clock, took_s, exits, post, states, stdout, stderr, host, site, multiplier, checks, broken, last_state
        )  # fmt: skip
        one.sequence = len(self.attempts) + 1
        self.attempts.append(one)
        self.clock += took_s + 4

    # -- writing ---------------------------------------------------------------

    def write(self, exit_code: int | None = None) -> PegasusRun:
        """Write everything; without an exit code the run is in progress. Write inner runs before their root."""
        if exit_code is not None:
            self.end(exit_code)
        self._write_braindump()
        self._write_dag()
        self._write_log(exit_code)
        self._write_outputs()
        (self.path / "monitord.started").write_text("pid 1\ntimestamp 2026-09-21T00:00:00\n")
        if exit_code is not None:
            (self.path / "monitord.done").write_text("2026-09-21T00:01:00 60.000\n")
        if self.root is None:
            with closing(sqlite3.connect(self.database)) as connection, connection:
                self._write_database(connection)
        return self

    def _write_braindump(self) -> None:
        quoted = self.version != "5.0.1"
        values = {
            "user": "ada",
            "grid_dn": None,
            "submit_hostname": "laptop",
            "root_wf_uuid": (self.root or self).uuid,
            "wf_uuid": self.uuid,
            "dax": f"/home/ada/{self.name}.yml",
            "dax_label": self.name,
            "dax_index": "0",
            "dax_version": "5.0",
            "pegasus_wf_name": f"{self.name}-0",
            "timestamp": "20260921T135320+0000",
            "basedir": "/home/ada",
            "submit_dir": str(self.path),
            "planner": "/opt/pegasus/bin/pegasus-plan",
            "planner_version": self.version,
            "jsd": "jobstate.log",
            "rundir": self.path.name,
            "properties": "pegasus.1.properties",
            "dag": self.dag.name,
            "type": "dag",
        }
        if quoted:
            values |= {"uses_pmc": "false", "notify": f"{self.name}-0.notify"}
        else:
            values |= {"vogroup": "pegasus-ligo"}
        show = (
            (lambda value: json.dumps(value))
            if quoted
            else (lambda value: "null" if value is None else value)
        )
        (self.path / "braindump.yml").write_text(
            "".join(f"{key}: {show(value)}\n" for key, value in values.items())
        )
        (self.path / "pegasus.1.properties").write_text("pegasus.mode = development\n")

    def _write_dag(self) -> None:
        rule = "#" * 70
        lines = [rule, "# PEGASUS WMS GENERATED DAG FILE", f"# DAG {self.name}", rule, "MAXJOBS cleanup 4"]
        for job in self.jobs.values():
            lines.append(f"JOB {job.name} 00/00/{job.name}.sub")
            lines.append(
                f"SCRIPT POST {job.name} /opt/pegasus/bin/pegasus-exitcode -r $RETURN ./00/00/{job.name}.out"
            )
            if job.retries:
                lines.append(f"RETRY {job.name} {job.retries}")
        lines += [
            f"PARENT  {parent} CHILD {job.name}" for job in self.jobs.values() for parent in job.parents
        ]
        self.dag.write_text("\n".join([*lines, rule, "# End of DAG", rule, ""]))

    def states(self, one: _Attempt) -> list[tuple[float, str, int | None]]:
        """Return time, state and exit code of each step of an attempt, in the spelling of the database."""
        at = one.submitted
        begun, over = at + 1.0, at + 1.0 + one.took_s
        code = next((exit_ for exit_ in one.exits if exit_), 0)
        steps: list[tuple[float, str, int | None]] = [(at, "SUBMIT", None)]
        steps += [(at + 0.5, state, None) for state in one.states]
        steps += [
            (begun, "EXECUTE", None),
            (over, "JOB_TERMINATED", None),
            (over, "JOB_FAILURE" if code else "JOB_SUCCESS", -(code & 0x7F) or code >> 8),
        ]
        if one.post is not None:
            post = one.post or int(code != 0)
            steps += [
                (over, "POST_SCRIPT_STARTED", None),
                (over + 1, "POST_SCRIPT_TERMINATED", None),
                (over + 1, "POST_SCRIPT_FAILED" if post else "POST_SCRIPT_SUCCESS", post),
            ]
        if one.last_state:
            names = [state for _, state, _ in steps]
            steps = steps[: names.index(one.last_state) + 1]
        return steps

    def _write_log(self, exit_code: int | None) -> None:
        names = {"POST_SCRIPT_FAILED": "POST_SCRIPT_FAILURE"}
        lines: list[tuple[float, str]] = []
        for at, state, code, _ in self.events:
            word = "DAGMAN_STARTED 41.0" if state == "WORKFLOW_STARTED" else f"DAGMAN_FINISHED {code}"
            lines.append((at, f"INTERNAL *** {word} ***"))
        for one in self.attempts:
            for at, state, code in self.states(one):
                shown = f"{one.sequence}.0" if code is None else code
                name = names.get(state, state)
                lines.append((at, f"{one.job} {name} {shown} {one.site} - {one.sequence}"))
        text = f"{BEGIN_S} INTERNAL *** MONITORD_STARTED ***\n"
        text += "".join(f"{int(at)} {line}\n" for at, line in sorted(lines, key=lambda line: line[0]))
        if exit_code is not None:
            text += f"{int(self.clock)} INTERNAL *** MONITORD_FINISHED 0 ***\n"
        (self.path / "jobstate.log").write_text(text)

    def _write_outputs(self) -> None:
        folder = self.path / "00/00"
        folder.mkdir(parents=True, exist_ok=True)
        tries: dict[str, int] = {}
        for one in self.attempts:
            number = tries[one.job] = tries.get(one.job, -1) + 1
            if not one.stderr:
                continue
            (folder / f"{one.job}.err.{number:03d}").write_text(one.stderr)
            (folder / f"{one.job}.out.{number:03d}").write_text("- invocation: true\n")

    def _write_database(
        self, db: sqlite3.Connection, parent: int | None = None, root: int | None = None
    ) -> int:
        if parent is None:
            db.executescript(
                TABLES + "".join(sql for version, sql in LATER.items() if version <= self.schema)
            )
            db.execute("INSERT INTO dbversion VALUES (1, ?, ?, ?)", (self.schema, str(self.schema), BEGIN_S))
            if self.schema < 13:
                db.executescript(
                    "ALTER TABLE invocation DROP COLUMN maxrss; ALTER TABLE invocation DROP COLUMN avg_cpu;"
                )
        wf_id = _insert(
            db, "workflow", wf_uuid=self.uuid, dag_file_name=self.dag.name, timestamp=BEGIN_S, submit_hostname="laptop",
            submit_dir=str(self.path), user="ada", planner_version=self.version, dax_label=self.name,
            parent_wf_id=parent,
        )  # fmt: skip
        root = root or wf_id
        db.execute("UPDATE workflow SET root_wf_id = ? WHERE wf_id = ?", (root, wf_id))
        for at, state, code, restarts in self.events:
            _insert(
                db,
                "workflowstate",
                wf_id=wf_id,
                state=state,
                timestamp=at,
                restart_count=restarts,
                status=code,
            )
        numbers, inner = {}, {}
        for job in self.jobs.values():
            numbers[job.name] = _insert(
                db, "job", wf_id=wf_id, exec_job_id=job.name, submit_file=f"00/00/{job.name}.sub", type_desc=job.type,
                clustered=job.clustered, max_retries=job.retries, executable=job.executable, argv=job.argv,
                task_count=len(job.tasks),
            )  # fmt: skip
            for task in job.tasks:
                _insert(
                    db, "task", wf_id=wf_id, job_id=numbers[job.name], abs_task_id=task,
                    transformation=job.transformation, type_desc="dax" if job.type == "dax" else "compute",
                )  # fmt: skip
            for above in job.parents:
                _insert(db, "job_edge", wf_id=wf_id, parent_exec_job_id=above, child_exec_job_id=job.name)
            if job.inner is not None:
                inner[job.name] = job.inner._write_database(db, wf_id, root)
        for one in self.attempts:
            self._write_attempt(db, wf_id, numbers[one.job], one, inner.get(one.job))
        return wf_id

    def _write_attempt(
        self, db: sqlite3.Connection, wf_id: int, job_id: int, one: _Attempt, inner: int | None
    ) -> None:
        job, steps = self.jobs[one.job], self.states(one)
        is_over = not one.last_state
        begun = one.submitted + 1.0
        host = None
        if is_over and one.host:
            key = (wf_id, one.site, one.host)
            db.execute(
                "INSERT OR IGNORE INTO host (wf_id, site, hostname, ip) VALUES (?, ?, ?, '10.0.0.1')", key
            )
            sql = "SELECT host_id FROM host WHERE wf_id = ? AND site = ? AND hostname = ?"
            (host,) = db.execute(sql, key).fetchone()
        code = next((exit_ for exit_ in one.exits if exit_), 0) or (one.post or 0) << 8
        marked = f"#@ 1 stdout\n{one.stdout}" if one.stdout else None
        number = _insert(
            db, "job_instance", job_id=job_id, host_id=host, job_submit_seq=one.sequence, sched_id=f"{one.sequence}.0",
            site=one.site, user="ada", work_dir=f"/scratch/{self.name}", multiplier_factor=one.multiplier,
            cluster_start=begun if job.clustered and is_over else None,
            cluster_duration=one.took_s if job.clustered and is_over else None,
            local_duration=one.took_s if is_over else None, subwf_id=inner, exitcode=code if is_over else None,
            stdout_file=f"00/00/{one.job}.out.000", stderr_file=f"00/00/{one.job}.err.000",
            stdout_text=quote(marked, safe=" /#@.:,\n") if marked else None,
            stderr_text=quote(one.stderr, safe=" /#@.:,\n") if one.stderr else None,
        )  # fmt: skip
        for place, (at, state, _) in enumerate(steps, 1):
            _insert(
                db, "jobstate", job_instance_id=number, state=state, timestamp=at, jobstate_submit_seq=place
            )
        if not is_over:
            return
        share_s = one.took_s / max(1, len(one.exits)) * 0.9
        for place, exit_ in enumerate(one.exits):
            self._write_process(
                db, wf_id, number, place + 1, begun + place * share_s, share_s, exit_, job.transformation,
                job.tasks[place] if place < len(job.tasks) else None, (job.executable, job.argv),
            )  # fmt: skip
        if one.post is not None:
            post = (one.post or int(code != 0)) << 8
            words = ("/opt/pegasus/bin/pegasus-exitcode", None)
            self._write_process(
                db, wf_id, number, -2, begun + one.took_s, 1.0, post, "dagman::post", None, words
            )
        if one.checks:
            for type_, file_type in (("check", "input"), ("compute", "output")):
                _insert(
                    db, "integrity", wf_id=wf_id, job_instance_id=number, type=type_, file_type=file_type,
                    count=one.checks, duration=0.25 * one.checks,
                )  # fmt: skip
        if one.broken:
            _insert(db, "tag", wf_id=wf_id, job_instance_id=number, name="int.error", count=one.broken)

    def _write_process(
        self,
        db: sqlite3.Connection,
        wf_id: int,
        number: int,
        place: int,
        start: float,
        took_s: float,
        exit_: int,
        transformation: str,
        task: str | None,
        words: tuple[str, str | None],
    ) -> None:
        measured = {"maxrss": 51_200, "avg_cpu": 0.8} if self.schema > 12 and place > 0 else {}
        _insert(
            db, "invocation", wf_id=wf_id, job_instance_id=number, task_submit_seq=place, start_time=start,
            remote_duration=round(took_s, 3), remote_cpu_time=round(took_s * 0.8, 3) if place > 0 else None,
            exitcode=exit_, transformation=transformation, executable=words[0], argv=words[1], abs_task_id=task,
            **measured,
        )  # fmt: skip


def _insert(db: sqlite3.Connection, table: str, **values: object) -> int:
    marks = ", ".join("?" for _ in values)
    done = db.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))
    assert done.lastrowid is not None
    return done.lastrowid


# -- five runs --------------------------------------------------------------------


def diamond(
    path: Path,
    version: str = "5.1.2",
    *,
    schema: int = CURRENT_SCHEMA,
    fails: bool = False,
    runs: bool = False,
) -> PegasusRun:
    """Return a run of four tasks; `b` fails in the end if it `fails`, or is at work if it `runs`."""
    run = PegasusRun(path, "diamond", version, schema=schema)
    run.job("create_dir_diamond_0_local", "create-dir")
    run.job("stage_in_local_local_0_0", "stage-in-tx", parents=("create_dir_diamond_0_local",))
    run.job("make_a", tasks=("a",), parents=("stage_in_local_local_0_0",), retries=1)
    run.job("find_b", tasks=("b",), parents=("make_a",), retries=1, argv="-i 'two words'")
    run.job("find_c", tasks=("c",), parents=("make_a",))
    run.job("join_d", tasks=("d",), parents=("find_b", "find_c"))
    run.job("stage_out_local_local_2_0", "stage-out-tx", parents=("join_d",))
    run.attempt("create_dir_diamond_0_local", site="local", host="laptop")
    run.attempt("stage_in_local_local_0_0", site="local", host="laptop", checks=2)
    run.attempt("make_a", took_s=7200, multiplier=4, states=("GRID_SUBMIT",), checks=1)
    run.attempt("find_c", took_s=20, host="node2")
    if runs:
        run.attempt("find_b", last_state="EXECUTE")
        return run.write()
    run.attempt("find_b", took_s=3, exits=(256,), stderr="first try\n")
    if fails:
        run.attempt("find_b", exits=(3 << 8,), stdout="said\n", stderr="no such file: müll\n", broken=1)
        return run.write(1)
    run.attempt("find_b", took_s=5)
    run.attempt("join_d", took_s=1, host="node2")
    run.attempt("stage_out_local_local_2_0", site="local", host="laptop")
    return run.write(0)


def restarted(path: Path, version: str = "5.1.2") -> PegasusRun:
    """Return a run with a cluster, which failed first and was continued by a second DAGMan."""
    run = PegasusRun(path, "restarted", version)
    run.job("merge_sum_PID1_ID1", tasks=("s1", "s2", "s3"))
    run.job("print_p", tasks=("p",), parents=("merge_sum_PID1_ID1",))
    run.attempt("merge_sum_PID1_ID1", took_s=30, exits=(0, 512, 0))
    run.end(1)
    run.start()
    run.attempt("merge_sum_PID1_ID1", took_s=33, exits=(0, 0, 0), checks=3)
    run.attempt("print_p", exits=(9,), stderr="Killed\n")
    return run.write(1)


def nested(path: Path, version: str = "5.1.2") -> PegasusRun:
    """Return a run with a sub-workflow in which a job fails."""
    run = PegasusRun(path, "outer", version)
    run.job("prepare_p", tasks=("p",))
    run.job("pegasus-plan_inner", "dax", tasks=("inner",), parents=("prepare_p",))
    run.job("last_l", tasks=("l",), parents=("pegasus-plan_inner",))
    run.attempt("prepare_p", took_s=4, checks=1)
    inner = run.inner("pegasus-plan_inner", "inside")
    inner.job("work_w", tasks=("w",))
    inner.job("show_s", tasks=("s",), parents=("work_w",))
    inner.attempt("work_w", took_s=6, checks=1)
    inner.attempt("show_s", exits=(2 << 8,), stderr="ModuleNotFoundError: No module named 'numpy'\n")
    inner.write(1)
    run.attempt("pegasus-plan_inner", took_s=20, exits=(256,), site="local")
    return run.write(1)

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kit.made_run import compute
from markab.dagman.dag_layout import DagLayout
from markab.dagman.dag_text import config_text, dag_lines, job_text, step_text, watch_text
from markab.plan.model import AbortRule, BatchRequest, Header, Kind, PlannedJob, PlanSite

LAYOUT = DagLayout(Path("/runs/run0001"))
POOL = {"local": PlanSite(), "pool": PlanSite("htcondor")}


def named(id: str, *parents: int, **keys: Any) -> PlannedJob:
    return PlannedJob(id=id, kind=Kind.COMPUTE, site="local", parents=list(parents), **keys)


def header(**keys: Any) -> Header:
    return Header(1, "w", 0, sites=POOL, **keys)


def dag(*jobs: PlannedJob, **keys: Any) -> str:
    return "".join(f"{line}\n" for line in dag_lines(header(**keys), [(job, 1) for job in jobs], LAYOUT, 8))


def commands(job: PlannedJob, *, has_passwords: bool = False, **keys: Any) -> dict[str, str]:
    text = job_text(job, header(**keys), LAYOUT, "5f0c-uuid", has_passwords=has_passwords)
    assert text.endswith("queue\n")
    return dict(line.split(" = ", 1) for line in text.splitlines()[:-1])


def at_pool(**keys: Any) -> PlannedJob:
    return compute("j", site="pool", **keys)


def test_a_dag_has_all_that_the_plan_says_of_jobs() -> None:
    jobs = [
        named("first", retries=2, priority=10, category="big io"),
        named("second", 0, abort=AbortRule(3, 5)),
    ]

    assert dag(*jobs, limits={"big io": 3, "unused": 7}) == (
        """# Workflow w, written by `markab plan --engine dagman`.
# Start it, and go on with it: condor_submit_dag and the name of this file.
CONFIG /runs/run0001/dagman/config
SERVICE markab_watch /runs/run0001/dagman/watch.sub

JOB first /runs/run0001/dagman/1.sub
VARS first position="0"
SCRIPT PRE first /runs/run0001/dagman/step pre 0 $RETRY $MAX_RETRIES
SCRIPT POST first /runs/run0001/dagman/step post 0 $RETRY $MAX_RETRIES
PRE_SKIP first 78
RETRY first 2 UNLESS-EXIT 76
PRIORITY first 10
CATEGORY first big_io

JOB second /runs/run0001/dagman/1.sub
VARS second position="1"
SCRIPT PRE second /runs/run0001/dagman/step pre 1 $RETRY $MAX_RETRIES
SCRIPT POST second /runs/run0001/dagman/step post 1 $RETRY $MAX_RETRIES
PRE_SKIP second 78
CATEGORY second markab_submit_host
ABORT-DAG-ON second 77
PARENT first CHILD second

MAXJOBS big_io 3
MAXJOBS markab_submit_host 8
FINAL markab_end /runs/run0001/dagman/watch.sub NOOP
SCRIPT POST markab_end /runs/run0001/dagman/step end $DAG_STATUS
"""
    )


@given(
    ids=st.lists(
        st.one_of(st.text("aA._-+ é/", min_size=1, max_size=3), st.sampled_from(["child", "markab_end"])),
        min_size=1,
        max_size=8,
        unique=True,
    ),
    data=st.data(),
)
def test_whatever_jobs_are_called_each_is_a_node_of_its_own_with_the_parents_of_the_plan(
    ids: list[str], data: st.DataObject
) -> None:
    jobs = []
    for position, id_ in enumerate(ids):
        parents = data.draw(st.sets(st.integers(0, position - 1))) if position else set()
        jobs.append(named(id_, *sorted(parents)))

    lines = [line.split() for line in dag(*jobs).splitlines()]

    names = [words[1] for words in lines if words[:1] == ["JOB"]]
    assert len(set(names)) == len(names) == len(jobs)
    assert all(name.isascii() and name.replace("_", "a").replace("-", "a").isalnum() for name in names)
    assert not {"CHILD", "PARENT", "MARKAB_END"} & {name.upper() for name in names}
    edges = {words[-1]: words[1 : words.index("CHILD")] for words in lines if words[:1] == ["PARENT"]}
    assert edges == {
        names[position]: [names[parent] for parent in job.parents]
        for position, job in enumerate(jobs)
        if job.parents
    }
    for which in ("PRE", "POST"):
        scripts = [words for words in lines if words[:2] == ["SCRIPT", which] and words[2] != "markab_end"]
        assert [(words[2], words[5]) for words in scripts] == [(n, str(i)) for i, n in enumerate(names)]


def test_a_job_of_the_pool_brings_the_worker_and_a_job_of_this_machine_calls_it() -> None:
    there, here = commands(at_pool()), commands(compute("j"))

    assert there["executable"] == "/runs/run0001/dagman/node_start.py"
    assert there["transfer_input_files"] == ("spec.json, scratch, times.json, ../worker.zip")
    assert here["universe"] == "local" and here["executable"] == "/runs/run0001/dagman/step"
    for made in (there, here):
        assert made["initialdir"] == "/runs/run0001/dagman/$(position)"
        assert made["log"] == "/runs/run0001/dagman/$(position)/events.log"
        assert made["My.MarkabRun"] == '"5f0c-uuid"'


def test_jobs_that_ask_for_the_same_share_a_submit_file_whatever_their_ids_and_priorities_are() -> None:
    texts = {
        job_text(job, header(), LAYOUT, "u")
        for job in (
            compute("a", site="pool", priority=1),
            compute("b", site="pool", priority=2),
            compute("c", site="pool", cores=2),
        )
    }

    assert len(texts) == 2


def test_the_file_of_passwords_goes_along_only_where_a_run_has_one() -> None:
    assert "passwords.json" not in commands(at_pool())["transfer_input_files"]
    assert "passwords.json" in commands(at_pool(), has_passwords=True)["transfer_input_files"]


def test_a_job_is_given_up_when_it_is_held_for_a_reason_that_lasts_or_too_long_or_as_the_user_says() -> None:
    batch = BatchRequest(attributes={"Periodic_Remove": "NumJobStarts > 3", "+Group": '"x"'})

    removal = commands(at_pool(batch=batch), hold_limit_s=1800)

    assert removal["My.Group"] == '"x"'
    assert "Periodic_Remove" not in removal
    expression = removal["periodic_remove"]
    assert "member(HoldReasonCode, {4, 6," in expression
    assert "time() - EnteredCurrentStatus > 1800" in expression
    assert expression.endswith("|| (NumJobStarts > 3)")
    assert "EnteredCurrentStatus" not in commands(at_pool())["periodic_remove"]


def test_limits_of_the_whole_run_are_settings_of_the_dag() -> None:
    plain, limited = config_text(header()), config_text(header(max_jobs=20, max_idle=5))

    assert "SUBMITTED" not in plain and "IDLE" not in plain
    assert "DAGMAN_MAX_JOBS_SUBMITTED = 20\n" in limited
    assert "DAGMAN_MAX_JOBS_IDLE = 5\n" in limited


def test_the_watcher_runs_on_the_submit_host() -> None:
    assert "universe = scheduler\n" in watch_text(LAYOUT)
    assert "arguments = \"'watch'\"\n" in watch_text(LAYOUT)


def test_the_program_of_the_steps_is_found_also_where_paths_have_blanks_and_quotes() -> None:
    text = step_text("/my python's/bin/python", "/runs/r")

    assert "exec '/my python'\\''s/bin/python' -c " in text
    assert text.endswith("'/runs/r' \"$@\"\n")


def test_jobs_of_the_pool_are_not_limited_by_the_submit_host() -> None:
    assert "markab_submit_host" not in dag(at_pool())

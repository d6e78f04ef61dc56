"""What jobs ask of the batch system of their site, from profiles to the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from integration.tools import script
from kit.planned_workflow import Bench, Entry, MadePlan, task
from markab.errors import PlanningError, Problem
from markab.executors.remote.batch_systems import language
from markab.plan.model import BatchRequest, PlannedJob
from markab.planner import site_executors
from markab.planner.batch_requests import (
    batch_request,
    differing_texts,
    is_unsaid,
    merge_requests,
    with_globus_requests,
)
from markab.planner.planning import dry_run
from markab.planner.site_executors import EXECUTORS

GATEWAY = {"type": "batch", "contact": "host", "scheduler": "slurm"}


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on PATH with the programs of Slurm and HTCondor; every executor exists."""
    monkeypatch.setattr(site_executors, "AVAILABLE", frozenset(EXECUTORS.values()))
    monkeypatch.delenv("CONDOR_CONFIG", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))
    (tmp_path / "programs").mkdir()
    for name in ("sbatch", "condor_submit"):
        script(tmp_path / "programs" / name, "#!/bin/sh\n")
    return tmp_path / "programs"


@pytest.fixture
def bench(tmp_path: Path, programs: Path) -> Bench:
    return Bench(tmp_path)


def add_site(bench: Bench, name: str = "cluster", *, scratch: bool = True, **keys: Any) -> None:
    path = str(bench.path / name)
    directories = [
        {
            "type": "sharedScratch",
            "path": path,
            "fileServers": [{"url": f"file://{path}", "operation": "all"}],
        }
    ]
    bench.sites.append({"name": name, "directories": directories if scratch else [], **keys})
    at = {"name": name, "type": "installed", "pfn": "/bin/true"}
    bench.transformations[0]["sites"].append(at)


def slurm(bench: Bench, **profiles: Entry) -> None:
    pegasus = {"style": "glite", **profiles.pop("pegasus", {})}
    add_site(bench, grids=[GATEWAY], profiles={"pegasus": pegasus, **profiles})


def planned(bench: Bench, *tasks: Entry, **options: Any) -> MadePlan:
    return bench.plan(*tasks, **{"sites": ["cluster"], **options})


def only_job(bench: Bench, **keys: Any) -> PlannedJob:
    return planned(bench, task("a", **keys))["tool_a"]


def requested(profiles: dict[str, dict[str, str]], executor: str, **names: str) -> BatchRequest | None:
    problems: list[Problem] = []
    profiles = with_globus_requests(profiles, executor, "a", problems)
    found = batch_request(profiles, executor, "a", problems, names)
    assert not problems
    return found


def test_profiles_of_a_batch_system_become_its_request(bench: Bench) -> None:
    slurm(bench, pegasus={"queue": "debug", "project": "p1", "glite.arguments": "--qos=low\n\n --exclusive "})
    job = only_job(bench, profiles={"pegasus": {"nodes": "2", "ppn": "4", "queue": "weaker"}})
    assert job.batch == BatchRequest("debug", "p1", 2, 4, ["--qos=low", "--exclusive"])
    assert job.cores == 8 and job.data == "condorio" and job.staging == "cluster"


def test_a_job_without_requests_has_none(bench: Bench) -> None:
    slurm(bench)
    assert only_job(bench).batch is None


def test_cores_that_contradict_the_nodes_are_a_problem(bench: Bench) -> None:
    slurm(bench)
    with pytest.raises(PlanningError, match=r"2 nodes with 4 processes each .* and for 3 cores"):
        planned(bench, task("a", profiles={"pegasus": {"nodes": "2", "ppn": "4", "cores": "3"}}))


def test_keys_of_globus_are_requests_of_a_batch_system_and_win(bench: Bench) -> None:
    slurm(
        bench,
        pegasus={"queue": "debug", "cores": "2", "memory": "10"},
        globus={"queue": "long", "project": "p2", "count": "6", "maxwalltime": "3", "maxmemory": "300"},
    )
    job = only_job(bench)
    assert job.batch == BatchRequest("long", "p2")
    assert (job.cores, job.memory_mb, job.runtime_s) == (6, 300, 180)


def test_keys_of_globus_that_are_no_numbers_are_problems(bench: Bench) -> None:
    slurm(bench, globus={"count": "many"})
    with pytest.raises(PlanningError, match=r"profile globus.count of task 'a' is 'many'"):
        planned(bench, task("a"))


def test_keys_of_condor_are_passed_on_but_for_those_that_are_read_or_prohibited(bench: Bench) -> None:
    condor = {
        "request_cpus": "2",
        "request_memory": "ifthenelse(x, 1, 2)",
        "requirements": "HasThing",
        "+Own": '"1"',
        "universe": "vanilla",
        "arguments": "no",
    }
    add_site(bench, profiles={"pegasus": {"style": "condor"}, "condor": condor})
    made = planned(bench, task("a"))
    kept = {key: condor[key] for key in ("request_memory", "requirements", "+Own", "universe")}
    assert made["tool_a"].batch == BatchRequest(attributes=kept) and made["tool_a"].cores == 2
    assert ["profile condor.arguments is ignored: the planner sets it (job 'a')"] == [
        warning.message for warning in made.planned.warnings
    ]


def test_a_command_that_markab_gives_itself_is_named_with_the_reason_and_a_remedy(bench: Bench) -> None:
    condor = {
        "transfer_output_files": "a.log",
        "Log": "/tmp/log",
        "+MarkabJob": "1",
        "when_to_transfer_output": "ON_EXIT_OR_EVICT",
        "should_transfer_files": "YES",
        "leave_in_queue": "False",
    }
    add_site(bench, profiles={"pegasus": {"style": "condor"}, "condor": condor})
    made = planned(bench, task("a"), task("b"))

    assert made["tool_a"].batch == BatchRequest(attributes={"leave_in_queue": "False"})
    of = "(2 jobs, the first is 'a')"
    assert sorted((warning.message, warning.hint) for warning in made.planned.warnings) == [
        (
            f"profile condor.+MarkabJob ('1') is not passed on to HTCondor: Markab finds its jobs in the queue by it {of}",
            "choose another name",
        ),
        (
            "profile condor.Log ('/tmp/log') is not passed on to HTCondor: "
            f"Markab reads what becomes of jobs in a log of its own {of}",
            "remove it",
        ),
        (
            f"profile condor.transfer_output_files ('a.log') is not passed on to HTCondor: what comes back is what the job declares {of}",
            "declare the files as outputs of the job",
        ),
        (
            "profile condor.when_to_transfer_output ('ON_EXIT_OR_EVICT') is not passed on to HTCondor: "
            f"the data configuration says how files travel {of}",
            "choose it with -D pegasus.data.configuration=condorio, nonsharedfs or sharedfs",
        ),
    ]


def test_a_command_that_looks_like_a_slip_is_passed_on_and_named(bench: Bench) -> None:
    condor = {"requirement": "HasThing"}
    add_site(bench, profiles={"pegasus": {"style": "condor"}, "condor": condor})
    made = planned(bench, task("a"))

    assert made["tool_a"].batch == BatchRequest(attributes=condor)
    [warning] = made.planned.warnings
    assert "condor.requirement is not known here, and is passed on" in warning.message
    assert warning.hint == "did you mean 'requirements'?"


@pytest.mark.parametrize("universe", ["vm", "java", "parallel", "Standard"])
def test_a_universe_that_cannot_start_the_worker_is_refused(bench: Bench, universe: str) -> None:
    add_site(bench, profiles={"pegasus": {"style": "condor"}, "condor": {"universe": universe}})
    with pytest.raises(PlanningError, match=f"universe '{universe.lower()}' can start") as caught:
        planned(bench, task("a"))
    assert "container, docker, grid, local, scheduler, vanilla" in caught.value.problems[0].hint


def test_compute_jobs_count_against_a_limit_of_the_pool_if_asked(bench: Bench) -> None:
    add_site(bench)
    tasks = task("a"), task("b", profiles={"condor": {"concurrency_limits": "licence:2"}})
    made = planned(bench, *tasks, properties={"pegasus.condor.concurrency.limits": "true"})
    limits = [made[name].batch for name in ("tool_a", "tool_b")]
    assert [one.attributes["concurrency_limits"] for one in limits if one] == [
        "pegasus_compute",
        "pegasus_compute, licence:2",
    ]


def test_expressions_win_and_know_the_site(bench: Bench) -> None:
    pegasus = {"queue": "small", "queue.expr": 'pegasus_site == "x" ? "big" : pegasus_queue'}
    assert requested({"pegasus": pegasus}, "slurm", pegasus_site="x") == BatchRequest("big")
    assert requested({"pegasus": pegasus}, "slurm", pegasus_site="y") == BatchRequest("small")
    slurm(bench, pegasus={"project.expr": "nonsense("})
    with pytest.raises(PlanningError, match=r"profile pegasus.project.expr of task 'a'"):
        planned(bench, task("a"))


def test_only_jobs_of_a_batch_system_have_a_request(bench: Bench) -> None:
    profiles = {"pegasus": {"queue": "q"}, "condor": {"rank": "1"}, "globus": {"queue": "g"}}
    assert requested(profiles, "local") is None
    assert requested(profiles, "htcondor") == BatchRequest("q", attributes={"rank": "1"})
    assert requested(profiles, "slurm") == BatchRequest("g")
    slurm(bench, **profiles)
    made = planned(bench, task("a", makes="out"))
    assert {job.site for job in made.jobs if job.batch is None} == {"local"}
    assert made.header.sites["local"].executor == "local" and made.header.sites["cluster"].executor == "slurm"


def test_a_cluster_asks_for_the_most_of_its_tasks(bench: Bench) -> None:
    one = BatchRequest("a", "", 1, 8, ["x"], {"rank": "1"})
    two = BatchRequest("", "p", 3, 2, ["x", "y"], {"rank": "2", "+Own": "3"})
    together = BatchRequest("a", "p", 3, 8, ["x", "y"], {"rank": "1", "+Own": "3"})
    assert merge_requests([None, one, two]) == together and merge_requests([None, None]) is None
    assert differing_texts([one, None, two]) == ["condor.rank"]
    slurm(bench)
    tasks = [
        task(name, profiles={"pegasus": {"label": "l", "queue": queue}})
        for name, queue in (("a", "x"), ("b", "y"))
    ]
    made = planned(bench, *tasks, cluster=["label"])
    assert made["merge_l"].batch == BatchRequest("x")
    assert any("differ in pegasus.queue" in warning.message for warning in made.planned.warnings)


# -- what cannot work is said when planning --------------------------------------------------------


def problems_of(bench: Bench, **options: Any) -> list[Problem]:
    with pytest.raises(PlanningError) as caught:
        planned(bench, task("a"), **options)
    return list(caught.value.problems)


def test_a_missing_program_is_an_error_with_remedies_and_a_warning_of_a_dry_run(
    bench: Bench, programs: Path
) -> None:
    (programs / "sbatch").unlink()
    slurm(bench)
    [problem] = problems_of(bench)
    expected = "site 'cluster' asks for Slurm, and this machine has no 'sbatch' on PATH (job 'a')"
    assert problem.message == expected and "login node" in problem.hint
    remedy = "pegasus.catalog.site.sites.cluster.profiles.pegasus.style"
    assert f"-D {remedy}=local" in problem.hint
    assert [expected] == [
        one.message for one in dry_run(bench.options(task("a"), sites=["cluster"])).warnings
    ]
    for properties in ({remedy: "local"}, {"markab.executor": "local"}):
        assert planned(bench, task("a"), properties=properties).header.sites["cluster"].executor == "local"


def test_a_batch_system_behind_a_login_node_needs_no_program_here_but_ssh(
    bench: Bench, programs: Path
) -> None:
    (programs / "sbatch").unlink()
    script(programs / "ssh", "#!/bin/sh\n")
    gateway = {**GATEWAY, "contact": "me@login"}
    add_site(bench, grids=[gateway], profiles={"pegasus": {"style": "ssh"}})
    site = planned(bench, task("a")).header.sites["cluster"]
    assert (site.executor, site.contact) == ("slurm", "me@login")
    [problem] = problems_of(
        bench, staging_sites={"": "local"}, properties={"pegasus.data.configuration": "nonsharedfs"}
    )
    assert "scratch of staging site 'local' is a directory of this machine" in problem.message


def test_a_batch_system_needs_a_directory_that_its_nodes_see(bench: Bench) -> None:
    profiles = {"pegasus": {"style": "glite"}}
    add_site(bench, scratch=False, grids=[GATEWAY], profiles=profiles)
    [problem] = problems_of(bench)
    assert "no directory of type 'sharedScratch'" in problem.message
    assert "because Slurm moves no files" in problem.message and "nodes and this machine" in problem.hint


def test_a_gateway_that_does_not_say_its_scheduler_is_an_error(bench: Bench) -> None:
    add_site(bench, grids=[{**GATEWAY, "scheduler": "unknown"}], profiles={"pegasus": {"style": "glite"}})
    [problem] = problems_of(bench)
    assert problem.message == "site 'cluster' has a batch system, and does not say which (job 'a')"
    assert "slurm" in problem.hint


def test_where_htcondor_is_not_installed_its_jobs_run_here_and_planning_says_so_if_it_was_asked_for(
    bench: Bench, programs: Path
) -> None:
    (programs / "condor_submit").unlink()
    add_site(bench, "plain")
    add_site(bench, profiles={"pegasus": {"style": "condor"}})
    assert not planned(bench, task("a"), sites=["plain"]).planned.warnings
    made = planned(bench, task("a"))
    [warning] = made.planned.warnings
    assert "asks for HTCondor, which is not installed here: its jobs run on this machine" in warning.message
    assert made.header.sites["cluster"].executor == "local"


def test_profiles_without_an_effect_at_their_site_are_named(bench: Bench) -> None:
    slurm(bench, condor={"requirements": "x", "universe": "vanilla"}, globus={"jobtype": "mpi"})
    [warning] = planned(bench, task("a")).planned.warnings
    assert warning.message == (
        "profiles do nothing at a site of Slurm: condor.requirements, globus.jobtype (job 'a')"
    )


def test_a_launcher_is_a_program_of_the_site(bench: Bench) -> None:
    pegasus = {"gridstart.launcher": "srun", "gridstart.launcher.arguments": "-n 4"}
    slurm(bench, pegasus=pegasus)
    [process] = only_job(bench).tasks
    assert (process.executable, process.arguments) == ("/usr/bin/env", "srun -n 4 /bin/true")


def test_a_script_that_sets_the_environment_does_not_travel(bench: Bench) -> None:
    script(bench.path / "env.sh", "")
    slurm(bench, pegasus={"pegasus_lite_env_source": "env.sh"})
    [problem] = problems_of(bench)
    assert "pegasus.pegasus_lite_env_source is one of this machine" in problem.message


def test_transfer_jobs_stay_on_the_submit_host(bench: Bench) -> None:
    slurm(bench)
    made = planned(
        bench, task("a", makes="out"), properties={"pegasus.transfer.stageout.remote.sites": "cluster"}
    )
    assert {job.site for job in made.jobs if job.id != "tool_a"} == {"local"}
    assert any("its transfer jobs do" in warning.message for warning in made.planned.warnings)
    assert all("cluster" in warning.message for warning in made.planned.warnings)


def test_a_local_scratch_of_the_nodes_is_where_attempts_work(bench: Bench) -> None:
    slurm(bench)
    server = {"url": "file:///local", "operation": "all"}
    bench.sites[0]["directories"].append(
        {"type": "localScratch", "path": "/node/tmp", "fileServers": [server]}
    )
    assert planned(bench, task("a")).header.sites["cluster"].work == "/node/tmp"


def test_modules_are_loaded_at_every_site_and_packages_are_installed_only_here(bench: Bench) -> None:
    slurm(bench)
    modules = {"profiles": {"markab": {"environment.modules": "gcc/12"}}}
    [environment] = planned(bench, task("a", **modules)).header.environments.values()
    assert environment.modules == ["gcc/12"]
    (bench.path / "r.txt").write_text("numpy\n")
    with pytest.raises(PlanningError, match="cannot be made at site 'cluster'"):
        planned(bench, task("a", profiles={"markab": {"environment.requirements": "r.txt"}}))


@pytest.mark.parametrize("executor", sorted(site_executors.BATCH_SYSTEMS))
def test_what_a_language_has_no_words_for_is_known_when_planning(executor: str) -> None:
    fields = {"gpus": "gpus", "memory": "memory_mb", "nodes": "nodes", "ppn": "processes_per_node"}

    unsaid = {field for key, field in fields.items() if is_unsaid("pegasus", key, executor)}

    assert unsaid == language(executor).unsupported & set(fields.values())


def test_a_request_that_the_batch_system_has_no_words_for_is_said(bench: Bench, programs: Path) -> None:
    script(programs / "qsub", "#!/bin/sh\n")
    add_site(bench, grids=[{**GATEWAY, "scheduler": "sge"}], profiles={"pegasus": {"style": "glite"}})

    warned = planned(bench, task("a", profiles={"pegasus": {"gpus": "1", "memory": "5"}})).planned.warnings

    assert "profiles do nothing at a site of SGE: pegasus.gpus (job 'a')" in [each.message for each in warned]


def test_a_credential_of_this_machine_does_not_travel(bench: Bench) -> None:
    (bench.path / "proxy").write_text("secret")
    (bench.path / "proxy").chmod(0o600)
    slurm(bench, pegasus={"X509_USER_PROXY": "proxy"})
    [problem] = problems_of(bench)
    assert "the credential of profile pegasus.X509_USER_PROXY is a file of this machine" in problem.message

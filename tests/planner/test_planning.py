"""What the planner makes of small workflows."""

from __future__ import annotations

import json
import os
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from kit.planned_workflow import Bench, task
from markab.errors import DocumentError, PlanningError, StorageError
from markab.plan.model import TRANSFERS, Kind, Place, local_directory
from markab.planner.planning import dry_run, plan


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def problems_of(bench: Bench, *tasks: dict, **options: object) -> list[str]:  # type: ignore[type-arg]
    with pytest.raises(PlanningError) as caught:
        plan(bench.options(*tasks, **options))
    assert [] == list(bench.path.rglob("plan.jsonl")), "a failed planning run left a plan"
    return [f"{problem.message} | {problem.hint}" for problem in caught.value.problems]


def test_a_diamond_gets_the_jobs_that_move_and_remove_its_files(bench: Bench) -> None:
    bench.has("a")

    made = bench.plan(
        task("pre", "a", "b1 b2"),
        task("left", "b1", "c1"),
        task("right", "b2", "c2"),
        task("end", "c1 c2", "d"),
    )

    assert ["create_dir_w_0_local"] == made.names(Kind.CREATE_DIR)
    assert ["stage_in_local_local_0_0"] == made.names(Kind.STAGE_IN)
    assert ["tool_pre", "tool_left", "tool_right", "tool_end"] == made.names(Kind.COMPUTE)
    assert {"stage_out_local_local_0_0", "stage_out_local_local_1_0", "stage_out_local_local_2_0"} == set(
        made.names(Kind.STAGE_OUT)
    )
    assert {"tool_left", "tool_right"} == made.parents("tool_end")
    assert {"tool_pre"} == made.parents("tool_left")
    assert {"stage_in_local_local_0_0"} == made.parents("tool_pre")
    assert {"create_dir_w_0_local"} == made.parents("stage_in_local_local_0_0")


def test_who_has_no_home_directory_can_plan(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert ["tool_a"] == bench.plan(task("a")).names(Kind.COMPUTE)


def test_dependencies_come_from_files_and_from_the_author(bench: Bench) -> None:
    workflow = {"jobDependencies": [{"id": "first", "children": ["last"]}]}

    made = bench.plan(
        task("last"), task("first"), task("reader", "f"), task("maker", makes="f"), workflow=workflow
    )

    assert "tool_first" in made.parents("tool_last")
    assert "tool_maker" in made.parents("tool_reader")


def test_without_dependencies_from_files_a_reader_must_be_told_to_wait(bench: Bench) -> None:
    tasks = task("reader", "f"), task("between"), task("maker", makes="f")
    off = {"pegasus.parser.dax.data.dependencies": "false"}

    [message] = problems_of(bench, *tasks, properties=off)
    assert message.startswith("task 'reader' reads 'f', which task 'maker' makes, and does not wait for it")

    told = [{"id": "maker", "children": ["between"]}, {"id": "between", "children": ["reader"]}]
    made = bench.plan(*tasks, properties=off, workflow={"jobDependencies": told})
    assert "tool_maker" not in made.parents("tool_reader")
    assert "tool_maker" in made.ancestors("tool_reader")


def test_of_very_many_cycles_some_are_named(bench: Bench) -> None:
    pairs = [
        task(f"{one}{number}", f"{other}{number}.txt", f"{one}{number}.txt")
        for number in range(15)
        for one, other in ("ab", "ba")
    ]

    with pytest.raises(PlanningError) as caught:
        bench.plan(*pairs)

    cycles = [problem for problem in caught.value.problems if problem.kind == "cycle"]
    assert len(cycles) == len({str(cycle) for cycle in cycles}) == 10


def test_a_cycle_is_named_job_by_job(bench: Bench) -> None:
    [message] = problems_of(
        bench, task("a", "z", "x"), task("b", "x", "y"), task("c", "y", "z"), task("d", "x")
    )

    assert message.startswith("cyclic dependency detected: 'a' → 'b' → 'c' → 'a' | a workflow cannot loop")


def test_everything_that_is_missing_is_named_at_once(bench: Bench) -> None:
    bench.replicas.append({"lfn": "gone", "pfns": [{"site": "local", "pfn": "/nowhere/gone"}]})
    bench.transformations.append(
        {"name": "lost", "sites": [{"name": "condorpool", "type": "installed", "pfn": "/nowhere/lost"}]}
    )

    messages = problems_of(
        bench,
        task("one", "nobody gone"),
        task("two", "nobody"),
        task("three", tool="lost"),
        task("four", tool="no-such-program"),
        task("five", profiles={"selector": {"execution.site": "condorpol"}}),
        output_sites=["lokal"],
    )

    assert [
        "file 'gone' has no replica that can be used: /nowhere/gone (no such file) (needed by task 'one')",
        "file 'nobody' has no replica and no job makes it (needed by 'one', 'two')",
        "site 'condorpol' is not in the site catalog (requested by task 'five')",
        "site 'lokal' is not in the site catalog (named by --output-sites)",
        "transformation 'lost' is registered at '/nowhere/lost', and there is no such file (needed by task 'three')",
        "transformation 'no-such-program' is in no catalog and not on PATH (needed by task 'four')",
    ] == sorted(message.partition(" | ")[0] for message in messages)
    assert any("did you mean 'condorpool'?" in message for message in messages)


def test_what_is_no_file_is_no_replica(bench: Bench) -> None:
    for lfn in ("folder", "dangling", "pipe"):
        bench.replicas.append({"lfn": lfn, "pfns": [{"site": "local", "pfn": str(bench.path / lfn)}]})
    (bench.path / "folder").mkdir()
    (bench.path / "dangling").symlink_to("nowhere")
    os.mkfifo(bench.path / "pipe")

    messages = problems_of(bench, task("a", "folder dangling pipe"))

    for lfn, reason in (
        ("folder", "a directory"),
        ("dangling", "a link to nothing"),
        ("pipe", "a device, pipe or socket"),
    ):
        start = f"file {lfn!r} has no replica that can be used: {bench.path / lfn} ({reason})"
        assert 1 == sum(message.startswith(start) for message in messages)


def test_an_unknown_site_on_the_command_line_is_named_with_the_likely_one(bench: Bench) -> None:
    [message] = problems_of(bench, task("a"), sites=["condorpoll"])

    assert (
        "site 'condorpoll' is not in the site catalog (named by --sites) | did you mean 'condorpool'?"
        == message
    )


def test_labels_of_tasks_are_in_the_plan(bench: Bench) -> None:
    made = bench.plan(task("a", nodeLabel="decade 1990"), task("b"), task("c", nodeLabel="x"))

    assert ["decade 1990", "", "x"] == [made[f"tool_{name}"].label for name in "abc"]


def test_programs_are_found_on_path(bench: Bench) -> None:
    made = bench.plan(task("a", tool="sh"))

    assert made["sh_a"].tasks[0].executable.endswith("/sh")


def test_a_stageable_executable_is_an_input_with_the_x_bit(bench: Bench) -> None:
    program = str(bench.path / "bin" / "tool")
    bench.transformations.append(
        {
            "name": "staged",
            "namespace": "ns",
            "version": "1.0",
            "sites": [{"name": "local", "type": "stageable", "pfn": program}],
        }
    )

    made = bench.plan(task("a", tool="staged", namespace="ns", version="1.0"))

    job = made["staged_a"]
    assert "./ns-staged-1.0" == job.tasks[0].executable
    assert [("ns-staged-1.0", True)] == [(each.lfn, each.executable) for each in job.inputs]
    [transfer] = made["stage_in_local_local_0_0"].transfers
    assert transfer.executable
    assert [program] == [place.url for place in transfer.sources]


@pytest.mark.parametrize("name", [".work", ".markab", "../tool", "a/../../tool"])
def test_an_executable_is_not_staged_under_a_name_that_no_file_may_have(bench: Bench, name: str) -> None:
    program = str(bench.path / "bin" / "tool")
    site = {"name": "local", "type": "stageable", "pfn": program}
    bench.transformations.append({"name": name, "sites": [site]})

    with pytest.raises(PlanningError) as caught:
        bench.plan(task("a", tool=name))
    (problem,) = caught.value.problems
    assert problem.message.startswith(f"executable {name!r} cannot be staged under this name")
    assert problem.hint == "rename the transformation"


def test_required_executables_come_along(bench: Bench) -> None:
    helper = bench.path / "bin" / "helper.py"
    helper.write_text("x = 1\n")
    program = str(bench.path / "bin" / "tool")
    bench.transformations += [
        {
            "name": "main",
            "requires": ["helper.py"],
            "sites": [{"name": "local", "type": "stageable", "pfn": program}],
        },
        {"name": "helper.py", "sites": [{"name": "local", "type": "stageable", "pfn": str(helper)}]},
    ]

    made = bench.plan(task("a", tool="main"))

    assert ["main", "helper.py"] == [each.lfn for each in made["main_a"].inputs]


def test_an_input_is_staged_once_for_many_readers(bench: Bench) -> None:
    bench.has("shared")

    made = bench.plan(*[task(f"t{n}", "shared", f"o{n}") for n in range(35)])

    [stage_in] = made.names(Kind.STAGE_IN)
    assert 1 == len(made[stage_in].transfers)
    assert all(stage_in in made.parents(f"tool_t{n}") for n in range(35))
    assert 4 == len(made.names(Kind.STAGE_OUT)), "about one transfer job for ten compute jobs"


def test_replicas_are_kept_as_fallbacks_best_first(bench: Bench) -> None:
    bench.has("f")
    bench.replicas[0]["pfns"] = [
        {"site": "web", "pfn": "https://example.org/f"},
        {"site": "local", "pfn": "/nowhere/f"},
        *bench.replicas[0]["pfns"],
    ]

    made = bench.plan(task("a", "f"))

    [transfer] = made["stage_in_local_local_0_0"].transfers
    here = str(bench.path / "data" / "f")
    assert [("local", here), ("web", "https://example.org/f")] == [(p.site, p.url) for p in transfer.sources]
    assert os.path.getsize(here) == transfer.size_bytes


def test_an_input_directory_stands_for_a_catalog(bench: Bench) -> None:
    (bench.path / "inputs" / "deep").mkdir(parents=True)
    (bench.path / "inputs" / "deep" / "f").write_text("x")

    made = bench.plan(task("a", "deep/f"), input_dirs=[Path("inputs")])

    [transfer] = made["stage_in_local_local_0_0"].transfers
    assert transfer.lfn == "deep/f"


@pytest.mark.parametrize(("jobs", "stage_ins"), [(10, 1), (11, 2)])
def test_a_job_stages_in_for_at_most_ten_jobs(bench: Bench, jobs: int, stage_ins: int) -> None:
    bench.has(*(f"in{number}" for number in range(jobs)))

    made = bench.plan(*(task(f"a{number}", f"in{number}", f"out{number}") for number in range(jobs)))

    assert len(made.names(Kind.STAGE_IN)) == stage_ins


def test_an_optional_input_without_a_replica_is_left_out(bench: Bench) -> None:
    entry = task("a")
    entry["uses"] = [{"lfn": "maybe", "type": "input", "optional": True}]

    assert [] == bench.plan(entry)["tool_a"].inputs


def test_a_checkpoint_that_has_a_replica_is_brought_as_one(bench: Bench) -> None:
    entry = task("a")
    entry["uses"] = [{"lfn": "model.ckpt", "type": "checkpoint"}, {"lfn": "in", "type": "input"}]
    bench.has("model.ckpt", "in")

    made = bench.plan(entry)

    brought = {it.lfn: it for name in made.names(Kind.STAGE_IN) for it in made[name].transfers}
    assert (brought["model.ckpt"].checkpoint, brought["in"].checkpoint) == (True, False)


def test_a_checkpoint_is_brought_only_if_there_is_one(bench: Bench) -> None:
    entry = task("a")
    entry["uses"] = [{"lfn": "model.ckpt", "type": "checkpoint"}]

    made = bench.plan(entry)

    [read] = made["tool_a"].inputs
    assert read.optional
    assert made["tool_a"].outputs[0].checkpoint
    assert [] == made.names(Kind.STAGE_IN)
    [transfer] = made[made.names(Kind.STAGE_OUT)[0]].transfers
    assert transfer.optional


def test_results_go_to_every_output_site_and_are_registered(bench: Bench) -> None:
    archive = bench.path / "archive"
    bench.sites.append(
        {
            "name": "archive",
            "directories": [
                {
                    "type": "sharedStorage",
                    "path": str(archive),
                    "fileServers": [{"url": f"file://{archive}", "operation": "all"}],
                }
            ],
        }
    )

    made = bench.plan(task("a", makes="deep/x"), output_sites=["local", "archive"], sites=["condorpool"])

    [stage_out] = made.names(Kind.STAGE_OUT)
    [transfer] = made[stage_out].transfers
    assert [
        ("local", f"{bench.path}/wf-output/deep/x"),
        ("archive", f"{archive}/deep/x"),
    ] == [(place.site, place.url) for place in transfer.destinations]
    [register] = made.names(Kind.REGISTER)
    assert {stage_out} == made.parents(register)
    assert [f"file://{bench.path}/wf-output/deep/x", f"file://{archive}/deep/x"] == [
        each.pfn for each in made[register].registrations
    ]


def test_registration_can_be_switched_off(bench: Bench) -> None:
    assert [] == bench.plan(task("a", makes="x"), properties={"pegasus.register": "false"}).names(
        Kind.REGISTER
    )


def test_results_are_registered_in_the_submit_directory_or_where_the_properties_say(bench: Bench) -> None:
    assert bench.plan(task("a", makes="x")).header.catalog == "w-0.replicas.db"
    url = {"pegasus.catalog.replica.output.db.url": "jdbc:sqlite:all.db"}
    assert bench.plan(task("a", makes="x"), properties=url).header.catalog == f"{bench.path}/all.db"


def test_a_transient_file_is_not_delivered(bench: Bench) -> None:
    entry = task("a")
    entry["uses"] = [{"lfn": "x", "type": "output", "stageOut": False, "registerReplica": False}]

    assert [] == bench.plan(entry).names(Kind.STAGE_OUT)


def test_what_is_not_delivered_is_registered_where_it_is(bench: Bench) -> None:
    entry = task("a")
    entry["uses"] = [
        {"lfn": "x", "type": "output", "stageOut": False, "registerReplica": True},
        {"lfn": "c", "type": "checkpoint"},
    ]

    made = bench.plan(entry)

    [register] = made.names(Kind.REGISTER)
    scratch = made.header.sites["local"].scratch
    assert scratch is not None
    assert [("c", f"file://{bench.path}/wf-output/c", True), ("x", scratch.file_url("x"), False)] == sorted(
        (each.lfn, each.pfn, each.optional) for each in made[register].registrations
    )
    assert {"tool_a", *made.names(Kind.STAGE_OUT)} == made.parents(register)


def test_transfers_are_dealt_evenly_among_as_many_jobs_as_asked_for(bench: Bench) -> None:
    names = [f"f{n}" for n in range(12)]
    bench.has(*names)
    tasks = [task(f"t{name}", name, f"out-{name}") for name in names]

    def sizes(**properties: str) -> list[list[int]]:
        made = bench.plan(*tasks, properties={f"pegasus.{k}.clusters": v for k, v in properties.items()})
        kinds = Kind.STAGE_IN, Kind.STAGE_OUT
        return [[len(made[name].transfers) for name in made.names(kind)] for kind in kinds]

    assert [[6, 6], [6, 6]] == sizes()
    assert [[4, 4, 4], [12]] == sizes(stagein="3", stageout="1")


def test_with_the_refiner_basic_each_job_has_a_transfer_job_of_its_own(bench: Bench) -> None:
    names = [f"f{n}" for n in range(4)]
    bench.has("shared", *names)
    tasks = [task(f"t{name}", f"shared {name}", f"out-{name}") for name in names]

    made = bench.plan(*tasks, properties={"pegasus.transfer.refiner": "basic"})

    ins, outs = made.names(Kind.STAGE_IN), made.names(Kind.STAGE_OUT)
    assert [{"shared", "f0"}, {"f1"}, {"f2"}, {"f3"}] == [{t.lfn for t in made[n].transfers} for n in ins]
    assert {ins[0], ins[2]} == made.parents("tool_tf2") - set(made.names(Kind.CREATE_DIR))
    assert [{f"out-{name}"} for name in names] == [{t.lfn for t in made[n].transfers} for n in outs]
    assert 4 == len(made.names(Kind.REGISTER))


def test_transfer_jobs_have_the_priorities_and_threads_that_properties_and_profiles_give(
    bench: Bench,
) -> None:
    bench.has("a", "b")
    properties = {
        "pegasus.transfer.stagein.priority": "5",
        "pegasus.transfer.stageout.priority": "-6",
        "pegasus.transfer.stagein.threads": "3",
    }
    profiles = {"pegasus": {"transfer.threads": "7"}}

    made = bench.plan(
        task("one", "a", "x"), task("two", "b x", "y", profiles=profiles), properties=properties
    )

    assert {
        "stage_in_local_local_0_0": (5, 3),
        "stage_in_local_local_1_0": (5, 7),
        "stage_out_local_local_0_0": (-6, 0),
        "stage_out_local_local_1_0": (-6, 7),
    } == {job.id: (job.priority, job.threads) for job in made.jobs if job.kind in TRANSFERS}
    assert (0, 7) == (made["tool_one"].threads, made["tool_two"].threads)


def test_in_an_hourglass_every_job_waits_for_all_directories(bench: Bench) -> None:
    bench.has("a")
    for site in ("one", "two"):
        bench.sites.append(site_with_scratch(bench, site))
        tool = {"name": site, "type": "installed", "pfn": str(bench.path / "bin" / "tool")}
        bench.transformations[0]["sites"].append(tool)
    tasks = [
        task(f"t{n}", "a", profiles={"selector": {"execution.site": s}}) for n, s in enumerate(["one", "two"])
    ]

    def parents(strategy: str) -> list[set[str]]:
        made = bench.plan(
            *tasks,
            cleanup="leaf",
            properties={"pegasus.dir.create.strategy": strategy, "pegasus.data.configuration": "sharedfs"},
        )
        assert [] == made.planned.warnings
        return [made.parents(name) for name in ("stage_in_local_one_0_0", "stage_in_local_two_0_0")]

    directories = [{"create_dir_w_0_one"}, {"create_dir_w_0_two"}]
    assert directories == parents("Minimal") == parents("tentacles")
    assert [{"pegasus_concat_w_0"}, {"pegasus_concat_w_0"}] == parents("HourGlass")


def site_with_scratch(bench: Bench, name: str) -> dict[str, Any]:
    server = {"url": f"file://{bench.path}/{name}", "operation": "all"}
    directory = {"type": "sharedScratch", "path": f"{bench.path}/{name}", "fileServers": [server]}
    return {"name": name, "directories": [directory]}


def test_a_job_that_wants_no_links_gets_copies_and_so_do_others_of_the_same_file(bench: Bench) -> None:
    bench.has("a", "b")
    plain = {"pegasus": {"nosymlink": "true"}}

    made = bench.plan(
        task("one", "a b"), task("two", "b", profiles=plain), properties={"pegasus.transfer.links": "true"}
    )

    transfers = [t for job in made.jobs if job.kind is Kind.STAGE_IN for t in job.transfers]
    assert {"a": True, "b": False} == {t.lfn: t.link for t in transfers}
    assert [] == made.planned.warnings


def test_a_profile_says_for_one_site_or_job_whether_inputs_bypass(bench: Bench) -> None:
    bench.has("f")
    bench.replicas[0]["pfns"][0]["site"] = "condorpool"
    staged = task("staged", "f", profiles={"pegasus": {"transfer.bypass.input.staging": "false"}})

    made = bench.plan(
        task("direct", "f"), staged, properties={"pegasus.transfer.bypass.input.staging": "true"}
    )

    assert made["tool_direct"].inputs[0].sources
    assert not made["tool_staged"].inputs[0].sources
    staged["profiles"]["pegasus"]["nosymlink"] = "perhaps"
    with pytest.raises(PlanningError, match="pegasus.nosymlink is 'perhaps'; it must be true or false"):
        bench.plan(staged)


@pytest.mark.parametrize(("data", "type_"), [("sharedfs", "input"), ("condorio", "inout")])
def test_what_cannot_bypass_goes_through_the_staging_site_with_a_warning(
    bench: Bench, data: str, type_: str
) -> None:
    bench.has("f")
    bench.replicas[0]["pfns"][0]["site"] = "local"
    bench.transformations[0]["sites"][0]["name"] = "local"
    uses = [{"lfn": "f", "type": type_, "bypass": True}]

    made = bench.plan(
        task("a", uses=uses),
        sites=["local"],
        output_dir=Path("out"),
        properties={"pegasus.data.configuration": data},
    )

    assert [["f"]] == [[t.lfn for t in job.transfers] for job in made.jobs if job.kind is Kind.STAGE_IN]
    assert not made["tool_a"].inputs[0].sources
    (warning,) = made.planned.warnings
    assert "file 'f' of job 'a' cannot bypass the staging site, and goes through it" == warning.message


def test_links_are_made_only_to_files_at_the_staging_site(bench: Bench) -> None:
    bench.has("near", "far")
    bench.replicas[1]["pfns"][0]["site"] = "condorpool"

    made = bench.plan(task("a", "near far"), properties={"pegasus.transfer.links": "true"})

    assert {"near": True, "far": False} == {
        each.lfn: each.link for each in made["stage_in_local_local_0_0"].transfers
    }


@pytest.mark.parametrize("type_", ["inout", "checkpoint"])
def test_what_a_task_writes_too_is_its_own_copy_and_no_link_to_the_users_file(
    bench: Bench, type_: str
) -> None:
    bench.has("f")
    job = task("a", "f")
    job["uses"][0]["type"] = type_
    wanted = {
        "pegasus.transfer.links": "true",
        "pegasus.transfer.bypass.input.staging": "true",
    }

    made = bench.plan(job, properties=wanted)

    (transfer,) = made["stage_in_local_local_0_0"].transfers
    assert (transfer.lfn, transfer.link) == ("f", False)


def test_paths_of_other_sites_count_only_if_there_is_nothing_nearer(bench: Bench) -> None:
    bench.has("f", "g")
    here = bench.replicas[0]["pfns"][0]["pfn"]
    web = {"site": "web", "pfn": "https://example.org/f"}
    bench.replicas[0]["pfns"] = [{"site": "other", "pfn": here}, web]
    bench.replicas[1]["pfns"][0]["site"] = "other"

    made = bench.plan(task("a", "f g"))

    assert {"f": ["web"], "g": ["other"]} == {
        each.lfn: [place.site for place in each.sources]
        for each in made["stage_in_local_local_0_0"].transfers
    }


def test_stdout_is_an_output_even_if_uses_do_not_say_so(bench: Bench) -> None:
    made = bench.plan(task("a", stdout="log"), task("b", "log"))

    assert ["log"] == [each.lfn for each in made["tool_a"].outputs]
    assert "tool_a" in made.parents("tool_b")


def test_a_file_is_removed_only_after_every_job_that_touches_it(bench: Bench) -> None:
    bench.has("a")
    made = bench.plan(task("pre", "a", "b"), task("left", "b", "c"), task("right", "a b", "d"))

    removed = {lfn for name in made.names(Kind.CLEANUP) for lfn in made[name].removes}
    assert {"a", "b", "c", "d"} == removed
    for name in made.names(Kind.CLEANUP):
        before = made.ancestors(name)
        for lfn in made[name].removes:
            for job in made.jobs:
                touches = (
                    {f.lfn for f in job.inputs}
                    | {f.lfn for f in job.outputs}
                    | {t.lfn for t in job.transfers}
                )
                assert lfn not in touches or job.id in before, f"{name} removes {lfn} before {job.id} is done"


def test_the_scratch_directory_goes_last(bench: Bench) -> None:
    made = bench.plan(task("a", makes="x"), task("b", "x", "y"))

    assert set(made.names()) - {"cleanup_w_0_local"} == made.ancestors("cleanup_w_0_local")
    assert made["cleanup_w_0_local"].removes_scratch


def test_cleanup_leaf_removes_only_the_directory(bench: Bench) -> None:
    assert ["cleanup_w_0_local"] == bench.plan(task("a", makes="x"), cleanup="leaf").names(Kind.CLEANUP)


def test_cleanup_none_removes_nothing(bench: Bench) -> None:
    assert [] == bench.plan(task("a", makes="x"), cleanup="none").names(Kind.CLEANUP)


@pytest.mark.parametrize("cleanup", ["inplace", "leaf", "none"])
def test_results_that_are_delivered_nowhere_are_kept(bench: Bench, cleanup: str) -> None:
    made = bench.plan(task("a", makes="x"), task("b", "x", "y"), output_sites=[], cleanup=cleanup)

    assert [] == made.names(Kind.CLEANUP)
    assert any("results stay in the scratch directory" in each.message for each in made.planned.warnings)


def test_auxiliary_jobs_have_the_priorities_and_limits_pegasus_gives_them(bench: Bench) -> None:
    bench.has("a")
    made = bench.plan(task("one", "a", "x"), task("two", "x", "y"))

    priority = {job.kind: job.priority for job in made.jobs if job.kind is not Kind.COMPUTE}
    assert {
        Kind.CREATE_DIR: 800,
        Kind.STAGE_IN: 700,
        Kind.STAGE_OUT: 900,
        Kind.REGISTER: 50,
        Kind.CLEANUP: 1000,
    } == priority
    assert (10, 20) == (made["tool_one"].priority, made["tool_two"].priority)
    assert {
        "stage-in": 10,
        "stage-out": 10,
        "cleanup": 4,
        "registration": 1,
    }.items() <= made.header.limits.items()


def test_properties_change_limits_and_retries(bench: Bench) -> None:
    made = bench.plan(
        task("a", profiles={"dagman": {"CATEGORY": "big", "RETRY": "7", "PRIORITY": "5"}}),
        task("b"),
        properties={"dagman.big.maxjobs": "2", "dagman.maxjobs": "9", "dagman.retry": "4"},
    )

    assert (2, 9) == (made.header.limits["big"], made.header.max_jobs)
    assert (7, 4) == (made["tool_a"].retries, made["tool_b"].retries)
    assert ("big", 5) == (made["tool_a"].category, made["tool_a"].priority)


def test_all_that_profiles_request_of_a_job_stands_in_the_plan(bench: Bench) -> None:
    profiles = {
        "pegasus": {
            "cores": "3",
            "memory": "5",
            "diskspace": "6",
            "runtime": "70",
            "gpus": "2",
            "maxwalltime": "9",
            "checkpoint.time": "8",
            "exitcode.successmsg": "all+done",
            "exitcode.failuremsg": "no+good",
        },
        "dagman": {"RETRY": "4", "PRIORITY": "11", "CATEGORY": "big"},
    }

    job = bench.plan(task("a", profiles=profiles))["tool_a"]

    assert (job.cores, job.memory_mb, job.disk_mb, job.gpus) == (3, 5, 6, 2)
    assert (job.runtime_s, job.max_wall_s, job.checkpoint_s, job.checkpoint_grace_s) == (70, 540, 480, 30)
    assert (job.success_messages, job.failure_messages) == (["all done"], ["no good"])
    assert (job.retries, job.priority, job.category) == (4, 11, "big")


def test_profiles_of_a_transformation_beat_those_of_its_tasks(bench: Bench) -> None:
    bench.transformations[0]["profiles"] = {"pegasus": {"memory": "2 GB"}, "env": {"A": "catalog"}}

    made = bench.plan(
        task("a", profiles={"pegasus": {"memory": "5", "cores": "3"}, "env": {"A": "task", "B": "x"}})
    )

    job = made["tool_a"]
    assert (2048, 3) == (job.memory_mb, job.cores)
    assert {"A": "catalog", "B": "x"} == job.tasks[0].env


def test_profiles_of_several_sources_are_merged_key_by_key(bench: Bench) -> None:
    transformation = bench.transformations[0]
    transformation["profiles"] = {
        "env": {"A": "of all sites", "B": "of all sites"},
        "pegasus": {"cores": "2"},
    }
    transformation["sites"][0]["profiles"] = {"env": {"B": "of its site", "C": "of its site"}}
    workflow = {
        "profiles": {"env": {"D": "of the workflow", "E": "of the workflow"}, "pegasus": {"memory": "3"}}
    }

    made = bench.plan(task("a", profiles={"env": {"E": "of the task"}}), task("b"), workflow=workflow)

    job = made["tool_a"]
    assert {
        "A": "of all sites",
        "B": "of its site",
        "C": "of its site",
        "D": "of the workflow",
        "E": "of the task",
    } == job.tasks[0].env
    assert (2, 3) == (job.cores, job.memory_mb)
    assert {**job.tasks[0].env, "E": "of the workflow"} == made["tool_b"].tasks[0].env


@pytest.mark.parametrize("type", ["installed", "stageable"])
def test_a_program_that_is_a_directory_is_refused(bench: Bench, type: str) -> None:
    bench.transformations[0]["sites"][0].update(type=type, pfn=str(bench.path))

    [message] = problems_of(bench, task("a"))

    assert (
        f"transformation 'tool' is registered at '{bench.path}', which is a directory (needed by task 'a') | "
        "name the program itself in the transformation catalog"
    ) == message


@pytest.mark.parametrize("data", ["sharedfs", "nonsharedfs"])
def test_other_data_configurations_need_a_scratch_directory_at_the_site(bench: Bench, data: str) -> None:
    [message] = problems_of(bench, task("a"), properties={"pegasus.data.configuration": data})

    assert message.startswith("site 'condorpool' has no directory of type 'sharedScratch'")


def test_a_site_that_cannot_be_used_is_passed_over_if_another_can(bench: Bench) -> None:
    bench.sites.append({"name": "cluster", "directories": [_scratch(bench.path / "shared")]})
    bench.transformations[0]["sites"].append(
        {"name": "cluster", "type": "installed", "pfn": str(bench.path / "bin" / "tool")}
    )

    made = bench.plan(
        task("a"),
        sites=["condorpool", "cluster"],
        properties={"pegasus.data.configuration": "nonsharedfs"},
    )

    assert "cluster" == made["tool_a"].site == made["tool_a"].staging


def test_the_sites_of_the_catalog_come_before_the_implicit_one(bench: Bench) -> None:
    bench.sites.append({"name": "cluster"})
    for name in ("cluster", "local"):
        bench.transformations[0]["sites"].append(
            {"name": name, "type": "installed", "pfn": str(bench.path / "bin" / "tool")}
        )

    assert {"cluster"} == {bench.plan(task(f"t{n}"))[f"tool_t{n}"].site for n in range(8)}


def test_sharedfs_stages_to_the_site_itself(bench: Bench) -> None:
    bench.has("f")
    shared = bench.path / "shared"
    bench.sites.append({"name": "condorpool", "directories": [_scratch(shared)]})

    made = bench.plan(task("a", "f"), properties={"pegasus.data.configuration": "sharedfs"})

    assert ("condorpool", "sharedfs") == (made["tool_a"].staging, made["tool_a"].data)
    [transfer] = made["stage_in_local_condorpool_0_0"].transfers
    scratch = local_directory("condorpool", f"{shared}/{_user()}/pegasus/w/run0001")
    assert scratch == made.header.sites["condorpool"].scratch
    assert [scratch.file("f")] == transfer.destinations


def test_a_staging_site_other_than_local_is_an_error_with_condorio(bench: Bench) -> None:
    [message] = problems_of(bench, task("a"), staging_sites={"condorpool": "condorpool"})

    assert "with data configuration 'condorio' it is 'local'" in message


def test_a_misspelt_data_configuration_is_an_error(bench: Bench) -> None:
    [message] = problems_of(bench, task("a"), properties={"pegasus.data.configuration": "sharedf"})

    assert "'sharedf' is none of condorio, nonsharedfs, sharedfs" in message
    assert "did you mean 'sharedfs'?" in message


def test_bypass_reads_inputs_where_they_are(bench: Bench) -> None:
    bench.has("f")

    bench.replicas[0]["pfns"][0]["site"] = "condorpool"
    bench.has("far")

    made = bench.plan(task("a", "f far"), properties={"pegasus.transfer.bypass.input.staging": "true"})

    assert [] == made["tool_a"].inputs[1].sources, "a job elsewhere cannot read what is on the submit host"
    assert [Place("condorpool", str(bench.path / "data" / "f"))] == made["tool_a"].inputs[0].sources
    assert ["far"] == [each.lfn for each in made["stage_in_local_local_0_0"].transfers]
    assert all("f" not in made[name].removes for name in made.names(Kind.CLEANUP))


def test_an_executable_that_bypasses_is_fetched_by_the_job_and_its_inputs_are_not(bench: Bench) -> None:
    bench.has("f")
    place = {
        "name": "condorpool",
        "type": "stageable",
        "pfn": str(bench.path / "bin" / "tool"),
        "bypass": True,
    }
    bench.transformations.append({"name": "mine", "sites": [place]})

    made = bench.plan(task("a", "f", tool="mine"))

    inputs = {each.lfn: each for each in made["mine_a"].inputs}
    assert [Place("condorpool", str(bench.path / "bin" / "tool"))] == inputs["mine"].sources
    assert inputs["mine"].executable and [] == inputs["f"].sources
    assert ["f"] == [each.lfn for each in made["stage_in_local_local_0_0"].transfers]
    assert all("mine" not in made[name].removes for name in made.names(Kind.CLEANUP))


def test_a_known_checksum_travels_with_the_file(bench: Bench) -> None:
    bench.has("f", checksum={"sha256": "0" * 64})

    made = bench.plan(task("a", "f"))

    assert "0" * 64 == made["tool_a"].inputs[0].sha256 == made["stage_in_local_local_0_0"].transfers[0].sha256


def test_runs_are_numbered_and_leave_each_other_alone(bench: Bench) -> None:
    first = plan(bench.options(task("a")))
    second = plan(bench.options(task("a")))

    assert first.submit_dir == bench.path / _user() / "pegasus" / "w" / "run0001"
    assert second.submit_dir == bench.path / _user() / "pegasus" / "w" / "run0002"


def test_the_same_input_gives_the_same_plan(bench: Bench) -> None:
    bench.has("a")
    for name in ("one", "two"):
        bench.sites.append({"name": name})
        bench.transformations[0]["sites"].append(
            {"name": name, "type": "installed", "pfn": str(bench.path / "bin" / "tool")}
        )
    tasks = [task(f"t{n}", "a", f"o{n}") for n in range(20)]
    options = {"sites": ["one", "two"], "output_sites": ["local"], "relative_dir": "run"}

    plans = []
    for base in ("x", "y"):
        planned = plan(bench.options(*tasks, dir=Path(base), **options))
        assert planned.submit_dir is not None
        plans.append((planned.submit_dir / "plan.jsonl").read_bytes())

    assert plans[0] == plans[1]
    assert {"one", "two"} == {json.loads(line).get("site") for line in plans[0].splitlines()} - {
        "local",
        None,
    }


@pytest.mark.parametrize(
    ("value", "mode"), [(None, 0o700), ("0750", 0o750), ("2770", 0o2770), ("755", 0o755)]
)
def test_a_submit_directory_is_private_unless_a_property_says_otherwise(
    bench: Bench, value: str | None, mode: int
) -> None:
    properties = {} if value is None else {"markab.dir.submit.mode": value}

    before = os.umask(0o027)
    try:
        made = bench.plan(task("a"), properties=properties).planned.submit_dir
    finally:
        os.umask(before)

    assert made is not None and made.stat().st_mode & 0o7777 == mode
    assert made.parent.stat().st_mode & 0o777 == 0o750


def test_a_submit_directory_that_exists_keeps_its_permissions(bench: Bench) -> None:
    (bench.path / "mine").mkdir()
    (bench.path / "mine").chmod(0o755)

    bench.plan(task("a"), relative_submit_dir="mine")

    assert (bench.path / "mine").stat().st_mode & 0o777 == 0o755


def test_passwords_of_urls_are_in_one_file_of_the_run(bench: Bench) -> None:
    bench.replicas.append({"lfn": "f", "pfns": [{"site": "web", "pfn": "http://bob:s3cret@host/f"}]})

    made = bench.plan(task("a", "f", "g"))

    directory = made.planned.submit_dir
    assert directory is not None
    assert [Place("web", "http://bob@host/f")] == made["stage_in_local_local_0_0"].transfers[0].sources
    with_it = [
        path.name for path in directory.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()
    ]
    assert ["passwords.json"] == with_it
    assert (directory / "passwords.json").stat().st_mode & 0o777 == 0o600
    assert (directory / "catalogs" / "replicas.yml").is_file()


def test_a_run_without_passwords_has_no_file_for_them(bench: Bench) -> None:
    directory = bench.plan(task("a")).planned.submit_dir

    assert directory is not None and not (directory / "passwords.json").exists()


def test_a_directory_that_holds_a_plan_is_not_planned_into_again(bench: Bench) -> None:
    plan(bench.options(task("a"), relative_dir="mine"))

    with pytest.raises(StorageError, match="holds a plan already"):
        plan(bench.options(task("a"), relative_dir="mine"))


def test_a_dry_run_gives_the_numbers_and_writes_nothing(bench: Bench) -> None:
    bench.has("a")
    options = bench.options(task("one", "a", "x"), output_sites=["local"])
    before = sorted(bench.path.rglob("*"))

    summary = dry_run(options).summary

    assert before == sorted(bench.path.rglob("*"))
    assert {
        "compute": 1,
        "stage_in": 1,
        "stage_out": 1,
        "register": 1,
        "create_dir": 1,
        "cleanup": 3,
    } == summary.jobs
    assert (2, len("content of a\n"), 1, 2) == (
        summary.transfers,
        summary.bytes_known,
        summary.files_unknown_size,
        summary.deletions,
    )


def test_every_added_job_has_its_reason(bench: Bench) -> None:
    bench.has("a")
    made = bench.plan(task("one", "a", "x"))

    explained = {reason.job for reason in made.planned.reasons}
    assert {job.id for job in made.jobs if job.kind is not Kind.COMPUTE} == explained


def test_a_quote_that_is_never_closed_is_found_when_planning(bench: Bench) -> None:
    [message] = problems_of(
        bench, task("a", arguments=["-t", "don't"]), task("b", arguments=["it's", "it's"])
    )

    assert (
        "the arguments of task 'a' have a quote that is never closed: -t don't | "
        "close it, or put a backslash before it" == message
    )


@pytest.mark.parametrize("argument", ["don't", 'say "so', "end\\"])
def test_whatever_leaves_a_word_open_is_found_when_planning(bench: Bench, argument: str) -> None:
    [message] = problems_of(bench, task("a", arguments=[argument]), task("b", arguments=["plain"]))

    assert f"the arguments of task 'a' have a quote that is never closed: {argument} | " in message


def test_warnings_are_not_lost_when_planning_fails(bench: Bench) -> None:
    with pytest.raises(PlanningError) as caught:
        plan(bench.options(task("a", "nobody"), properties={"pegasus.integritty.checking": "none"}))

    assert ["property 'pegasus.integritty.checking' is not known"] == [
        each.message for each in caught.value.warnings
    ]


def test_settings_without_effect_are_warnings(bench: Bench) -> None:
    made = bench.plan(
        task("a", profiles={"pegasus": {"worker.node.directory": "/w"}}),
        properties={
            "pegasus.transfer.container.onhost": "false",
            "pegasus.dir.storage.mapper": "flat",
            "pegasus.monitord.encoding": "json",
            "pegasus.catalog.workflow.amqp.url": "amqp://me:secret@host",
        },
    )

    assert [
        "property 'pegasus.transfer.container.onhost' = false does nothing in this version",
        "profile pegasus.worker.node.directory does nothing in this version (job 'a')",
    ] == [warning.message for warning in made.planned.warnings]


def test_properties_without_effect_are_said_in_one_warning_without_values_that_may_be_secret(
    bench: Bench,
) -> None:
    made = bench.plan(
        task("a"),
        properties={
            "pegasus.transfer.container.onhost": "false",
            "pegasus.clusterer.preference": "runtime",
            "pegasus.catalog.master.password": "secret",
        },
    )
    assert [
        "properties 'pegasus.transfer.container.onhost' = false, 'pegasus.catalog.master.password' do nothing "
        "in this version"
    ] == [warning.message for warning in made.planned.warnings]


def test_a_profile_that_a_property_gives_to_a_site_is_one_of_its_jobs(bench: Bench) -> None:
    key = "pegasus.catalog.site.sites.condorpool.profiles.pegasus.cores"
    assert bench.plan(task("a"), properties={key: "3"})["tool_a"].cores == 3


def test_a_transformation_that_requires_one_of_another_site_is_refused(bench: Bench) -> None:
    elsewhere = {"name": "elsewhere", "type": "installed", "pfn": "/bin/helper"}
    bench.transformations += [{"name": "helper", "sites": [elsewhere]}]
    bench.transformations[0]["requires"] = ["helper"]

    with pytest.raises(PlanningError) as caught:
        plan(bench.options(task("a"), output_sites=["local"]))

    assert "transformation 'helper' cannot run at " in str(caught.value)
    assert "(needed by task 'a', whose transformation requires it)" in str(caught.value)


def test_an_output_directory_that_cannot_be_made_is_found_before_anything_runs(bench: Bench) -> None:
    (bench.path / "file").write_text("")

    [message] = problems_of(bench, task("a", makes="x"), output_dir=Path("file/results"))

    assert (
        f"output directory '{bench.path}/file/results' cannot be made: '{bench.path}/file' is not a directory"
        in message
    )


def test_an_output_directory_is_that_of_the_one_output_site_whatever_its_name(bench: Bench) -> None:
    storage = {
        "type": "localStorage",
        "path": "/tmp",
        "fileServers": [{"url": "file:///tmp", "operation": "all"}],
    }
    for name in ("s2", "s3"):
        bench.sites.append({"name": name, "directories": [_scratch(bench.path / name), storage]})
    bench.transformations[0]["sites"][0]["name"] = "s2"
    made = task("a", makes="x")

    alone = bench.plan(made, output_sites=["s2"], output_dir=Path("results"))
    several = bench.plan(made, output_sites=["s2", "s3"], output_dir=Path("results"))

    assert {"s2": f"{bench.path}/results"} == alone.header.outputs
    assert {"s2": "/tmp", "s3": "/tmp"} == several.header.outputs
    assert [
        "--output-dir changes nothing: it is for one output site, or for 'local', and s2, s3 are named"
    ] == [warning.message for warning in several.planned.warnings]


def test_a_dry_run_says_what_planning_says_and_writes_nothing(bench: Bench) -> None:
    properties = {"pegasus.integritty.checking": "none"}
    options = bench.options(task("a", makes="f"), properties=properties, output_sites=["local"])
    before = sorted(bench.path.rglob("*"))

    dry = dry_run(options)
    assert before == sorted(bench.path.rglob("*"))
    planned = plan(options)

    assert dry.warnings == planned.warnings and [one.kind for one in dry.warnings] == ["unknown-property"]
    assert dry.reasons == planned.reasons and dry.reasons
    assert (dry.workflow, dry.summary, dry.submit_dir) == (planned.workflow, planned.summary, None)


def test_all_properties_with_wrong_values_are_named_at_once_also_in_a_dry_run(bench: Bench) -> None:
    wrong = {
        "pegasus.mode": "devlopment",
        "pegasus.register": "perhaps",
        "pegasus.transfer.threads": "0",
        "dagman.retry": "-1",
        "dagman.big.maxjobs": "few",
        "markab.dir.submit.mode": "0500",
        "pegasus.memory": "lots; and more",
        "condor.request_cpus": "0",
        "condor.request_disk": "ifthenelse(a, b, c)",
    }
    options = bench.options(task("a"), task("b"), properties=wrong, cluster=["neat"])

    with pytest.raises(DocumentError) as caught:
        dry_run(options)

    assert [
        "property 'pegasus.register' is 'perhaps' (command line); it must be true or false",
        "property 'pegasus.mode' is 'devlopment' (command line); "
        "it must be one of production, development, tutorial, debug",
        "property 'markab.dir.submit.mode' is '0500' (command line); "
        "it must be permissions in octal, such as 0700, 0750 or 2770",
        "property 'dagman.retry' is '-1' (command line); it must be a whole number from 0",
        "property 'pegasus.transfer.threads' is '0' (command line); it must be a whole number from 1",
        "property 'dagman.big.maxjobs' is 'few' (command line); it must be a whole number from 0",
        "property 'pegasus.memory' is 'lots; and more' (command line); it must be an amount such as '2048' (MB) or '2 GB'",
        "property 'condor.request_cpus' is '0' (command line); it must be a whole number from 1",
        "--cluster 'neat' is unknown",
    ] == [problem.message for problem in caught.value.problems]


@pytest.mark.parametrize(
    "key",
    [
        "pegasus.register",
        "pegasus.transfer.links",
        "pegasus.transfer.bypass.input.staging",
        "pegasus.parser.dax.data.dependencies",
        "pegasus.dir.useTimestamp",
        "pegasus.dir.storage.deep",
        "markab.lfn.absolute",
    ],
)
def test_a_property_that_is_true_or_false_is_nothing_else(bench: Bench, key: str) -> None:
    with pytest.raises(DocumentError) as caught:
        dry_run(bench.options(task("a"), properties={key: "perhaps"}))

    (problem,) = caught.value.problems
    assert problem.message.startswith(
        f"property {key!r} is 'perhaps' (command line); it must be true or false"
    )


def _scratch(path: Path) -> dict[str, object]:
    return {
        "type": "sharedScratch",
        "path": str(path),
        "fileServers": [{"url": f"file://{path}", "operation": "all"}],
    }


def _user() -> str:
    import getpass

    return getpass.getuser()


def test_a_tool_of_pegasus_is_the_one_beside_markab_else_the_one_on_path(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, elsewhere = bench.path / "scripts", bench.path / "path"
    for place, name in ((beside, "pegasus-keg"), (elsewhere, "pegasus-keg"), (elsewhere, "pegasus-other")):
        place.mkdir(exist_ok=True)
        (place / name).write_text("#!/bin/sh\n")
        (place / name).chmod(0o755)
    monkeypatch.setattr(sysconfig, "get_path", {"scripts": str(beside)}.get)
    monkeypatch.setenv("PATH", str(elsewhere))

    made = bench.plan(*(task(name, tool=name, namespace="pegasus") for name in ("keg", "other")))

    programs = {job.tasks[0].executable for job in made.jobs if job.tasks}
    assert programs == {str(beside / "pegasus-keg"), str(elsewhere / "pegasus-other")}


def test_the_property_for_priorities_is_weaker_than_the_profiles_of_a_job(bench: Bench) -> None:
    bench.has("in")
    tasks = [
        task("plain", "in", "x"),
        task("own", "in", "y", profiles={"dagman": {"PRIORITY": "7"}}),
    ]
    planned = bench.plan(*tasks, properties={"pegasus.job.priority": "3"})

    assert (planned["tool_plain"].priority, planned["tool_own"].priority) == (3, 7)

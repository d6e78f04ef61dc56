"""Which jobs are left out because what they make exists, and what is delivered all the same."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.planned_workflow import Bench, Entry, MadePlan, task
from markab.errors import DocumentError
from markab.plan.model import Kind, Place
from markab.planner.planning import dry_run

SCOPE = "pegasus.data.reuse.scope"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def between(name: str, reads: str, makes: str, **keys: Any) -> Entry:
    """A task whose outputs are not delivered."""
    uses = [{"lfn": lfn, "type": "input"} for lfn in reads.split()]
    uses += [
        {"lfn": lfn, "type": "output", "stageOut": False, "registerReplica": False} for lfn in makes.split()
    ]
    return task(name, uses=uses, **keys)


def chain() -> list[Entry]:
    return [between("a", "in", "x"), between("b", "x", "y"), task("c", "y", "z")]


def ran(planned: MadePlan) -> list[str]:
    return sorted(task.id for job in planned.jobs for task in job.tasks)


def test_a_job_whose_results_exist_is_left_out_with_all_that_only_served_it(bench: Bench) -> None:
    bench.has("in", "z")

    planned = bench.plan(*chain(), task("d", "z", "w"))

    assert ["d"] == ran(planned)
    removed = [(r.job, r.by, r.why) for r in planned.planned.reasons if r.what == "removed"]
    assert [
        ("a", "reuse_data", "only jobs that are left out wait for it"),
        ("b", "reuse_data", "only jobs that are left out wait for it"),
        ("c", "reuse_data", "the replica catalog has 'z'"),
    ] == removed
    staged = [t for job in planned.jobs if job.kind is Kind.STAGE_IN for t in job.transfers]
    assert [("z", [Place("local", f"{bench.path}/data/z")])] == [(t.lfn, t.sources) for t in staged]


def test_its_results_are_delivered_and_registered_from_where_they_are(bench: Bench) -> None:
    bench.has("in", "z", checksum={"sha256": "ab" * 32})

    planned = bench.plan(*chain(), task("d", "z", "w"))

    delivered = planned["stage_out_local_local_1000_0"]
    (transfer,) = delivered.transfers
    assert ([Place("local", f"{bench.path}/data/z")], "ab" * 32) == (transfer.sources, transfer.sha256)
    assert [f"{bench.path}/wf-output/z"] == [place.url for place in transfer.destinations]
    assert set() == planned.parents("stage_out_local_local_1000_0")
    assert {"stage_out_local_local_1000_0"} == planned.parents("register_local_1000_0")
    (registered,) = planned["register_local_1000_0"].registrations
    assert ("z", f"file://{bench.path}/wf-output/z") == (registered.lfn, registered.pfn)


def test_a_result_that_is_where_it_is_to_be_delivered_stays_there(bench: Bench) -> None:
    bench.has("in")
    place = bench.path / "wf-output" / "z"
    place.parent.mkdir()
    place.write_text("made before")
    bench.replicas.append({"lfn": "z", "pfns": [{"site": "local", "pfn": f"file://{place}"}]})

    planned = bench.plan(*chain())

    assert [] == ran(planned)
    assert [] == [t for job in planned.jobs for t in job.transfers]
    assert ["z"] == [r.lfn for job in planned.jobs for r in job.registrations]


def test_a_job_with_one_result_that_does_not_exist_runs_and_so_does_what_it_reads(bench: Bench) -> None:
    bench.has("in", "x", "y")
    tasks = [between("a", "in", "x"), between("b", "x", "y"), task("c", "y", "z"), task("e", "in", "x2")]

    assert ["c", "e"] == ran(bench.plan(*tasks))


def test_what_a_job_that_stays_reads_is_made_though_the_results_of_its_maker_exist(bench: Bench) -> None:
    bench.has("in", "r")
    uses = [
        {"lfn": "in", "type": "input"},
        {"lfn": "r", "type": "output"},
        {"lfn": "side", "type": "output", "stageOut": False},
    ]

    assert ["a", "b"] == ran(bench.plan(task("a", uses=uses), task("b", "side", "z")))
    assert ["b"] == ran(bench.plan(task("a", uses=uses), task("b", "in", "z")))


def test_a_job_that_makes_nothing_runs_unless_it_serves_only_what_is_left_out(bench: Bench) -> None:
    bench.has("in", "z")
    before = {"jobDependencies": [{"id": "setup", "children": ["c"]}, {"id": "c", "children": ["notify"]}]}

    planned = bench.plan(task("setup", "in"), task("c", "in", "z"), task("notify", "in"), workflow=before)

    assert ["notify"] == ran(planned)
    assert {"create_dir_w_0_local", "stage_in_local_local_0_0"} == planned.ancestors("tool_notify")


def test_a_file_that_is_changed_in_place_and_a_checkpoint_are_no_results_that_exist(bench: Bench) -> None:
    bench.has("t", "state")
    changed = task("a", uses=[{"lfn": "t", "type": "inout"}])
    saved = task("b", uses=[{"lfn": "state", "type": "checkpoint"}, {"lfn": "z", "type": "output"}])

    assert ["a", "b"] == ran(bench.plan(changed, saved))
    bench.has("z")
    assert ["a"] == ran(bench.plan(changed, saved))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"properties": {SCOPE: "none"}}, ["a", "b", "c"]),
        ({"properties": {SCOPE: "partial"}}, ["a", "b"]),
        ({"properties": {SCOPE: "Full"}}, []),
        ({"force": True}, ["a", "b", "c"]),
    ],
)
def test_the_scope_and_force_say_which_jobs_may_be_left_out(
    bench: Bench, options: Mapping[str, Any], expected: list[str]
) -> None:
    bench.has("in", "z")
    enabled = {"profiles": {"pegasus": {"enable_for_data_reuse": "true"}}}

    tasks = [between("a", "in", "x"), between("b", "x", "y"), task("c", "y", "z", **enabled)]

    assert expected == ran(bench.plan(*tasks, **options))


def test_with_the_scope_partial_a_job_that_is_not_enabled_keeps_what_it_reads(bench: Bench) -> None:
    bench.has("in", "z")
    enabled = {"profiles": {"pegasus": {"enable_for_data_reuse": "true"}}}
    tasks = [between("a", "in", "x", **enabled), between("b", "x", "y", **enabled), task("c", "y", "z")]

    assert ["a", "b", "c"] == ran(bench.plan(*tasks, properties={SCOPE: "partial"}))


def test_a_regular_expression_is_a_replica_too_if_its_file_is_there(bench: Bench) -> None:
    bench.has("in", "z")
    bench.replicas[1:] = [
        {"lfn": "(.*)", "regex": True, "pfns": [{"site": "local", "pfn": f"{bench.path}/data/[1]"}]}
    ]

    planned = bench.plan(*chain())

    assert [] == ran(planned)
    assert ["a", "b", "c"] == ran(bench.plan(*chain()[:2], task("c", "y", "other")))
    assert [] == planned.planned.warnings


def test_a_replica_that_is_gone_is_said_and_made_again(bench: Bench) -> None:
    bench.has("in", "z")
    (bench.path / "data" / "z").unlink()

    planned = bench.plan(*chain())

    assert ["a", "b", "c"] == ran(planned)
    (warning,) = planned.planned.warnings
    assert warning.message == (
        f"file 'z' is made again: its replica cannot be used: {bench.path}/data/z (no such file)"
    )


def test_a_plan_without_work_has_one_job_that_does_nothing(bench: Bench) -> None:
    bench.has("in", "z")

    planned = bench.plan(*chain(), output_sites=[])

    assert [("noop_w_0", Kind.NOOP)] == [(job.id, job.kind) for job in planned.jobs]
    assert 0 == dry_run(bench.options(*chain())).summary.tasks


_TABLES = (
    "CREATE TABLE rc_lfn (lfn_id INTEGER, lfn TEXT);"
    "CREATE TABLE rc_pfn (pfn_id INTEGER, lfn_id INTEGER, pfn TEXT, site TEXT);"
    "CREATE TABLE rc_meta (lfn_id INTEGER, key TEXT, value TEXT);"
    "INSERT INTO rc_lfn VALUES (1, 'z');"
)


def test_what_an_earlier_run_registered_is_used_with_reuse(bench: Bench) -> None:
    bench.has("in")
    earlier = bench.path / "runs" / "run0001"
    earlier.mkdir(parents=True)
    result = bench.path / "z"
    result.write_text("made before")
    with sqlite3.connect(earlier / "w-0.replicas.db") as tables:
        tables.executescript(_TABLES)
        tables.execute("INSERT INTO rc_pfn VALUES (1, 1, ?, 'local')", (f"file://{result}",))

    assert [] == ran(bench.plan(*chain(), reuse=[Path("runs/run0001")]))
    assert ["a", "b", "c"] == ran(bench.plan(*chain()))
    with pytest.raises(DocumentError, match="has no replica catalog of the outputs of a run"):
        dry_run(bench.options(*chain(), reuse=[Path("runs")]))


def test_a_run_to_reuse_that_is_gone_or_has_made_nothing_is_an_error_with_a_remedy(bench: Bench) -> None:
    bench.has("in")

    def problem(name: str) -> tuple[str, str]:
        with pytest.raises(DocumentError) as caught:
            dry_run(bench.options(*chain(), reuse=[Path(name)]))
        (found,) = caught.value.problems
        return found.message, found.hint

    message, hint = problem("runs/run0001")
    assert message.startswith(f"the run in '{bench.path}/runs/run0001' is gone") and "`markab runs`" in hint
    (bench.path / "runs/run0001").mkdir(parents=True)
    (bench.path / "runs/run0001/plan.jsonl").touch()
    assert f"`markab run {bench.path}/runs/run0001` goes on with it" in problem("runs/run0001")[1]


def test_results_of_a_reused_run_that_are_gone_can_be_made_again_there(bench: Bench) -> None:
    bench.has("in")
    earlier = bench.path / "runs" / "run0001"
    earlier.mkdir(parents=True)
    (earlier / "plan.jsonl").touch()
    with sqlite3.connect(earlier / "w-0.replicas.db") as tables:
        tables.executescript(_TABLES)
        tables.execute("INSERT INTO rc_pfn VALUES (1, 1, ?, 'local')", (f"file://{bench.path}/z",))

    planned = bench.plan(*chain(), reuse=[Path("runs/run0001")])

    assert ["a", "b", "c"] == ran(planned)
    (warning,) = [one for one in planned.planned.warnings if one.kind == "unusable-result"]
    assert f"`markab run --restore {bench.path}/runs/run0001`" in warning.hint


def test_cache_files_hide_the_catalog_or_add_to_it(bench: Bench) -> None:
    bench.has("in", "y")
    other = bench.path / "other"
    other.write_text("cached")
    (bench.path / "cache.rc").write_text(f'y {other} site="local"\n')

    def sources(**options: Any) -> list[str]:
        planned = bench.plan(*chain(), **options)
        assert ["c"] == ran(planned)
        (transfer,) = [t for job in planned.jobs if job.kind is Kind.STAGE_IN for t in job.transfers]
        return [place.url for place in transfer.sources]

    catalog = f"{bench.path}/data/y"
    assert [str(other)] == sources(cache=[Path("cache.rc")])
    adds = {"pegasus.catalog.replica.cache.asrc": "true"}
    assert [catalog, str(other)] == sources(cache=[Path("cache.rc")], properties=adds)
    with pytest.raises(Exception, match="nowhere"):
        dry_run(bench.options(*chain(), cache=[Path("nowhere.rc")]))


@st.composite
def workflows(draw: st.DrawFn) -> tuple[list[Entry], set[str]]:
    """Tasks, and which of their outputs exist."""
    entries: list[Entry] = []
    made: list[str] = []
    for number in range(draw(st.integers(1, 7))):
        reads = draw(st.lists(st.sampled_from([*made, "in"]), max_size=3, unique=True))
        uses: list[Entry] = [{"lfn": lfn, "type": "input"} for lfn in reads]
        for part in range(draw(st.integers(0, 2))):
            made.append(f"f{number}.{part}")
            uses.append({"lfn": made[-1], "type": "output", "stageOut": draw(st.booleans())})
        entries.append(task(f"t{number}", uses=uses))
    return entries, set(draw(st.lists(st.sampled_from([*made, "in"]), unique=True)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=workflows())
def test_every_file_that_is_read_or_wanted_is_made_or_exists(
    tmp_path_factory: pytest.TempPathFactory, made: tuple[list[Entry], set[str]]
) -> None:
    entries, existing = made
    bench = Bench(tmp_path_factory.mktemp("w"))
    bench.has(*(existing | {"in"}))

    planned = bench.plan(*entries)

    stay = set(ran(planned))
    outputs = {
        use["lfn"]: entry["id"] for entry in entries for use in entry["uses"] if use["type"] == "output"
    }
    for entry in entries:
        for use in entry["uses"]:
            if use["type"] == "input" and entry["id"] in stay and use["lfn"] != "in":
                assert outputs[use["lfn"]] in stay or use["lfn"] in existing
            if use["type"] == "output" and use["stageOut"]:
                assert entry["id"] in stay or use["lfn"] in existing
    delivered = {t.lfn for job in planned.jobs if job.kind is Kind.STAGE_OUT for t in job.transfers}
    wanted = {u["lfn"] for e in entries for u in e["uses"] if u.get("stageOut")}
    assert wanted == delivered, json.dumps(entries)
    forced = bench.plan(*entries, force=True)
    assert {entry["id"] for entry in entries} == set(ran(forced))

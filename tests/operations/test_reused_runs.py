"""What is done with a run of which some tasks were left out, because earlier runs made their outputs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from kit.content_runs import Lab, Ran, chain
from markab import operations
from markab.engine.run import RunOptions, run
from markab.errors import PlanningError
from markab.operations.old_runs import is_own_name
from markab.operations.rerun import refuse_changes
from markab.plan.submit_dir import SubmitDir


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path, chain("a", "b"), {"in": "input\n"})
    lab.run()
    return lab


@pytest.fixture
def second(lab: Lab) -> Ran:
    lab.steps[1].line = "edited"
    ran = lab.run()
    assert (ran.reused, ran.executed) == (["a"], ["b"])
    return ran


def test_files_are_not_taken_anew_where_those_of_left_out_tasks_are_not_known(lab: Lab, second: Ran) -> None:
    for step in lab.steps:
        step.line = "edited again"
    lab.write()

    with pytest.raises(
        PlanningError, match="leaves out tasks, such as 'a', whose results were made earlier"
    ) as raised:
        run(second.submit_dir, RunOptions(refresh=True))
    assert raised.value.problems[0].hint == "plan again: what is still right is reused"
    (edited,) = operations.edited_files(second.submit_dir)
    assert f"{lab.path}/bin/b" in edited.message and "--refresh" not in edited.hint
    assert edited.hint.startswith("plan again: what is still right is reused: ")


def test_a_run_is_deleted_with_the_list_of_what_it_left_out(second: Ran) -> None:
    assert SubmitDir(second.submit_dir).reused.exists()
    found, _ = operations.find_old_runs([second.submit_dir], now=time.time())
    assert [error for _, error in operations.delete_old_runs(found)] == [None]
    assert not second.submit_dir.exists()


def test_what_a_plan_writes_belongs_to_the_run(second: Ran) -> None:
    assert [path.name for path in second.submit_dir.iterdir() if not is_own_name(path.name)] == []


def test_running_it_again_says_that_not_all_can_be_compared(second: Ran) -> None:
    repetition = operations.prepare_rerun(second.submit_dir)

    assert repetition.differences == [
        "1 task of that run had been left out, because results of earlier runs were used again: "
        "their programs and inputs are not compared"
    ]
    with pytest.raises(PlanningError) as caught:
        refuse_changes(repetition)
    assert caught.value.problems[0].hint.startswith(
        "go on with what is there now: `markab rerun --accept-changes "
    )


def test_a_result_in_whose_place_a_later_run_put_another_is_not_called_altered(lab: Lab, second: Ran) -> None:
    settings = lab.path / "lab.properties"
    settings.write_text(f"markab.reuse.index={lab.path}/index.db\nmarkab.reuse.store={lab.store}\n")

    assert operations.verify_cache(conf=str(settings))[0].altered == []
    lab.steps[1].line = chain("a", "b")[1].line
    undone = lab.run()
    assert undone.executed == [] and [w.message for w in undone.planned.warnings] == []

    result = lab.results / "b.out"
    result.unlink()
    result.write_text("no result of any run\n")
    (altered,) = operations.verify_cache(conf=str(settings))[0].altered
    assert str(result) in altered


def test_an_index_that_was_deleted_is_made_again_from_the_journals_of_runs(lab: Lab, second: Ran) -> None:
    (lab.path / "index.db").unlink()
    conf = lab.path / "cache.properties"
    conf.write_text(f"markab.reuse.index = {lab.path}/index.db\nmarkab.reuse.store = {lab.store}\n")

    rebuilt, warnings = operations.rebuild_cache(lab.path, conf=str(conf))

    assert str(second.submit_dir) in rebuilt.entered and not warnings
    assert ["a", "b"] == lab.run().reused

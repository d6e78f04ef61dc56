"""Job arrays: one job for each point of a sweep, filled in from a template."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kit.planned_workflow import Bench
from markab.api import DuplicateError, EventType, File, Job, Workflow
from markab.api.job_array import points_of
from markab.planner.options import PlanOptions
from markab.planner.planning import dry_run


def fit() -> Job:
    return (
        Job("fit_{m}", namespace="stats")
        .add_args("--n", "{n}", "{n:03d}", File("data.csv"), Path("/x/{m}"), 7, "{{print $1}}")
        .add_inputs("data.csv", "prior_{m}.json")
        .add_outputs("fit_{n}_{m}.json", stage_out=False)
        .set_stdout(File("log_{n}_{m}.txt", size=5))
        .add_checkpoint("state_{n}_{m}")
        .add_env(METHOD="{m}")
        .add_pegasus_profile(cores=2)
        .add_metadata(about="{m} with {n}")
    )


def documents(wf: Workflow) -> dict[str, Any]:
    """Return the entries of `jobs:` by id."""
    wf.write(text := io.StringIO())
    return {job["id"]: job for job in yaml.safe_load(text.getvalue())["jobs"]}


def test_every_text_of_the_template_is_filled_in() -> None:
    wf = Workflow("w")

    array = wf.add_array(fit(), {"n": [1, 20], "m": ["ols"]})

    job = documents(wf)["fit_ols_n-20_m-ols"]
    assert ("fit_ols", "stats", "fit_ols n=20 m=ols") == (job["name"], job["namespace"], job["nodeLabel"])
    assert ["--n", "20", "020", "data.csv", "/x/ols", 7, "{print $1}"] == job["arguments"]
    assert [
        {"lfn": "data.csv", "type": "input"},
        {"lfn": "prior_ols.json", "type": "input"},
        {"lfn": "fit_20_ols.json", "type": "output", "stageOut": False, "registerReplica": True},
        {"lfn": "log_20_ols.txt", "type": "output", "stageOut": True, "registerReplica": True, "size": 5, "metadata": {"size": 5}},
        {"lfn": "state_20_ols", "type": "checkpoint", "stageOut": True, "registerReplica": True},
    ] == job["uses"]  # fmt: skip
    assert "log_20_ols.txt" == job["stdout"]
    assert {"env": {"METHOD": "ols"}, "pegasus": {"cores": 2}} == job["profiles"]
    assert {"n": "20", "m": "ols", "about": "ols with 20"} == job["metadata"]
    assert ["fit_1_ols.json", "log_1_ols.txt", "fit_20_ols.json", "log_20_ols.txt"] == [
        file.lfn for file in array.outputs()
    ]
    assert (2, array[0], (array[1],)) == (len(array), wf.get_job("fit_ols_n-1_m-ols"), array[1:])
    assert [{"n": 1, "m": "ols"}, {"n": 20, "m": "ols"}] == [*array.points]


def test_the_template_is_not_changed_and_its_jobs_share_nothing_that_can_be_changed() -> None:
    template = fit().add_shell_hook(EventType.START, "true")
    before = repr((template, template.args, [use.to_data() for use in template.uses], template.profiles))
    wf = Workflow("w")
    first, second = wf.add_array(template, {"n": [1, 2], "m": ["a"]})

    first.add_shell_hook(EventType.END, "more").add_args("more").add_inputs("more").add_env(
        MORE="1"
    ).add_metadata(more=1)

    assert before == repr(
        (template, template.args, [use.to_data() for use in template.uses], template.profiles)
    )
    assert "more" not in repr(second.to_data())
    assert template._id is None


def test_label_and_id_of_the_template_win() -> None:
    wf = Workflow("w").add_jobs(Job("other"))
    wf.add_array(Job("fit", _id="a{n:02d}", node_label="{n} of 3"), {"n": [1, 2]})

    assert {"ID0000001": None, "a01": "1 of 3", "a02": "2 of 3"} == {
        id: job.get("nodeLabel") for id, job in documents(wf).items()
    }


def test_points_are_every_value_with_every_other_or_zipped_or_given() -> None:
    over = {"n": [1, 2], "m": ("a", "b")}

    assert ["1a", "1b", "2a", "2b"] == ["{n}{m}".format_map(point) for point in points_of(over)]
    assert ["1a", "2b"] == ["{n}{m}".format_map(point) for point in points_of(over, "zip")]
    assert [{"n": 1}, {"n": 3}] == points_of({"n": n} for n in (1, 3))
    assert [{"n": 0}, {"n": 1}] == points_of({"n": range(2)})


@pytest.mark.parametrize(
    ("over", "how", "error", "message"),
    [
        ({"n": "abc"}, "product", TypeError, r"the values of parameter 'n' are 'abc', but must be a list: \['abc'\]"),
        ({"n": 5}, "product", TypeError, "the values of parameter 'n' are 5, but must be a list"),
        ({"n": []}, "product", ValueError, "parameter 'n' has no values"),
        ({}, "product", ValueError, "a sweep has no points"),
        ([], "product", ValueError, "a sweep has no points"),
        ([1], "product", TypeError, r"a point is 1 \(int\), but must be a dict of parameters"),
        ({"n": [1], "m": [1, 2]}, "zip", ValueError, "must have as many values: 'n' has 1, 'm' has 2"),
        ({"n": [1]}, "all", ValueError, "how is 'all', but must be 'product' or 'zip'"),
        ({"n": [1, 2, 1]}, "product", ValueError, r"point {'n': 1} occurs twice"),
        ([{"n": 1}, {"m": 1}], "product", ValueError, r"point {'m': 1} has other parameters than the first, {'n': 1}"),
        ({"a b": [1]}, "product", ValueError, "a parameter is called 'a b'"),
    ],
)  # fmt: skip
def test_wrong_points_are_refused(over: Any, how: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Workflow("w").add_array(Job("fit"), over, how)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (lambda: Job("fit").add_args("{nn}"), r"'{nn}' \(arguments of Job\(transformation=fit\)\) cannot be filled in with {'n': 1}: there is no parameter 'nn'"),
        (lambda: Job("awk").add_args("{print $1}"), "there is no parameter 'print [$]1'; braces that stand for themselves are doubled: {{ and }}"),
        (lambda: Job("fit").add_outputs("x{"), "'x{' .files of .*cannot be filled in"),
        (lambda: Job("fit").add_args("{}"), "cannot be filled in"),
        (lambda: Job("fit").add_args("{n:q}"), "cannot be filled in"),
    ],
)  # fmt: skip
def test_a_text_that_cannot_be_filled_in_is_named(template: Callable[[], Job], message: str) -> None:
    wf = Workflow("w")
    with pytest.raises(ValueError, match=message):
        wf.add_array(template(), {"n": [1]})
    assert {} == wf.jobs, "nothing is added"


def test_what_is_no_job_is_no_template() -> None:
    with pytest.raises(TypeError, match="the template of an array is a Job, not 'fit'"):
        Workflow("w").add_array("fit", {"n": [1]})  # type: ignore[arg-type]


def test_two_arrays_of_one_program_need_ids_of_their_own() -> None:
    wf = Workflow("w")
    wf.add_array(Job("fit"), {"n": [1]})
    with pytest.raises(DuplicateError, match="'fit_n-1'"):
        wf.add_array(Job("fit"), {"n": [1]})
    wf.add_array(Job("fit", _id="again_{n}"), {"n": [1]})


VALUES = st.lists(
    st.one_of(st.integers(), st.floats(allow_nan=False), st.text(), st.booleans()),
    min_size=1, max_size=6, unique_by=str,
)  # fmt: skip


@given(VALUES, VALUES, st.data())
def test_a_value_that_is_added_changes_no_other_job(n: list[Any], m: list[Any], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(n) - 1))
    fewer = [*n[:at], *n[at + 1 :]]
    template = Job("fit").add_args("{n}", "{m}").add_outputs("{n}/{m}")
    jobs = {}
    for name, values in (("all", n), ("fewer", fewer)):
        if values:
            wf = Workflow("w")
            wf.add_array(template, {"n": values, "m": m})
            jobs[name] = {id: job.to_data() for id, job in wf.jobs.items()}

    assert len(jobs["all"]) == len(n) * len(m), "every id is another one"
    assert all(jobs["all"][id] == job for id, job in jobs.get("fewer", {}).items())
    for id in jobs["all"]:
        assert id.isascii() and id.replace("_", "").replace("-", "").isalnum() and len(id) <= 100


def test_the_document_can_be_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Bench(tmp_path).options()
    wf = Workflow("w")
    tool = Job("tool").add_args("{a}", "{b}").add_outputs("{a}_{b}.txt", stage_out=False)
    array = wf.add_array(tool, {"a": [0.5, -1, "x y", "long" * 40], "b": ["é", "1"]})
    wf.add_jobs(Job("tool").add_inputs(*array.outputs()).add_outputs("all"))
    wf.write()

    planned = dry_run(PlanOptions(workflow=Path("workflow.yml"), until=["label:tool a=0.5*"]))

    assert (2, 7) == (planned.summary.tasks, planned.summary.left_out)

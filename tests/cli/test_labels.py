"""Wherever a job is named, the label that the user gave to it stands beside its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from kit.made_run import (
    T0,
    began,
    compute,
    end,
    ended,
    engine_alive,
    failed,
    gave_up,
    made,
    make_run,
    process,
    retry,
    running,
    start,
)
from markab.api import notebook_html, notebook_reports
from markab.cli.main import markab
from markab.cli.run_display import picture
from markab.journal.progress import Progress, RunningJob
from markab.journal.records import Entry
from markab.operations import analyze, read_status
from markab.plan.model import Input, Kind, Output, Place, PlannedJob, Transfer

LABELS = {name: f"label of {name}" for name in ("wc_first", "wc_bad", "wc_skipped", "wc_tried", "wc_lost")}


def jobs() -> list[PlannedJob]:
    """`bad` fails, so that `skipped` is not run and its result not delivered; `tried` is tried again, `lost` runs."""
    out = PlannedJob(id="stage_out_1", kind=Kind.STAGE_OUT, site="local", parents=[2])
    out.transfers = [Transfer("result", [Place("local", "/s/result")], [Place("local", "/o/result")])]
    return [
        compute("first", task=task("first"), outputs=[Output("f")]),
        compute("bad", 0, task=task("bad"), inputs=[Input("f")], outputs=[Output("g")], retries=1),
        compute("skipped", 0, 1, task=task("skipped"), inputs=[Input("g")], outputs=[Output("result")]),
        out,
        compute("tried", task=task("tried")),
        compute("lost", task=task("lost")),
    ]


def task(name: str) -> dict[str, str]:
    return {"node_label": LABELS[f"wc_{name}"]}


STORY: list[Entry] = [
    *(began(), start(0), running(0)),
    end(0, invocations=[process("first")], outputs=[made("f")], undeclared=["junk"], stdout="hello\n"),
    *(start(1), failed(1, stderr="no\n", invocations=[process("bad", 256)]), retry(1), start(1, 2)),
    *(failed(1, 2, stderr="no\n", invocations=[process("bad", 256)]), gave_up(1)),
    *(start(4), failed(4, stderr="again\n"), retry(4)),
    *(start(5), running(5)),
]


@pytest.fixture
def over(tmp_path: Path) -> Path:
    return make_run(
        tmp_path / "over", jobs(), [*STORY, failed(5), gave_up(5), ended("failed")], outputs={"local": "/o"}
    )


@pytest.fixture
def alive(tmp_path: Path) -> Iterator[Path]:
    run = make_run(tmp_path / "alive", jobs(), STORY, outputs={"local": "/o"})
    with engine_alive(run):
        yield run


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    return make_run(tmp_path / "killed", jobs(), STORY, outputs={"local": "/o"})


def unlabelled(text: str) -> list[str]:
    """The lines in which a job is named without its label; what is typed, and a head with the label below it, may be."""
    lines = []
    for line in text.splitlines():
        typed = re.sub(r"`[^`]*`|markab [a-z]+ \S+ \S+", "", line)
        lines += [
            line
            for name, label in LABELS.items()
            if re.search(rf"\b{name}\b", typed) and f"{label}" not in typed and not _is_head(typed, name)
        ]
    return lines


def _is_head(line: str, name: str) -> bool:
    """`why` and `show` begin with the name of the job; its label has a line of its own."""
    return line.startswith((f"{name} (compute at", f"{name}  (compute at"))


COMMANDS = [
    "status {run} -l",
    "status {run} --why",
    "analyze {run}",
    "analyze {run} -v",
    "why {run} first",
    "why {run} bad",
    "why {run} skipped",
    "why {run} stage_out_1",
    "show {run}",
    "show {run} bad",
    "show {run} skipped",
    "trace {run} f",
    "trace {run} result",
    "statistics {run} -s all",
    "logs {run} first -f",
    "logs {run} bad -f --attempt 2",
    "logs {run} skipped",
]


@pytest.mark.parametrize("state", ["over", "killed", "alive"])
@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_names_no_labelled_job_without_its_label(
    words: str, state: str, request: pytest.FixtureRequest
) -> None:
    run = request.getfixturevalue(state)
    done = CliRunner().invoke(markab, words.format(run=run).split())
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert unlabelled(done.output) == []


def test_the_check_finds_a_name_without_its_label() -> None:
    assert unlabelled("after wc_bad (failed)") == ["after wc_bad (failed)"]
    assert unlabelled(f"after wc_bad ({LABELS['wc_bad']}) (failed)\n`markab show run wc_bad`") == []


@pytest.mark.parametrize(
    ("words", "label"),
    [
        ("analyze {run}", "wc_bad"),
        ("analyze {run}", "wc_first"),  # what it wrote and did not declare
        ("why {run} skipped", "wc_bad"),
        ("why {run} stage_out_1", "wc_skipped"),
        ("show {run} skipped", "wc_bad"),
        ("trace {run} result", "wc_skipped"),
        ("statistics {run} -s jobs", "wc_first"),
        ("status {run}", "wc_bad"),  # what was not delivered, and why
    ],
)
def test_a_command_names_the_other_job_with_its_label(over: Path, words: str, label: str) -> None:
    done = CliRunner().invoke(markab, words.format(run=over).split())
    assert LABELS[label] in done.output


@pytest.mark.parametrize("what", ["why", "lost", "running"])
def test_jobs_that_wait_and_run_have_their_labels(alive: Path, killed: Path, what: str) -> None:
    words = {
        "why": ["status", str(alive), "--why"],
        "lost": ["analyze", str(killed)],
        "running": ["status", str(alive)],
    }
    shown = CliRunner().invoke(markab, words[what]).output
    label = LABELS["wc_tried" if what == "why" else "wc_lost"]
    assert label in shown, shown


WIDGETS: dict[str, Callable[[Path], str]] = {
    "status": lambda run: notebook_html.status_html(read_status(run), T0),
    "bar": lambda run: notebook_html.progress_html(read_status(run), T0),
}


@pytest.mark.parametrize("name", WIDGETS)
def test_a_notebook_names_jobs_with_their_labels(alive: Path, name: str) -> None:
    shown = WIDGETS[name](alive)
    assert f"wc_lost ({LABELS['wc_lost']})" in shown


def test_the_failures_in_a_notebook_have_labels(over: Path) -> None:
    with analyze(over) as found:
        assert LABELS["wc_bad"] in notebook_reports.analysis_html(found)


def test_the_display_of_a_run_has_labels(capsys: pytest.CaptureFixture[str]) -> None:
    job = RunningJob("wc_bad", "local", 1, T0, label=LABELS["wc_bad"])
    progress = Progress("w", "", T0, 1, running=1, jobs=[job])
    assert any(LABELS["wc_bad"] in text for text, _ in picture(progress, T0))


def test_completion_offers_names_with_their_labels(over: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import click

    from markab.cli.completion_values import jobs as complete
    from markab.cli.why import why

    context = click.Context(why)
    context.params["run"] = str(over)
    offered = {item.value: item.help for item in complete(context, why.params[1], "wc_")}
    assert offered == LABELS


@pytest.mark.parametrize("arguments", ["'open", ""])
def test_an_error_of_planning_names_the_task_with_its_label(tmp_path: Path, arguments: str) -> None:
    workflow = tmp_path / "workflow.yml"
    workflow.write_text(
        "pegasus: '5.0'\nname: w\njobs:\n- {type: job, id: t1, name: 'true', nodeLabel: the label, "
        f'arguments: ["{arguments}"], uses: [{{lfn: nothing, type: input}}]}}\n'
    )
    done = CliRunner().invoke(markab, ["plan", str(workflow)])
    assert done.exit_code != 0
    assert "'t1' (the label)" in done.output, done.output

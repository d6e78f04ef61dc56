"""`markab run` and `pegasus-run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from markab.cli.command import command
from markab.cli.planner_flags import RANDOM_DIR, given, plan_flags, plan_options
from markab.cli.verbosity import set_verbosity, verbosity

if TYPE_CHECKING:
    from markab.engine.run import RunOptions

POSITIVE = click.IntRange(min=1)


@command(RANDOM_DIR)
@click.argument("what", default="", metavar="[SUBMIT_DIR | WORKFLOW]")
@click.option("--detach", is_flag=True, help="Run in the background, and return at once.")
@click.option("--cores", type=POSITIVE, help="Cores that jobs here may use together.")
@click.option(
    "--memory", metavar="SIZE", help="Memory that jobs here may use together, such as 8GB; MB without a unit."
)
@click.option("--gpus", type=click.IntRange(min=0), help="GPUs that jobs here may use together.")
@click.option("--max-jobs", type=POSITIVE, help="How many jobs may run at once.")
@click.option("-J", "--json", "as_json", is_flag=True, help="Print the end of the run as an object.")
@plan_flags
@verbosity
def run(what: str, detach: bool, as_json: bool, verbose: int, quiet: int, **flags: Any) -> int:
    """Run a planned workflow, or go on with one; stay and show its progress.

    Given a SUBMIT_DIR it starts what is not done yet; what succeeded before is
    kept. Given a WORKFLOW document it plans it first, with the flags of
    `markab plan`. Without either it takes the current directory if that is a
    submit directory, else ./workflow.yml.

    Ctrl-C ends the running jobs; the same command goes on later.
    """
    from markab.cli.plan_output import echo_json, make_plan, shown_path, summary_text
    from markab.cli.run_output import run_here, start_in_background

    set_verbosity(verbose, quiet)
    path = Path(what) if what else _default()
    if path.is_file() and path.name != "plan.jsonl":
        planned = make_plan(plan_options(str(path), flags), quiet=quiet)
        assert planned.submit_dir is not None
        submit_dir = planned.submit_dir
        if not quiet and not as_json:
            click.echo(summary_text(planned.workflow, planned.summary))
            click.echo(f"  planned into {shown_path(submit_dir)}")
    else:
        _refuse_plan_flags(path, flags)
        submit_dir = _submit_dir(path)
    if detach:
        pid = start_in_background(submit_dir, _engine_words(flags))
        if as_json:
            echo_json({"submit_dir": str(submit_dir), "pid": pid})
        elif not quiet:
            shown = shown_path(submit_dir)
            click.echo(f"running in the background as process {pid}\n  watch: markab status {shown}")
            click.echo(f"  stop:  markab halt {shown}, or markab remove {shown}")
        return 0
    return run_here(submit_dir, options=_run_options(flags), as_json=as_json, quiet=quiet)


@command(name="pegasus-run")
@click.argument("submit_dir", default="", metavar="[SUBMIT_DIR]")
@click.option(
    "-D", "properties", multiple=True, metavar="KEY=VALUE", help="Accepted; properties are those planned."
)
@click.option("-c", "--conf", metavar="FILE", help="Accepted; properties are those planned.")
@click.option("-d", "--debug", metavar="LEVEL", help="Accepted.")
@click.option("--grid/--nogrid", help="Accepted; there is nothing to check.")
@click.option(
    "-j", "-J", "--json", "as_json", is_flag=True, help="Print the braindump of the run as an object."
)
@click.option("-V", "--version", is_flag=True, help="Print the version of Pegasus that Markab speaks.")
@verbosity
def pegasus_run(submit_dir: str, as_json: bool, version: bool, verbose: int, quiet: int, **_: object) -> int:
    """Start a planned workflow in the background, or go on with one."""
    from markab.cli.pegasus_hints import started_text
    from markab.cli.plan_output import echo_json
    from markab.cli.run_output import end_text, start_in_background
    from markab.plan.braindump import read_braindump
    from markab.plan.submit_dir import find_submit_dir
    from markab.reports.status import read_status

    if version:
        from markab import PEGASUS_VERSION

        click.echo(PEGASUS_VERSION)
        return 0
    set_verbosity(verbose, quiet)
    place = find_submit_dir(submit_dir or None)
    was_done = read_status(place.path).state == "Success"
    start_in_background(place.path)
    if as_json:
        echo_json(read_braindump(place.braindump))
    elif not quiet:
        click.echo(
            f"nothing to run: {end_text(place.path, 'success')}" if was_done else started_text(place.path)
        )
    return 0


def _default() -> Path:
    from markab.plan.submit_dir import PLAN

    here = Path.cwd()
    return here if (here / PLAN).exists() or not (here / "workflow.yml").exists() else here / "workflow.yml"


def _submit_dir(path: Path) -> Path:
    """Return the submit directory at `path`; an error knows that a workflow could have been meant too."""
    from markab.errors import NotARun
    from markab.plan.submit_dir import find_submit_dir

    if path.exists():
        return find_submit_dir(path).path
    raise NotARun(
        f"there is no {str(path)!r}",
        hint="name a submit directory, such as …/run0001, or a workflow document, such as workflow.yml",
    )


def _refuse_plan_flags(path: Path, flags: dict[str, Any]) -> None:
    if used := given(flags):
        raise click.UsageError(
            f"{str(path)!r} is planned already, or no file; {', '.join(used)} would change nothing"
        )


def _run_options(flags: dict[str, Any]) -> RunOptions:
    from markab.engine.run import RunOptions

    return RunOptions(
        cores=flags["cores"],
        memory_mb=_memory_mb(flags["memory"]),
        gpus=flags["gpus"],
        max_jobs=flags["max_jobs"],
    )


def _engine_words(flags: dict[str, Any]) -> tuple[str, ...]:
    """Return the flags for an engine in the background."""
    given = {"--cores": flags["cores"], "--memory": flags["memory"], "--gpus": flags["gpus"]}
    given["--max-jobs"] = flags["max_jobs"]
    return tuple(word for name, value in given.items() if value is not None for word in (name, str(value)))


def _memory_mb(text: str | None) -> int | None:
    import re

    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", text.strip(), re.IGNORECASE)
    if not found:
        raise click.BadParameter(f"{text!r} is no size; write it as 8GB or 500 MB", param_hint="--memory")
    factor = {"": 1, "K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}[found[2].upper()]
    return max(1, int(float(found[1]) * factor))

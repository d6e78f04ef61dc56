"""`pegasus-monitord`: make jobstate.log and the database of a run from what is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from markab import operations
from markab.cli.common_options import options, pegasus_command, verbose_option
from markab.cli.output import echo

IGNORED = options(
    click.option("-N", "--condor-daemon", is_flag=True, help="Accepted; has no effect."),
    click.option("-a", "--adjust", type=int, metavar="SECONDS", help="Accepted; times have their zone."),
    click.option("--conf", metavar="FILE", help="Accepted; the submit directory has the properties."),
    click.option("--no-recursive", is_flag=True, help="Accepted; sub-workflows are always followed."),
    click.option("--no-notifications", "--no-notification", is_flag=True, help="Accepted; none are sent."),
    click.option("--notifications-max", type=int, metavar="N", help="Accepted; none are sent."),
    click.option("--notifications-timeout", type=int, metavar="SECONDS", help="Accepted; none are sent."),
    click.option("-S", "--sim", type=int, metavar="MS", help="Accepted; has no effect."),
    click.option("-e", "--encoding", metavar="FORMAT", help="Accepted; no event stream is written."),
    click.option("--db-stats", is_flag=True, help="Accepted; has no effect."),
    click.option("--keep-state", is_flag=True, help="Accepted; has no effect."),
    click.option("--skip-stdout", is_flag=True, help="Accepted; the output is short in any case."),
    click.option("-f", "--force", is_flag=True, help="Accepted; several at once are safe."),
    click.option("--foreground", is_flag=True, help="Accepted; it always is."),
    click.option("--fast-start", is_flag=True, help="Accepted; has no effect."),
)


@pegasus_command("pegasus-monitord")
@click.argument("dagman_out", type=click.Path(path_type=Path), metavar="RUN.dag.dagman.out")
@click.option("-r", "--replay", is_flag=True, help="Make both again from the start; the old log is renamed.")
@click.option(
    *("--no-database", "--nodatabase", "--no-events"),
    is_flag=True,
    help="Only jobstate.log, not the database.",
)
@click.option(
    "-d", "--dest", metavar="URL", help="Another database: sqlite:////path/file.db or postgresql://…"
)
@click.option(
    *("-j", "--job", "log"),
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Another file than jobstate.log; relative to the submit directory.",
)
@click.option(
    *("-o", "--output-dir"),
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the log there, as UUID-jobstate.log.",
)
@IGNORED
@verbose_option
def pegasus_monitord(
    dagman_out: Path, replay: bool, no_database: bool, dest: str | None, **flags: Any
) -> None:
    """Make jobstate.log and the database of the run whose submit directory has RUN.dag.dagman.out.

    Both are made of plan and journal, and kept current while a run is running: nothing has to be started for that.
    RUN.dag.dagman.out need not exist, and may be the submit directory itself.
    """
    submit_dir = dagman_out if dagman_out.is_dir() else dagman_out.parent
    log: Path | None = flags["log"] and submit_dir / flags["log"]
    if directory := flags["output_dir"]:
        log = (
            directory
            / f"{operations.read_braindump(submit_dir)['wf_uuid']}-{(log or Path('jobstate.log')).name}"
        )
    for warning in operations.record_again(
        submit_dir, replay=replay, with_database=not no_database, url=dest, log=log
    ):
        echo(f"warning: {warning}", err=True)

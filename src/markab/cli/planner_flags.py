"""The flags that say how to plan; `plan`, `run` and `pegasus-plan` share them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from markab.cli.command import ALONE, Lone

if TYPE_CHECKING:
    from markab.planner.options import PlanOptions

RANDOM_DIR = Lone("r", "randomdir")
"""`-r` and `--randomdir` may stand alone; a name must be joined: `-rNAME`, `--randomdir=NAME`."""

_Decorator = Callable[[Any], Any]


def _list(*names: str, help: str, metavar: str) -> _Decorator:
    return click.option(*names, multiple=True, metavar=f"{metavar}[,…]", help=help)


FLAGS: tuple[_Decorator, ...] = (
    click.option(
        "-D", "properties", multiple=True, metavar="KEY=VALUE", help="Set a property; stronger than files."
    ),
    click.option("--conf", metavar="FILE", help="Properties file; ./pegasus.properties by default."),
    _list("-s", "--sites", metavar="SITE", help="Where jobs may run; every site but local by default."),
    _list("-o", "--output-sites", metavar="SITE", help="Where results are delivered."),
    _list(
        "--staging-site", metavar="[SITE=]SITE", help="Where files wait, for one execution site or for all."
    ),
    _list("-I", "--input-dir", metavar="DIR", help="Directories whose files are inputs."),
    click.option(
        "-O", "--output-dir", metavar="DIR", help="Directory for results, of the output site or of local."
    ),
    click.option("-m", "--output-map", metavar="FILE", help="File that says where each result goes."),
    click.option(
        "-t", "--transformations-dir", metavar="DIR", help="Directory whose programs are transformations."
    ),
    click.option(
        "--dir", "dir_", metavar="DIR", help="Base of submit directories; the current one by default."
    ),
    click.option("--relative-dir", metavar="DIR", help="Submit and run directory below their bases."),
    click.option("--relative-submit-dir", metavar="DIR", help="Submit directory below its base."),
    click.option(
        "-r", "--randomdir", metavar="[NAME]", help="Run in a directory with a random name, or this one."
    ),
    click.option(
        "-b", "--basename", metavar="NAME", help="Name of the files of the run; the workflow's by default."
    ),
    click.option("-j", "--job-prefix", metavar="TEXT", help="Put into the names of generated jobs."),
    click.option("--cleanup", metavar="HOW", help="none, leaf, inplace (default) or constraint."),
    click.option("-n", "--nocleanup", is_flag=True, hidden=True),
    _list("-C", "--cluster", metavar="STYLE", help="Put small tasks together: horizontal, label."),
    _list("-c", "--cache", metavar="FILE", help="Replicas that win over the catalog's."),
    _list("-R", "--reuse", metavar="DIR", help="Submit directories of runs whose results may be used again."),
    _list("--inherited-rc-files", metavar="FILE", help="Replicas that the workflow's own win over."),
    click.option("-f", "--force", is_flag=True, help="Run every task, even when its results exist."),
    click.option("--force-replan", is_flag=True, help="Plan a sub-workflow anew when it is tried again."),
    click.option(
        "-F", "--forward", multiple=True, metavar="OPTION[=VALUE]", help="Hand an option on to the run."
    ),
    click.option(
        "-X", "java", multiple=True, metavar="OPTION", hidden=True
    ),  # for a Java machine: nothing to tell
    click.option("-z", "--deferred", is_flag=True, hidden=True),  # set by a parent workflow
    click.option("-g", "--group", metavar="NAME", hidden=True),
)

NAMES = (
    *("properties", "conf", "sites", "output_sites", "staging_site", "input_dir", "output_dir", "output_map"),
    *("transformations_dir", "dir_", "relative_dir", "relative_submit_dir", "randomdir", "basename"),
    *("job_prefix", "cleanup", "nocleanup", "cluster", "cache", "reuse", "inherited_rc_files", "force"),
    *("force_replan", "forward", "java", "deferred", "group"),
)
"""The parameters that `FLAGS` makes."""


def plan_flags(function: Any) -> Any:
    """Give a command all planning flags."""
    for flag in reversed(FLAGS):
        function = flag(function)
    return function


def given(flags: Mapping[str, Any]) -> list[str]:
    """Return the names of the planning flags that were used."""
    return [name for name in NAMES if flags.get(name)]


def plan_options(workflow: str, flags: Mapping[str, Any]) -> PlanOptions:
    """Make the planner's options of a command's parameters.

    Raises:
        click.BadParameter: a `-D` without a key.
    """
    from markab.planner.options import PlanOptions

    random_dir = flags["randomdir"]
    return PlanOptions(
        workflow=Path(workflow),
        conf=_path(flags["conf"]),
        properties=dict(_property(text) for text in flags["properties"]),
        sites=_split(flags["sites"]),
        output_sites=_split(flags["output_sites"]),
        staging_sites=dict(_staging(text) for text in _split(flags["staging_site"])),
        input_dirs=_paths(flags["input_dir"]),
        output_dir=_path(flags["output_dir"]),
        output_map=_path(flags["output_map"]),
        transformations_dir=_path(flags["transformations_dir"]),
        dir=_path(flags["dir_"]),
        relative_dir=flags["relative_dir"],
        relative_submit_dir=flags["relative_submit_dir"],
        random_dir=random_dir == ALONE or random_dir or False,
        basename=flags["basename"],
        job_prefix=flags["job_prefix"],
        cleanup=flags["cleanup"] or ("none" if flags["nocleanup"] else None),
        cluster=_split(flags["cluster"]),
        cache=_paths(flags["cache"]),
        reuse=_paths(flags["reuse"]),
        inherited_rc_files=_paths(flags["inherited_rc_files"]),
        force=flags["force"],
        force_replan=flags["force_replan"],
        forward=list(flags["forward"]),
        directory=Path.cwd(),
    )


def _property(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key.strip():
        raise click.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="-D")
    return key.strip(), value.strip() if equals else "true"


def _staging(text: str) -> tuple[str, str]:
    site, equals, staging = text.partition("=")
    return (site.strip(), staging.strip()) if equals else ("", site.strip())


def _split(values: Iterable[str]) -> list[str]:
    return [word.strip() for value in values for word in value.split(",") if word.strip()]


def _paths(values: Iterable[str]) -> list[Path]:
    return [Path(word) for word in _split(values)]


def _path(value: str | None) -> Path | None:
    return Path(value) if value else None

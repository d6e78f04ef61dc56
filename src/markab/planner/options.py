"""The options of the planner, declared once.

Each field of `PlanOptions` made by `_option` is an option. From this table come
the flags of `markab plan`, `markab run` and `pegasus-plan`, the keywords of
`Workflow.plan` and `SubWorkflow.add_planner_args`, the arguments that are
recorded in `braindump.yml`, and the page of the reference documentation.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import Any

from markab.planner import option_kinds as kinds
from markab.planner.parent_run import ParentRun
from markab.planner.script_call import ScriptCall


class UsedBy(Enum):
    """Which part uses an option."""

    PLANNER = "planner"
    COMMAND = "command"
    """The command, or the call, that plans: how much it prints, what it does afterwards."""
    NONE = "none"
    """It is accepted so that command lines and scripts of Pegasus work."""


@dataclass(frozen=True, slots=True)
class PlannerOption:
    """One row of the table."""

    name: str
    """Field of `PlanOptions`, and the keyword in Python."""
    kind: kinds.OptionKind
    flags: tuple[str, ...]
    """Pegasus' spellings, the short one first."""
    help: str
    metavar: str
    equal_property: str
    """The property with the same meaning, for runs that do not use the option."""
    used_by: UsedBy
    is_hidden: bool
    """Not listed by `--help`."""
    is_keyword: bool
    """`Workflow.plan` has it under its name."""
    keyword_default: Any
    choices: tuple[str, ...]
    """The words that it may be; empty: any text."""

    @property
    def flag(self) -> str:
        """The flag by which messages name it: the long one if there is one."""
        return self.flags[-1]


def _option(
    kind: kinds.OptionKind,
    *flags: str,
    help: str,
    metavar: str = "",
    equal_property: str = "",
    used_by: UsedBy = UsedBy.PLANNER,
    is_hidden: bool = False,
    is_keyword: bool = True,
    keyword_default: Any = None,
    choices: tuple[str, ...] = (),
) -> Any:
    row = {
        "kind": kind,
        "flags": flags,
        "help": help,
        "metavar": metavar,
        "equal_property": equal_property,
        "used_by": used_by,
        "is_hidden": is_hidden,
        "is_keyword": is_keyword,
        "keyword_default": kind.keyword_default if keyword_default is None else keyword_default,
        "choices": choices,
    }
    return field(default_factory=kind.empty, compare=used_by is UsedBy.PLANNER, metadata=row)


@dataclass(kw_only=True)
class PlanOptions:
    """The choices of one call of the planner."""

    workflow: Path
    directory: Path = field(default_factory=Path.cwd)
    """Relative paths, default catalogs and default directories start here."""
    script: ScriptCall | None = None
    """If a script built the workflow for this plan: how that is done again."""
    parent: ParentRun | None = None
    """The run of which this workflow is a job; None: it is the root of its tree."""

    properties: dict[str, str] = _option(
        kinds.PropertiesOption(),
        "-D",
        metavar="KEY=VALUE",
        help="Set a property; stronger than files.",
        is_keyword=False,
    )
    conf: Path | None = _option(
        kinds.PathOption(), "--conf", metavar="FILE", help="Properties file; ./pegasus.properties by default."
    )
    basename: str | None = _option(
        kinds.TextOption(),
        *("-b", "--basename"),
        metavar="NAME",
        help="Name of the files of the run; the workflow's by default.",
    )
    job_prefix: str | None = _option(
        kinds.TextOption(), "-j", "--job-prefix", metavar="TEXT", help="Put into the names of generated jobs."
    )
    cluster: list[str] = _option(
        kinds.ListOption(),
        *("-C", "--cluster"),
        metavar="STYLE",
        help="Put small tasks together: horizontal, label, whole.",
        choices=("horizontal", "label", "whole"),
    )
    sites: list[str] = _option(
        kinds.ListOption(),
        *("-s", "--sites"),
        metavar="SITE",
        help="Where jobs may run; every site but local by default.",
    )
    output_sites: list[str] = _option(
        kinds.ListOption(),
        *("-o", "--output-sites"),
        metavar="SITE",
        help="Where results are delivered; without it they stay in scratch.",
        keyword_default=("local",),
    )
    staging_sites: dict[str, str] = _option(
        kinds.StagingSitesOption(),
        "--staging-site",
        metavar="[SITE=]SITE",
        help="Where files wait, for one execution site or for all.",
    )
    cache: list[Path] = _option(
        kinds.PathListOption(), "-c", "--cache", metavar="FILE", help="Replicas that win over the catalog's."
    )
    input_dirs: list[Path] = _option(
        kinds.PathListOption(), "-I", "--input-dir", metavar="DIR", help="Directories whose files are inputs."
    )
    output_dir: Path | None = _option(
        kinds.PathOption(),
        *("-O", "--output-dir"),
        metavar="DIR",
        help="Directory for results, of the output site or of local.",
    )
    output_map: Path | None = _option(
        kinds.PathOption(),
        *("-m", "--output-map"),
        metavar="FILE",
        help="File that says where each result goes.",
        is_keyword=False,
    )
    transformations_dir: Path | None = _option(
        kinds.PathOption(),
        *("-t", "--transformations-dir"),
        metavar="DIR",
        help="Directory whose programs are transformations.",
    )
    dir: Path | None = _option(
        kinds.PathOption(),
        "--dir",
        metavar="DIR",
        help="Base of submit directories; the current one by default.",
    )
    relative_dir: str | None = _option(
        kinds.PathTextOption(),
        "--relative-dir",
        metavar="DIR",
        help="Submit and run directory below their bases.",
    )
    random_dir: bool | str = _option(
        kinds.SwitchOrTextOption(),
        *("-r", "--randomdir"),
        metavar="[NAME]",
        help="Run in a directory with a random name, or this one.",
    )
    relative_submit_dir: str | None = _option(
        kinds.PathTextOption(),
        "--relative-submit-dir",
        metavar="DIR",
        help="Submit directory below its base.",
    )
    inherited_rc_files: list[Path] = _option(
        kinds.PathListOption(),
        "--inherited-rc-files",
        metavar="FILE",
        help="Replicas that the workflow's own win over.",
    )
    cleanup: str | None = _option(
        kinds.TextOption(),
        "--cleanup",
        metavar="HOW",
        help="none, leaf, inplace (default) or constraint.",
        choices=("none", "leaf", "inplace", "constraint"),
        equal_property="pegasus.file.cleanup.strategy",
    )
    nocleanup: bool = _option(
        kinds.SwitchOption(),
        "-n",
        "--nocleanup",
        help="The same as --cleanup none.",
        is_hidden=True,
        is_keyword=False,
    )
    reuse: list[Path] = _option(
        kinds.PathListOption(),
        *("-R", "--reuse"),
        metavar="DIR",
        help="Submit directories of runs whose results may be used again.",
    )
    reuse_policy: str | None = _option(
        kinds.TextOption(),
        "--reuse-policy",
        metavar="POLICY",
        help="Which results are used again: pegasus (default; by name) or content (by what made them).",
        choices=("pegasus", "content"),
    )
    engine: str | None = _option(
        kinds.TextOption(),
        "--engine",
        metavar="ENGINE",
        help="What runs the plan: markab (default), or dagman: a DAG is written for condor_submit_dag.",
        choices=("markab", "dagman"),
    )
    until: list[str] = _option(
        kinds.RepeatedOption(),
        "--until",
        metavar="TARGET",
        help="Plan only what this file, job, transformation or label needs.",
    )
    verbose: int = _option(
        kinds.CountOption(), "-v", "--verbose", help="Say more; may be repeated.", used_by=UsedBy.COMMAND
    )
    quiet: int = _option(
        kinds.CountOption(), "-q", "--quiet", help="Say less; twice: errors only.", used_by=UsedBy.COMMAND
    )
    force: bool = _option(
        kinds.SwitchOption(), "-f", "--force", help="Run every task, even when its results exist."
    )
    force_replan: bool = _option(
        kinds.SwitchOption(), "--force-replan", help="Plan a sub-workflow anew when it is tried again."
    )
    forward: list[str] = _option(
        kinds.RepeatedOption(),
        "-F",
        "--forward",
        metavar="OPTION[=VALUE]",
        help="Hand an option on to the run.",
    )
    submit: bool = _option(kinds.SwitchOption(), "-S", "--submit", help="Run it too.", used_by=UsedBy.COMMAND)
    java_options: list[str] = _option(
        kinds.JoinedOption(),
        "-X",
        metavar="OPTION",
        help="For a Java machine; there is none.",
        used_by=UsedBy.NONE,
        is_hidden=True,
    )
    deferred: bool = _option(
        kinds.SwitchOption(),
        *("-z", "--deferred"),
        help="Set by the planner of a parent workflow.",
        used_by=UsedBy.NONE,
        is_hidden=True,
        is_keyword=False,
    )
    rescue: str | None = _option(
        kinds.TextOption(),
        "--rescue",
        metavar="N",
        help="How often a sub-workflow goes on before it is planned anew; a run goes on from its journal.",
        used_by=UsedBy.NONE,
        is_hidden=True,
        is_keyword=False,
    )
    group: str | None = _option(
        kinds.TextOption(),
        *("-g", "--group"),
        metavar="NAME",
        help="For HTCondor.",
        used_by=UsedBy.NONE,
        is_hidden=True,
        is_keyword=False,
    )

    def __post_init__(self) -> None:
        if self.nocleanup:
            self.cleanup = self.cleanup or "none"

    @property
    def is_for_dagman(self) -> bool:
        """DAGMan is to run the plan."""
        return (self.engine or "").lower() == "dagman"

    def arguments(self) -> list[str]:
        """Return the words of a command line with the same options; of the properties, those that cannot be secret."""
        rows = (row for row in OPTIONS if row.used_by is UsedBy.PLANNER and row.name != "properties")
        words = to_words({row.name: getattr(self, row.name) for row in rows})
        return [*words, *_property_words(self.properties), _quoted(str(self.workflow))]


_SLOTS = "markab.slots."
"""How the properties begin that the flags `--cores`, `--memory` and `--gpus` set."""
_MAY_BE_SECRET = re.compile(r"password|secret|token|credential|url|uri|\bdb\b", re.IGNORECASE)


def _property_words(properties: Mapping[str, str]) -> list[str]:
    """Return properties as words of a command line: the known ones whose values are neither passwords nor connections."""
    from markab.spec.profile_keys import is_profile_key
    from markab.spec.property_keys import find_property

    words = []
    for key, value in properties.items():
        if key.startswith(_SLOTS):
            words += [f"--{key.removeprefix(_SLOTS)}", _quoted(value)]
            continue
        namespace, _, name = key.partition(".")
        is_known = find_property(key) or (
            namespace in ("pegasus", "dagman") and is_profile_key(namespace, name)
        )
        if is_known and not _MAY_BE_SECRET.search(key) and "://" not in value:
            words += ["-D", _quoted(f"{key}={value}")]
    return words


OPTIONS = tuple(PlannerOption(one.name, **one.metadata) for one in fields(PlanOptions) if one.metadata)
"""Every option, in the order in which `--help` and the keywords have them."""

KEYWORDS = {row.name: row for row in OPTIONS if row.is_keyword}
"""The options that `Workflow.plan` has as keywords."""


class WrongOption(ValueError):
    """An option was typed with a value that cannot be understood."""

    def __init__(self, flag: str, message: str) -> None:
        super().__init__(flag, message)
        self.flag = flag
        self.message = message

    def __str__(self) -> str:
        return f"{self.flag}: {self.message}"


def from_flags(workflow: Path, typed: Mapping[str, Any], directory: Path | None = None) -> PlanOptions:
    """Return the options that were typed: name of an option → text, or whether, how often or each that stood there.

    Raises:
        WrongOption: a value cannot be understood.
    """
    values: dict[str, Any] = {}
    for row in OPTIONS:
        if row.name in typed:
            try:
                values[row.name] = row.kind.parse(typed[row.name])
            except ValueError as error:
                raise WrongOption(row.flag, str(error)) from None
    return PlanOptions(workflow=workflow, directory=directory or Path.cwd(), **values)


def parsed_words(words: Iterable[str]) -> dict[str, Any]:
    """Return what `to_words` made words of, as `from_flags` takes it; what no option understands is left out."""
    rows = {flag: row for row in OPTIONS for flag in row.flags}
    typed: dict[str, Any] = {}
    left = iter(words)
    for word in left:
        flag, equals, joined = word.partition("=")
        row = rows.get(flag)
        if row is None:
            continue
        if row.kind.is_switch or isinstance(row.kind, kinds.SwitchOrTextOption):
            typed[row.name] = joined if equals else True
        elif row.kind.is_repeated:
            typed.setdefault(row.name, []).append(next(left, ""))
        else:
            typed[row.name] = next(left, "")
    return typed


def accepted(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of keywords, in the order of the table; those that are None are left out.

    Every keyword that is no option is a property.

    Raises:
        TypeError: an option has a value of another type; the message names it and shows how it is written.
    """
    properties = {name: value for name, value in keywords.items() if name not in KEYWORDS}
    given = {**keywords, "properties": properties}
    return {
        row.name: row.kind.accept(row.name, given[row.name])
        for row in OPTIONS
        if given.get(row.name) is not None and (row.is_keyword or row.name == "properties")
    }


def options_from_keywords(
    workflow: Path, keywords: Mapping[str, Any], directory: Path | None = None
) -> PlanOptions:
    """Return the options that the keywords of `Workflow.plan` give. Raises as `accepted`."""
    return PlanOptions(workflow=workflow, directory=directory or Path.cwd(), **accepted(keywords))


def to_words(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the words of a command line that give these values; words with blanks or quotes are quoted."""
    for row in OPTIONS:
        if value := values.get(row.name):
            for word in row.kind.words(row.flag, value):
                yield _quoted(word)


def _quoted(word: str) -> str:
    return shlex.quote(word) if any(c in word for c in " \t\n'\"\\") else word

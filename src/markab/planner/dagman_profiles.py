"""Profiles of the namespace `dagman` that a job carries out itself: scripts around it, and an exit code that ends the run.

| profile | value |
|---|---|
| `PRE`, `POST` | a program of the submit host: a path, from where the planner was called, or a name in PATH; `worker/job_scripts.py` says when they run |
| `PRE.ARGUMENTS`, `POST.ARGUMENTS` | its arguments |
| `POST.PATH.NAME` | the path of the program that `POST` calls NAME |
| `POST.SCOPE` | `none`: no job has a POST; `essential` and `all` make no difference |
| `ABORT-DAG-ON` | `CODE` or `CODE RETURN N`: with the exit code CODE of the job the run ends, with N or CODE as its own |

A POST that is called `none`, `pegasus-exitcode` or `exitcode` is what the worker does in any case: it judges the exit.
Only jobs that run tasks have them. Of a cluster, the last of its tasks that has a profile decides, as in Pegasus.

After clustering, because a cluster has one script.

Source: the profile reference of Pegasus 5, and the DAGMan manual.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from markab.errors import Problem, quoted
from markab.plan.model import AbortRule, JobScript
from markab.planner.draft import Context, DagmanRequests, Draft
from markab.planner.placement import Placement
from markab.spec import units
from markab.transfers.base import redact

BUILT_IN = ("none", "pegasus-exitcode", "exitcode")


def script_of(given: Mapping[str, str]) -> str:
    """Return `PRE` or `POST`, if one of them is a program of the user; else an empty text."""
    if given.get("PRE", "").strip():
        return "PRE"
    post = given.get("POST", "").strip()
    return "POST" if post and post.lower() not in BUILT_IN else ""


def read_dagman_profiles(draft: Draft, context: Context) -> None:
    """Fill `dagman`, for the jobs that ask for something; what is wrong is said once."""
    known: dict[int, DagmanRequests] = {}
    for job, tasks in draft.task_jobs():
        placement = draft.placements[job]
        if draft.tasks[tasks[0]].type != "job":
            continue
        if (requests := known.get(id(placement))) is None:
            requests = known[id(placement)] = _requests(placement, draft.name_of(job), context)
        if requests != _NOTHING:
            draft.dagman[job] = requests


_NOTHING = DagmanRequests()


def _requests(placement: Placement, job: str, context: Context) -> DagmanRequests:
    given: dict[str, str] = {}
    for program in placement.programs:
        given.update(program.profiles.get("dagman", {}))
    for which in ("PRE", "POST"):
        if given.get(f"{which}.ARGUMENTS", "").strip() and not given.get(which, "").strip():
            message = f"profile dagman.{which}.ARGUMENTS does nothing: there is no dagman.{which}"
            if all(warning.message != message for warning in context.warnings):
                context.warn("useless-profile", message, f"give dagman.{which} too, or remove it")
    if not given.keys() & {"PRE", "POST", "ABORT-DAG-ON"}:
        return _NOTHING
    try:
        return DagmanRequests(_pre(given, context), _post(given, context), _abort(given))
    except ValueError as error:
        message, hint = error.args
        context.problems.append(Problem(f"{message} (job {job!r})", hint, kind="bad-profile"))
        return _NOTHING


def _pre(given: Mapping[str, str], context: Context) -> JobScript | None:
    name = given.get("PRE", "")
    return _script("PRE", name, given.get("PRE.ARGUMENTS", ""), context) if name.strip() else None


def _post(given: Mapping[str, str], context: Context) -> JobScript | None:
    name = given.get("POST", "").strip()
    scope = given.get("POST.SCOPE", "all").strip().lower()
    if scope not in ("all", "essential", "none"):
        raise ValueError(
            f"profile dagman.POST.SCOPE is {scope!r}; it must be all, essential or none",
            "change or remove dagman.POST.SCOPE",
        )
    paths = {key.upper(): path for key, path in given.items()}
    path = paths.get(f"POST.PATH.{name.upper()}", name)
    if not name or scope == "none" or (path == name and name.lower() in BUILT_IN):
        return None
    return _script("POST", path, given.get("POST.ARGUMENTS", ""), context)


def _script(which: str, name: str, arguments: str, context: Context) -> JobScript:
    """Return a script. Raises ValueError with a message and a hint."""
    name = name.strip()
    found = context.options.directory / name if "/" in name else Path(shutil.which(name) or name)
    if not found.is_file():
        where = "does not exist" if "/" in name else "is not in PATH"
        raise ValueError(
            f"profile dagman.{which} names the program {name!r}, which {where}",
            f"correct or remove dagman.{which}",
        )
    if shutil.which(found) is None:
        message = f"profile dagman.{which} names the program {name!r}, which is not executable"
        raise ValueError(message, f"chmod +x {quoted(str(found))}")
    try:
        shlex.split(arguments)
    except ValueError as error:
        message = f"profile dagman.{which}.ARGUMENTS cannot be split into words: {error}: {redact(arguments)}"
        raise ValueError(message, "close the quote, or write \\ before it") from error
    return JobScript(str(found.absolute()), arguments)


def _abort(given: Mapping[str, str]) -> AbortRule | None:
    """Return the rule. Raises ValueError with a message and a hint."""
    text = given.get("ABORT-DAG-ON", "").strip()
    if not text:
        return None
    words = text.split()
    try:
        if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "RETURN"):
            raise ValueError(text)
        numbers = [units.whole(word) for word in words[::2]]
        if not -64 <= numbers[0] <= 255 or any(not 0 <= number <= 255 for number in numbers[1:]):
            raise ValueError(text)
    except ValueError:
        raise ValueError(
            f"profile dagman.ABORT-DAG-ON is {text!r}; it must be an exit code, or '3 RETURN 1'",
            "change or remove dagman.ABORT-DAG-ON",
        ) from None
    return AbortRule(*numbers)

"""The options of the planner as keywords, as checked values, and as words of a command line."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from markab.api.warnings import warn

FLAGS = MappingProxyType(
    {
        "conf": ("--conf", "text"),
        "basename": ("--basename", "text"),
        "job_prefix": ("--job-prefix", "text"),
        "cluster": ("--cluster", "list"),
        "sites": ("--sites", "list"),
        "output_sites": ("--output-sites", "list"),
        "staging_sites": ("--staging-site", "mapping"),
        "cache": ("--cache", "list"),
        "input_dirs": ("--input-dir", "list"),
        "output_dir": ("--output-dir", "text"),
        "transformations_dir": ("--transformations-dir", "text"),
        "dir": ("--dir", "text"),
        "relative_dir": ("--relative-dir", "text"),
        "random_dir": ("--randomdir", "switch or text"),
        "relative_submit_dir": ("--relative-submit-dir", "text"),
        "inherited_rc_files": ("--inherited-rc-files", "list"),
        "cleanup": ("--cleanup", "text"),
        "reuse": ("--reuse", "list"),
        "verbose": ("-v", "count"),
        "quiet": ("-q", "count"),
        "force": ("--force", "switch"),
        "force_replan": ("--force-replan", "switch"),
        "forward": ("--forward", "each"),
        "submit": ("--submit", "switch"),
        "java_options": ("-X", "glued"),
    }
)
"""Keyword → flag, and how the value is written behind it."""

_LISTS = ("list", "each", "glued")

_TYPOS = MappingProxyType(
    {
        "site": "sites",
        "output_site": "output_sites",
        "staging_site": "staging_sites",
        "input_dir": "input_dirs",
    }
)
"""Spellings of the command line, which people carry over."""


def check(options: Mapping[str, Any]) -> None:
    """Make sure that lists are lists and mappings are mappings.

    Raises:
        TypeError: one is not; the message shows how it is written.
    """
    for keyword, value in options.items():
        kind = FLAGS[keyword][1]
        if value is None:
            continue
        if kind in _LISTS and not isinstance(value, (list, tuple)):
            raise TypeError(f"{keyword} is {value!r}, but must be a list: {keyword}=[{value!r}]")
        if kind == "mapping" and not isinstance(value, Mapping):
            raise TypeError(
                f"{keyword} is {value!r}, but must be a dict of execution site to staging site: "
                f"{keyword}={{'condorpool': 'local'}}"
            )


def check_properties(properties: Mapping[str, object]) -> dict[str, str]:
    """Return keywords that are no options as properties, warning about those that look like a slip."""
    for name in properties:
        if "." not in name:
            warn(
                f"plan() has no option {name!r}; it is taken as a property, which nothing reads{_like(name)}"
            )
    return {name: _text(value) for name, value in properties.items()}


def render(options: Mapping[str, Any], properties: Mapping[str, str]) -> list[str]:
    """Return the words of the command line that means the same; values with blanks are quoted."""
    import shlex

    words = [f"-D{key}={value}" for key, value in properties.items()]
    for keyword, value in options.items():
        flag, kind = FLAGS[keyword]
        if not value:
            continue
        if kind == "count":
            words.append("-" + flag[1] * int(value))
        elif value is True:
            words.append(flag)
        elif kind == "switch or text":
            words.append(f"{flag}={value}")
        elif kind == "list":
            words += [flag, ",".join(str(item) for item in value)]
        elif kind == "mapping":
            words += [flag, ",".join(f"{site}={staging}" for site, staging in value.items())]
        elif kind == "each":
            words += [word for item in value for word in (flag, str(item))]
        elif kind == "glued":
            words += [item if str(item).startswith(flag) else f"{flag}{item}" for item in value]
        else:
            words += [flag, str(value)]
    return [shlex.quote(word) if any(c in word for c in " \t\n'\"\\") else word for word in words]


def split(keywords: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the keywords that are options of the planner, in the order of FLAGS, and the others."""
    options = {name: keywords[name] for name in FLAGS if name in keywords}
    return options, {name: value for name, value in keywords.items() if name not in FLAGS}


def _like(name: str) -> str:
    from difflib import get_close_matches

    like = _TYPOS.get(name) or next(iter(get_close_matches(name, FLAGS, n=1)), None)
    return f"; did you mean {like!r}?" if like else ""


def _text(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)

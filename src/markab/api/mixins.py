"""The common parts of jobs, workflows, files, sites and executables: metadata, hooks and profiles.

The three containers of an object are made on first access: most of a million jobs
have none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from markab.api.enums import EventType, Namespace, checked
from markab.api.profiles import (
    CONDOR,
    DAGMAN,
    GLOBUS,
    PEGASUS,
    SELECTOR,
    Rule,
    Value,
    as_value,
    profiles_from_keywords,
)
from markab.api.warnings import warn

if TYPE_CHECKING:
    from typing_extensions import Self


class MetadataMixin:
    """Metadata: keys and values that describe an object and have no effect on planning."""

    _metadata: dict[str, Value] | None = None

    @property
    def metadata(self) -> dict[str, Value]:
        """Key → value. May be assigned."""
        if self._metadata is None:
            self._metadata = {}
        return self._metadata

    @metadata.setter
    def metadata(self, metadata: dict[str, Value]) -> None:
        self._metadata = metadata

    def add_metadata(self, *args: Mapping[str, object], **kwargs: object) -> Self:
        """Add `key=value` pairs, or those of a mapping; values become text.

        Raises:
            TypeError: something other than a mapping was given by position.
        """
        for mapping in args:
            if not isinstance(mapping, Mapping):
                raise TypeError(f"metadata is {mapping!r}, but must be a dict or keywords")
            self.metadata.update({str(key): str(value) for key, value in mapping.items()})
        if kwargs:
            self.metadata.update({key: str(value) for key, value in kwargs.items()})
        return self


class ShellHook:
    """A shell command for one kind of event."""

    def __init__(self, event_type: EventType, cmd: str) -> None:
        self.on = event_type.value
        self.cmd = cmd

    def to_data(self) -> dict[str, Any]:
        """Return the entry of a document."""
        return {"_on": self.on, "cmd": self.cmd}


class HookMixin:
    """Hooks: commands that are run at events of an object."""

    _hooks: dict[str, list[ShellHook]] | None = None

    @property
    def hooks(self) -> dict[str, list[ShellHook]]:
        """`shell` → hooks, in the order added. May be assigned."""
        if self._hooks is None:
            self._hooks = {}
        return self._hooks

    @hooks.setter
    def hooks(self, hooks: dict[str, list[ShellHook]]) -> None:
        self._hooks = hooks

    def add_shell_hook(self, event_type: EventType, cmd: str) -> Self:
        """Run the shell command `cmd` on the submit host at each event of `event_type`.

        Raises:
            ValueError: `event_type` is not an EventType.
        """
        try:
            checked(event_type, EventType, "the event of a shell hook")
        except TypeError as error:
            raise ValueError(str(error)) from None
        self.hooks.setdefault("shell", []).append(ShellHook(event_type, cmd))
        return self


class ProfileMixin:
    """Profiles: settings of the parts of the system that process an object."""

    _profiles: dict[str, dict[str, Value]] | None = None

    @property
    def profiles(self) -> dict[str, dict[str, Value]]:
        """Namespace (`pegasus`, `condor`, …) → key → value; a namespace is made when it is asked for. May be assigned."""
        if self._profiles is None:
            self._profiles = defaultdict(dict)
        return self._profiles

    @profiles.setter
    def profiles(self, profiles: dict[str, dict[str, Value]]) -> None:
        self._profiles = defaultdict(dict, profiles)

    def add_profiles(self, ns: Namespace, key: str | None = None, value: object = None, **kw: object) -> Self:
        """Set profiles of one namespace, as `key, value` or as keywords; a later value wins.

        A key without a value, or a value without a key, has no effect, and gives a warning.

        Raises:
            TypeError: `ns` is not a Namespace.
        """
        checked(ns, Namespace, "the namespace of a profile")
        found = {name: as_value(kw[name]) for name in kw}
        if key is not None and value is not None:
            found[key] = as_value(value)
        elif key is not None or value is not None:
            warn(f"a profile of {ns.value} is not set: key {key!r} and value {value!r} go together")
        if found:
            self.profiles[ns.value].update(found)
        return self

    def add_env(self, key: str | None = None, value: object = None, **kw: object) -> Self:
        """Set variables of the job's environment, as `key, value` or as keywords."""
        return self.add_profiles(Namespace.ENV, key, value, **kw)

    def add_pegasus_profile(self, **keywords: object) -> Self:
        """Set profiles of the planner and the worker by typed keywords."""
        return self._add_typed(Namespace.PEGASUS, PEGASUS, keywords)

    def add_condor_profile(self, **keywords: object) -> Self:
        """Set HTCondor's settings by typed keywords."""
        return self._add_typed(Namespace.CONDOR, CONDOR, keywords)

    def add_dagman_profile(self, **keywords: object) -> Self:
        """Set DAGMan's settings of a job (retries, category, priority, …) by typed keywords."""
        return self._add_typed(Namespace.DAGMAN, DAGMAN, keywords)

    def add_globus_profile(self, **keywords: object) -> Self:
        """Set settings of grid gateways by typed keywords."""
        return self._add_typed(Namespace.GLOBUS, GLOBUS, keywords)

    def add_selector_profile(self, **keywords: object) -> Self:
        """Select the site and the executable of a job by typed keywords."""
        return self._add_typed(Namespace.SELECTOR, SELECTOR, keywords)

    add_envs = add_env
    add_pegasus_profiles = add_pegasus_profile
    add_condor_profiles = add_condor_profile
    add_dagman_profiles = add_dagman_profile
    add_globus_profiles = add_globus_profile
    add_selector_profiles = add_selector_profile

    def _add_typed(self, ns: Namespace, rules: Mapping[str, Rule], keywords: dict[str, object]) -> Self:
        found = profiles_from_keywords(rules, keywords, f"add_{ns.value}_profile")
        if found:
            self.profiles[ns.value].update(found)
        return self


def _list_keywords(method: Any, rules: Mapping[str, Rule]) -> None:
    """Add the keywords of a helper and their keys to its docstring."""
    lines = [f"    {keyword}: {key}" for keyword, (key, _) in rules.items()]
    summary = method.__doc__.partition(";")[0].rstrip(".")
    method.__doc__ = f"{summary}.\n\nKeyword: profile key\n" + "\n".join(lines)


for _method, _table in (
    (ProfileMixin.add_pegasus_profile, PEGASUS),
    (ProfileMixin.add_condor_profile, CONDOR),
    (ProfileMixin.add_dagman_profile, DAGMAN),
    (ProfileMixin.add_globus_profile, GLOBUS),
    (ProfileMixin.add_selector_profile, SELECTOR),
):
    _list_keywords(_method, _table)


def shared_data(thing: ProfileMixin | HookMixin | MetadataMixin, *order: str) -> dict[str, Any]:
    """Return those of `profiles`, `hooks` and `metadata` that are not empty, in the given order."""
    data: dict[str, Any] = {}
    for name in order:
        if name == "profiles":
            profiles = getattr(thing, "_profiles", None)
            if profiles:
                data[name] = {ns: dict(profiles[ns]) for ns in sorted(profiles) if profiles[ns]}
        elif name == "hooks":
            hooks = getattr(thing, "_hooks", None)
            if hooks:
                data[name] = {kind: [hook.to_data() for hook in hooks[kind]] for kind in hooks}
        else:
            metadata = getattr(thing, "_metadata", None)
            if metadata:
                data[name] = dict(metadata)
    return data

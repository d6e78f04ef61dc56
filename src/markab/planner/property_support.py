"""Planning says which properties are set and have no effect in this version."""

from __future__ import annotations

from markab.planner.draft import Context
from markab.spec.profile_keys import Effect
from markab.spec.property_keys import PropertyKey, find_property


def warn_of_unsupported_properties(context: Context) -> None:
    """Warn once of the properties that are set to another value than their default and have no effect yet."""
    found = []
    for key, value in context.properties.items():
        row = find_property(key)
        if row is not None and row.effect is Effect.NOT_YET and not _is_default(row, value):
            is_word = value.lower() in (choice.lower() for choice in row.choices)
            found.append(f"{key!r} = {value}" if is_word else repr(key))  # other values may be passwords
    if found:
        what = f"property {found[0]} does" if len(found) == 1 else f"properties {', '.join(found)} do"
        context.warn(
            "unsupported",
            f"{what} nothing in this version",
            "see docs/reference/properties.md for what does",
        )


def _is_default(row: PropertyKey, value: str) -> bool:
    return value.strip().lower() in (row.default.lower(), "")

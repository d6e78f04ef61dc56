"""Writes `docs/reference/properties.md` from the table of known properties.

Type `python tests/docs/property_page.py docs/reference/properties.md`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from markab.spec.profile_keys import Effect
from markab.spec.property_keys import KNOWN, PropertyKey

TOP = """\
# Properties

Written by `python tests/docs/property_page.py`.

Settings of one planning. A later source wins: `~/.pegasusrc`, `./pegasus.properties`, the file given with `--conf`,
environment variables, `-D KEY=VALUE` on the command line. The variable of `pegasus.catalog.replica.file` is
`_PEGASUS__CATALOG__REPLICA__FILE`: an underscore in front, two for a dot. `${key}` in a value stands for that property, else for
that environment variable.

A property that is not in this table gives a warning with the likely name. What was planned with is kept in the submit
directory; `markab run` reads no properties.

**Profiles for all jobs.** A key with the namespace of a profile in front is a profile of every job, the weakest there is:
`dagman.retry = 5`, `env.LANG = C`, `pegasus.memory = 2 GB`, `condor.request_cpus = 4`. See [profiles](profiles.md).

**here** says what this version does with a property that it accepts:

- *yes*: it has an effect, and the default is that of Markab;
- *not yet*: nothing; everything is planned as if it were not given;
- *no need*: it tunes a part of Pegasus that Markab does not have (HTCondor, services, packages for nodes).

`*` stands for a word between dots, `**` for all that follows. `Properties.ls()` prints these names, and those of profiles; planning
names those that are set, do not have their default, and have no effect yet, in one warning.

| property | default | here | what it is for |
|---|---|---|---|
"""


def page() -> str:
    """Return the page."""
    return TOP + "".join(_row(row) for row in KNOWN)


HERE = {Effect.READ: "yes", Effect.NOT_YET: "not yet", Effect.NEEDLESS: "no need"}


def _row(row: PropertyKey) -> str:
    is_read = row.effect is Effect.READ
    default = f"`{row.default}`" if row.default and is_read else ""
    choices = [f"`{choice}`" for choice in row.choices]
    text = row.purpose
    if is_read and len(choices) > 2 and any(choice not in text for choice in choices) and ". `" not in text:
        purpose, point, more = text.partition(". ")
        text = f"{purpose} ({', '.join(choices)}){point}{more}"
    return f"| `{row.key}` | {default} | {HERE[row.effect]} | {text} |\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page())

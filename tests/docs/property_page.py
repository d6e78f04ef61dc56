"""Writes `docs/reference/properties.md` from the table of known properties.

Type `python tests/docs/property_page.py docs/reference/properties.md`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from markab.planner.property_support import SUPPORTED, YES, support_of
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

`*` stands for one or more words between dots, `**` for all that follows.

| property | default | here | what it is for |
|---|---|---|---|
"""


def page() -> str:
    """Return the page."""
    return TOP + "".join(_row(row) for row in KNOWN)


def _row(row: PropertyKey) -> str:
    here = support_of(row.key)
    default = f"`{row.default}`" if row.default and here == YES else ""
    text = row.purpose
    note = SUPPORTED.get(row.key, "")
    if here == YES and len(row.choices) > 2 and note[:1] != "`":
        text += f" ({', '.join(f'`{choice}`' for choice in row.choices)})"
    if note:
        text += f". {note[0].upper() + note[1:] if note[0] != '`' else note}"
    return f"| `{row.key}` | {default} | {here} | {text} |\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page())

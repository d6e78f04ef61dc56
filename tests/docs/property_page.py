"""Writes `docs/reference/properties.md` from the table of known properties.

    python tests/docs/property_page.py docs/reference/properties.md
"""

from __future__ import annotations

import sys
from pathlib import Path

from markab.spec.property_keys import KNOWN, PropertyKey

YES = "yes"
NOT_YET = "not yet"
NO_NEED = "no need"

OBEYED = {
    "pegasus.mode": "`production`: 3 retries, 3 tries of a transfer, all checksums; `development`: 1, 1, none; "
    "`tutorial`: 1, 1, all; `debug`: 0, 1, all",
    "pegasus.data.configuration": "also as a profile of a site, transformation or job",
    "pegasus.integrity.checking": "default by `pegasus.mode`",
    "pegasus.register": "the catalog is `<workflow>-0.replicas.db` in the submit directory",
    "pegasus.transfer.bypass.input.staging": "also as a profile",
    "pegasus.transfer.links": "",
    "pegasus.transfer.threads": "",
    "pegasus.catalog.replica": "`YAML`, `File` and `Directory` (`Regex` is read as `File`); the others are errors",
    "pegasus.catalog.replica.file": "`./rc.txt` when the kind is `File`",
    "pegasus.catalog.replica.directory": "",
    "pegasus.catalog.replica.directory.site": "",
    "pegasus.catalog.replica.directory.flat.lfn": "",
    "pegasus.catalog.replica.directory.url.prefix": "",
    "pegasus.catalog.replica.dax.asrc": "",
    "pegasus.catalog.site": "`YAML`; `XML` is an error",
    "pegasus.catalog.site.file": "",
    "pegasus.catalog.transformation": "`YAML` and `Directory`; `Text` is an error",
    "pegasus.catalog.transformation.file": "",
    "pegasus.catalog.transformation.directory": "",
    "pegasus.catalog.transformation.directory.site": "",
    "pegasus.catalog.transformation.directory.flat.lfn": "",
    "pegasus.catalog.transformation.directory.url.prefix": "",
    "pegasus.dir.storage.deep": "",
    "pegasus.dir.useTimestamp": "",
    "pegasus.file.cleanup.strategy": "also `none` and `leaf`, as `--cleanup`; `Constraint` warns, and is taken as `InPlace`",
    "pegasus.parser.dax.data.dependencies": "",
    "pegasus.parser.document.size": "for the workflow document; at most 2047",
    "dagman.maxjobs": "",
    "dagman.*.maxjobs": "`*` is the name of a category",
    "markab.lfn.absolute": "",
}
"""Key → what there is to add. Every other key is accepted and changes nothing."""

NEEDLESS = (
    *("pegasus.home", "pegasus.transfer.worker.package", "pegasus.transfer.setup", "pegasus.transfer.*.impl"),
    *("pegasus.condor.", "pegasus.monitord.", "pegasus.dashboard.", "pegasus.gridstart", "pegasus.aws."),
    *("pegasus.code.generator", "pegasus.catalog.replica.chunk.size", "pegasus.catalog.provenance"),
    *("pegasus.catalog.workflow", "pegasus.catalog.master", "pegasus.dir.submit.", "pegasus.dir.create.impl"),
    *("pegasus.file.cleanup.impl", "pegasus.credential.", "pegasus.metrics.", "pegasus.agent.", "pegasus.log."),
    *("pegasus.service.", "pegasus.ensemble.", "pegasus.wf.", "dagman.maxpre", "dagman.maxpost", "dagman.maxidle"),
    *("pegasus.parser.dax.preserver.linebreaks", "pegasus.catalog.site.repo"),
)
"""Beginnings of keys that tune a part of Pegasus of which Markab has no counterpart."""

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

- *yes*: it is obeyed, and the default is that of Markab;
- *not yet*: nothing; everything is planned as if it were not given;
- *no need*: it tunes a part of Pegasus that Markab does not have (HTCondor, databases, packages for nodes).

`*` stands for one or more words between dots, `**` for all that follows.

| property | default | here | what it is for |
|---|---|---|---|
"""


def page() -> str:
    """Return the page."""
    return TOP + "".join(_row(row) for row in KNOWN)


def standing(key: str) -> str:
    """Return what this version does with a property."""
    if key in OBEYED:
        return YES
    is_database = key.startswith("pegasus.catalog.*.")
    is_hook = key.startswith("pegasus.monitord.notifications")
    return NO_NEED if (key.startswith(NEEDLESS) or is_database) and not is_hook else NOT_YET


def _row(row: PropertyKey) -> str:
    here = standing(row.key)
    default = f"`{row.default}`" if row.default and here == YES else ""
    text = row.purpose
    note = OBEYED.get(row.key, "")
    if here == YES and len(row.choices) > 2 and note[:1] != "`":
        text += f" ({', '.join(f'`{choice}`' for choice in row.choices)})"
    if note:
        text += f". {note[0].upper() + note[1:] if note[0] != '`' else note}"
    return f"| `{row.key}` | {default} | {here} | {text} |\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page())

"""Which properties have an effect in this version.

The reference page of properties is written from this table, and planning warns
of a property that is set and does nothing yet.
"""

from __future__ import annotations

from markab.planner.draft import Context
from markab.spec.property_keys import find_property

YES = "yes"
NOT_YET = "not yet"
NO_NEED = "no need"

SUPPORTED = {
    "pegasus.mode": "`production`: 3 retries, 3 tries of a transfer, all checksums; `development`: 1, 1, none; "
    "`tutorial`: 1, 1, all; `debug`: 0, 1, all",
    "pegasus.data.configuration": "also as a profile of a site, transformation or job",
    "pegasus.integrity.checking": "default by `pegasus.mode`",
    "pegasus.register": "in which catalog: `pegasus.catalog.replica.output`",
    "pegasus.transfer.bypass.input.staging": "also as a profile",
    "pegasus.transfer.links": "",
    "pegasus.transfer.threads": "",
    "pegasus.catalog.replica": "`YAML`, `File`, `Directory` (`Regex` is read as `File`) and `JDBCRC` in an SQLite file; the others are errors",
    "pegasus.catalog.replica.file": "`./rc.txt` when the kind is `File`",
    "pegasus.catalog.replica.directory": "",
    "pegasus.catalog.replica.directory.site": "",
    "pegasus.catalog.replica.directory.flat.lfn": "",
    "pegasus.catalog.replica.directory.url.prefix": "",
    "pegasus.catalog.replica.dax.asrc": "",
    "pegasus.catalog.replica.cache.asrc": "",
    "pegasus.catalog.replica.output": "`JDBCRC`, in an SQLite file; `<workflow>-0.replicas.db` in the submit directory if not set",
    "pegasus.catalog.replica.output.**": "`db.url`: `jdbc:sqlite:FILE`",
    "pegasus.catalog.*.db.**": "`pegasus.catalog.replica.db.url` is `jdbc:sqlite:FILE`; `user` and `password` are those of a server "
    "for the database of runs",
    "pegasus.catalog.site": "`YAML`; `XML` is an error",
    "pegasus.catalog.site.file": "",
    "pegasus.catalog.transformation": "`YAML` and `Directory`; `Text` is an error",
    "pegasus.catalog.transformation.file": "",
    "pegasus.catalog.transformation.directory": "",
    "pegasus.catalog.transformation.directory.site": "",
    "pegasus.catalog.transformation.directory.flat.lfn": "",
    "pegasus.catalog.transformation.directory.url.prefix": "",
    "pegasus.data.reuse.scope": "",
    "pegasus.dir.storage.mapper": "`Flat`, `Fixed` and `Replica`; `Hashed` warns, and is taken as `Flat`",
    "pegasus.dir.storage.mapper.fixed.url": "a directory for all results; with `Fixed`",
    "pegasus.dir.storage.mapper.replica": "`File` by default, or `Regex`, which is the same, or `YAML`; with `Replica`",
    "pegasus.dir.storage.mapper.replica.**": "`file`: the file with the places; as `--output-map`",
    "pegasus.dir.storage.deep": "",
    "pegasus.dir.useTimestamp": "",
    "pegasus.file.cleanup.strategy": "also `none` and `leaf`, as `--cleanup`; `Constraint` warns, and is taken as `InPlace`",
    "pegasus.parser.dax.data.dependencies": "",
    "pegasus.parser.document.size": "for the workflow document; at most 2047",
    "dagman.maxjobs": "",
    "dagman.*.maxjobs": "`*` is the name of a category",
    "pegasus.catalog.workflow.url": "SQLite in the submit directory, or a PostgreSQL server (extra `postgres`)",
    "pegasus.monitord.output": "older name of `pegasus.catalog.workflow.url`",
    "pegasus.catalog.master.url": "`~/.pegasus/workflow.db` if not set",
    "pegasus.monitord.events": "`false`: the database is made when it is first needed, and not during the run",
    "pegasus.dashboard.output": "older name of `pegasus.catalog.master.url`",
    "markab.dir.submit.mode": "`0750` or `2770` for a group; a directory that exists keeps its permissions",
    "markab.keep.failed": "also `markab run --keep-failed`; the directory is removed when the job is tried again",
    "markab.slots.cores": "what the machine has if not set; also `--cores`, and the profile `pegasus.slots.cores` of a site",
    "markab.slots.memory": "such as `8 GB`, MB without a unit; also `--memory`, and the profile `pegasus.slots.memory` of a site",
    "markab.slots.gpus": "also `--gpus`, and the profile `pegasus.slots.gpus` of a site",
    "markab.lfn.absolute": "",
}
"""Key → what there is to add. Every other key is accepted and changes nothing."""

_NEEDLESS = (
    "pegasus.home",
    "pegasus.transfer.worker.package",
    "pegasus.transfer.setup",
    "pegasus.transfer.*.impl",
    "pegasus.condor.",
    "pegasus.monitord.",
    "pegasus.gridstart",
    "pegasus.aws.",
    "pegasus.code.generator",
    "pegasus.catalog.replica.chunk.size",
    "pegasus.catalog.provenance",
    "pegasus.dir.submit.",
    "pegasus.dir.create.impl",
    "pegasus.file.cleanup.impl",
    "pegasus.credential.",
    "pegasus.metrics.",
    "pegasus.agent.",
    "pegasus.log.",
    "pegasus.service.",
    "pegasus.ensemble.",
    "pegasus.wf.",
    "dagman.maxpre",
    "dagman.maxpost",
    "dagman.maxidle",
    "pegasus.parser.dax.preserver.linebreaks",
    "pegasus.catalog.site.repo",
)
"""Beginnings of keys that tune a part of Pegasus of which Markab has no counterpart."""


_QUIET = ("pegasus.catalog.workflow.amqp.",)
"""Keys that many sites put into every property file; their results are the same without."""


def support_of(key: str) -> str:
    """Return whether this version supports a property."""
    if key in SUPPORTED:
        return YES
    is_database = key.startswith("pegasus.catalog.*.")
    is_needed = key.startswith(("pegasus.monitord.notifications", "pegasus.monitord.output"))
    return NO_NEED if (key.startswith(_NEEDLESS) or is_database) and not is_needed else NOT_YET


def warn_of_unsupported_properties(context: Context) -> None:
    """Warn of every property that is set to another value than its default and has no effect yet."""
    for key, value in context.properties.items():
        row = find_property(key)
        if row is None or support_of(row.key) != NOT_YET or key.startswith(_QUIET):
            continue
        if value.strip().lower() not in (row.default.lower(), ""):
            shown = f" = {value}" if value.lower() in (choice.lower() for choice in row.choices) else ""
            context.warn(
                "unsupported",
                f"property {key!r}{shown} does nothing in this version",
                "see docs/reference/properties.md for what does",
            )

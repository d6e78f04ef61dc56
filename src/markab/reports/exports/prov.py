"""Exporting a run as W3C PROV-JSON: which attempt of which job made each file, from which inputs, when, for whom.

Entities are the files (with sha256, size and places), the programs and the
workflow; activities are the run and every attempt of a job, failed ones included;
agents are the user and Markab. A transfer `used` the file that it moved. Terms
that PROV lacks have the prefix `markab`. With the runs of sub-workflows, each of these is a bundle, named by the uuid of
its run, to which the attempts of its job refer; in it, `alternateOf` says which files are those of the run above.

Format: https://www.w3.org/submissions/prov-json/
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from markab import __version__
from markab.journal.attempt_story import environment_texts
from markab.plan.atomic_file import user_output
from markab.reports.container_text import container_texts
from markab.reports.exports.formatting import as_url, encoded, is_gone, iso, planned_words
from markab.reports.exports.run_facts import AttemptFacts, Facts, InvocationFacts, RunFile
from markab.reports.exports.spooled_text import Spools

TERMS = "https://w3id.org/markab/terms#"
SECTIONS = (
    "entity",
    "activity",
    "agent",
    "wasGeneratedBy",
    "used",
    "wasDerivedFrom",
    "wasAssociatedWith",
    "actedOnBehalfOf",
    "wasAttributedTo",
    "alternateOf",
)
_encode = msgspec.json.Encoder().encode
ENGINE = "agent:markab"
WORKFLOW = "workflow:document"


def write_prov(tree: Sequence[Facts], path: Path) -> None:
    """Write a run into one file, and those below it as bundles; memory grows with files, not with attempts.

    Raises:
        StorageError: disk full, directory not writable.
        CorruptJournal: the journal is damaged.
    """
    first, *below = tree
    bundles = {f"bundle:{encoded(facts.uuid)}": facts for facts in below}
    uuids = {facts.prefix: facts.uuid for facts in tree}
    with user_output(path) as out:
        _write_one(first, out, "", bundles)
        for number, (name, facts) in enumerate(bundles.items()):
            out.write(b',\n"bundle":{\n' if not number else b",\n")
            out.write(_encode(name) + b":")
            over = facts.prefix[:-1].rpartition("/")[0]
            _write_one(facts, out, uuids[f"{over}/" if over else ""], {})
            out.write(b"}")
        out.write(b"}}\n" if bundles else b"}\n")


def _write_one(facts: Facts, out: BinaryIO, above: str, bundles: Collection[str]) -> None:
    """Write a run without the brace at the end; `above` is the run of which it is a sub-workflow."""
    with Spools() as spools:
        programs: set[str] = set()
        for attempt in facts.attempts():
            _attempt(facts, attempt, spools, programs)
        for file in [*facts.older, *facts.files.values()]:
            _file(facts, file, spools)
        for name in bundles:
            spools["entity"].member(name, {"prov:type": _term("prov:Bundle")})
        _run(facts, spools)
        if above:
            _shared_files(facts, spools)
        out.write(b'{"prefix":')
        out.write(_prefixes(facts, above))
        for name in SECTIONS:
            if spools[name].count:
                out.write(b',\n"%b":{\n' % name.encode())
                spools[name].copy_to(out)
                out.write(b"}")


def _shared_files(facts: Facts, spools: Spools) -> None:
    """Say which files of a sub-workflow are those of the run above: the same bytes under the same name."""
    for lfn in sorted(facts.shared):
        if (file := facts.files.get(lfn)) is not None and (file.is_input or file.maker):
            ends = {"prov:alternate1": file_id(file), "prov:alternate2": f"above:{encoded(lfn)}"}
            spools["alternateOf"].member(f"_:l{spools['alternateOf'].count + 1}", ends)


def _prefixes(facts: Facts, above: str) -> bytes:
    base = f"urn:uuid:{facts.uuid}#"
    own = {
        kind: f"{base}{kind}/"
        for kind in ("file", "program", "workflow", "attempt", "invocation", "agent", "run")
    }
    own |= {"bundle": "urn:uuid:"} | ({"above": f"urn:uuid:{above}#file/"} if above else {})
    dcterms = {"dcterms": "http://purl.org/dc/terms/", "markab": TERMS}
    return _encode(own | dcterms)


def _run(facts: Facts, spools: Spools) -> None:
    user = f"agent:{encoded(facts.user)}"
    if user == ENGINE:
        user += "-user"
    spools["agent"].member(user, {"prov:type": _term("prov:Person"), "prov:label": facts.user})
    spools["agent"].member(
        ENGINE,
        {
            "prov:type": _term("prov:SoftwareAgent"),
            "prov:label": f"Markab {__version__}",
            "markab:version": __version__,
        },
    )
    spools["actedOnBehalfOf"].member("_:d1", {"prov:delegate": ENGINE, "prov:responsible": user})
    spools["entity"].member(WORKFLOW, {"prov:type": _term("prov:Plan"), "prov:label": facts.name})
    spools["wasAttributedTo"].member("_:t1", {"prov:entity": WORKFLOW, "prov:agent": user})
    if not facts.started:
        return
    run: dict[str, Any] = {
        "prov:startTime": iso(facts.started),
        "prov:type": _term("markab:Run"),
        "prov:label": f"run of {facts.name}",
        "markab:uuid": facts.uuid,
        "markab:state": facts.state,
        "markab:host": sorted({engine.host for engine in facts.engines}),
    }
    if facts.ended:
        run["prov:endTime"] = iso(facts.ended)
    spools["activity"].member(_run_id(facts), run)
    spools["wasAssociatedWith"].member(
        "_:a0", {"prov:activity": _run_id(facts), "prov:agent": user, "prov:plan": WORKFLOW}
    )


def _attempt(facts: Facts, attempt: AttemptFacts, spools: Spools, programs: set[str]) -> None:
    activity = f"attempt:{encoded(attempt.name)}"
    fields: dict[str, Any] = {"prov:startTime": iso(attempt.start)}
    if attempt.end:
        fields["prov:endTime"] = iso(attempt.end)
    fields |= {
        "prov:type": _term("markab:Attempt"),
        "prov:label": f"attempt {attempt.number} of {attempt.job.id}",
        "dcterms:isPartOf": _term(_run_id(facts)),
        "markab:job": attempt.job.id,
        "markab:kind": attempt.job.kind.value,
        "markab:attempt": attempt.number,
        "markab:outcome": attempt.state,
        "markab:site": attempt.site,
    }
    if attempt.job.label:
        fields["markab:label"] = attempt.job.label
    if attempt.host:
        fields["markab:host"] = attempt.host
    if attempt.error:
        fields |= {"markab:error": attempt.error, "markab:errorKind": attempt.error_kind}
    if attempt.containers:
        fields["markab:container"] = container_texts(attempt.record)
    if attempt.environments:
        fields["markab:environment"] = environment_texts(attempt.record)
        packages = [name for one in attempt.environments for name in one.get("packages", ())]
        fields |= {"markab:package": packages} if packages else {}
    if attempt.inner is not None:
        fields["markab:subWorkflow"] = _term(f"bundle:{encoded(attempt.inner.uuid)}")
    invocations = attempt.invocations
    if len(invocations) == 1:
        fields |= _invocation(invocations[0])
    spools["activity"].member(activity, fields)
    spools["wasAssociatedWith"].member(
        f"_:a{spools['wasAssociatedWith'].count + 1}",
        {"prov:activity": activity, "prov:agent": ENGINE, "prov:plan": WORKFLOW},
    )
    if len(invocations) > 1:
        _cluster(attempt, activity, invocations, spools)
    for invocation in invocations:
        if invocation.task:
            program = f"program:{encoded(invocation.task.transformation)}"
            _used(spools, activity, program, {"prov:role": "program"})
            if program not in programs:
                programs.add(program)
                spools["entity"].member(
                    program,
                    {
                        "prov:type": _term("markab:Program"),
                        "prov:label": invocation.task.transformation,
                        "prov:location": planned_words(invocation.task)[0],
                    },
                )
    moved = {transfer["lfn"]: transfer for transfer in attempt.moved}
    for file in attempt.used:
        more: dict[str, Any] = {"prov:role": "input"}
        if transfer := moved.get(file.lfn):
            more |= {"markab:source": transfer["source"], "markab:destination": transfer["destination"]}
        _used(spools, activity, file_id(file), more)
    for file in attempt.made:
        spools["wasGeneratedBy"].member(
            f"_:g{spools['wasGeneratedBy'].count + 1}",
            {"prov:entity": file_id(file), "prov:activity": activity, "prov:time": iso(file.made)},
        )
        if file.version > 1:
            spools["wasDerivedFrom"].member(
                f"_:r{spools['wasDerivedFrom'].count + 1}",
                {
                    "prov:generatedEntity": file_id(file),
                    "prov:usedEntity": _versioned(file.lfn, file.version - 1),
                    "prov:type": _term("prov:Revision"),
                },
            )


def _cluster(
    attempt: AttemptFacts, activity: str, invocations: list[InvocationFacts], spools: Spools
) -> None:
    """Add each process of a cluster of tasks as a part of the attempt."""
    for one in invocations:
        part: dict[str, Any] = {
            "prov:startTime": iso(one.start),
            "prov:endTime": iso(one.start + one.duration_s),
            "prov:type": _term("markab:Invocation"),
            "dcterms:isPartOf": _term(activity),
        }
        spools["activity"].member(
            f"invocation:{encoded(f'{attempt.name}/{one.number}')}", part | _invocation(one)
        )


def _invocation(one: InvocationFacts) -> dict[str, Any]:
    fields: dict[str, Any] = {"markab:durationSeconds": one.duration_s}
    if one.task:
        fields |= {
            "markab:task": one.task.id,
            "markab:transformation": one.task.transformation,
            "markab:commandLine": " ".join(_quoted(word) for word in planned_words(one.task)),
        }
    if one.exit_code is not None:
        fields["markab:exitCode"] = one.exit_code
    if one.signal is not None:
        fields["markab:signal"] = one.signal
    if "maxrss_kb" in one.usage:
        fields["markab:maxResidentKilobytes"] = one.usage["maxrss_kb"]
    return fields


def _file(facts: Facts, file: RunFile, spools: Spools) -> None:
    if not file.is_input and not file.maker:
        return  # planned, and never made: PROV describes what exists
    fields: dict[str, Any] = {"prov:type": _term("markab:File"), "prov:label": file.lfn}
    if file.sha256:
        fields["markab:sha256"] = file.sha256
    if file.size_bytes is not None:
        fields["markab:sizeBytes"] = file.size_bytes
    if file.places:
        urls = [as_url(place.url) for place in file.places]
        fields["prov:location"] = urls if len(urls) > 1 else urls[0]
        if any(is_gone(place.url) for place in file.delivered):
            fields["markab:deleted"] = True
    spools["entity"].member(file_id(file), fields)


def _used(spools: Spools, activity: str, entity: str, more: dict[str, Any]) -> None:
    fields = {"prov:activity": activity, "prov:entity": entity}
    spools["used"].member(f"_:u{spools['used'].count + 1}", fields | more)


def file_id(file: RunFile) -> str:
    """Return the identifier of a file's entity."""
    return _versioned(file.lfn, file.version)


def _versioned(lfn: str, version: int) -> str:
    return f"file:{encoded(lfn)}" + (f"%3Bversion={version}" if version > 1 else "")


def _run_id(facts: Facts) -> str:
    return f"run:{encoded(facts.uuid)}"


def _term(name: str) -> dict[str, str]:
    return {"$": name, "type": "prov:QUALIFIED_NAME"}


def _quoted(word: str) -> str:
    import shlex

    # `$VAR` is not quoted: quoted, it would look as if it were not expanded.
    return word if word.startswith("$") and word[1:].isidentifier() else shlex.quote(word)

"""Mutants of the starter projects: each has one defect of a kind that people make.

`benchmarks/lint_mutants.py` makes and checks many of them.
The same seed makes the same mutants. A kind is a function that changes the document of a project, or one of its
files; it returns False if the project has nothing that it could change.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import yaml

from markab import operations

Entry = dict[str, Any]


@dataclass
class Project:
    """A starter project with its document, which a kind changes."""

    directory: Path
    document: Entry
    random: Random

    @property
    def jobs(self) -> list[Entry]:
        return self.document["jobs"]

    @property
    def transformations(self) -> list[Entry]:
        return self.document["transformationCatalog"]["transformations"]

    @property
    def replicas(self) -> list[Entry]:
        return self.document.get("replicaCatalog", {}).get("replicas", [])

    def job(self) -> Entry:
        return self.random.choice(self.jobs)

    def use(self, kind: str) -> tuple[Entry, Entry] | None:
        """Return a job and one of its uses of a kind."""
        found = [(job, use) for job in self.jobs for use in job["uses"] if use["type"] == kind]
        return self.random.choice(found) if found else None

    def option(self, wanted: Callable[[str], bool] = lambda value: True) -> tuple[Entry, int] | None:
        """Return a job and the position of a long option whose value is as wanted."""
        found = [
            (job, at)
            for job in self.jobs
            for at, word in enumerate(job["arguments"][:-1])
            if str(word).startswith("--") and wanted(str(job["arguments"][at + 1]))
        ]
        return self.random.choice(found) if found else None

    def named_file(self) -> tuple[Entry, int] | None:
        """Return a job and the position of an argument that is one of its files."""
        found = [
            (job, at)
            for job in self.jobs
            for at, word in enumerate(job["arguments"])
            if any(use["lfn"] == word for use in job["uses"])
        ]
        return self.random.choice(found) if found else None

    def program(self) -> Path:
        return self.random.choice(sorted((self.directory / "bin").iterdir()))

    def leaf(self) -> Entry:
        """Return a job whose outputs no job reads."""
        read = {use["lfn"] for job in self.jobs for use in job["uses"] if use["type"] == "input"}
        leaves = [
            job
            for job in self.jobs
            if not any(use["lfn"] in read for use in job["uses"] if use["type"] == "output")
        ]
        return self.random.choice(leaves)

    def edit(self, path: Path, old: str, new: str) -> bool:
        text = path.read_text()
        path.write_text(text.replace(old, new, 1), newline="")
        return old in text


def misspelt(random: Random, name: str) -> str:
    """Return a name with two neighbouring letters exchanged, or one doubled."""
    places = [at for at in range(len(name) - 1) if name[at] != name[at + 1] and name[at : at + 2].isalnum()]
    if places and random.random() < 0.7:
        at = random.choice(places)
        return name[:at] + name[at + 1] + name[at] + name[at + 2 :]
    at = random.randrange(len(name.partition(".")[0]) or 1)
    return name[:at] + name[at] + name[at:]


def missing_replica(p: Project) -> bool:
    if p.replicas:
        p.replicas.remove(p.random.choice(p.replicas))
        return True
    return False


def _misspelt_use(p: Project, kind: str) -> bool:
    if found := p.use(kind):
        found[1]["lfn"] = misspelt(p.random, found[1]["lfn"])
    return found is not None


def misspelt_input(p: Project) -> bool:
    return _misspelt_use(p, "input")


def misspelt_output(p: Project) -> bool:
    return _misspelt_use(p, "output")


def other_case(p: Project) -> bool:
    if found := p.use(p.random.choice(("input", "output"))):
        found[1]["lfn"] = found[1]["lfn"].capitalize()
    return found is not None


def _undeclared(p: Project, kind: str) -> bool:
    if found := p.use(kind):
        found[0]["uses"].remove(found[1])
    return found is not None


def undeclared_input(p: Project) -> bool:
    return _undeclared(p, "input")


def undeclared_output(p: Project) -> bool:
    return _undeclared(p, "output")


def misspelt_option(p: Project) -> bool:
    if found := p.option():
        job, at = found
        job["arguments"][at] = "--" + misspelt(p.random, job["arguments"][at][2:])
    return found is not None


def dropped_option(p: Project) -> bool:
    if found := p.option():
        del found[0]["arguments"][found[1] : found[1] + 2]
    return found is not None


def dropped_value(p: Project) -> bool:
    if found := p.option():
        del found[0]["arguments"][found[1] + 1]
    return found is not None


def misspelt_argument(p: Project) -> bool:
    if found := p.named_file():
        job, at = found
        job["arguments"][at] = misspelt(p.random, job["arguments"][at])
    return found is not None


def dropped_argument(p: Project) -> bool:
    if found := p.named_file():
        del found[0]["arguments"][found[1]]
    return found is not None


def _is_number(text: str) -> bool:
    return text.replace(".", "").isdigit()


def number_as_text(p: Project) -> bool:
    if found := p.option(_is_number):
        found[0]["arguments"][found[1] + 1] = p.random.choice(("many", "1,5", "1e", "None"))
    return found is not None


def other_number(p: Project) -> bool:
    if found := p.option(_is_number):
        found[0]["arguments"][found[1] + 1] = str(p.random.randrange(10, 99))
    return found is not None


def two_producers(p: Project) -> bool:
    makers = [use for job in p.jobs for use in job["uses"] if use["type"] == "output"]
    if len(makers) < 2:
        return False
    one, other = p.random.sample(makers, 2)
    one["lfn"] = other["lfn"]
    return True


def cycle(p: Project) -> bool:
    made = {use["lfn"]: job["id"] for job in p.jobs for use in job["uses"] if use["type"] == "output"}
    pairs = [
        (made[u["lfn"]], job["id"])
        for job in p.jobs
        for u in job["uses"]
        if u["type"] == "input" and u["lfn"] in made
    ]
    if pairs:
        parent, child = p.random.choice(pairs)
        p.document.setdefault("jobDependencies", []).append({"id": child, "children": [parent]})
    return bool(pairs)


def unknown_job(p: Project) -> bool:
    job, other = p.job(), p.job()
    p.document.setdefault("jobDependencies", []).append(
        {"id": job["id"], "children": [misspelt(p.random, other["id"]) + "x"]}
    )
    return True


def duplicate_id(p: Project) -> bool:
    if len(p.jobs) < 2:
        return False
    one, other = p.random.sample(p.jobs, 2)
    one["id"] = other["id"]
    return True


def unknown_profile(p: Project) -> bool:
    key = p.random.choice(("memroy", "cpus_per_job", "run_time", "max_walltime_s"))
    p.job().setdefault("profiles", {}).setdefault("pegasus", {})[key] = "100"
    return True


def wrong_profile(p: Project) -> bool:
    key, value = p.random.choice((("memory", "2 gigs"), ("cores", "two"), ("runtime", "1h"), ("cores", "0")))
    p.job().setdefault("profiles", {}).setdefault("pegasus", {})[key] = value
    return True


def huge_request(p: Project) -> bool:
    key, value = p.random.choice(
        (("memory", "90 TB"), ("cores", "5000"), ("gpus", "64"), ("diskspace", "9000 TB"))
    )
    p.job().setdefault("profiles", {}).setdefault("pegasus", {})[key] = value
    return True


def lost_result(p: Project) -> bool:
    for use in p.leaf()["uses"]:
        if use["type"] == "output":
            use["stageOut"] = use["registerReplica"] = False
    return True


def no_outputs(p: Project) -> bool:
    job = p.leaf()
    job["uses"] = [use for use in job["uses"] if use["type"] != "output"]
    return True


def input_as_output(p: Project) -> bool:
    if found := p.use("input"):
        found[1]["type"] = "output"
    return found is not None


def output_as_input(p: Project) -> bool:
    if found := p.use("output"):
        lfn = found[1]["lfn"]
        found[1].clear()
        found[1].update(lfn=lfn, type="input")
    return found is not None


def missing_program(p: Project) -> bool:
    p.program().unlink()
    return True


def relative_pfn(p: Project) -> bool:
    at = p.random.choice(p.transformations)["sites"][0]
    at["pfn"] = "bin/" + at["pfn"].rpartition("/")[2]
    return True


def misspelt_transformation(p: Project) -> bool:
    job = p.job()
    job["name"] = misspelt(p.random, job["name"])
    return True


def no_first_line(p: Project) -> bool:
    path = p.program()
    return p.edit(path, path.read_text().partition("\n")[0] + "\n", "")


def windows_lines(p: Project) -> bool:
    path = p.program()
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    return True


def no_interpreter(p: Project) -> bool:
    wrong = p.random.choice(("#!/usr/bin/env pyhton3", "#!/usr/bin/no-python3", "#!python3"))
    return p.edit(p.program(), "#!/usr/bin/env python3", wrong)


def empty_program(p: Project) -> bool:
    p.program().write_text("")
    return True


def renamed_option(p: Project) -> bool:
    path = p.program()
    option = p.random.choice(
        [
            name
            for name in ("--input", "--output", "--data", "--model", "--url")
            if f'"{name}"' in path.read_text()
        ]
    )
    return p.edit(path, f'"{option}"', f'"--the-{option[2:]}"')


def new_required_option(p: Project) -> bool:
    return p.edit(
        p.program(),
        "    args = parser.parse_args()",
        '    parser.add_argument("--seed", required=True)\n    args = parser.parse_args()',
    )


def other_column(p: Project) -> bool:
    path = p.program()
    return p.edit(path, '["x"]', '["x1"]') or p.edit(path, "celsius", "kelvin")


def secret(p: Project) -> bool:
    p.job().setdefault("profiles", {}).setdefault("env", {})["ARCHIVE_TOKEN"] = "b7a9f4e2c1d8"
    return True


def placeholder(p: Project) -> bool:
    at = p.random.choice(p.transformations)["sites"][0]
    key, value = p.random.choice(
        (("name", "CONTAINER_SITE"), ("pfn", "http://example.org/<your-project>/tool"))
    )
    at[key] = value
    return True


def unexpanded_variable(p: Project) -> bool:
    at = p.random.choice(p.transformations)["sites"][0]
    at["pfn"] = at["pfn"].replace("/bin/", p.random.choice(("/{folder}/", "/$(BIN)/")))
    return True


def name_above(p: Project) -> bool:
    if found := p.use(p.random.choice(("input", "output"))):
        found[1]["lfn"] = p.random.choice(("../", "/", "a/../../")) + found[1]["lfn"]
    return found is not None


def unneeded_input(p: Project) -> bool:
    (p.directory / "data" / "notes.dat").write_text("x\n")
    pfn = str(p.directory / "data" / "notes.dat")
    catalog = p.document.setdefault("replicaCatalog", {}).setdefault("replicas", [])
    catalog.append({"lfn": "notes.dat", "pfns": [{"site": "local", "pfn": pfn}]})
    p.job()["uses"].append({"lfn": "notes.dat", "type": "input"})
    return True


def open_quote(p: Project) -> bool:
    p.job()["arguments"].append("'it")
    return True


def unknown_key(p: Project) -> bool:
    job = p.job()
    key = p.random.choice(("arguments", "uses"))
    job[misspelt(p.random, key)] = job.pop(key)
    return True


def wrong_value(p: Project) -> bool:
    if found := p.use(p.random.choice(("input", "output"))):
        found[1]["type"] = misspelt(p.random, found[1]["type"])
    return found is not None


def misspelt_property(p: Project) -> bool:
    key = p.random.choice(("pegasus.catalog.replic.file", "dagman.retyr", "pegasus.data.confguration"))
    (p.directory / "pegasus.properties").write_text(f"{key} = x\n")
    return True


def dropped_job(p: Project) -> bool:
    p.jobs.remove(p.job())
    return bool(p.jobs)


def forgotten_part(p: Project) -> bool:
    """Take one file out of a job that puts several together: argument and declaration."""
    many = [job for job in p.jobs if sum(use["type"] == "input" for use in job["uses"]) > 1]
    if not many:
        return False
    job = p.random.choice(many)
    use = p.random.choice([use for use in job["uses"] if use["type"] == "input"])
    job["uses"].remove(use)
    job["arguments"] = [word for word in job["arguments"] if word != use["lfn"]]
    return True


def exchanged_inputs(p: Project) -> bool:
    """Exchange the inputs of two jobs of one program, in arguments and declarations: consistent, and wrong."""
    pairs = [
        (one, other)
        for one in p.jobs
        for other in p.jobs
        if one["id"] < other["id"]
        and one["type"] == other["type"] == "job"  # a sub-workflow has no program
        and one["name"] == other["name"]
        and one["uses"][0]["lfn"] != other["uses"][0]["lfn"]
    ]
    if not pairs:
        return False
    one, other = p.random.choice(pairs)
    first, second = one["uses"][0]["lfn"], other["uses"][0]["lfn"]
    for job, old, new in ((one, first, second), (other, second, first)):
        job["uses"][0]["lfn"] = new
        job["arguments"] = [new if word == old else word for word in job["arguments"]]
    return True


Kind = Callable[[Project], bool]

KINDS: tuple[Kind, ...] = (
    missing_replica,
    misspelt_input,
    misspelt_output,
    other_case,
    undeclared_input,
    undeclared_output,
    misspelt_option,
    dropped_option,
    dropped_value,
    misspelt_argument,
    dropped_argument,
    number_as_text,
    other_number,
    two_producers,
    cycle,
    unknown_job,
    duplicate_id,
    unknown_profile,
    wrong_profile,
    huge_request,
    lost_result,
    no_outputs,
    input_as_output,
    output_as_input,
    missing_program,
    relative_pfn,
    misspelt_transformation,
    no_first_line,
    windows_lines,
    no_interpreter,
    empty_program,
    renamed_option,
    new_required_option,
    other_column,
    secret,
    placeholder,
    unexpanded_variable,
    name_above,
    unneeded_input,
    open_quote,
    unknown_key,
    wrong_value,
    misspelt_property,
    dropped_job,
    forgotten_part,
    exchanged_inputs,
)
"""Every kind of defect."""

OF_THE_MEANING = frozenset((other_number, other_column, exchanged_inputs))
"""Kinds that fit together and mean something else: only who knows what is meant can find them."""


def build(template: str, directory: Path) -> Path:
    """Write a starter project and its document; return its directory."""
    operations.make_project(template, directory)
    here = Path.cwd()
    os.chdir(directory)
    try:
        operations.run_script(Path("workflow.py"))
    finally:
        os.chdir(here)
    return directory


def mutants(
    projects: dict[str, Path], number: int, place: Path, seed: int = 1, kinds: Sequence[Kind] = KINDS
) -> Iterator[tuple[str, str, Path]]:
    """Yield `number` mutants: template, kind, and directory, which is valid until the next one. Kinds take turns."""
    random = Random(seed)
    templates = sorted(projects)
    made = turn = 0
    while made < number:
        kind = kinds[turn % len(kinds)]
        turn += 1
        for template in random.sample(templates, len(templates)):
            if (directory := _mutant(projects[template], kind, place / f"{made}", random)) is not None:
                yield template, kind.__name__, directory
                shutil.rmtree(directory)
                made += 1
                break


def _mutant(project: Path, kind: Kind, place: Path, random: Random) -> Path | None:
    shutil.copytree(project, place)
    text = (project / "workflow.yml").read_text().replace(str(project), str(place))
    mutant = Project(place, yaml.safe_load(text), random)
    if not kind(mutant):
        shutil.rmtree(place)
        return None
    (place / "workflow.yml").write_text(yaml.safe_dump(mutant.document, sort_keys=False))
    return place

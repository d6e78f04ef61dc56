"""Where results go when a mapper says so."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from kit.planned_workflow import Bench, task
from markab.errors import DocumentError, PlanningError
from markab.plan.model import Kind, Place
from markab.planner.hashed_results import HashedResults
from markab.planner.output_map import MAPPER, common_directories
from markab.planner.planning import plan

REPLICA = {MAPPER: "Replica", f"{MAPPER}.replica": "File", f"{MAPPER}.replica.file": "output.map"}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Return a bench whose site `local` has no directory for results."""
    bench = Bench(tmp_path)
    servers = [{"url": f"file://{tmp_path}/scratch", "operation": "all"}]
    scratch = {"type": "sharedScratch", "path": f"{tmp_path}/scratch", "fileServers": servers}
    bench.sites.append({"name": "local", "directories": [scratch]})
    bench.transformations[0]["sites"][0]["name"] = "local"
    return bench


def add_site(bench: Bench, name: str, **directory: Any) -> None:
    """Add a site, with a directory for results if one is given."""
    bench.sites.append({"name": name, "directories": [directory] if directory else []})


def made(bench: Bench, **options: Any) -> Any:
    second = task("b", uses=[{"lfn": "d/y z", "type": "output"}])
    return bench.plan(task("a", makes="x"), second, sites=["local"], **options)


def problems_of(bench: Bench, *tasks: Any, **options: Any) -> list[str]:
    with pytest.raises((PlanningError, DocumentError)) as caught:
        plan(bench.options(*tasks, sites=["local"], output_sites=["local"], **options))
    return [problem.message for problem in caught.value.problems]


def write_map(bench: Bench, *lines: str) -> None:
    (bench.path / "output.map").write_text("".join(f"{line}\n" for line in lines))


@pytest.mark.parametrize(
    "options", [{"properties": REPLICA}, {"output_map": Path("output.map"), "output_sites": []}]
)
def test_each_result_goes_where_the_map_says_and_is_registered_there(bench: Bench, options: Any) -> None:
    write_map(
        bench, f'x {bench.path}/one/x.txt pool="local"', f'"d/y z" file://{bench.path}/two/y%20z site="other"'
    )

    add_site(bench, "other")

    planned = made(bench, **options)

    moved = {
        t.lfn: t.destinations for job in planned.jobs if job.kind is Kind.STAGE_OUT for t in job.transfers
    }
    assert {
        "x": [Place("local", f"{bench.path}/one/x.txt")],
        "d/y z": [Place("other", f"{bench.path}/two/y z")],
    } == moved
    registered = [r for job in planned.jobs if job.kind is Kind.REGISTER for r in job.registrations]
    assert {
        ("x", f"file://{bench.path}/one/x.txt", "local"),
        ("d/y z", f"file://{bench.path}/two/y%20z", "other"),
    } == {(r.lfn, r.pfn, r.site) for r in registered}
    assert {"local": f"{bench.path}/one", "other": f"{bench.path}/two"} == planned.header.outputs
    assert [] == planned.planned.warnings
    assert (planned.planned.submit_dir / "catalogs" / "output.map").exists()


def test_the_map_of_the_properties_may_be_a_document(bench: Bench) -> None:
    replicas = [
        {"lfn": "x", "pfns": [{"site": "local", "pfn": f"{bench.path}/one/x"}]},
        {"lfn": "d/(.*)", "regex": True, "pfns": [{"site": "local", "pfn": f"{bench.path}/all/[1]"}]},
    ]
    (bench.path / "output.map").write_text(json.dumps({"pegasus": "5.0", "replicas": replicas}))

    planned = made(bench, properties={**REPLICA, f"{MAPPER}.replica": "YAML"})

    moved = {
        t.lfn: t.destinations for job in planned.jobs if job.kind is Kind.STAGE_OUT for t in job.transfers
    }
    assert {
        "x": [Place("local", f"{bench.path}/one/x")],
        "d/y z": [Place("local", f"{bench.path}/all/y z")],
    } == moved


def test_regular_expressions_give_places_and_a_result_may_have_several(bench: Bench) -> None:
    write_map(
        bench,
        f'"(.*/)?(.*)" {bench.path}/all/[2] site="local" regex="true"',
        f'x {bench.path}/one/x site="local"',
        f'x {bench.path}/copy/x site="local"',
    )
    planned = made(bench, properties=REPLICA)
    moved = {
        t.lfn: t.destinations for job in planned.jobs if job.kind is Kind.STAGE_OUT for t in job.transfers
    }
    assert [f"{bench.path}/one/x", f"{bench.path}/copy/x"] == [place.url for place in moved["x"]]
    assert [f"{bench.path}/all/y z"] == [place.url for place in moved["d/y z"]]
    assert {"local": str(bench.path)} == planned.header.outputs


def test_results_without_a_place_and_two_at_one_place_are_errors(bench: Bench) -> None:
    write_map(bench, 'r0 /tmp/a site="local"', 'r1 /tmp/a site="local"')
    results = " ".join(f"r{n}" for n in range(9))
    file = str(bench.path / "output.map")
    assert [
        f"output map {file!r} gives no place to 'r2', 'r3', 'r4', 'r5', 'r6', and 2 more",
        f"output map {file!r} gives 'r0' and 'r1' the same place '/tmp/a'",
    ] == problems_of(bench, task("a", makes=results), properties=REPLICA)


def test_a_result_without_a_place_is_compared_with_the_names_that_no_result_has(bench: Bench) -> None:
    write_map(bench, 'result1 /tmp/1 site="local"', 'reslt2 /tmp/2 site="local"')
    with pytest.raises(PlanningError) as caught:
        made_by = task("t", makes="result1 result2")
        plan(bench.options(made_by, sites=["local"], output_sites=["local"], properties=REPLICA))
    assert [problem.hint for problem in caught.value.problems] == ["did you mean 'reslt2'?"]


def test_two_spellings_of_one_place_are_the_same_place(bench: Bench) -> None:
    (bench.path / "mm").mkdir()
    (bench.path / "link").symlink_to("mm")
    same = f"'a' and 'b' the same place '{bench.path}/mm/a'"
    for spelling in ("/mm/../mm//a", "/mm/./a", "/mm/a/", "/link/a", "/mm/%61"):
        start = "file://" if "%" in spelling else ""
        write_map(bench, f'a {bench.path}/mm/a site="local"', f'b {start}{bench.path}{spelling} site="local"')
        (message,) = problems_of(bench, task("t", makes="a b"), properties=REPLICA)
        assert message.endswith(f"gives {same}")


def test_a_place_below_that_of_another_result_is_an_error_that_names_both(bench: Bench) -> None:
    write_map(
        bench,
        f'a {bench.path}/mn/a site="local"',
        f'b {bench.path}/mn/x/../a/deep/b site="local"',
        "c /tmp/c",
    )
    (message,) = problems_of(bench, task("t", makes="a b c"), properties=REPLICA)
    assert message == (
        f"output map '{bench.path}/output.map' gives 'b' the place '{bench.path}/mn/a/deep/b', "
        f"which is below that of 'a', '{bench.path}/mn/a'"
    )


def test_a_site_that_is_in_no_catalog_is_an_error_that_names_the_likely_one(bench: Bench) -> None:
    write_map(bench, f'a {bench.path}/a site="locl"', f'b {bench.path}/b site="locl"')
    with pytest.raises(PlanningError) as caught:
        made_by = task("t", makes="a b")
        plan(bench.options(made_by, sites=["local"], output_sites=["local"], properties=REPLICA))
    (problem,) = caught.value.problems
    assert problem.message == (
        f"site 'locl' is not in the site catalog (named by output map '{bench.path}/output.map')"
    )
    assert problem.hint == "did you mean 'local'?"


def test_a_group_that_the_regular_expression_does_not_have_is_an_error_with_its_line(bench: Bench) -> None:
    write_map(bench, "# places", f'"(x)" {bench.path}/[0]/[2] site="local" regex="true"')
    with pytest.raises(DocumentError) as caught:
        plan(bench.options(task("t", makes="x"), sites=["local"], output_sites=["local"], properties=REPLICA))
    (problem,) = caught.value.problems
    assert problem.message == f"replica '(x)' is at '{bench.path}/[0]/[2]', and has no group [2]"
    assert (problem.file, problem.line) == (str(bench.path / "output.map"), 2)


def test_output_sites_with_one_directory_in_the_other_give_no_two_results_one_place(bench: Bench) -> None:
    for name, path in (("outer", "out"), ("inner", "out/d")):
        url = f"file://{bench.path}/{path}"
        servers = [{"url": url, "operation": "all"}]
        add_site(bench, name, type="localStorage", path=f"{bench.path}/{path}", fileServers=servers)
    entry = task("t", makes="x d/x d/y")
    sites = {"sites": ["local"], "output_sites": ["outer", "inner"]}
    with pytest.raises(PlanningError) as caught:
        plan(bench.options(entry, **sites))
    (problem,) = caught.value.problems
    assert problem.message == (
        f"the output directories give 'd/x' and 'x' the same place '{bench.path}/out/d/x'"
    )

    bench.plan(task("t", makes="x d/y"), **sites)


def test_an_absolute_name_and_a_relative_one_with_the_same_place_are_an_error(bench: Bench) -> None:
    properties = {"markab.lfn.absolute": "true", MAPPER: "Fixed", f"{MAPPER}.fixed.url": f"{bench.path}/o"}
    messages = problems_of(bench, task("t", makes="x /x"), properties=properties)
    assert f"the output directories give '/x' and 'x' the same place '{bench.path}/o/x'" in messages


def test_the_url_of_the_fixed_mapper_must_be_absolute(bench: Bench) -> None:
    properties = {MAPPER: "Fixed", f"{MAPPER}.fixed.url": "relative/x"}
    assert problems_of(bench, task("t", makes="x"), properties=properties) == [
        f"property '{MAPPER}.fixed.url' is 'relative/x' (command line); it must be a URL or an absolute path"
    ]


@pytest.mark.parametrize(
    ("properties", "remedy"),
    [
        (
            {MAPPER: "Fixed", f"{MAPPER}.fixed.url": "gsiftp://h/o"},
            f"set {MAPPER}.fixed.url to a URL of another scheme",
        ),
        (REPLICA, "in output map '{}/output.map', give it a place with another scheme"),
    ],
)
def test_a_scheme_that_cannot_be_written_is_mended_where_the_mapper_stands(
    bench: Bench, properties: dict[str, str], remedy: str
) -> None:
    write_map(bench, 'x gsiftp://h/o/x site="local"')
    with pytest.raises(PlanningError) as caught:
        plan(
            bench.options(
                task("t", makes="x"), sites=["local"], output_sites=["local"], properties=properties
            )
        )
    (problem,) = caught.value.problems
    assert problem.hint == f"{remedy.format(bench.path)} (these work: file)"


def test_a_result_that_is_not_delivered_needs_no_place(bench: Bench) -> None:
    write_map(bench, f'x {bench.path}/x site="local"')
    uses = [{"lfn": "x", "type": "output"}, {"lfn": "t", "type": "output", "stageOut": False}]
    bench.plan(task("a", uses=uses), sites=["local"], properties=REPLICA)


def test_places_that_cannot_be_written_are_found_when_planning(bench: Bench) -> None:
    (bench.path / "file").write_text("")
    write_map(bench, 'x s3://bucket/x site="local"', f'y {bench.path}/file/y site="local"')
    refused, unmade = problems_of(bench, task("a", makes="x y"), properties=REPLICA)
    assert "unsupported URL scheme 's3'" in refused and f"{bench.path}/file/y" not in refused
    assert f"output directory '{bench.path}/file' cannot be made" in unmade


def test_a_fixed_mapper_gives_one_place_for_all_results_of_all_sites(bench: Bench) -> None:
    properties = {MAPPER: "fixed", f"{MAPPER}.fixed.url": f"file://{bench.path}/fixed"}
    bench.sites.append({"name": "other", "directories": []})
    planned = made(bench, properties=properties, output_sites=["local", "other"])
    moved = {
        t.lfn: t.destinations for job in planned.jobs if job.kind is Kind.STAGE_OUT for t in job.transfers
    }
    assert {"x": [f"{bench.path}/fixed/x"], "d/y z": [f"{bench.path}/fixed/d/y z"]} == {
        lfn: [place.url for place in places] for lfn, places in moved.items()
    }
    assert problems_of(
        bench, task("a", makes="x"), properties={MAPPER: "Fixed", f"{MAPPER}.fixed.url": "s3://b/c"}
    ) == [
        "unsupported URL scheme 's3': the output directory 's3://b/c' of site 'local' is reached by 's3://b/c'"
    ]


def test_a_mapper_that_is_unknown_or_incomplete_is_an_error(bench: Bench) -> None:
    for value, what in (
        ("Replca", "it must be one of Flat, Fixed, Hashed, Replica"),
        ("Replica", "it needs the property 'pegasus.dir.storage.mapper.replica.file'"),
        ("Fixed", "it needs the property 'pegasus.dir.storage.mapper.fixed.url'"),
    ):
        assert problems_of(bench, task("a", makes="x"), properties={MAPPER: value}) == [
            f"property {MAPPER!r} is {value!r} (command line); {what}"
        ]
    kind = problems_of(bench, task("a"), properties=REPLICA | {f"{MAPPER}.replica": "JDBCRC"})
    assert kind == [
        f"property {MAPPER + '.replica'!r} is 'JDBCRC' (command line); it must be one of File, Regex, YAML"
    ]


def test_the_common_directory_of_results_is_that_of_each_site() -> None:
    places = [
        [Place("a", "/data/one/x"), Place("b", "https://host/p/q/x")],
        [Place("a", "/data/ones/y"), Place("b", "https://host/p/r/y")],
        [Place("c", "/x"), Place("d", "https://one/x")],
        [Place("c", "/y/z"), Place("d", "https://two/x")],
    ]
    assert {"a": "/data", "b": "https://host/p", "c": "/", "d": "https://one"} == common_directories(places)


def delivered(made: Any) -> dict[str, list[str]]:
    """Return lfn → where it is delivered."""
    outs = (job for job in made.jobs if job.kind is Kind.STAGE_OUT)
    return {t.lfn: [place.url for place in t.destinations] for job in outs for t in job.transfers}


def test_few_hashed_results_stand_at_their_names(bench: Bench) -> None:
    made_ = made(bench, properties={MAPPER: "hashed"}, output_dir=Path("out"))
    assert {"x": [f"{bench.path}/out/x"], "d/y z": [f"{bench.path}/out/d/y z"]} == delivered(made_)
    assert [] == made_.planned.warnings


def test_many_hashed_results_are_spread_by_their_names_and_registered_there(bench: Bench) -> None:
    results = [f"r{n}" for n in range(300)]

    def places(*tasks: Any, **properties: str) -> dict[str, list[str]]:
        options: Any = {
            "sites": ["local"],
            "output_dir": Path("out"),
            "properties": {MAPPER: "Hashed", **properties},
        }
        planned = bench.plan(*tasks, **options)
        registered = [r for job in planned.jobs if job.kind is Kind.REGISTER for r in job.registrations]
        assert {r.lfn: [r.pfn.removeprefix("file://")] for r in registered} == delivered(planned)
        assert {"local": f"{bench.path}/out"} == planned.header.outputs
        return delivered(planned)

    found = places(task("a", makes=" ".join(results)))
    assert all(re.fullmatch(rf"{bench.path}/out/[0-9a-f]{{2}}/{lfn}", url) for lfn, (url,) in found.items())
    assert len({url.rpartition("/")[0] for (url,) in found.values()}) > 100
    more = places(task("b", makes="another"), task("a", makes=" ".join(results)))
    assert found == {lfn: more[lfn] for lfn in found}
    flat = places(task("a", makes=" ".join(results)), **{f"{MAPPER}.hashed.levels": "0"})
    assert [f"{bench.path}/out/r7"] == flat["r7"]


def test_a_part_of_a_workflow_delivers_to_the_places_of_all_of_it(bench: Bench) -> None:
    tasks = [task(f"t{n}", makes=f"r{n}") for n in range(257)]
    options: Any = {"sites": ["local"], "output_dir": Path("out"), "properties": {MAPPER: "Hashed"}}
    whole = delivered(bench.plan(*tasks, **options))
    assert {"r5": whole["r5"]} == delivered(bench.plan(*tasks, until=["r5"], **options))


@pytest.mark.parametrize(
    ("results", "levels"), [(0, 0), (256, 0), (257, 1), (65_536, 1), (65_537, 2), (10**8, 2)]
)
def test_hashed_results_get_as_many_levels_as_they_need_up_to_the_most(results: int, levels: int) -> None:
    assert levels == HashedResults(results, 2).levels


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"output_map": Path("m"), "properties": {MAPPER: "Hashed"}}, ("--output-map 'm'", "Hashed")),
        ({"output_dir": Path("d"), "properties": REPLICA}, ("--output-dir 'd'", "Replica")),
        ({"output_dir": Path("d"), "output_map": Path("m")}, ("--output-map 'm'", "--output-dir 'd'")),
        (
            {"output_dir": Path("d"), "properties": {MAPPER: "Fixed", f"{MAPPER}.fixed.url": "/f"}},
            ("--output-dir 'd'", "Fixed"),
        ),
    ],
)
def test_two_mappers_for_the_results_are_an_error_that_names_both(
    bench: Bench, options: Any, names: tuple[str, str]
) -> None:
    for name in ("m", "output.map"):
        (bench.path / name).write_text(f'x {bench.path}/x site="local"\n')
    (found,) = problems_of(bench, task("a", makes="x"), **options)
    assert found.startswith("the results have two mappers")
    assert all(name in found for name in names)

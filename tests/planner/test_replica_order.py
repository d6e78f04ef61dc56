"""Which replica of a file comes first, under each selector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.planned_workflow import Bench, Entry, task
from markab.errors import DocumentError, PlanningError
from markab.planner.replica_order import (
    SELECTOR,
    SELECTORS,
    Nearness,
    UsableReplica,
    by_nearness,
    local_first,
    replica_order,
    selector_warnings,
)
from markab.spec.model import Pfn, Replica
from markab.spec.properties import Properties


def replicas(*places: str) -> list[UsableReplica]:
    """Return places written as SITE=PFN, in the order of a catalog, for jobs at site `a`."""
    found = []
    for order, place in enumerate(places):
        site, _, pfn = place.partition("=")
        near = {"a": Nearness.STAGING, "local": Nearness.SUBMIT_HOST}.get(site, Nearness.ELSEWHERE)
        found.append(
            UsableReplica(
                near if pfn.startswith("/") else Nearness.URL, site != "a", order, Pfn(site, pfn), None
            )
        )
    return found


def ordered(properties: dict[str, str], *places: str, site: str = "a") -> list[str]:
    found = replica_order(Properties({SELECTOR: "Default", **properties}))(replicas(*places), site)
    return [f"{each.pfn.site}={each.pfn.pfn}" for each in found]


HERE, OURS, WEB, MIRROR = (
    "local=/data/f",
    "a=/a/f",
    "web=http://www.example.org/f",
    "mirror=http://m.example.org/f",
)


def test_by_default_the_nearest_is_the_best() -> None:
    assert ordered({}, WEB, HERE, MIRROR, OURS) == [OURS, HERE, WEB, MIRROR]


def test_patterns_are_tried_in_the_order_of_their_ranks_and_the_rest_comes_last() -> None:
    ranks = {
        SELECTOR: "Regex",
        f"{SELECTOR}.regex.rank.10": "file://.*",
        f"{SELECTOR}.regex.rank.2": r"http://www\..*",
    }

    assert ordered(ranks, MIRROR, HERE, OURS, WEB) == [WEB, OURS, HERE, MIRROR]


def test_a_pattern_matches_the_whole_place() -> None:
    ranks = {SELECTOR: "Regex", "pegasus.selector.regex.rank.1": "http://m"}

    assert ordered(ranks, WEB, MIRROR) == [WEB, MIRROR]


def test_sites_are_preferred_and_ignored_by_the_site_of_the_job() -> None:
    sites = {
        SELECTOR: "Restricted",
        f"{SELECTOR}.a.prefer.stagein.sites": "mirror, web",
        f"{SELECTOR}.*.ignore.stagein.sites": "local,mirror",
    }

    assert ordered(sites, HERE, WEB, MIRROR) == [MIRROR, WEB]  # what is preferred is not ignored
    assert ordered(sites, HERE, WEB, MIRROR, site="b") == [WEB]


def test_the_local_selector_takes_paths_of_this_machine_if_there_are_any() -> None:
    local = {SELECTOR: "Local"}

    assert ordered(local, WEB, OURS, HERE) == [HERE]
    assert ordered(local, WEB, OURS) == [OURS]
    assert ordered(local, WEB, MIRROR) == [WEB, MIRROR]


@given(st.lists(st.sampled_from([HERE, OURS, WEB, MIRROR, "b=/b/f"]), min_size=1), st.sampled_from(SELECTORS))
def test_every_selector_keeps_at_least_one_replica_and_adds_none(places: list[str], selector: str) -> None:
    found = ordered({SELECTOR: selector, f"{SELECTOR}.regex.rank.1": ".*/f"}, *places)

    assert found and set(found) <= set(places)
    if selector != "Local":
        assert sorted(found) == sorted(places)


def test_all_wrong_patterns_are_named_with_their_places_at_once() -> None:
    properties = Properties(
        {SELECTOR: "Regex", f"{SELECTOR}.regex.rank.1": "(", f"{SELECTOR}.regex.rank.x": ".*"}, "p:3"
    )

    with pytest.raises(DocumentError) as caught:
        replica_order(properties)

    assert sorted((p.file, p.line) for p in caught.value.problems) == [("p", 3), ("p", 3)]
    assert "is not a regular expression" in str(caught.value) and "must be a whole number" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({f"{SELECTOR}.regex.rank.1": ".*"}, "does nothing: the replica selector is Default"),
        ({SELECTOR: "Local", f"{SELECTOR}.a.prefer.stagein.sites": "web"}, "the replica selector is Local"),
        ({SELECTOR: "Regex"}, "has no pattern"),
        (
            {SELECTOR: "Regex", f"{SELECTOR}.regex.rank.1": ".*", f"{SELECTOR}.regex.rank.2": "file:.*"},
            "'pegasus.selector.replica.regex.rank.1' has a lower rank, and matches everything",
        ),
        (
            {SELECTOR: "Restricted", f"{SELECTOR}.lokal.ignore.stagein.sites": "web"},
            "there is no site 'lokal'",
        ),
    ],
)
def test_a_property_of_a_selector_without_effect_is_a_warning(given: dict[str, str], said: str) -> None:
    (warning,) = selector_warnings(Properties(given, "pegasus.properties:1"), ["local", "a"])

    assert said in warning.message and (warning.file, warning.line) == ("pegasus.properties", 1)


def test_selectors_without_properties_are_silent() -> None:
    for selector in ("Default", "Restricted", "Local"):
        assert not selector_warnings(Properties({SELECTOR: selector}), ["local"])
    assert replica_order(Properties()) is by_nearness
    assert replica_order(Properties({SELECTOR: "local"})) is local_first


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def staged(bench: Bench, **properties: str) -> list[str]:
    given = {f"pegasus.selector.replica{key}": value for key, value in properties.items()}
    planned = bench.plan(task("t", reads="f", makes="out"), properties=given)
    (job,) = [job for job in planned.jobs if job.kind.value == "stage_in"]
    return [place.url for place in job.transfers[0].sources]


def file_in_many_places(bench: Bench) -> Entry:
    bench.has("f")
    entry = bench.replicas[0]
    entry["pfns"] += [{"site": "web", "pfn": "http://www.example.org/f"}]
    return entry


def test_a_plan_has_the_candidates_in_the_order_of_the_selector(bench: Bench) -> None:
    path = file_in_many_places(bench)["pfns"][0]["pfn"]

    assert staged(bench) == [path, "http://www.example.org/f"]
    assert staged(bench, **{"": "Regex", ".regex.rank.1": "http://.*"})[0] == "http://www.example.org/f"
    assert len(staged(bench, **{"": "Local"})) == 1
    assert staged(bench, **{"": "Restricted", ".*.ignore.stagein.sites": "local"}) == [
        "http://www.example.org/f"
    ]


def test_a_file_whose_replicas_are_all_ignored_is_named_with_the_sites(bench: Bench) -> None:
    file_in_many_places(bench)
    ignoring: dict[str, Any] = {"": "Restricted", ".*.ignore.stagein.sites": "local,web"}

    with pytest.raises(PlanningError) as caught:
        staged(bench, **ignoring)

    (problem,) = caught.value.problems
    assert "has replicas only at sites that jobs at 'condorpool' ignore: local, web" in problem.message


def test_a_regular_expression_that_gives_one_place_to_several_files_is_a_warning(bench: Bench) -> None:
    bench.has("f")
    path = bench.replicas[0]["pfns"][0]["pfn"]
    bench.replicas[0] = {"lfn": "in_.*", "regex": True, "pfns": [{"site": "local", "pfn": path}]}

    made = bench.plan(task("t", reads="in_1 in_2", makes="out"))

    (warning,) = [each for each in made.planned.warnings if each.kind == "ambiguous-replica"]
    assert (
        "'in_.*' of the replica catalog gives one place to several files: 'in_1', 'in_2'" in warning.message
    )
    assert not [
        each
        for each in bench.plan(task("t", reads="in_1")).planned.warnings
        if each.kind == "ambiguous-replica"
    ]


def test_a_missing_file_that_no_regular_expression_matches_is_said_to(bench: Bench) -> None:
    bench.replicas.append({"lfn": "in_.*", "regex": True, "pfns": [{"site": "local", "pfn": "/d/[0]"}]})

    with pytest.raises(PlanningError, match="no regular expression of the replica catalog matches it"):
        bench.plan(task("t", reads="other"))


def test_a_preferred_site_at_which_no_replica_is_is_a_warning() -> None:
    given = {SELECTOR: "Restricted", f"{SELECTOR}.*.prefer.stagein.sites": "local, webb"}
    replicas = [Replica("f", [Pfn("web", "http://h/f")])]

    (warning,) = selector_warnings(Properties(given), ["local"], replicas)

    assert "names the site 'webb', which no replica is at" in warning.message
    assert "did you mean 'web'?" == warning.hint

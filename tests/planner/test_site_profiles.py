"""Profiles that properties give to a site by its name."""

from __future__ import annotations

from markab.planner.site_profiles import with_property_profiles
from markab.spec.model import Site
from markab.spec.properties import Properties


def test_a_profile_of_the_properties_is_stronger_than_that_of_the_catalog() -> None:
    cluster = Site("my.cluster", profiles={"condor": {"universe": "vanilla"}, "pegasus": {"cores": "1"}})
    properties = Properties(
        {
            "pegasus.catalog.site.sites.my.cluster.profiles.pegasus.cores": "4",
            "pegasus.catalog.site.sites.my.cluster.profiles.condor.+Group": '"x"',
            "pegasus.catalog.site.sites.local.profiles.dagman.retry": "7",
        }
    )
    found, warnings = with_property_profiles({"my.cluster": cluster, "local": Site("local")}, properties)

    assert warnings == []
    assert found["my.cluster"].profiles == {
        "condor": {"universe": "vanilla", "+Group": '"x"'},
        "pegasus": {"cores": "4"},
    }
    assert found["local"].profiles == {"dagman": {"RETRY": "7"}}
    assert cluster.profiles["pegasus"] == {"cores": "1"}


def test_a_profile_of_no_site_and_a_wrong_key_are_said() -> None:
    properties = Properties(
        {
            "pegasus.catalog.site.sites.clustr.profiles.pegasus.cores": "4",
            "pegasus.catalog.site.sites.cluster.profiles.nonsense.cores": "4",
        }
    )
    found, warnings = with_property_profiles({"cluster": Site("cluster")}, properties)

    assert found == {"cluster": Site("cluster")}
    assert ("there is no site 'clustr'" in str(warnings[0]), warnings[0].hint) == (
        True,
        "did you mean 'cluster'?",
    )
    assert "names no profile of a site" in str(warnings[1])

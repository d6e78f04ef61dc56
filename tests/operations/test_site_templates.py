import pytest

from markab.errors import DocumentError
from markab.operations.site_templates import SITES, UnknownSite, site_catalog
from markab.planner.site_executors import requested_executor
from markab.spec.profile_keys import effect_of
from markab.spec.profiles import canonical
from markab.spec.reader import parse_sites


@pytest.mark.parametrize("name", SITES)
def test_each_is_a_valid_catalog_with_what_is_the_users_own(name: str) -> None:
    (site,) = parse_sites(
        site_catalog(name), environment={"SITE_SCRATCH": "/scratch/ada", "SITE_PROJECT": "abc1"}
    ).sites

    assert site.name == name
    assert requested_executor(site) == (SITES[name].scheduler or "htcondor")
    profiles = canonical(site.profiles)
    assert all(effect_of(space, key) is not None for space, keys in profiles.items() for key in keys)
    if SITES[name].scheduler:
        assert profiles["pegasus"]["project"] == "abc1" and profiles["pegasus"]["queue"] == SITES[name].queue
        assert site.directories[0].path == "/scratch/ada/markab"


def test_what_is_not_set_is_named() -> None:
    with pytest.raises(DocumentError, match="SITE_PROJECT"):
        parse_sites(site_catalog("ospool"), environment={})


def test_an_unknown_site_is_guessed() -> None:
    with pytest.raises(UnknownSite) as caught:
        site_catalog("perlmuter")
    assert caught.value.hint == "did you mean 'perlmutter'?"

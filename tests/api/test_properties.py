import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markab.api import Namespace, Properties


def test_properties_are_a_dict_of_texts_that_keeps_case_and_order() -> None:
    properties = Properties()
    properties["pegasus.transfer.threads"] = 4
    properties["env.Some_Path"] = "/x"
    properties["pegasus.integrity.checking"] = "none"
    properties["pegasus.transfer.links"] = True
    del properties["pegasus.integrity.checking"]

    assert dict(properties) == {
        "pegasus.transfer.threads": "4",
        "env.Some_Path": "/x",
        "pegasus.transfer.links": "True",
    }
    assert "env.Some_Path" in properties and "env.some_path" not in properties
    with pytest.raises(KeyError):
        properties["pegasus.mode"]


def test_a_file_has_one_line_each_and_is_read_back(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    properties = Properties()
    properties["pegasus.data.configuration"] = "nonsharedfs"
    properties["dagman.retry"] = 2
    properties.write()

    text = (tmp_path / "pegasus.properties").read_text()
    assert text == "pegasus.data.configuration = nonsharedfs\ndagman.retry = 2\n"

    again = Properties.load("pegasus.properties")
    assert dict(again) == {"dagman.retry": "2", "pegasus.data.configuration": "nonsharedfs"}
    with pytest.raises(TypeError):
        properties.write(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Properties.load(3)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        Properties.load("missing.properties")


@given(
    st.dictionaries(
        st.text("aBä.:= #!\\", min_size=1, max_size=6).map("env.".__add__),
        st.text("aä\\ :=#!\n\t", max_size=6),
    )
)
def test_every_value_survives_the_file(values: dict[str, str]) -> None:
    properties = Properties()
    properties.update(values)
    stream = io.StringIO()
    properties.write(stream)
    assert dict(Properties.load(io.StringIO(stream.getvalue()))) == values


def test_an_unknown_key_is_kept_with_a_warning_that_shows_no_value(caplog) -> None:
    properties = Properties()
    for known in (
        "pegasus.mode",
        "dagman.stagein.maxjobs",
        "condor.request_memory",
        "pegasus.cores",
        "env.X",
    ):
        properties[known] = "x"
    assert not caplog.records

    properties["pegasus.integrity.cheking"] = "amqp://u:secret@host"
    assert "did you mean 'pegasus.integrity.checking'" in caplog.text
    assert "secret" not in caplog.text + repr(properties)
    assert "pegasus.integrity.cheking" in properties


def test_known_keys_are_listed_sorted(capsys) -> None:
    Properties.ls("integrity")
    assert capsys.readouterr().out == "pegasus.integrity.checking\n"
    Properties().ls()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 100 and lines == sorted(lines)


def test_a_profile_of_a_site_is_a_property(caplog) -> None:
    properties = Properties()
    properties.add_site_profile("cluster", Namespace.PEGASUS, "queue", "short")
    assert dict(properties) == {"pegasus.catalog.site.sites.cluster.profiles.pegasus.queue": "short"}
    properties.add_site_profile(site="cluster", namespace="condor", key="+k", value=True)
    assert properties["pegasus.catalog.site.sites.cluster.profiles.condor.+k"] == "True"
    assert not caplog.records
    with pytest.raises(ValueError, match="'nonsense' is not a valid Namespace"):
        properties.add_site_profile("cluster", "nonsense", "queue", "short")

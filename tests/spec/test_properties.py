"""Properties: syntax, layers, typed access, warnings."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markab.errors import DocumentError, StorageError
from markab.spec import java_properties
from markab.spec.properties import Properties, load_properties
from markab.spec.property_keys import KNOWN, find_property, list_properties


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("a=b\nc = d\ne: f\ng h\n", [("a", "b"), ("c", "d"), ("e", "f"), ("g", "h")]),
        ("# no\n! no\n\n  # no\na=b # yes", [("a", "b # yes")]),
        ("a = b,\\\n    c,\\\n  d\ne=f", [("a", "b,c,d"), ("e", "f")]),
        ("a = x\\\\\nb = y", [("a", "x\\"), ("b", "y")]),
        ("a\\ b\\=c\\:d = e", [("a b=c:d", "e")]),
        ("a = \\u00e9\\t\\n\\q\\ud83d\\ude00", [("a", "é\t\nq😀")]),
        ("a\nb=\n", [("a", ""), ("b", "")]),
        ("a = b   \r\nc=d\\ \r\n", [("a", "b"), ("c", "d ")]),
        ("a = = b", [("a", "= b")]),
        ("a = b\\", [("a", "b")]),
        ("# comment \\\na=b", [("a", "b")]),
        ("a = \\\n# b", [("a", "# b")]),
    ],
)
def test_java_properties_are_read_as_java_does(text: str, entries: list[tuple[str, str]]) -> None:
    assert entries == [(key, value) for _, key, value in java_properties.parse(text)]


@given(
    st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8")))
)
def test_what_is_written_is_read_back(table: dict[str, str]) -> None:
    assert table == {key: value for _, key, value in java_properties.parse(java_properties.write(table))}


def load(tmp_path: Path, conf: str = "", **options: object) -> Properties:
    (tmp_path / "my.conf").write_text(conf)
    options = {"environment": {}, "directory": tmp_path, "home": tmp_path / "home", **options}
    return load_properties(tmp_path / "my.conf", **options)  # type: ignore[arg-type]


def test_later_layers_win_and_each_value_knows_where_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".pegasusrc").write_text("a=1\nb=1\nc=1\nd=1\npegasus.dir.useTimestamp=false\n")
    (tmp_path / "pegasus.properties").write_text("b=2\nc=2\nd=2\n")
    environment = {
        "_PEGASUS__DIR__USETIMESTAMP": "true",
        "_ENV__FOO_BAR": "x",
        "_OTHER__A": "y",
        "PATH": "/bin",
    }

    found = load(tmp_path, "\nc=3\nd=3\n", overrides={"d": "4"}, environment=environment)

    assert {
        "a": "1", "b": "2", "c": "3", "d": "4", "pegasus.dir.useTimestamp": "true", "env.FOO_BAR": "x",
    } == dict(found)  # fmt: skip
    assert f"{tmp_path / 'my.conf'}:2" == found.source("c")
    assert "command line" == found.source("d")
    assert "environment variable _ENV__FOO_BAR" == found.source("env.FOO_BAR")


def test_a_conf_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        StorageError, match=r"the properties '.*nope' cannot be read: No such file or directory"
    ):
        load_properties(tmp_path / "nope", directory=tmp_path, home=tmp_path)


def test_references_go_to_other_properties_then_to_the_environment(tmp_path: Path) -> None:
    found = load(
        tmp_path, "a=${b}/x\nb=${HOME}\nc=${nobody}\nd=$b\n", environment={"HOME": "/h", "a": "wrong"}
    )

    assert ["/h/x", "/h", "${nobody}", "$b"] == list(found.values())


def test_a_property_that_refers_to_itself_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        DocumentError, match=r"my.conf:1: property 'a' refers to itself|my.conf:2: property 'b'"
    ):
        load(tmp_path, "a=${b}\nb=${a}\n")


def test_typed_access(tmp_path: Path) -> None:
    found = load(tmp_path, "t=True\nf = no\nn= 12\nw=FULL\nempty=\n")

    assert (True, False, True) == (found.flag("t"), found.flag("f", True), found.flag("nope", True))
    assert (12, 5, 7) == (found.integer("n", 5), found.integer("nope", 5), found.integer("empty", 7))
    assert ("full", "none") == (
        found.choice("w", ("full", "none"), "none"),
        found.choice("x", ("none",), "none"),
    )


def test_a_bad_value_is_named_with_key_place_and_choices(tmp_path: Path) -> None:
    found = load(tmp_path, "pegasus.integrity.checking = ful\nn = 1x\n", overrides={"t": "maybe"})

    with pytest.raises(DocumentError) as caught:
        found.choice("pegasus.integrity.checking", ("full", "nosymlink", "none"), "full")
    (problem,) = caught.value.problems
    expected = (
        "my.conf:1: property 'pegasus.integrity.checking' is 'ful'; it must be one of full, nosymlink, none"
    )
    assert f"{tmp_path}/{expected}" == str(problem)
    assert "did you mean 'full'?" == problem.hint
    with pytest.raises(DocumentError, match=r"my.conf:2: property 'n' is '1x'; it must be a whole number"):
        found.integer("n", 1)
    with pytest.raises(
        DocumentError, match=r"property 't' is 'maybe' \(command line\); it must be true or false"
    ):
        found.flag("t")


def test_misspelt_properties_get_a_warning_without_their_value(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        "pegasus.integrity.cheking = secret\npegasus.catalog.workflow.amqp.url = amqp://me:secret@host\n"
        "dagman.big.maxjobs = 2\nenv.X = 1\ncondor.+Foo = 2\npegasus.memory = 5\nmy.own = 3\npegasus.zzz.qqq = 1\npegasus.memroy = 3\n"
        "pegsus.mode = debug\npegasus.clusters.size=3\ndagman.retyr = 1\n",
    )

    assert [
        ("property 'pegasus.integrity.cheking' is not known", "did you mean 'pegasus.integrity.checking'?"),
        ("property 'pegasus.zzz.qqq' is not known", "remove it; it is not a setting of Markab"),
        ("property 'pegasus.memroy' is not known", "did you mean 'pegasus.memory'?"),
        ("property 'pegsus.mode' is not known", "did you mean 'pegasus.mode'?"),
        ("property 'dagman.retyr' is not known", "did you mean 'dagman.retry'?"),
    ] == [(problem.message, problem.hint) for problem in found.unknown()]
    assert "secret" not in str(found.unknown()) + repr(found)


@pytest.mark.parametrize(
    "key",
    [
        "pegasus.monitord.encoding",
        "pegasus.dir.useTimestamp",
        "pegasus.condor.logs.symlink",
        "pegasus.metrics.app",
        "pegasus.transfer.stagein.remote.sites",
        "pegasus.catalog.replica.db.user",
        "dagman.retry",
        "pegasus.gridstart.arguments",
    ],
)
def test_keys_that_real_files_have_are_accepted_quietly(key: str) -> None:
    assert [] == Properties({key: "x"}).unknown()


def test_profiles_of_all_jobs_are_the_keys_that_are_no_settings() -> None:
    found = Properties(
        {
            "env.FOO": "1", "dagman.retry": "2", "condor.request_memory": "3", "pegasus.memory": "4",
            "pegasus.mode": "debug", "dagman.maxjobs": "5", "dagman.big.maxjobs": "6", "hints.execution.site": "s",
            "pegasus.exitcode.failuremsg": "bad", "other.key": "7",
        }
    )  # fmt: skip

    assert {
        "env": {"FOO": "1"},
        "dagman": {"RETRY": "2"},
        "condor": {"request_memory": "3"},
        "pegasus": {"memory": "4", "exitcode.failuremsg": "bad"},
        "selector": {"execution.site": "s"},
    } == found.profiles()


def test_a_group_of_properties_is_found_under_its_prefix(tmp_path: Path) -> None:
    found = Properties({"a.b": "0", "a.b.c": "1", "a.b.d.e": "2", "a.bc": "3"})

    assert {"c": "1", "d.e": "2"} == found.under("a.b")
    found.write(tmp_path / "out")
    assert dict(found) == {k: v for _, k, v in java_properties.parse((tmp_path / "out").read_text())}


def test_the_list_of_properties_has_those_that_are_profiles_of_all_jobs() -> None:
    listed = list_properties()

    assert listed == sorted(set(listed))
    assert {"condor.*", "condor.request_cpus", "dagman.retry", "env.*", "pegasus.cores"} <= set(listed)
    assert {"pegasus.catalog.replica.output.*", "pegasus.aws.region", "selector.execution.site"} <= set(
        listed
    )
    assert list_properties("aws.batch.s3") == ["pegasus.aws.batch.s3_bucket"]


def test_the_table_has_each_key_once_with_a_default_that_it_allows() -> None:
    assert len({row.key for row in KNOWN}) == len(KNOWN)
    assert all(row.purpose for row in KNOWN)
    assert all(row.default in row.choices for row in KNOWN if row.choices and row.default)
    assert "pegasus.integrity.checking" in list_properties("integrity")
    assert find_property("pegasus.transfer.stagein.impl") and not find_property("pegasus.transfer.impl")


def test_a_property_that_is_deleted_is_gone() -> None:
    properties = Properties({"pegasus.mode": "debug", "pegasus.register": "false"})

    del properties["pegasus.mode"]

    assert ["pegasus.register"] == list(properties)
    with pytest.raises(KeyError):
        del properties["pegasus.mode"]

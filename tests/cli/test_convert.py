"""`markab convert` and the converters with names of Pegasus."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from markab.catalogs.store_selection import open_store
from markab.cli.convert import convert, pegasus_rc_converter, pegasus_sc_converter, pegasus_tc_converter
from markab.spec.reader import parse_sites, parse_transformations, read_sites, read_transformations
from spec.test_site_xml_reader import HEAD, SITE
from spec.test_site_xml_reader import YAML as SITES
from spec.test_transformation_text import TEXT
from spec.test_transformation_text import YAML as TRANSFORMATIONS


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/h")
    return tmp_path


def called(command: object, *words: str) -> Result:
    return CliRunner().invoke(command, list(words))  # type: ignore[arg-type]


def test_sites_in_xml_become_yaml_with_their_variables(here: Path) -> None:
    (here / "sites.xml").write_text(f"{HEAD}{SITE}</sitecatalog>")

    result = called(pegasus_sc_converter, "-i", "sites.xml", "-o", "sites.yml", "-I", "XML", "-O", "YAML")

    assert result.output == "sites.yml: 1 site\n"
    assert "path: ${HOME}/scratch" in (here / "sites.yml").read_text().replace("'", "").replace('"', "")
    assert read_sites(here / "sites.yml") == parse_sites(SITES)


def test_expanded_variables_are_gone(here: Path) -> None:
    (here / "sites.xml").write_text(f"{HEAD}{SITE}</sitecatalog>")

    called(pegasus_sc_converter, "-e", "-i", "sites.xml", "-o", "sites.yml")

    assert "$" not in (here / "sites.yml").read_text() and "/h/scratch" in (here / "sites.yml").read_text()


def test_transformations_go_from_text_to_yaml_and_back(here: Path) -> None:
    (here / "tc.txt").write_text(TEXT)

    called(pegasus_tc_converter, "-i", "tc.txt", "-I", "Text", "-O", "YAML", "-o", "transformations.yml")
    called(convert, "transformations", "transformations.yml", "--to", "Text", "-o", "again.txt")
    called(convert, "transformations", "again.txt", "-o", "again.yml")

    assert read_transformations(here / "transformations.yml") == parse_transformations(TRANSFORMATIONS)
    assert (here / "again.yml").read_text() == (here / "transformations.yml").read_text()
    assert "${HOME}/bin/work" in (here / "again.txt").read_text()


def test_replicas_of_several_files_become_one_in_every_form(here: Path) -> None:
    (here / "rc.txt").write_text('f file://${HOME}/f site="local" year="1"\nx(.*) "/d/[0]" regex="true"\n')
    (here / "rc.yml").write_text("replicas:\n- {lfn: f, pfns: [{site: web, pfn: 'http://x/f'}]}\n")

    called(pegasus_rc_converter, "-I", "File", "-O", "YAML", "-i", "rc.txt", "-o", "alone.yml")
    result = called(pegasus_rc_converter, "-i", "rc.txt,rc.yml", "-O", "File", "-o", "all.txt")

    assert result.output == "all.txt: 3 places\n"
    assert (here / "all.txt").read_text() == (
        'f file://${HOME}/f site="local" year="1"\nf http://x/f site="web" year="1"\nx(.*) /d/[0] site="local" regex="true"\n'
    )
    assert "${HOME}" in (here / "alone.yml").read_text()
    called(pegasus_rc_converter, "-i", "rc.yml", "-O", "JDBCRC", "-o", "all.db")
    called(pegasus_rc_converter, "-i", "all.db", "-o", "back.yml")
    assert [entry.line() for entry in open_store(here / "back.yml").entries()] == ['f http://x/f site="web"']


def test_all_that_is_wrong_in_all_inputs_comes_at_once_and_nothing_is_written(here: Path) -> None:
    (here / "a.txt").write_text("tr a {")
    (here / "b.txt").write_text('tr b { site s { pfn "x" } }')

    wrong = called(pegasus_tc_converter, "-i", "a.txt,b.txt", "-o", "out.yml")
    missing = called(pegasus_rc_converter, "-i", "no.txt,nor.txt", "-o", "out.yml")

    assert "a.txt:1" in wrong.output and "b.txt:1" in wrong.output and wrong.exit_code
    assert "no.txt" in missing.output and "nor.txt" in missing.output and missing.exit_code
    assert not (here / "out.yml").exists()


def test_a_site_in_two_inputs_and_an_input_that_is_the_output_are_errors(here: Path) -> None:
    for name in ("a.yml", "b.yml"):
        (here / name).write_text("sites:\n- {name: s}\n")

    assert "two sites are named 's'" in called(convert, "sites", "a.yml", "b.yml", "-o", "c.yml").output
    assert "is an input and the output" in called(convert, "sites", "a.yml", "-o", "a.yml").output


def test_a_form_that_a_catalog_does_not_have_is_a_wrong_command_line(here: Path) -> None:
    result = called(convert, "sites", "a.yml", "-o", "b", "--to", "Text")

    assert result.exit_code == 2 and "--to Text: sites are written as YAML" in result.output

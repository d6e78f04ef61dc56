import json
from pathlib import Path

from click.testing import CliRunner

from kit.made_run import began, compute, end, ended, make_run, start
from markab.cli.graph import graph, pegasus_graphviz
from markab.cli.report import report
from markab.errors import StorageError


def run(command, *words: str | Path):
    return CliRunner().invoke(command, [str(word) for word in words])


def test_a_run_is_printed_as_dot_mermaid_or_json(tmp_path: Path) -> None:
    make_run(tmp_path, [compute("a"), compute("b", 0)], [began(), start(0), end(0), ended("success")])

    assert run(graph, tmp_path).stdout.startswith('digraph "words" {')
    assert run(graph, tmp_path, "--format", "mermaid").stdout.startswith("flowchart TD\n")
    found = json.loads(run(graph, tmp_path, "--json").stdout)
    assert [node["id"] for node in found["nodes"]] == ["job wc_a", "job wc_b"]
    assert found["edges"] == [{"from": "job wc_a", "to": "job wc_b", "weight": 1}]


def test_the_flags_that_pegasus_users_know(tmp_path: Path) -> None:
    jobs = [compute("a"), compute("b", 0), compute("c", 0, 1)]
    make_run(tmp_path, jobs)
    target = tmp_path / "w.dot"

    done = run(pegasus_graphviz, tmp_path / "words-0.dag", "-o", target)
    assert done.exit_code == 0 and '"job wc_a" -> "job wc_c"' not in target.read_text()
    run(pegasus_graphviz, tmp_path, "-s", "-l", "xform-id", "-W", "4", "-H", "3", "-f", "-o", target)
    text = target.read_text()
    assert '"job wc_a" -> "job wc_c"' in text and 'label="wc\\nwc_a"' in text and 'size="4,3"' in text
    assert "->" not in run(pegasus_graphviz, tmp_path, "-r", "wc").stdout
    assert run(pegasus_graphviz, tmp_path, "-l", "colour").exit_code == 2
    assert run(pegasus_graphviz, "--version").stdout.startswith("5.")


def test_a_summary_says_that_it_is_one_and_how_to_see_all(tmp_path: Path) -> None:
    make_run(tmp_path, [compute(str(n)) for n in range(200)])

    done = run(graph, tmp_path, "-o", tmp_path / "w.mmd")
    assert "200 jobs drawn as 1 box; `--full` draws each" in done.output
    assert "wc × 200" in (tmp_path / "w.mmd").read_text()
    run(graph, tmp_path, "--full", "-o", tmp_path / "w.mmd")
    assert (tmp_path / "w.mmd").read_text().count("wc_") == 200


def test_a_report_is_written_where_it_is_wanted_or_beside_the_plan(tmp_path: Path) -> None:
    make_run(tmp_path, [compute("a")])

    done = run(report, tmp_path)
    assert str(tmp_path / "report.html") in done.output and (tmp_path / "report.html").exists()
    found = json.loads(run(report, tmp_path, "-o", tmp_path / "x.html", "--json").stdout)
    assert found["report"] == str(tmp_path / "x.html") and found["state"] == "Not started"
    page = run(report, tmp_path, "-o", "-").stdout
    assert page.startswith("<!DOCTYPE html>") and page.endswith("</html>\n")
    assert run(report, tmp_path, "-o", "-", "--json").exit_code == 2
    assert run(report, tmp_path / "nowhere").exit_code == 12


def test_where_the_user_may_not_write_a_report_says_where_it_could_go(tmp_path: Path, monkeypatch) -> None:
    make_run(tmp_path / "run", [compute("a")])
    monkeypatch.setattr("os.access", lambda path, mode: False)
    monkeypatch.chdir(tmp_path)

    done = run(report, "run")
    assert done.exit_code == StorageError.exit_code
    assert "you may not write in that directory" in done.output
    assert "`markab report run -o report.html`" in done.output
    assert run(report, "run", "-o", "x.html").exit_code == 0

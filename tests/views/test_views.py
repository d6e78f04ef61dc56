"""What commands print and write of a run, whole: for each of `runs.py` the files in `expected`.

A view that is to be changed fails here. `make views` writes the files again, and shows what has changed in them.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import re
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from kit.databases import contents
from markab import __version__
from markab.cli.main import markab
from markab.diagnosis.failed_attempts import FailedAttempts
from markab.formatting import printable
from markab.provenance.jobstate_log import JobstateLog
from markab.provenance.projection import Projector
from markab.reports.html.page import write_page
from markab.reports.statistics.tree_statistics import read_statistics
from markab.reports.status import Status
from views.failures import FAILURES
from views.runs import SECRET, STORIES, made

EXPECTED = Path(__file__).with_name("expected")
NOW = 1_800_000_120.0
COMMANDS = {
    "status": [
        "status RUN",
        "status --long --dirs RUN",
        "status --legend --noqueue RUN",
        "status --json RUN",
    ],
    "runs": ["runs BASE", "runs --json BASE"],
    "logs": ["logs RUN ID1", "logs RUN sort_ID2 -n 2", "logs RUN ID4 --stderr"],
    "analyze": [
        "analyze RUN",
        "analyze --verbose RUN",
        "analyze --quiet RUN",
        "analyze --summary RUN",
        "analyze --json RUN",
    ],
    "statistics": [
        "statistics -s all RUN",
        "statistics -s all -t hour --file-type csv RUN",
        "statistics -s all --json RUN",
    ],
    "why": ["why RUN ID1", "why RUN sort_ID2", "why RUN merge_cluster_1 --json", "why RUN deliver"],
    "trace": ["trace RUN counts.txt", "trace RUN plots/plot.svg --json", "trace RUN plots/plot.svg --dot"],
    "show": ["show RUN", "show RUN --json --state failed,succeeded"],
    "show job": [
        *[f"show RUN {job}" for job in ("fetch", "ID1", "sort_ID2", "ID4", "deliver", "register", "remove")],
        "show RUN merge_cluster_1 --json",
    ],
    "graph": ["graph --full RUN", "graph --json RUN", "graph --format mermaid --files -l label-id RUN"],
    "metadata": [
        "metadata workflow RUN",
        "metadata task RUN -i ID1 --json",
        "metadata file RUN -n counts.txt --trace",
        "metadata file RUN --list --json",
    ],
    "pegasus": [
        "pegasus-analyzer RUN",
        "pegasus-analyzer --json RUN",
        "pegasus-metadata --json workflow RUN",
        "pegasus-status RUN",
        "pegasus-status --jsonrv RUN",
        "pegasus-statistics -s all RUN",
        "pegasus-statistics --json -s all RUN",
    ],
    "prov": ["export -F prov -o OUT RUN"],
    "ro-crate": [
        "export -F ro-crate -o - RUN",
        "export -F ro-crate -o OUT RUN",
        "export -F ro-crate --license MIT --json -o OUT2 RUN",
    ],
    "wfformat": ["export -F wfformat -o OUT RUN"],
    "csv": [
        "export -F csv -o - RUN",
        "export -F csv --json -o - RUN",
        "export -F prov --license MIT -o - RUN",
    ],
    "kickstart": ["export -F pegasus -o OUT RUN"],
}


@pytest.fixture(params=[story for story in STORIES if story != "many-failures"])
def run(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with frozen(monkeypatch, tmp_path), made(request.param, tmp_path / request.param) as directory:
        yield directory


@contextmanager
def frozen(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[None]:
    """A clock that stands, and an environment that is the same everywhere."""
    for name, value in {"TZ": "UTC", "COLUMNS": "100", "NO_COLOR": "1", "HOME": str(home)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(time, "time", clock)
    monkeypatch.setitem(read_statistics.__kwdefaults__, "clock", clock)
    monkeypatch.setattr(Status.text, "__defaults__", (*(Status.text.__defaults__ or ())[:-1], clock))
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def clock() -> float:
    return NOW


@pytest.mark.parametrize("view", COMMANDS)
def test_commands_print_of_a_run_what_is_expected(run: Path, view: str) -> None:
    same(run, view, "".join(transcript(run, line) for line in COMMANDS[view]))


def test_the_web_page_of_a_run_has_what_is_expected(run: Path) -> None:
    same(run, "page", page_text(run))


def page_text(run: Path) -> str:
    """The body of the page, and the data in it."""
    write_page(run, run.parent / "page.html", ("a warning",), clock)
    page = (run.parent / "page.html").read_text()
    (data,) = re.findall('id="data">(.*?)</script>', page, re.DOTALL)
    facts = json.loads(zlib.decompress(base64.b64decode(data)))
    body = page[page.index("<main>") : page.index("</main>")]
    lines = re.sub("(</(?:tr|p|h[1-4]|dt|dd|section|div|g|pre|summary)>)", r"\1\n", body)
    return lines + "".join(f"\n{key}: {json.dumps(value)}" for key, value in facts.items()) + "\n"


def test_the_database_and_the_log_of_a_run_have_what_is_expected(run: Path) -> None:
    projector = Projector(run)
    projector.update()
    projector.close()
    rows = contents(run / "words-0.stampede.db")
    log = JobstateLog(run, frozenset({"local"}))
    log.update()
    text = "".join(f"== {table}\n" + "".join(f"{row}\n" for row in rows[table]) for table in sorted(rows))
    same(run, "database", f"{text}== jobstate.log\n{log.path.read_text()}")


def test_every_kind_of_failure_is_explained_as_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with frozen(monkeypatch, tmp_path), made("many-failures", tmp_path / "many-failures") as run:
        failed = list(FailedAttempts(run, from_start=True).new())
        same(run, "analyze", "".join(transcript(run, line) for line in COMMANDS["analyze"]))
        same(run, "why", "".join(transcript(run, f"why RUN {name}") for name in FAILURES))
        same(run, "run", "".join(printable(f"{one.line()}\n{one.text(run)}\n\n") for one in failed))
        same(run, "page", page_text(run))


def transcript(run: Path, line: str) -> str:
    """A command as it is typed, what it prints and its exit code, and what it writes to OUT."""
    name, *words = line.split()
    out = run.parent / "out"
    places = {"RUN": run, "BASE": run.parent, "OUT": out, "OUT2": run.parent / "out2"}
    arguments = [str(places.get(word, word)) for word in words]
    done = CliRunner().invoke(command(name), arguments if name.startswith("pegasus-") else [name, *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    code = f"(exit code {done.exit_code})\n" if done.exit_code else ""
    return f"$ {line}\n{done.output}{code}{whole(out) if 'OUT' in words else ''}\n"


def command(name: str) -> click.Command:
    if not name.startswith("pegasus-"):
        return markab
    tool = name.partition("-")[2]
    module = importlib.import_module(f"markab.cli.{'analyze' if tool == 'analyzer' else tool}")
    return getattr(module, f"pegasus_{tool}")


def whole(place: Path) -> str:
    """A file, or all of a directory."""
    if place.is_file():
        return readable(place)
    files = sorted(path for path in place.rglob("*") if path.is_file())
    return "".join(f"== {path.relative_to(place)}\n{readable(path)}" for path in files)


def readable(file: Path) -> str:
    text = file.read_text()
    return json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n" if text.startswith("{") else text


def same(run: Path, view: str, text: str) -> None:
    """Compare a text with the expected one; with MARKAB_RENEW_VIEWS=1, replace that."""
    for found, shown in ((str(run), "RUN"), (str(run.parent), "BASE"), (__version__, "VERSION")):
        text = text.replace(found, shown)
    assert SECRET not in text or view == "database", "only the database is a private file of the run"
    file = EXPECTED / run.parent.name / f"{view}.txt"
    if os.environ.get("MARKAB_RENEW_VIEWS"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert file.exists(), "`make views` writes it"
    assert text.splitlines() == file.read_text().splitlines(), "if that is to be so: `make views`"

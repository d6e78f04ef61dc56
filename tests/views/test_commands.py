"""What the commands print that are of no run, or act on one, whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from views.runs import made
from views.test_views import frozen, same, transcript

REPLICAS = [
    "replica add book.txt file:///data/book.txt -m language=en",
    "replica add book.txt http://data.invalid/book.txt -s web",
    "replica add other data/other",
    "replica list",
    "replica list --json",
    "replica list b*",
    "replica lookup book.txt --json",
    "replica lookup nothing other",
    "replica remove book.txt file:///data/book.txt",
    "replica remove other data/other",
    "replica remove other",
    "replica list",
    "replica clear",
    "replica clear --yes",
]
CONTROL = ["halt RUN", "halt --json RUN", "remove RUN", "remove --json RUN"]


def test_replicas_are_listed_as_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with frozen(monkeypatch, tmp_path):
        (tmp_path / "commands").mkdir()
        monkeypatch.chdir(tmp_path / "commands")
        run = tmp_path / "commands/none"
        texts = []
        for line in REPLICAS:
            texts.append(transcript(run, line))
            if "add" in line:
                texts.append(f"== replicas.yml\n{Path('replicas.yml').read_text()}\n")
        same(run, "replica", "".join(texts))


def test_requests_to_a_run_are_answered_as_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = []
    with frozen(monkeypatch, tmp_path):
        for name in ("planned", "complete", "odd"):
            with made(name, tmp_path / "commands" / name) as run:
                texts += [
                    f"== {name}\n",
                    *(transcript(run, line) for line in [*CONTROL, "status RUN", "report --json RUN"]),
                ]
            texts[-1] = texts[-1].replace(str(run), "RUN")
        same(tmp_path / "commands/x", "control", "".join(texts).replace(str(tmp_path), "HOME"))


def test_versions_and_directories_are_printed_as_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["version", "version --json", "config --json", "pegasus-version", "pegasus-version --full"]
    with frozen(monkeypatch, tmp_path):
        text = "".join(transcript(tmp_path / "commands/x", line) for line in lines)
        text = re.sub(r'": "/.*"', '": "/…"', text)
        same(tmp_path / "commands/x", "version", text)

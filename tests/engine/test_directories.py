"""Directories as inputs and outputs of tasks, in real runs."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kit.content_runs import Ran, what_ran
from markab import operations
from markab.engine import run as engine
from markab.planner.options import PlanOptions
from markab.transfers.tree_transfer import checksum_of_tree

MAKE = "mkdir -p made/deep && cp -a data/. made/ && echo two > made/deep/two && ln -s ../one made/deep/link"
READ = "cat made/one made/deep/two made/deep/link > final"


@dataclass
class Bench:
    """A workflow of two tasks: one makes a directory of a directory, the other reads it."""

    path: Path
    make: str = MAKE
    properties: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def run(self) -> Ran:
        for name, text in (("make", self.make), ("read", READ)):
            program = self.path / name
            program.write_text(f"#!/bin/sh\nset -e\n{text}\n")
            program.chmod(0o755)
        (self.path / "in").mkdir(exist_ok=True)
        if not (self.path / "in" / "one").exists():
            (self.path / "in" / "one").write_text("one\n")
        document = {
            "pegasus": "5.0.4",
            "name": "dirs",
            "transformationCatalog": {
                "transformations": [
                    {"name": n, "sites": [{"name": "local", "type": "installed", "pfn": str(self.path / n)}]}
                    for n in ("make", "read")
                ]
            },
            "replicaCatalog": {
                "replicas": [{"lfn": "data/", "pfns": [{"site": "local", "pfn": str(self.path / "in")}]}]
            },
            "jobs": [
                self.job("make", "data/", "made/"),
                self.job("read", "made/", "final"),
            ],
        }
        (self.path / "workflow.yml").write_text(json.dumps(document))
        options = PlanOptions(
            workflow=Path("workflow.yml"),
            directory=self.path,
            properties={"dagman.retry": "0", **self.properties},
            **{"sites": ["local"], "output_dir": Path("out"), **self.options},
        )
        planned = operations.plan(options)
        assert planned.submit_dir is not None
        return what_ran(planned, engine.run(planned.submit_dir, engine.RunOptions(cores=2)).state)

    @staticmethod
    def job(name: str, reads: str, makes: str) -> dict[str, Any]:
        uses = [{"lfn": reads, "type": "input"}, {"lfn": makes, "type": "output"}]
        return {"type": "job", "name": name, "id": name, "arguments": [], "uses": uses}

    @property
    def results(self) -> dict[str, str]:
        top = self.path / "out"
        return {
            str(path.relative_to(top)): path.read_text() for path in sorted(top.rglob("*")) if path.is_file()
        }


EXPECTED = {
    "final": "one\ntwo\none\n",
    "made/one": "one\n",
    "made/deep/two": "two\n",
    "made/deep/link": "one\n",
}


@pytest.mark.parametrize("data", ["condorio", "nonsharedfs", "sharedfs"])
def test_a_directory_is_staged_made_read_delivered_and_registered(tmp_path: Path, data: str) -> None:
    bench = Bench(tmp_path, properties={"pegasus.data.configuration": data})

    ran = bench.run()

    assert "success" == ran.state
    assert EXPECTED == bench.results
    assert "../one" == os.readlink(tmp_path / "out" / "made" / "deep" / "link")
    (catalog,) = ran.submit_dir.glob("*.replicas.db")
    with closing(sqlite3.connect(catalog)) as database:
        registered = dict(database.execute("SELECT lfn, pfn FROM rc_lfn JOIN rc_pfn USING (lfn_id)"))
        checksums = dict(
            database.execute(
                "SELECT lfn, value FROM rc_lfn JOIN rc_meta USING (lfn_id) WHERE key = 'checksum.value'"
            )
        )
    made = tmp_path / "out" / "made"
    assert {"final": f"file://{tmp_path}/out/final", "made/": f"file://{made}"} == registered
    assert checksum_of_tree(str(made)) == checksums["made/"]
    assert not any((tmp_path / "wf-scratch").rglob("*.markab-tree"))


def test_a_registered_directory_is_an_input_of_another_run_and_is_verified(tmp_path: Path) -> None:
    (catalog,) = Bench(tmp_path).run().submit_dir.glob("*.replicas.db")
    properties = {
        "pegasus.catalog.replica": "JDBCRC",
        "pegasus.catalog.replica.db.url": f"jdbc:sqlite:{catalog}",
    }
    second = Bench(tmp_path, properties=properties, options={"output_dir": Path("again"), "until": ["final"]})
    second.path.joinpath("out", "final").unlink()

    assert ["read"] == second.run().executed
    assert EXPECTED["final"] == (tmp_path / "again" / "final").read_text()

    (tmp_path / "out" / "made" / "one").write_text("ONE\n")
    (tmp_path / "again" / "final").unlink()
    assert "failed" == second.run().state


def test_a_directory_that_a_task_does_not_make_fails_it_by_its_declared_name(tmp_path: Path) -> None:
    ran = Bench(tmp_path, make="echo text > made").run()
    assert "failed" == ran.state
    assert (
        "output 'made/' of job 'make_make' is no directory" in (ran.submit_dir / "journal.jsonl").read_text()
    )


def test_a_link_out_of_a_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("mine")
    ran = Bench(tmp_path, make=f"mkdir made && ln -s {tmp_path}/secret made/stolen").run()
    assert "failed" == ran.state
    assert {} == Bench(tmp_path).results


def test_a_directory_that_was_made_of_the_same_is_taken_from_the_store(tmp_path: Path) -> None:
    properties = {
        "markab.reuse.index": str(tmp_path / "index"),
        "markab.reuse.store": str(tmp_path / "store"),
    }
    bench = Bench(tmp_path, properties=properties, options={"reuse_policy": "content"})
    assert ["make", "read"] == bench.run().executed

    bench.options["output_dir"] = Path("again")
    assert [] == bench.run().executed
    assert "two\n" == (tmp_path / "again" / "made" / "deep" / "two").read_text()

    (tmp_path / "in" / "one").write_text("other\n")
    assert ["make", "read"] == bench.run().executed
    assert "other\n" == (tmp_path / "again" / "made" / "one").read_text()

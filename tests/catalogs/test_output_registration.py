"""Registering results in YAML and text files and in tables on servers, as in the SQLite file of a run."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from kit.planned_workflow import Bench, task
from markab.catalogs.output_registration import register
from markab.catalogs.replica_store import Entry
from markab.catalogs.store_selection import open_store
from markab.engine.run import RunOptions, run
from markab.errors import DocumentError, StorageError
from markab.planner.planning import plan
from markab.spec.properties import Properties
from markab.worker.failure import AttemptFailed
from markab.worker.replica_registration import register_elsewhere

OUTPUT = "pegasus.catalog.replica.output"
PLACE = {"lfn": "d/x", "pfn": "file:///r/d/x", "site": "local", "metadata": {"run": "1"}}


def submit_dir(tmp_path: Path, **settings: str) -> Path:
    path = tmp_path / "run0001"
    path.mkdir(exist_ok=True)
    Properties({OUTPUT + key.replace("_", "."): value for key, value in settings.items()}).write(
        path / "pegasus.1.properties"
    )
    return path


def test_the_results_of_a_run_are_added_to_the_file_that_the_properties_name(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    (tmp_path / "bin" / "tool").write_text("#!/bin/sh\nmkdir -p d\necho 1 > d/x\n")
    bench.transformations[0]["sites"][0]["name"] = "local"
    store = open_store(tmp_path / "all.yml")
    store.insert([Entry("old", "/old", "local")])
    properties = {OUTPUT: "YAML", f"{OUTPUT}.file": "all.yml", "pegasus.register.deep": "false"}
    options = bench.options(
        task("a", makes="d/x"), sites=["local"], output_dir=tmp_path / "out", properties=properties
    )
    planned = plan(options)
    assert planned.submit_dir is not None

    assert "success" == run(planned.submit_dir, RunOptions(cores=1)).state

    old, new = store.entries()
    assert Entry("old", "/old", "local") == old
    assert ("x", f"file://{tmp_path}/out/d/x", "local") == (new.lfn, new.pfn, new.site)
    assert {"checksum.type", "checksum.value", "size"} == new.attributes.keys()


@pytest.mark.parametrize(("kind", "name"), [("YAML", "all.yml"), ("File", "all.txt")])
def test_many_registrations_at_once_lose_none_and_none_is_entered_twice(
    tmp_path: Path, kind: str, name: str
) -> None:
    file = tmp_path / name
    directory = submit_dir(tmp_path, **{"": kind, "_file": str(file)})
    entries = [Entry(f"f{n}", f"/r/f{n}") for n in range(6)]

    threads = [threading.Thread(target=register, args=(directory, entries[n : n + 2])) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [entry.lfn for entry in entries] == sorted(entry.lfn for entry in open_store(file).entries())


def test_a_registration_that_is_repeated_changes_nothing_but_metadata(tmp_path: Path) -> None:
    directory = submit_dir(tmp_path, **{"": "JDBCRC", "_db_url": f"jdbc:sqlite:{tmp_path}/all.db"})

    register_elsewhere(str(directory), [PLACE], {"d/x": "ab" * 32})
    register(directory, [Entry("d/x", str(PLACE["pfn"]), attributes={"run": "2"})])

    (entry,) = open_store(tmp_path / "all.db").entries()
    assert {"run": "2", "checksum.type": "sha256", "checksum.value": "ab" * 32} == entry.attributes


def test_a_catalog_that_cannot_be_written_is_named_with_a_remedy(tmp_path: Path) -> None:
    directory = submit_dir(tmp_path, **{"": "YAML", "_file": str(tmp_path / "none" / "all.yml")})
    with pytest.raises(AttemptFailed) as caught:
        register_elsewhere(str(directory), [PLACE], {})
    assert "cannot register the results: cannot write" in str(caught.value)
    assert "create its directory first" == caught.value.hint

    with pytest.raises(StorageError, match="has no properties, which name the output replica catalog"):
        register(tmp_path, [])
    with pytest.raises(DocumentError, match=r"it needs the property 'pegasus.catalog.replica.output.file'"):
        register(submit_dir(tmp_path, **{"": "File"}), [])

"""The files of a new submit directory."""

from __future__ import annotations

import getpass
import os
import re
import shlex
import socket
import sysconfig
from pathlib import Path
from uuid import UUID

import pytest

from kit.planned_workflow import Bench, task
from markab import PEGASUS_VERSION, __version__
from markab.errors import StorageError
from markab.plan.braindump import read_braindump
from markab.plan.model import Kind
from markab.plan.plan_file import PlanFile
from markab.plan.sources import Sources, read_sources
from markab.planner.planning import plan
from markab.planner.script_call import ScriptCall


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def submit_dir_of(bench: Bench, **options: object) -> Path:
    found = plan(bench.options(task("a"), **options)).submit_dir
    assert found is not None
    return found


def test_the_properties_of_a_run_are_readable_by_its_user_only(bench: Bench) -> None:
    secret = {"pegasus.catalog.master.url": "postgresql://ada:s3cret@host/all"}
    before = os.umask(0)
    try:
        run = submit_dir_of(bench, properties={**secret, "markab.dir.submit.mode": "0755"})
    finally:
        os.umask(before)

    name = read_braindump(run / "braindump.yml")["properties"]
    assert name is not None and re.fullmatch(r"pegasus\.\d{1,15}\.properties", name)
    assert "s3cret" in (run / name).read_text()
    assert (run / name).stat().st_mode & 0o777 == 0o600


def test_catalogs_of_the_same_name_get_numbers(bench: Bench) -> None:
    path = str(bench.path / "scratch")
    scratch = {
        "type": "sharedScratch",
        "path": path,
        "fileServers": [{"url": f"file://{path}", "operation": "all"}],
    }
    bench.sites.append({"name": "local", "directories": [scratch]})
    bench.has("f")
    options = bench.options(task("a", "f"))
    properties, text_of = {}, {}
    for catalog, name in (("site", "sites"), ("replica", "replicas"), ("transformation", "transformations")):
        (bench.path / catalog).mkdir()
        path = (bench.path / f"{name}.yml").rename(bench.path / catalog / "catalog.yml")
        properties[f"pegasus.catalog.{catalog}.file"] = str(path)
        text_of[name] = path.read_text()
    options.properties.update(properties)

    run = plan(options).submit_dir

    assert run is not None
    copies = {path.name: path.read_text() for path in (run / "catalogs").glob("catalog*")}
    assert {"catalog.yml", "catalog-2.yml", "catalog-3.yml"} == set(copies)
    assert sorted(text_of.values()) == sorted(copies.values())


def test_runs_are_numbered_behind_the_highest_that_was_ever_there(bench: Bench) -> None:
    first, second = submit_dir_of(bench), submit_dir_of(bench)
    third = second.with_name("run0009")
    second.rename(third)
    (third.parent / "runs.txt").touch()
    (third.parent / "run0011-old").mkdir()

    assert ["run0001", "run0010"] == [first.name, submit_dir_of(bench).name]


def test_slots_and_properties_stand_in_its_braindump_but_nothing_that_may_be_secret(bench: Bench) -> None:
    given = {"markab.slots.cores": "2", "markab.slots.memory": "8 GB", "dagman.retry": "1"}
    secret = {
        "pegasus.catalog.master.url": "sqlite:///x",
        "pegasus.catalog.replica.db.password": "hush",
        "env.TOKEN": "hush",
        "pegasus.catalog.site.file": "https://ada:hush@host/sites.yml",
    }
    options = bench.options(task("a"), properties={**given, **secret})

    words = shlex.split(" ".join(options.arguments()))

    assert words[:-1] == ["--cores", "2", "--memory", "8 GB", "-D", "dagman.retry=1"]


def test_the_options_of_a_plan_stand_in_its_braindump(bench: Bench) -> None:
    run = submit_dir_of(bench, dir="my runs", relative_dir="one", job_prefix="p")

    braindump = read_braindump(run / "braindump.yml")
    words = shlex.split(braindump["planner_arguments"] or "")
    assert "workflow.yml" == words.pop()
    assert {"--dir": "my runs", "--relative-dir": "one", "--job-prefix": "p"} == dict(
        zip(words[::2], words[1::2], strict=True)
    )
    assert str(bench.path / "my runs") == braindump["basedir"]
    assert ("one", str(run)) == (braindump["rundir"], braindump["submit_dir"])


def test_a_braindump_has_the_keys_of_pegasus_in_their_order(bench: Bench) -> None:
    run = submit_dir_of(bench, basename="base")

    braindump = read_braindump(run / "braindump.yml")
    bindir, uuid = sysconfig.get_path("scripts"), braindump["wf_uuid"] or ""
    assert re.fullmatch(r"\d{8}T\d{6}[+-]\d{4}", braindump.pop("timestamp") or "")
    assert braindump.pop("planner_arguments")
    assert list(braindump.items()) == [
        ("user", getpass.getuser()),
        ("grid_dn", None),
        ("submit_hostname", socket.gethostname()),
        ("root_wf_uuid", str(UUID(uuid))),
        ("wf_uuid", uuid),
        ("dax", str(bench.path / "workflow.yml")),
        ("dax_label", "w"),
        ("dax_index", "0"),
        ("dax_version", "5.0.4"),
        ("pegasus_wf_name", "w-0"),
        ("basedir", str(bench.path)),
        ("submit_dir", str(run)),
        ("planner", f"{bindir}/pegasus-plan"),
        ("planner_version", PEGASUS_VERSION),
        ("pegasus_build", f"markab-{__version__}"),
        ("jsd", "jobstate.log"),
        ("rundir", "run0001"),
        ("bindir", bindir),
        ("vogroup", "pegasus"),
        ("uses_pmc", "false"),
        ("properties", f"pegasus.{UUID(uuid).int % 10**15}.properties"),
        ("condor_log", "base.log"),
        ("dag", "base.dag"),
        ("type", "dag"),
        ("notify", "base.notify"),
    ]


def test_beside_it_stands_where_the_planner_was_called_and_what_it_read(bench: Bench) -> None:
    (bench.path / "other").mkdir()
    (bench.path / "other" / "workflow.yml").write_text("replicas: []\n")
    catalog = {"pegasus.catalog.replica.file": "other/workflow.yml"}
    run = submit_dir_of(bench, properties=catalog)
    read = {
        "workflow.yml": str(bench.path / "workflow.yml"),
        "workflow-2.yml": str(bench.path / "other" / "workflow.yml"),
        "transformations.yml": str(bench.path / "transformations.yml"),
    }
    assert Sources(str(bench.path), read) == read_sources(run / "sources.json")
    assert set(read) == set(os.listdir(run / "catalogs"))


def test_of_a_script_the_plan_has_a_copy_its_parameters_and_the_words_that_run_it_again(bench: Bench) -> None:
    for name in ("w.py", "p.yml"):
        (bench.path / name).write_text(name)
    files = (bench.path / "w.py", bench.path / "p.yml")
    words = ("--set-file", "p.yml", "w.py", "--", "-x")
    script = ScriptCall(words, files, {"n": "5"}, "-x")

    run = submit_dir_of(bench, script=script, workflow={"metadata": {"script": "mine"}})

    assert words == read_sources(run / "sources.json").script
    assert {"w.py", "p.yml"} <= set(os.listdir(run / "catalogs"))
    metadata = PlanFile(run / "plan.jsonl").header.metadata
    assert {"parameter.n": "5", "script": "mine", "script.arguments": "-x"} == metadata


def test_all_jobs_of_the_planner_have_the_prefix(bench: Bench) -> None:
    bench.has("f")
    made = bench.plan(
        task("a", "f", "g"), task("b", "g", "h"), job_prefix="my", properties={"pegasus.register": "true"}
    )

    assert {
        "create_dir_myw_0_local",
        "stage_in_mylocal_local_0_0",
        "mytool_a",
        "mytool_b",
        "stage_out_mylocal_local_0_0",
        "stage_out_mylocal_local_1_0",
        "register_mylocal_0_0",
        "register_mylocal_1_0",
        "clean_up_mylocal_level_3_0",
        "clean_up_mylocal_level_4_0",
        "clean_up_mylocal_level_5_0",
        "cleanup_myw_0_local",
    } == set(made.names())
    assert [2, 3, 4, 0] == [made[name].level for name in made.names(Kind.CLEANUP)]


def test_a_run_that_cannot_be_written_leaves_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("markab.planner.plan_writer.copy_document", no_room)

    with pytest.raises(StorageError, match="cannot write to .*: No space left on device"):
        plan(bench.options(task("a"), dir="runs"))

    assert not (bench.path / "runs").exists()


def test_modes_differ_in_retries_checksums_and_tries_of_a_transfer(bench: Bench) -> None:
    made = {
        mode: bench.plan(task("a"), properties={"pegasus.mode": mode}, relative_dir=mode)
        for mode in ("production", "development", "tutorial", "debug")
    }

    assert {
        "production": (3, "full", 3),
        "development": (1, "none", 1),
        "tutorial": (1, "full", 1),
        "debug": (0, "full", 1),
    } == {
        mode: (one["tool_a"].retries, one.header.integrity, one.header.transfer_attempts)
        for mode, one in made.items()
    }
    plain = bench.plan(task("a"), relative_dir="plain")
    assert (3, "full") == (plain["tool_a"].retries, plain.header.integrity)

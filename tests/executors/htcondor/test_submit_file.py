from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.made_run import compute
from markab.executors.htcondor.submit_file import (
    JobPlace,
    arguments,
    item_line,
    quoted,
    submit_text,
    with_queue,
)
from markab.plan.condor_commands import is_reserved
from markab.plan.model import BatchRequest

PLACE = JobPlace(Path("/runs/r 1,a/htcondor/0abc"), "5f0c-uuid", "my flow")


def commands(place: JobPlace = PLACE, files: list[str] | None = None, **keys: Any) -> dict[str, str]:
    text = submit_text(compute("j", **keys), place, ["spec.json", "scratch"] if files is None else files)
    return dict(line.split(" = ", 1) for line in text.splitlines())


def profiles(**attributes: str) -> BatchRequest:
    return BatchRequest(attributes=attributes)


def test_a_job_is_found_again_by_attributes_that_are_in_its_file() -> None:
    made = commands()

    assert made["My.MarkabRun"] == '"5f0c-uuid"'
    assert (made["My.MarkabJob"], made["My.MarkabAttempt"]) == ("$(job)", "$(number)")
    assert made["submit_event_notes"] == "markab $(job) $(number)"
    assert item_line(7, 2, "align ID7\nx") == "7 2 align ID7 x\n"
    assert with_queue("a = b\n", Path("/r/1.items")) == "a = b\nqueue job, number, name from /r/1.items\n"


def test_the_worker_is_one_file_for_all_and_what_comes_back_is_always_there() -> None:
    made = commands()

    assert made["transfer_input_files"] == "spec.json, scratch, ../worker.zip"
    assert made["transfer_output_files"] == "scratch, attachments"
    assert made["arguments"] == "\"'worker.zip'\""
    assert made["initialdir"] == "/runs/r 1,a/htcondor/0abc/$(job).$(number)"


def test_what_a_job_requests_is_requested_of_the_pool() -> None:
    made = commands(cores=4, memory_mb=2000, disk_mb=3, gpus=1, priority=5, max_wall_s=90.5)

    assert made["request_cpus"] == "4" and made["request_memory"] == "2000"
    assert made["request_disk"] == "3072", "in KiB"
    assert made["request_gpus"] == "1" and made["priority"] == "5"
    assert int(made["allowed_job_duration"]) > 90, "the worker ends the task, and writes why"
    assert "request_memory" not in commands() and "request_gpus" not in commands()


def test_profiles_are_passed_on_and_go_before_what_the_plan_requests() -> None:
    request = BatchRequest(
        attributes={
            "+ProjectName": '"CMS"',
            "My.WantX": "True",
            "concurrency_limits": "db:2",
            "Request_Memory": "1 GB",
            "requirements": "HasGluster",
            "periodic_remove": "False",
        }
    )
    made = commands(memory_mb=10, batch=request)

    assert made["My.ProjectName"] == '"CMS"' and made["My.WantX"] == "True"
    assert made["concurrency_limits"] == "db:2" and made["requirements"] == "HasGluster"
    assert made["Request_Memory"] == "1 GB" and "request_memory" not in made
    assert made["periodic_remove"] == "False"


@pytest.mark.parametrize(
    "key",
    ["arguments", "Environment", "executable", "log", "queue 5", "+MarkabRun", "my.markabjob", "initialdir"],
)
def test_what_markab_gives_itself_no_profile_can(key: str) -> None:
    assert is_reserved(key)
    assert commands(batch=profiles(**{key: "evil"})) == commands()


def test_further_files_of_a_profile_go_along() -> None:
    made = commands(batch=profiles(transfer_input_files="/data/a, osdf:///b"))

    assert made["transfer_input_files"] == "spec.json, scratch, ../worker.zip, /data/a, osdf:///b"


@pytest.mark.parametrize("universe", ["local", "Scheduler"])
def test_a_job_of_the_submit_host_uses_the_worker_where_it_is_and_transfers_nothing(universe: str) -> None:
    made = commands(batch=profiles(universe=universe))

    assert made["arguments"] == "\"'/runs/r 1,a/htcondor/0abc/worker.zip'\""
    assert not [key for key in made if "transfer" in key]


def test_a_container_of_htcondor_is_a_matter_of_profiles() -> None:
    made = commands(batch=profiles(universe="container", container_image="docker://alpine:3"))

    assert made["universe"] == "container" and made["container_image"] == "docker://alpine:3"
    assert made["should_transfer_files"] == "YES"


def test_a_machine_is_kept_for_the_next_job_unless_a_profile_says_otherwise() -> None:
    assert int(commands()["keep_claim_idle"]) > 0
    assert commands(batch=profiles(Keep_Claim_Idle="0"))["Keep_Claim_Idle"] == "0"
    assert "keep_claim_idle" not in commands(batch=profiles(Keep_Claim_Idle="0"))
    assert "keep_claim_idle" not in commands(batch=profiles(universe="grid", grid_resource="batch slurm"))
    assert "keep_claim_idle" not in commands(batch=profiles(universe="scheduler"))


def test_for_a_batch_system_behind_the_universe_grid_requests_are_translated() -> None:
    request = BatchRequest(
        queue="long",
        project="p1",
        nodes=2,
        processes_per_node=8,
        arguments=["--reservation=r1"],
        attributes={"universe": "grid", "grid_resource": "batch slurm"},
    )
    made = commands(cores=16, memory_mb=4000, runtime_s=3600.0, batch=request)

    assert made["batch_queue"] == "long" and made["batch_project"] == "p1"
    assert made["batch_runtime"] == "3600" and made["batch_extra_submit_args"] == "--reservation=r1"
    assert made["My.remote_cerequirements"] == '"NODES==2 && PROCS==8 && CORES==16 && TOTAL_MEMORY==4000"'
    assert not [key for key in commands(batch=BatchRequest(queue="long")) if key.startswith("batch_q")]


def test_no_text_becomes_a_macro_or_another_line() -> None:
    place = JobPlace(Path("/r/$(HOME)"), 'u"x', "a\nexecutable = /bin/evil $(X)")
    made = commands(place)

    assert made["executable"] == "/r/$(DOLLAR)(HOME)/node_start.py"
    assert made["batch_name"] == "a executable = /bin/evil $(DOLLAR)(X)"
    assert made["My.MarkabRun"] == '"u\\"x"'


def test_words_keep_quotes_and_blanks() -> None:
    assert arguments(["it's", 'a "b"']) == "\"'it''s' 'a \"\"b\"\"'\""
    assert quoted('a\\"b') == '"a\\\\\\"b"'

from pathlib import Path

import pytest

from api.api_kit import document
from markab.api import (
    DuplicateError,
    EventType,
    File,
    Job,
    Namespace,
    PegasusError,
    Transformation,
    Workflow,
)


class OurFile(File):
    """Scripts subclass File."""


def entry(job: Job) -> dict:
    return document(Workflow("w").add_jobs(job))["jobs"][0]


def test_a_job_is_written_with_all_its_fields_in_the_usual_order() -> None:
    job = (
        Job("wc", _id="count", node_label="count words", namespace="text", version="1.0")
        .add_args("-l", File("book.txt"), 3, 0.1, 1e-9, Path("/tmp/x"))
        .add_inputs(File("book.txt", size=10).add_metadata(lang="en"), bypass_staging=True)
        .add_outputs("report.txt", stage_out=False, register_replica=False)
        .add_checkpoint("state.pt")
        .set_stdin("in.txt")
        .set_stdout("out.txt")
        .set_stderr(File("err.txt"), stage_out=False)
        .add_pegasus_profile(memory="2 GB", cores=4)
        .add_env(OMP_NUM_THREADS=4, DEBUG=True)
        .add_metadata(purpose="test", round=1)
        .add_shell_hook(EventType.END, "date")
    )

    assert list(entry(job)) == [
        "type",
        "namespace",
        "version",
        "name",
        "id",
        "stdin",
        "stdout",
        "stderr",
        "nodeLabel",
        "arguments",
        "uses",
        "profiles",
        "metadata",
        "hooks",
    ]
    assert list(entry(job)["profiles"]) == ["env", "pegasus"]
    assert entry(job) == {
        "type": "job",
        "namespace": "text",
        "version": "1.0",
        "name": "wc",
        "id": "count",
        "stdin": "in.txt",
        "stdout": "out.txt",
        "stderr": "err.txt",
        "nodeLabel": "count words",
        "arguments": ["-l", "book.txt", 3, 0.1, 1e-9, "/tmp/x"],
        "uses": [
            {
                "lfn": "book.txt",
                "type": "input",
                "bypass": True,
                "size": 10,
                "metadata": {"size": 10, "lang": "en"},
            },
            {"lfn": "report.txt", "type": "output", "stageOut": False, "registerReplica": False},
            {"lfn": "state.pt", "type": "checkpoint", "stageOut": True, "registerReplica": True},
            {"lfn": "in.txt", "type": "input"},
            {"lfn": "out.txt", "type": "output", "stageOut": True, "registerReplica": True},
            {"lfn": "err.txt", "type": "output", "stageOut": False, "registerReplica": True},
        ],
        "profiles": {
            "env": {"OMP_NUM_THREADS": 4, "DEBUG": "True"},
            "pegasus": {"memory": 2048, "cores": 4},
        },
        "metadata": {"purpose": "test", "round": "1"},
        "hooks": {"shell": [{"_on": "end", "cmd": "date"}]},
    }


def test_a_job_that_says_nothing_still_has_arguments_and_uses() -> None:
    assert entry(Job("true")) == {
        "type": "job",
        "name": "true",
        "id": "ID0000001",
        "arguments": [],
        "uses": [],
    }


def test_files_are_equal_and_hashed_by_name_whatever_their_class() -> None:
    assert File("a") == OurFile("a", size=3) and hash(File("a")) == hash(OurFile("a"))
    assert File("a") != File("b") and File("a") != "a"
    assert OurFile("a") in Job("x").add_inputs("a").get_inputs()


def test_getters_return_inputs_and_outputs_with_streams_but_without_checkpoints() -> None:
    job = Job("x").add_inputs("a").set_stdin("b").add_outputs("c").set_stdout("d").set_stderr("e")
    job.add_checkpoint("f")

    assert job.get_inputs() == {File("a"), File("b")}
    assert job.get_outputs() == {File("c"), File("d"), File("e")}
    assert (job.get_stdin(), job.get_stdout(), job.get_stderr()) == (File("b"), File("d"), File("e"))


@pytest.mark.parametrize(
    "add",
    [
        lambda job: job.add_inputs("a"),
        lambda job: job.add_outputs("a"),
        lambda job: job.add_checkpoint("a"),
        lambda job: job.set_stdin("a"),
        lambda job: job.set_stdout("a"),
        lambda job: job.set_stderr("a"),
    ],
)
def test_a_job_uses_a_file_in_one_way_only(add) -> None:
    job = Job("x").add_inputs("a")

    with pytest.raises(DuplicateError, match="already has the file 'a' as input"):
        add(job)
    assert job.get_stdout() is None and len(job.uses) == 1


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
def test_a_stream_is_set_once(stream: str) -> None:
    job = Job("x")
    getattr(job, f"set_{stream}")("a")

    with pytest.raises(DuplicateError, match=f"the {stream} of Job.* is already 'a'"):
        getattr(job, f"set_{stream}")("b")
    assert len(job.uses) == 1


@pytest.mark.parametrize("method", ["add_inputs", "add_outputs", "add_checkpoint", "set_stdin", "set_stdout"])
def test_only_files_and_names_are_taken_as_files(method: str) -> None:
    with pytest.raises(TypeError, match="must be a File or its name"):
        getattr(Job("x"), method)(3)


def test_wrong_types_are_named() -> None:
    with pytest.raises(TypeError, match="a file is named by text, not by 3"):
        File(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a job runs a Transformation or the name of one"):
        Job(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"EventType\.START"):
        Job("x").add_shell_hook("start", "date")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"Namespace\.PEGASUS"):
        Job("x").add_profiles("pegasus", "a", "b")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="metadata"):
        Job("x").add_metadata("a")  # type: ignore[arg-type]


def test_an_argument_that_cannot_be_planned_is_written_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert entry(Job("x").add_args(None, [1], True, 2.0))["arguments"] == [None, [1], True, 2.0]
    assert [record.getMessage().split(", with")[0] for record in caplog.records] == [
        "Job(transformation=x) has the argument None (NoneType)",
        "Job(transformation=x) has the argument [1] (list)",
    ]


def test_a_file_in_a_text_is_its_logical_name() -> None:
    file = File("in.dat", size=3)
    assert (f"-o {file}", repr(file), file.metadata) == ("-o in.dat", "<File in.dat>", {"size": 3})


def test_a_transformation_gives_its_three_names_to_the_job() -> None:
    class Tool(Transformation):
        pass

    job = Job(Tool("t", namespace="n", version="2"))

    assert (job.transformation, job.namespace, job.version) == ("t", "n", "2")
    assert repr(job) == str(job) == "Job(namespace=n, transformation=t, version=2)"


def test_a_job_outside_a_workflow_has_no_entry() -> None:
    with pytest.raises(PegasusError, match="add it to a workflow first"):
        Job("x").to_data()


def test_metadata_comes_as_dict_and_as_keywords() -> None:
    assert File("a").add_metadata({"x y": 1}).add_metadata(z=None).metadata == {"x y": "1", "z": "None"}


def test_objects_do_not_share_profiles_metadata_or_hooks() -> None:
    first, second = Job("x"), Job("x")
    first.add_profiles(Namespace.CONDOR, "a", 1).add_metadata(b=2).add_shell_hook(EventType.ALL, "c")

    assert (second.profiles, second.metadata, second.hooks) == ({}, {}, {})

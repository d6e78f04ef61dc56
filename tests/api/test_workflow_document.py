import json
import logging
import os
from pathlib import Path

import networkx
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from api.api_kit import document, edges, struct
from markab.api import (
    DuplicateError,
    File,
    Job,
    NotFoundError,
    PegasusClientError,
    PegasusError,
    ReplicaCatalog,
    SiteCatalog,
    TransformationCatalog,
    Workflow,
)


def diamond() -> Workflow:
    a, b1, b2, c1, c2 = (File(name) for name in ("f.a", "f.b1", "f.b2", "f.c1", "f.c2"))
    return Workflow("diamond").add_jobs(
        Job("preprocess").add_args("-i", a, "-o", b1, b2).add_inputs(a).add_outputs(b1, b2),
        Job("findrange").add_args("-i", b1).add_inputs(b1).add_outputs(c1),
        Job("findrange").add_args("-i", b2).add_inputs(b2).set_stdout(c2),
        Job("analyze").add_inputs(c1).set_stdin(c2).add_outputs("f.d"),
    )


def test_the_document_is_the_one_people_know(tmp_path: Path) -> None:
    catalog = ReplicaCatalog().add_replica("local", "book.txt", "/data/book.txt")
    workflow = Workflow("count-words").add_metadata(by="ada").add_replica_catalog(catalog)
    workflow.add_jobs(
        Job("wc").add_args("-l", "book.txt").add_inputs("book.txt").set_stdout("counts.txt"),
        Job("sort").set_stdin("counts.txt").set_stdout("sorted.txt", stage_out=True),
    )

    lines = workflow.write(tmp_path / "workflow.yml").path.read_text().splitlines()

    assert lines[0] == "x-pegasus:"
    assert sorted(line.split(":")[0].strip() for line in lines[1:4]) == ["apiLang", "createdBy", "createdOn"]
    assert (
        "\n".join(lines[4:])
        == """\
pegasus: '5.0.4'
name: count-words
metadata:
  by: ada
replicaCatalog:
  replicas:
  - lfn: book.txt
    pfns:
    - site: local
      pfn: /data/book.txt
jobs:
- type: job
  name: wc
  id: ID0000001
  stdout: counts.txt
  arguments:
  - -l
  - book.txt
  uses:
  - lfn: book.txt
    type: input
  - lfn: counts.txt
    type: output
    stageOut: true
    registerReplica: true
- type: job
  name: sort
  id: ID0000002
  stdin: counts.txt
  stdout: sorted.txt
  arguments: []
  uses:
  - lfn: counts.txt
    type: input
  - lfn: sorted.txt
    type: output
    stageOut: true
    registerReplica: true
jobDependencies:
- id: ID0000001
  children:
  - ID0000002"""
    )


def test_files_make_edges_and_given_edges_join_them() -> None:
    workflow = diamond()
    assert edges(workflow) == {
        "ID0000001": ["ID0000002", "ID0000003"],
        "ID0000002": ["ID0000004"],
        "ID0000003": ["ID0000004"],
    }

    first, second, third, last = workflow.jobs.values()
    workflow.add_dependency(first, children=[last, second]).add_dependency(third, parents=[second])
    assert edges(workflow) == {
        "ID0000001": ["ID0000002", "ID0000003", "ID0000004"],
        "ID0000002": ["ID0000003", "ID0000004"],
        "ID0000003": ["ID0000004"],
    }


def test_without_inference_only_given_edges_count() -> None:
    workflow = Workflow("w", infer_dependencies=False)
    first, second = Job("a").add_outputs("x"), Job("b").add_inputs("x")
    workflow.add_jobs(first, second)
    assert edges(workflow) == {}
    workflow.add_dependency(second, children=[first])
    assert edges(workflow) == {"ID0000002": ["ID0000001"]}


def test_checkpoints_make_no_edges() -> None:
    workflow = Workflow("w").add_jobs(Job("a").add_checkpoint("x"), Job("b").add_inputs("x"))
    assert edges(workflow) == {}


@given(
    st.lists(
        st.tuples(st.integers(0, 7), st.sets(st.integers(0, 7), max_size=4)),
        max_size=8,
        unique_by=lambda t: t[0],
    )
)
def test_inferred_edges_are_those_of_the_bipartite_graph_of_files(spec: list[tuple[int, set[int]]]) -> None:
    """Job n makes file n and reads the files given; networkx is the oracle."""
    workflow, oracle = Workflow("w"), networkx.DiGraph()
    for n, reads in spec:
        job = Job("x", _id=f"j{n}").add_outputs(f"f{n}").add_inputs(*(f"f{r}" for r in sorted(reads - {n})))
        workflow.add_jobs(job)
    for n, reads in spec:
        oracle.add_edges_from((f"j{r}", f"j{n}") for r in reads - {n} if any(r == m for m, _ in spec))

    found = {(e["id"], c) for e in workflow.to_data()["jobDependencies"] for c in e["children"]}

    assert found == set(oracle.edges)


def test_of_two_makers_of_one_file_the_last_counts_and_planning_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    workflow = Workflow("w").add_jobs(
        Job("a", _id="one").add_outputs("x"),
        Job("c", _id="reader").add_inputs("x"),
        Job("b", _id="two").set_stdout("x"),
    )

    workflow.write(tmp_path / "w.yml")

    assert list(workflow.to_data()["jobDependencies"]) == [{"id": "two", "children": ["reader"]}]
    assert "file 'x' is made by job 'one' (Job" in caplog.text and "and by job 'two'" in caplog.text
    with pytest.raises(PegasusClientError, match="'x'"):
        workflow.plan()


def test_ids_are_counted_and_never_collide() -> None:
    workflow = Workflow("w").add_jobs(Job("a"), Job("b", _id="ID0000002"), Job("c"))
    assert list(workflow.jobs) == ["ID0000001", "ID0000002", "ID0000003"]
    assert workflow.get_job("ID0000003").transformation == "c"  # type: ignore[attr-defined]
    with pytest.raises(DuplicateError, match="already has a job with the id 'ID0000001'"):
        workflow.add_jobs(Job("d", _id="ID0000001"))
    with pytest.raises(DuplicateError):
        workflow.add_jobs(workflow.get_job("ID0000001"))
    with pytest.raises(NotFoundError, match="no job with the id 'ID9'"):
        workflow.get_job("ID9")


def test_dependencies_need_ids_and_are_given_once() -> None:
    workflow, first, second = Workflow("w"), Job("a"), Job("b")
    with pytest.raises(ValueError, match="has no id yet"):
        workflow.add_dependency(first, children=[second])
    workflow.add_jobs(first, second).add_dependency(first, children=[second])
    with pytest.raises(DuplicateError, match="job 'ID0000002' already waits for job 'ID0000001'"):
        workflow.add_dependency(second, parents=[first])


def test_a_dependency_is_between_jobs() -> None:
    job = Job("a")
    workflow = Workflow("w").add_jobs(job)

    with pytest.raises(TypeError, match=r"between jobs, not with 'ID0000001' \(str\)"):
        workflow.add_dependency(job, children=["ID0000001"])  # type: ignore[list-item]


def test_a_workflow_is_named_by_text() -> None:
    with pytest.raises(TypeError, match="named by text, not by 3"):
        Workflow(3)  # type: ignore[arg-type]


def test_a_dependency_on_a_job_that_is_not_here_is_written_and_planning_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    workflow = Workflow("w").add_jobs(job := Job("a")).add_dependency(job, parents=[Job("b", _id="gone")])
    workflow.write(tmp_path / "w.yml")
    assert list(workflow.to_data()["jobDependencies"]) == [{"id": "gone", "children": ["ID0000001"]}]
    assert "the workflow has no job 'gone'" in caplog.text
    with pytest.raises(PegasusClientError, match="gone"):
        workflow.plan()


@pytest.mark.parametrize("name", ["a b", "a/b", "", "a\tb"])
def test_a_name_must_be_fit_for_a_directory(name: str) -> None:
    with pytest.raises(ValueError, match="no slash and no blank"):
        Workflow(name)


def test_each_inline_catalog_is_given_once_and_of_the_right_kind() -> None:
    catalogs = {"site": SiteCatalog, "replica": ReplicaCatalog, "transformation": TransformationCatalog}
    for name, kind in catalogs.items():
        add = getattr(Workflow("w"), f"add_{name}_catalog")
        with pytest.raises(TypeError, match=kind.__name__):
            add(None)
        add(kind())
        with pytest.raises(DuplicateError, match=kind.__name__):
            add(kind())


def test_our_own_reader_accepts_what_is_written() -> None:
    workflow = struct(diamond())
    assert [task.name for task in workflow.jobs] == ["preprocess", "findrange", "findrange", "analyze"]
    assert [use.lfn for use in workflow.jobs[0].uses] == ["f.a", "f.b1", "f.b2"]


def test_the_ending_of_a_path_says_the_format_and_any_other_ending_is_yaml(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    workflow = diamond()
    as_yaml = yaml.safe_load(workflow.write().path.read_text())
    assert workflow.path == tmp_path / "workflow.yml"

    for name, format in (("w.json", "yml"), ("w.dax", "json"), ("w", "json")):
        data = json.loads(workflow.write(name, _format=format).path.read_text())
        data["x-pegasus"] = as_yaml["x-pegasus"]
        assert data == as_yaml
    assert workflow.write("w.dax").path.read_text().startswith("x-pegasus:\n")
    assert workflow.write(_format="json").path == tmp_path / "workflow.json"
    assert workflow.write(Path("w.yaml"), _format="json").path.read_text().startswith("x-pegasus:\n")


def test_streams_are_written_to_and_a_file_behind_one_is_remembered(tmp_path: Path, capsys) -> None:
    import sys

    workflow = diamond()
    workflow.write(sys.stdout)
    assert "name: diamond" in capsys.readouterr().out
    with pytest.raises(PegasusError, match="write it to a file first"):
        workflow.path  # noqa: B018

    with open(tmp_path / "w.yml", "w") as file:
        workflow.write(file)
        assert "name: diamond" in (tmp_path / "w.yml").read_text()
    assert workflow.path == tmp_path / "w.yml"


def test_wrong_targets_and_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'xml'"):
        diamond().write(tmp_path / "w.yml", _format="xml")
    with pytest.raises(TypeError, match="neither a path nor a stream"):
        diamond().write(3)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError) as caught:
        diamond().write(tmp_path / "none" / "w.yml")
    assert caught.value.filename == str(tmp_path / "none" / "w.yml")


@pytest.mark.parametrize("failing_call", [1, 2, 3])
def test_a_full_disk_leaves_the_old_document_whole(tmp_path: Path, monkeypatch, failing_call: int) -> None:
    workflow = Workflow("w").add_jobs(*(Job("x").add_args(i) for i in range(3000)))
    path = workflow.write(tmp_path / "w.yml").path
    before = path.read_bytes()
    from markab.api import writable

    calls = 0

    def failing_emit(data, write) -> None:
        def failing_write(text: str) -> None:
            nonlocal calls
            calls += 1
            if calls == failing_call:
                raise OSError(28, "No space left on device")
            write(text)

        emit(data, failing_write)

    emit = writable._EMITTER["yml"]
    monkeypatch.setitem(writable._EMITTER, "yml", failing_emit)

    with pytest.raises(OSError, match="No space left"):
        workflow.write(path)

    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["w.yml"]


def test_a_symbolic_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "link.yml").symlink_to(tmp_path / "real.yml")
    diamond().write(tmp_path / "link.yml")
    assert (tmp_path / "link.yml").is_symlink() and (tmp_path / "real.yml").is_file()


def test_subclasses_and_what_scripts_look_at(caplog) -> None:
    class OurWorkflow(Workflow):
        def __init__(self, name: str) -> None:
            super().__init__(name)
            self.note = "mine"

    workflow = OurWorkflow("w").add_jobs(Job("a"))
    caplog.set_level(logging.WARNING)

    assert workflow.note == "mine" and list(workflow.jobs) == ["ID0000001"]
    assert document(workflow)["name"] == "w"
    assert not caplog.records


def test_a_workflow_can_be_written_again_after_more_jobs() -> None:
    workflow = diamond()
    before = document(workflow)
    assert document(workflow) == before
    workflow.add_jobs(Job("late").add_inputs("f.d"))
    assert edges(workflow)["ID0000004"] == ["ID0000005"]

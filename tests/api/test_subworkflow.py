from pathlib import Path

import pytest

from api.api_kit import document, edges
from markab.api import File, Job, PegasusError, ReplicaCatalog, SiteCatalog, SubWorkflow, Workflow
from markab.spec import reader


def test_a_sub_workflow_waits_for_the_job_that_writes_its_document() -> None:
    child = File("child.yml")
    sub = SubWorkflow(child, node_label="inner").add_planner_args(sites=["condorpool"], verbose=2)
    workflow = Workflow("w").add_jobs(Job("generate").add_outputs(child), sub)

    made, entry = document(workflow)["jobs"]
    assert entry == {
        "type": "pegasusWorkflow",
        "file": "child.yml",
        "id": "ID0000002",
        "nodeLabel": "inner",
        "arguments": ["--sites", "condorpool", "-vv"],
        "uses": [{"lfn": "child.yml", "type": "input", "forPlanning": True}],
    }
    assert "forPlanning" not in made["uses"][0]
    assert edges(workflow) == {"ID0000001": ["ID0000002"]}


def test_all_planner_arguments_become_the_flags_of_the_command() -> None:
    sub = SubWorkflow("c.yml").add_planner_args(
        submit=True,
        conf=Path("/a b/p"),
        basename="b",
        job_prefix="p",
        cluster=["horizontal", "label"],
        sites=["x", "y"],
        output_sites=["local"],
        staging_sites={"x": "s", "y": "t"},
        cache=["c1", Path("c2")],
        input_dirs=["i"],
        output_dir="o",
        transformations_dir="t",
        dir="d",
        relative_dir="r",
        random_dir=True,
        relative_submit_dir="rs",
        inherited_rc_files=["f"],
        cleanup="none",
        reuse=["u"],
        quiet=1,
        force=True,
        force_replan=True,
        forward=["a=1", "b"],
        java_options=["mx1g"],
        **{"pegasus.mode": "development", "pegasus.register": False},
    )
    assert sub.args == (
        "-Dpegasus.mode=development -Dpegasus.register=false --conf '/a b/p' --basename b --job-prefix p "
        "--cluster horizontal,label --sites x,y --output-sites local --staging-site x=s,y=t --cache c1,c2 "
        "--input-dir i --output-dir o --transformations-dir t --dir d --relative-dir r --randomdir "
        "--relative-submit-dir rs --inherited-rc-files f --cleanup none --reuse u -q --force --force-replan "
        "--forward a=1 --forward b --submit -Xmx1g"
    ).replace("'/a b/p'", "'/a@b/p'").replace(" ", "\n").replace("@", " ").split("\n")
    assert SubWorkflow("c").add_planner_args(random_dir="x").args == ["--randomdir=x"]


def test_planner_arguments_are_given_once_and_only_to_what_is_not_planned() -> None:
    sub = SubWorkflow("c.yml").add_planner_args(force=True)
    with pytest.raises(PegasusError, match="already"):
        sub.add_planner_args(force=True)
    with pytest.raises(PegasusError, match="is planned already"):
        SubWorkflow("c.dag", is_planned=True).add_planner_args(force=True)


@pytest.mark.parametrize(
    "options",
    [{"sites": "local"}, {"cluster": "label"}, {"staging_sites": ["x"]}, {"cache": "c"}, {"forward": "f"}],
)
def test_lists_and_dicts_are_wanted_where_the_planner_takes_several(options: dict) -> None:
    with pytest.raises(TypeError, match="must be a"):
        SubWorkflow("c.yml").add_planner_args(**options)
    with pytest.raises(TypeError, match="must be a"):
        Workflow("w").plan(**options)


def test_a_planned_workflow_is_of_the_other_type() -> None:
    workflow = Workflow("w").add_jobs(SubWorkflow("c.dag", is_planned=True))
    assert document(workflow)["jobs"][0]["type"] == "condorWorkflow"


def test_a_workflow_inside_a_workflow_is_written_beside_it_with_a_replica(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    inner = Workflow("inner").add_jobs(Job("x").add_outputs("y"))
    middle = Workflow("middle").add_jobs(SubWorkflow(inner, _id="deep"))
    outer = Workflow("outer").add_jobs(
        SubWorkflow(middle).add_outputs("y"), SubWorkflow(inner), Job("use").add_inputs("y")
    )

    for _ in range(2):  # writing twice changes nothing
        outer.write("here.yml")
        written = reader.read_workflow(tmp_path / "here.yml")
        assert [task.file for task in written.jobs] == ["middle_ID0000001.yml", "inner_ID0000002.yml", None]
        assert written.replica_catalog is not None
        assert [(r.lfn, r.pfns[0].site, r.pfns[0].pfn) for r in written.replica_catalog.replicas] == [
            ("middle_ID0000001.yml", "local", str(tmp_path / "middle_ID0000001.yml")),
            ("inner_ID0000002.yml", "local", str(tmp_path / "inner_ID0000002.yml")),
        ]
        assert [(d.id, d.children) for d in written.job_dependencies] == [("ID0000001", ["ID0000003"])]
    assert outer.replica_catalog is None

    found = reader.read_workflow(tmp_path / "middle_ID0000001.yml")
    assert found.jobs[0].file == "inner_deep.yml" and (tmp_path / "inner_deep.yml").exists()
    assert [(use.lfn, use.type) for use in found.jobs[0].uses] == [("inner_deep.yml", "input")]


def test_the_replica_of_a_written_child_replaces_that_of_the_author(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    catalog = ReplicaCatalog().add_replica("web", "inner_s.yml", "http://x/old").add_replica("web", "a", "/a")
    outer = Workflow("outer").add_replica_catalog(catalog)
    outer.add_jobs(SubWorkflow(Workflow("inner").add_jobs(Job("x")), _id="s"))

    replicas = document(outer)["replicaCatalog"]["replicas"]

    assert [(r["lfn"], [p["pfn"] for p in r["pfns"]]) for r in replicas] == [
        ("a", ["/a"]),
        ("inner_s.yml", [str(tmp_path / "inner_s.yml")]),
    ]
    assert ("inner_s.yml", False) in catalog.entries  # the author's own catalog is left as it was


def test_a_workflow_that_is_not_written_yet_has_no_entry() -> None:
    sub = SubWorkflow(Workflow("inner"), _id="a")
    assert repr(sub) == "SubWorkflow(_id=a, file=inner, is_planned=False)"
    with pytest.raises(PegasusError, match="has no file yet"):
        sub.to_data()
    with pytest.raises(TypeError, match="a sub-workflow is a File"):
        SubWorkflow(3)  # type: ignore[arg-type]


def test_inline_catalogs_that_do_not_pass_down_are_warned_about(tmp_path: Path, caplog) -> None:
    workflow = Workflow("w").add_jobs(SubWorkflow("c.yml")).add_site_catalog(SiteCatalog())
    workflow.write(tmp_path / "w.yml")
    assert "do not see its inline site and transformation catalogs" in caplog.text

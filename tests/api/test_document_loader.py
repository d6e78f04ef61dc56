import io
from pathlib import Path

import pytest

from api.api_kit import cluster, document, edges
from api.test_workflow_document import diamond
from markab.api import (
    Container,
    EventType,
    Job,
    ReplicaCatalog,
    SiteCatalog,
    SubWorkflow,
    Transformation,
    TransformationCatalog,
    Workflow,
)
from markab.errors import DocumentError
from Pegasus import replica_catalog, site_catalog, transformation_catalog, workflow


def rich_workflow():
    image = Container("py", Container.DOCKER, "docker://x", mounts=["/a:/b"]).add_env(A="b")
    tool = Transformation(
        "t", "n", "1", "local", "${HOME}/t", container=image, checksum={"sha256": "0f" * 32}
    )
    tool.add_requirement("r").add_shell_hook(EventType.ALL, "c").add_metadata(a="b").add_condor_profile(
        universe="x"
    )
    result = (
        diamond().add_metadata(k="v").add_pegasus_profile(style="condor").add_shell_hook(EventType.END, "d")
    )
    result.add_jobs(
        SubWorkflow("c.yml", _id="sub").add_planner_args(force=True).add_inputs("f.d"),
        Job(tool, _id="last", node_label="l")
        .add_args("007", "3.10", "${HOME}")
        .add_checkpoint("x")
        .add_env(B="c"),
    )
    result.add_dependency(result.get_job("sub"), children=[result.get_job("last")])
    result.add_site_catalog(SiteCatalog().add_sites(cluster()))
    result.add_replica_catalog(
        ReplicaCatalog().add_replica("local", "c.yml", "/c.yml", {"sha256": "0f" * 32})
    )
    tools = TransformationCatalog().add_transformations(tool, Transformation("r", site="local", pfn="/r"))
    result.add_transformation_catalog(tools.add_containers(image))
    return result


@pytest.mark.parametrize("format", ["yml", "json"])
@pytest.mark.parametrize(
    ("module", "thing"),
    [
        (workflow, rich_workflow()),
        (site_catalog, SiteCatalog().add_sites(cluster())),
        (replica_catalog, ReplicaCatalog().add_replica("s", "a", "/a").add_regex_replica("s", "b.*", "/[0]")),
        (transformation_catalog, rich_workflow().transformation_catalog),
    ],
)
def test_what_was_dumped_is_loaded_as_it_was(module, thing, format: str, tmp_path: Path) -> None:
    text = module.dumps(thing, _format=format)
    with open(tmp_path / "f", "w") as file:
        module.dump(thing, file, _format=format)
    with open(tmp_path / "f") as file:
        again = module.load(file)

    # Numbers that mean text come back as text.
    wanted, found = document(thing), document(again)
    assert repr(found).replace("'", "") == repr(wanted).replace("'", "")
    assert document(module.loads(text)) == found


def test_a_loaded_workflow_has_the_edges_of_its_document_and_no_others() -> None:
    made = Workflow("w", infer_dependencies=False)
    made.add_jobs(Job("a").add_outputs("x"), Job("b").add_inputs("x"))
    assert edges(workflow.loads(workflow.dumps(made))) == {}
    assert edges(workflow.loads(workflow.dumps(diamond()))) == edges(diamond())


def test_what_is_no_document_is_refused_with_its_line() -> None:
    with pytest.raises(DocumentError, match=":2: not YAML"):
        workflow.load(io.StringIO("name: [\n"))
    with pytest.raises(DocumentError):
        site_catalog.loads("pegasus: 5.0\nsites:\n- nam: x\n")

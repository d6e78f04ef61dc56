from pathlib import Path

import pytest

from api.api_kit import document
from markab.api import (
    OS,
    Arch,
    Container,
    DuplicateError,
    EventType,
    Transformation,
    TransformationCatalog,
    TransformationSite,
)


def test_transformations_and_containers_are_written_and_read_back_whole() -> None:
    image = Container(
        "py",
        Container.SINGULARITY,
        "docker://python:3.12",
        arguments="--nv",
        mounts=["/data:/data:ro"],
        image_site="web",
        checksum={"sha256": "0f" * 32},
        metadata={"of": "us"},
        bypass_staging=True,
    ).add_env(A="b")
    helpers = Transformation("helpers.py", site="local", pfn=Path("/bin/h.py"), is_stageable=True)
    train = (
        Transformation("train", "ml", "1.0", "local", "/bin/train", is_stageable=True, container=image)
        .add_requirement(helpers)
        .add_requirement("other", "n", "2")
        .add_sites(
            TransformationSite("c", "/bin/t", arch=Arch.AARCH64, os_type=OS.LINUX).add_condor_profile(
                priority=1
            )
        )
        .add_pegasus_profile(cores=4)
        .add_shell_hook(EventType.ERROR, "mail")
        .add_metadata(k="v")
    )
    catalog = TransformationCatalog().add_transformations(train, helpers).add_containers(image)

    assert document(catalog) == {
        "pegasus": "5.0.4",
        "transformations": [
            {
                "namespace": "ml",
                "name": "train",
                "version": "1.0",
                "requires": ["helpers.py", "n::other:2"],
                "sites": [
                    {"name": "local", "pfn": "/bin/train", "type": "stageable", "container": "py"},
                    {
                        "name": "c",
                        "pfn": "/bin/t",
                        "type": "installed",
                        "arch": "aarch64",
                        "os.type": "linux",
                        "profiles": {"condor": {"priority": 1}},
                    },
                ],
                "profiles": {"pegasus": {"cores": 4}},
                "hooks": {"shell": [{"_on": "error", "cmd": "mail"}]},
                "metadata": {"k": "v"},
            },
            {"name": "helpers.py", "sites": [{"name": "local", "pfn": "/bin/h.py", "type": "stageable"}]},
        ],
        "containers": [
            {
                "name": "py",
                "type": "singularity",
                "image": "docker://python:3.12",
                "mounts": ["/data:/data:ro"],
                "bypass": True,
                "image.site": "web",
                "checksum": {"sha256": "0f" * 32},
                "metadata": {"of": "us"},
                "profiles": {"env": {"A": "b"}, "pegasus": {"container.arguments": "--nv"}},
            }
        ],
    }


def test_scripts_can_look_into_a_transformation() -> None:
    class Tool(Transformation):
        pass

    tool = Tool(
        "t", site="local", pfn="/t", is_stageable=True, bypass_staging=True, arch=Arch.X86, container="c"
    )
    site = tool.sites["local"]

    assert (site.arch, site.os_type, site.os_release, site.os_version) == ("x86", None, None, None)
    assert (site.bypass, site.container, tool.namespace, tool.version) == (True, "c", None, None)


def test_half_a_place_is_none(caplog: pytest.LogCaptureFixture) -> None:
    assert Transformation("a", site="local").sites == {}
    assert "give both, or neither" in caplog.text


def test_a_transformation_is_its_name() -> None:
    tool = Transformation("t", namespace="n", version="1")
    assert {tool, Transformation("t", namespace="n", version="1")} == {tool}
    assert tool != Transformation("t", namespace="n") and tool != "n::t:1"
    assert repr(tool) == "<Transformation n::t:1>"
    catalog = TransformationCatalog().add_transformations(tool, Transformation("t"))
    assert list(catalog.transformations) == ["n::t::1", "None::t::None"]


def test_wrong_transformations_are_refused() -> None:
    for arguments in ({"name": "a:b"}, {"name": "a", "namespace": "x:"}, {"name": "a", "version": ":1"}):
        with pytest.raises(ValueError, match="has a colon"):
            Transformation(**arguments)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Transformation("a", site="local", pfn="/a", container=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="sha256"):
        Transformation("a", checksum={"md5": "x"})
    tool = Transformation("a", site="local", pfn="/a").add_requirement("b")
    with pytest.raises(DuplicateError, match="site 'local'"):
        tool.add_sites(TransformationSite("local", "/b"))
    with pytest.raises(DuplicateError, match="requires 'b'"):
        tool.add_requirement(Transformation("b"))
    with pytest.raises(TypeError):
        tool.add_requirement(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        tool.add_sites("local")  # type: ignore[arg-type]
    with pytest.raises(DuplicateError, match="'a'"):
        TransformationCatalog().add_transformations(tool, Transformation("a"))
    TransformationCatalog().add_transformations(tool, Transformation("a", version="2"))
    with pytest.raises(TypeError):
        TransformationCatalog().add_transformations("a")  # type: ignore[arg-type]


def test_wrong_containers_are_refused() -> None:
    with pytest.raises(TypeError, match="ContainerType"):
        Container("c", "docker", "image")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="sha256"):
        Container("c", Container.DOCKER, "image", checksum={"md5": "x"})
    image = Container("c", Container.DOCKER, "image")
    with pytest.raises(NotImplementedError, match="metadata="):
        image.add_metadata(a=1)
    with pytest.raises(DuplicateError, match="'c'"):
        TransformationCatalog().add_containers(image, image)
    with pytest.raises(TypeError):
        TransformationCatalog().add_containers("c")  # type: ignore[arg-type]

from pathlib import Path

import pytest

from api.api_kit import document, struct
from markab.api import (
    OS,
    Arch,
    Container,
    Directory,
    DuplicateError,
    EventType,
    File,
    FileServer,
    Grid,
    Namespace,
    Operation,
    ReplicaCatalog,
    Scheduler,
    Site,
    SiteCatalog,
    SupportedJobs,
    Transformation,
    TransformationCatalog,
    TransformationSite,
)


def test_replicas_of_one_file_are_merged_in_the_order_added() -> None:
    catalog = (
        ReplicaCatalog()
        .add_replica("local", File("b").add_metadata(lang="en"), Path("/data/b"), {"sha256": "0f" * 32})
        .add_replica("local", "a", "a.txt")
        .add_replica("web", "b", "http://example.org/b", metadata={"n": 1})
        .add_replica("local", "b", "/data/b")
    )

    assert document(catalog) == {
        "pegasus": "5.0.4",
        "replicas": [
            {
                "lfn": "b",
                "pfns": [{"site": "local", "pfn": "/data/b"}, {"site": "web", "pfn": "http://example.org/b"}],
                "checksum": {"sha256": "0f" * 32},
                "metadata": {"lang": "en", "n": "1"},
            },
            {"lfn": "a", "pfns": [{"site": "local", "pfn": "a.txt"}]},
        ],
    }


def test_patterns_stand_beside_names_and_come_once() -> None:
    catalog = (
        ReplicaCatalog().add_replica("local", "p.*", "/x").add_regex_replica("local", "p.*", "/pages/[0]")
    )
    assert [replica.regex for replica in struct(catalog).replicas] == [False, True]
    with pytest.raises(DuplicateError, match=r"'p\.\*'"):
        catalog.add_regex_replica("local", "p.*", "/y")


def test_wrong_replicas_are_refused() -> None:
    catalog = ReplicaCatalog()
    with pytest.raises(ValueError, match=r"relative path 'a\.txt'"):
        catalog.add_replica("local", "a", Path("a.txt"))
    with pytest.raises(TypeError):
        catalog.add_replica("local", "a", File("a"))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        catalog.add_replica("local", 3, "/a")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="sha256"):
        catalog.add_replica("local", "a", "/a", checksum={"md5": "x"})
    assert catalog.entries == {}


def cluster() -> Site:
    return (
        Site("cluster", arch=Arch.X86_64, os_type=OS.LINUX, os_release="rhel", os_version="8")
        .add_directories(
            Directory(Directory.SHARED_SCRATCH, "/scratch", shared_file_system=True).add_file_servers(
                FileServer("file:///scratch", Operation.ALL).add_pegasus_profile(style="x"),
                FileServer("http://c/scratch", Operation.GET),
            ),
            Directory(Directory.LOCALSTORAGE, Path("/out")).add_file_servers(
                FileServer("file:///out", Operation.PUT)
            ),
        )
        .add_grids(Grid(Grid.BATCH, "slurm", Scheduler.SLURM, job_type=SupportedJobs.AUXILLARY))
        .add_pegasus_profile(style="glite", auxillary_local=True)
        .add_tag_profiles("gpu", Namespace.PEGASUS, gpus=1)
    )


def test_a_site_is_written_and_read_back_whole() -> None:
    assert document(SiteCatalog().add_sites(cluster()))["sites"] == [
        {
            "name": "cluster",
            "arch": "x86_64",
            "os.type": "linux",
            "os.release": "rhel",
            "os.version": "8",
            "directories": [
                {
                    "type": "sharedScratch",
                    "path": "/scratch",
                    "sharedFileSystem": True,
                    "fileServers": [
                        {
                            "url": "file:///scratch",
                            "operation": "all",
                            "profiles": {"pegasus": {"style": "x"}},
                        },
                        {"url": "http://c/scratch", "operation": "get"},
                    ],
                },
                {
                    "type": "localStorage",
                    "path": "/out",
                    "sharedFileSystem": False,
                    "fileServers": [{"url": "file:///out", "operation": "put"}],
                },
            ],
            "grids": [{"type": "batch", "contact": "slurm", "scheduler": "slurm", "jobtype": "auxillary"}],
            "profiles": {"pegasus": {"style": "glite", "auxillary.local": "true"}},
            "x-tags": {"gpu": {"pegasus": {"gpus": 1}}},
        }
    ]
    site = struct(SiteCatalog().add_sites(cluster())).sites[0]
    assert (site.os_version, site.directories[0].shared_file_system, site.grids[0].jobtype) == (
        "8",
        True,
        "auxillary",
    )


def test_wrong_sites_are_refused() -> None:
    with pytest.raises(TypeError, match=r"Arch\.X86_64"):
        Site("s", arch="x86_64")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"OS\.LINUX"):
        Site("s", os_type="linux")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Directory("sharedScratch", "/x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is relative"):
        Directory(Directory.LOCAL_SCRATCH, "x")
    with pytest.raises(TypeError):
        FileServer("file:///", "all")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Grid("batch", "x", Scheduler.PBS)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        SiteCatalog().add_sites("local")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Site("s").add_directories("/x")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Site("s").add_grids(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Directory(Directory.LOCAL_SCRATCH, "/x").add_file_servers("file:///")  # type: ignore[arg-type]
    with pytest.raises(DuplicateError, match="site 's'"):
        SiteCatalog().add_sites(Site("s"), Site("s"))


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

    assert (site.arch, site.os_type, site.os_release, site.os_version) == (Arch.X86, None, None, None)
    assert (site.bypass, site.container, tool.namespace, tool.version) == (True, "c", None, None)


def test_wrong_transformations_are_refused() -> None:
    for arguments in ({"name": "a:b"}, {"name": "a", "namespace": "x:"}, {"name": "a", "version": ":1"}):
        with pytest.raises(ValueError, match="has a colon"):
            Transformation(**arguments)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="give both"):
        Transformation("a", site="local")
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


def test_each_catalog_has_its_default_file(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for catalog in (SiteCatalog(), ReplicaCatalog(), TransformationCatalog()):
        catalog.write()
    assert {path.name for path in tmp_path.iterdir()} == {"sites.yml", "replicas.yml", "transformations.yml"}

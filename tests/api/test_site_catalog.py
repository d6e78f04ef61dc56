import pytest

from api.api_kit import cluster, document, struct
from markab.api import Directory, DuplicateError, FileServer, Grid, Scheduler, Site, SiteCatalog


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
            "profiles": {"pegasus": {"style": "glite", "auxillary.local": "True"}},
            "x-tags": [{"name": "gpu", "profiles": {"pegasus": {"gpus": 1}}}],
        }
    ]
    site = struct(SiteCatalog().add_sites(cluster())).sites[0]
    assert (site.os_version, site.directories[0].shared_file_system, site.grids[0].jobtype) == (
        "8",
        True,
        "auxillary",
    )


def test_attributes_are_the_words_of_the_document() -> None:
    site = cluster()
    (directory, _), (grid,) = site.directories, site.grids
    assert (site.arch, site.os_type, directory.directory_type, directory.path) == (
        "x86_64",
        "linux",
        "sharedScratch",
        "/scratch",
    )
    assert (directory.file_servers[0].operation_type, grid.grid_type, grid.scheduler_type, grid.job_type) == (
        "all",
        "batch",
        "slurm",
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

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import markab
from markab.api import braindump as ours

SRC = Path(markab.__file__).parent.parent


def test_a_star_import_gives_exactly_the_documented_names() -> None:
    names: dict[str, object] = {}
    exec("from Pegasus.api import *", names)
    names.pop("__builtins__")
    assert set(names) == set(
        "EventType ExprVar Namespace Properties File ReplicaCatalog OS Arch Directory FileServer Grid Operation "  # noqa: SIM905
        "Scheduler Site SiteCatalog SupportedJobs Container Transformation TransformationCatalog "
        "TransformationSite Job SubWorkflow Workflow PegasusClientError".split()
    )


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("api.workflow", "Workflow Job SubWorkflow AbstractJob PEGASUS_VERSION"),
        ("api.mixins", "Namespace EventType ProfileMixin MetadataMixin HookMixin"),
        ("api.properties", "Properties"),
        ("api.replica_catalog", "ReplicaCatalog File"),
        (
            "api.site_catalog",
            "SiteCatalog Site OS Arch Directory FileServer Operation Grid Scheduler SupportedJobs",
        ),
        ("api.transformation_catalog", "TransformationCatalog Transformation TransformationSite Container"),
        ("api.errors", "PegasusError DuplicateError NotFoundError"),
        ("api.writable", "Writable"),
        ("client._client", "PegasusClientError Result"),
        ("workflow", "load loads dump dumps"),
        ("site_catalog", "load loads dump dumps"),
        ("replica_catalog", "load loads dump dumps"),
        ("transformation_catalog", "load loads dump dumps"),
        ("properties", "load loads dump dumps"),
        ("braindump", "load loads dump dumps Braindump"),
    ],
)
def test_the_module_paths_of_real_scripts_exist(module: str, names: str) -> None:
    found = importlib.import_module(f"Pegasus.{module}")
    assert [name for name in names.split() if not hasattr(found, name)] == []


def test_importing_the_api_loads_nothing_heavy() -> None:
    """Old versions of anything a scientist pins stand beside us, and scripts start fast."""
    code = (
        "import sys; before = set(sys.modules); import Pegasus.api; "
        "print(' '.join(sorted({m.split('.')[0] for m in set(sys.modules) - before})))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(SRC)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert {"Pegasus", "markab"} <= loaded
    assert loaded <= {"Pegasus", "markab"} | set(sys.stdlib_module_names)
    assert not loaded & {
        "logging",
        "json",
        "subprocess",
        "inspect",
        "dataclasses",
        "difflib",
        "asyncio",
        "socket",
    }


def test_a_properties_file_is_loaded_and_dumped() -> None:
    properties = importlib.import_module("Pegasus.properties")
    assert (
        properties.dumps(properties.loads("dagman.retry: 2\n# c\nenv.A b\n"))
        == "dagman.retry = 2\nenv.A = b\n"
    )


def test_a_braindump_gives_paths_lists_text_and_nothing_for_what_is_missing() -> None:
    from Pegasus import braindump

    found = braindump.loads(
        'user: "ada"\ngrid_dn: null\nsubmit_dir: "/w/run0001"\nplanner_arguments: "--dir \'a b\' w.yml"\nnew_key: "x"\n'
    )
    assert (found.user, found.grid_dn, found.app) == ("ada", None, None)
    assert (found.submit_dir, found.planner_arguments) == (Path("/w/run0001"), "--dir 'a b' w.yml")
    assert found.new_key == "x"
    assert braindump.loads(braindump.dumps(found)) == found
    assert "grid_dn: null\n" in braindump.dumps(found)
    with pytest.raises(ValueError, match="map"):
        ours.to_braindump("- a\n")

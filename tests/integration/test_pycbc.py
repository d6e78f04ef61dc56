"""PyCBC, which writes its workflows with `Pegasus.api`: with ours it writes the documents that it writes with the official one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration.document_data import normalised
from integration.official_packages import python_with
from integration.tools import SRC, command, environment, markab

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not (3, 11) <= sys.version_info[:2] <= (3, 13), reason="PyCBC 2.11 has no wheel for this Python"
    ),
]

SCRIPT = Path(__file__).parent / "pycbc_documents.py"

PROGRAMS = """
[workflow]
file-retention-level = all_files
[workflow-ifos]
h1 =
[executables]
copy = /usr/bin/cp
sort = /usr/bin/sort
[copy]
[sort]
[pegasus_profile]
pycbc|primary_site = condorpool_shared
[pegasus_profile-sort]
condor|request_memory = 10M
condor|request_cpus = 1
"""

INFERENCE = """
[workflow]
file-retention-level = all_triggers
[workflow-ifos]
h1 =
l1 =
[event-one]
label = The first
config-files = event.ini
nruns = 2
[event-two]
config-files = event.ini
[executables]
inference = ${which:pycbc_inference}
extract_posterior = ${which:pycbc_inference_extract_samples}
plot_posterior = ${which:pycbc_inference_plot_posterior}
plot_posterior_summary = ${which:pycbc_inference_plot_posterior}
plot_prior = ${which:pycbc_inference_plot_prior}
table_summary = ${which:pycbc_inference_table_summary}
create_fits_file = ${which:pycbc_inference_create_fits}
plot_spectrum = ${which:pycbc_plot_psd_file}
results_page = ${which:pycbc_make_html_page}
page_versioning = ${which:pycbc_page_versioning}
[pegasus_profile]
condor|request_memory = 1G
pycbc|primary_site = condorpool_shared
[pegasus_profile-inference]
condor|request_cpus = 2
[inference]
nprocesses = 2
[extract_posterior]
parameters = '*'
[workflow-summary_table]
table-params = mass1 mass2
[workflow-summary_plots]
plot-group-mass1_mass2 = mass1 mass2
[workflow-plot_params]
plot-group-masses = mass1 mass2
[plot_posterior_summary]
plot-contours =
[plot_posterior]
plot-contours =
[plot_prior]
[table_summary]
[create_fits_file]
[plot_spectrum]
[page_versioning]
[results_page]
analysis-title = "Two masses"
output-path = html
"""

EVENT = """
[model]
name = test_normal
[sampler]
name = emcee
nwalkers = 20
niterations = 10
[variable_params]
mass1 =
mass2 =
[prior-mass1]
name = uniform
min-mass1 = 10
max-mass1 = 80
[prior-mass2]
name = uniform
min-mass2 = 10
max-mass2 = 80
"""

GENERATED = [
    ("flat", 1),
    ("nested", 3),
    ("deep", 4),
    ("inference", 5),
]
"""What PyCBC generates, and the number of documents; `inference` by the program that comes with it."""


def generate(directory: Path, what: str, is_ours: bool) -> Path:
    """Let PyCBC write the documents in a directory of the same path for both; return where they are."""
    python = python_with("pegasus-wms.api", "pycbc==2.11.0")
    (directory / "words.txt").write_text("b 1\na 2\n")
    (directory / "event.ini").write_text(EVENT)
    (directory / "made.ini").write_text(INFERENCE if what == "inference" else PROGRAMS)
    words = [SCRIPT, what]
    if what == "inference":
        words = [python.parent / "pycbc_make_inference_workflow"]
    variables = environment(
        {"PYTHONHASHSEED": "0", "PATH": f"{Path(sys.executable).parent}:{python.parent}:/usr/bin:/bin"}
    )
    if not is_ours:
        del variables["PYTHONPATH"]
    done = subprocess.run(
        [python, *words, "--config-files", "made.ini", "--workflow-name", "top"],
        cwd=directory,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return directory / "top_output" if what == "inference" else directory


def documents(directory: Path) -> dict[str, Any]:
    paths = [*directory.glob("*.dax"), directory / "sites.yml"]
    return {path.name: normalised(yaml.safe_load(path.read_text())) for path in paths}


@pytest.mark.parametrize(("what", "number"), GENERATED)
def test_pycbc_writes_the_documents_that_it_writes_with_the_official_api(
    tmp_path: Path, what: str, number: int
) -> None:
    written = {}
    for is_ours in (False, True):
        place = tmp_path / "place"
        place.mkdir()
        written[is_ours] = documents(generate(place, what, is_ours))
        place.rename(tmp_path / f"ours-{is_ours}")

    assert len(written[False]) == number + 1
    assert written[True] == written[False]


def test_it_is_our_api_that_pycbc_uses() -> None:
    code = "import pycbc.workflow as w, Pegasus.api; print(Pegasus.api.__file__, w.File.__mro__)"
    python = python_with("pegasus-wms.api", "pycbc==2.11.0")
    shown = subprocess.run(
        [python, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert str(SRC) in shown.stdout and "markab.api.files.File" in shown.stdout


def test_a_workflow_of_pycbc_is_planned_with_its_own_words_and_runs(tmp_path: Path) -> None:
    generate(tmp_path, "flat", is_ours=True)
    words = (tmp_path / "additional_planner_args.dat").read_text().split()
    command("pegasus-plan", *words, cwd=tmp_path)
    markab("run", "work", cwd=tmp_path)

    results = sorted((tmp_path / "sort_output").glob("*.txt"))
    assert [result.read_text() for result in results] == ["a 2\nb 1\n", "b 1\na 2\n"]
    assert (tmp_path / "made.txt").read_text() == "b 1\na 2\n"

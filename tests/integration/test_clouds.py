"""Workflows at the fakes of Kubernetes and AWS Batch, as a user runs them: whatever is killed, each job runs once to its effect."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.test_slurm import STEP, expected_results, files_in, name_of, parents_of
from integration.tools import environment, job_line, journal, markab, plan, script, write_workflow
from kit.fake_cloud.clouds import SERVICES, fake_cloud
from kit.waiting import wait_until
from markab.operations import check_site, find_site_documents

pytestmark = pytest.mark.integration
LAYERS, WIDTH = 3, 4
PROFILES: dict[str, dict[str, dict[str, str]]] = {
    "kubernetes": {"markab": {"kubernetes.image": "python:3", "kubernetes.claim": "shared"}},
    "aws-batch": {"pegasus": {"aws.batch.job_queue": "main", "aws.batch.job_definition": "markab:1"}},
}


@pytest.fixture(params=SERVICES)
def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Any]]:
    """A cloud, and a site catalog with a site whose jobs go there."""
    name = request.param
    scratch = tmp_path / "volume"
    directory = {
        "type": "sharedScratch",
        "path": str(scratch),
        "fileServers": [{"operation": "all", "url": f"file://{scratch}"}],
    }
    given = PROFILES[name]
    profiles = {**given, "pegasus": {"style": name, **given.get("pegasus", {})}}
    site = {"name": "cloud", "directories": [directory], "profiles": profiles}
    (tmp_path / "sites.yml").write_text(json.dumps({"pegasus": "5.0", "sites": [site]}))
    with fake_cloud(name, tmp_path) as api:
        yield name, api


def layers(top: Path) -> Path:
    """Plan layers of jobs, each of which notes that it ran and that it ran alone."""
    (top / "witness").mkdir()
    step = script(top / "step", STEP)
    jobs = []
    for layer in range(LAYERS):
        for column in range(WIDTH):
            name, read = name_of(layer, column), parents_of(layer, column, WIDTH)
            files = [f"{one}.txt" for one in read]
            words = " ".join([name, f"{name}.txt", *files])
            jobs.append(job_line(name, "step", words, inputs=files, outputs=[f"{name}.txt"]))
    at = {"name": "local", "type": "stageable", "pfn": str(step)}
    catalog = {"transformations": [{"name": "step", "sites": [at]}]}
    profiles = {"env": {"WITNESS": str(top / "witness")}}
    document = write_workflow(top, jobs, transformationCatalog=catalog, profiles=profiles)
    return plan(document, "--sites", "cloud", "--output-dir", top / "results", cwd=top)


def test_a_run_whose_engine_is_killed_again_and_again_ends_with_every_result(
    tmp_path: Path, cloud: tuple[str, Any]
) -> None:
    submit_dir = layers(tmp_path)
    chance = random.Random(7)
    killed = [kill_after(submit_dir, count_records(submit_dir) + chance.randint(2, 8)) for _ in range(4)]
    assert killed[0]

    markab("run", submit_dir, cwd=tmp_path)

    wanted = expected_results(LAYERS, WIDTH)
    assert files_in(tmp_path / "results") == wanted
    witness = tmp_path / "witness"
    assert not (witness / "twice").exists()
    assert sorted((witness / "ran").read_text().split()) == sorted(
        name.removesuffix(".txt") for name in wanted
    )


def count_records(submit_dir: Path) -> int:
    path = submit_dir / "journal.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def kill_after(submit_dir: Path, records: int) -> bool:
    """Run the engine, and kill it once its journal has so many records; return False if it ended before."""
    engine = subprocess.Popen(
        [sys.executable, "-m", "markab", "run", str(submit_dir)],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: engine.poll() is not None or count_records(submit_dir) >= records)
    engine.kill()
    return engine.wait() == -signal.SIGKILL


def test_a_site_that_works_passes_its_test(tmp_path: Path, cloud: tuple[str, Any]) -> None:
    result = check_site("cloud", find_site_documents(tmp_path), limit_s=120)

    assert result.ok, result.checks
    assert result.executor == cloud[0]


def test_a_token_that_is_refused_is_said_by_the_test_of_the_site(
    tmp_path: Path, cloud: tuple[str, Any]
) -> None:
    cloud[1].token = cloud[1].key = "another"

    result = check_site("cloud", find_site_documents(tmp_path), limit_s=60)

    [found] = [check for check in result.checks if check.ok is False]
    assert found.name == "queue" and found.hint.startswith("renew the credentials")
    assert "refused the job" in found.text


def test_an_image_that_is_not_there_is_said_by_the_test_of_the_site(
    tmp_path: Path, cloud: tuple[str, Any]
) -> None:
    name, api = cloud
    if name == "kubernetes":
        api.missing_images = {"python:3"}
    else:
        api.unpullable = "CannotPullContainerError: pull access denied for python"

    result = check_site("cloud", find_site_documents(tmp_path), limit_s=5)

    [found] = [check for check in result.checks if check.ok is False]
    assert found.name == "start"
    assert ("Back-off pulling image" in found.text) or ("pull access denied" in found.text)


def test_a_run_that_is_refused_says_why_and_what_to_do(tmp_path: Path, cloud: tuple[str, Any]) -> None:
    cloud[1].token = cloud[1].key = "another"
    submit_dir = layers(tmp_path)

    done = markab("run", submit_dir, cwd=tmp_path, check=False)
    analyzed = markab("analyze", submit_dir, cwd=tmp_path, check=False)

    assert done.returncode != 0
    text = analyzed.stdout
    assert "refused the job" in text and "renew the credentials" in text, text
    starts = [one for one in journal(submit_dir) if one["event"] == "start" and one.get("site") == "cloud"]
    assert len(starts) == WIDTH, "what would be refused again is not tried again"

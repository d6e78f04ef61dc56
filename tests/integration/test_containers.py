"""Tasks in containers, with a real podman: what they see, how their ends are told, and that nothing of them stays."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from integration.packages import have
from integration.tools import (
    command,
    ends_of,
    environment,
    journal,
    markab,
    plan,
    processes_of_run,
    script,
    write_workflow,
)
from kit.podman import Podman, install, registry
from kit.waiting import wait_until

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """Return a podman with storage of its own."""
    if not install():
        assert not os.environ.get("CI"), "there is no podman"
        pytest.skip("there is no podman, and none can be installed")
    found = Podman(tmp_path_factory.mktemp("podman") / "p")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in found.environ.items():
            patch.setenv(name, value)
        yield found
    found.remove()


@pytest.fixture(scope="module")
def image(podman: Podman, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of an image whose user is another."""
    path = tmp_path_factory.mktemp("image") / "tool.tar"
    return podman.save_image(path, "localhost/tool:1", "USER 1234", 'ENTRYPOINT ["/bin/false"]')


def sh(
    name: str, text: str, inputs: tuple[str, ...] = (), outputs: tuple[str, ...] = (), **keys: Any
) -> dict[str, Any]:
    """Return a job whose shell, that of the image, runs a text."""
    uses = [{"lfn": lfn, "type": "input"} for lfn in inputs]
    uses += [{"lfn": lfn, "type": "output", "stageOut": True} for lfn in outputs]
    return {
        "type": "job",
        "name": "sh",
        "id": name,
        "arguments": ["-c", shlex.quote(text)],
        "uses": uses,
        **keys,
    }


def boxed(directory: Path, image: Path | str, jobs: list[dict[str, Any]], **container: Any) -> Path:
    """Write a workflow whose program `sh` runs in a container; one retry-free try for each job."""
    pegasus = {"container.program": "podman"} | container.pop("pegasus", {})
    url = image if isinstance(image, str) else f"file://{image}"
    box = {"name": "box", "type": "docker", "image": url, "profiles": {"pegasus": pegasus}, **container}
    at = {"name": "local", "type": "installed", "pfn": "/bin/sh", "container": "box"}
    (directory / "pegasus.properties").write_text("dagman.retry = 0\n")
    return write_workflow(
        directory,
        jobs,
        transformationCatalog={"transformations": [{"name": "sh", "sites": [at]}], "containers": [box]},
        replicaCatalog={"replicas": container.pop("replicas", [])},
    )


def run_of(workflow: Path, *words: str) -> Path:
    return plan(workflow, "--dir", "sub", "--output-dir", "out", *words, cwd=workflow.parent)


def images_of(podman: Podman, *runs: Path) -> list[str]:
    """Return the images that these runs have loaded and not unloaded."""
    uuids = [journal(run)[0]["uuid"] for run in runs]
    return [name for name in podman.images() if any(uuid in name for uuid in uuids)]


def test_tasks_see_the_image_and_their_files_and_nothing_stays(
    podman: Podman, image: Path, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "x").write_text("shared\n")
    podman.run("load", "--quiet", "--input", image)  # the user's own image of the name that the file brings
    before = podman.images()
    jobs = [
        sh(
            "a",
            "echo $GREETING; id -u; pwd; cat /shared/x; echo hi > a.txt; exit 0",
            outputs=("a.txt",),
            stdout="seen",
        ),
        sh("b", "cat a.txt - > b.txt", ("a.txt",), ("b.txt",), stdin="a.txt"),
    ]
    jobs[0]["uses"].append({"lfn": "seen", "type": "output", "stageOut": True})
    workflow = boxed(
        tmp_path,
        image,
        jobs,
        mounts=[f"{shared}:/shared:ro"],
        profiles={"env": {"GREETING": "it's $HOME; `id`"}, "pegasus": {"container.program": "podman"}},
    )
    run = run_of(workflow)

    markab("run", run, cwd=tmp_path)

    seen = (tmp_path / "out" / "seen").read_text().splitlines()
    assert ["it's $HOME; `id`", str(os.getuid()), "/scratch", "shared"] == seen
    assert "hi\nhi\n" == (tmp_path / "out" / "b.txt").read_text()
    [record] = ends_of(run, "sh_a")
    [of_image] = record["containers"]
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    assert ("box", "podman", "box", digest) == tuple(
        of_image[key] for key in ("name", "program", "image", "sha256")
    )
    assert record["containers"] == ends_of(run, "sh_b")[0]["containers"]
    assert "/bin/sh" == record["invocations"][0]["argv"][0]
    assert (before, []) == (podman.images(), podman.containers())
    podman.run("rmi", "localhost/tool:1")


def test_the_ends_of_tasks_are_told_truly(podman: Podman, image: Path, tmp_path: Path) -> None:
    jobs = [
        sh("three", "exit 3"),
        sh("own127", "echo no such thing >&2; exit 127"),
        sh("killed", "kill -9 $$; sleep 5; exit 9"),
        {"type": "job", "name": "absent", "id": "absent", "uses": []},
        {"type": "job", "name": "plain", "id": "plain", "uses": []},
        sh("full", "dd if=/dev/zero of=/small/file bs=1k count=200"),
    ]
    workflow = boxed(tmp_path, image, jobs, pegasus={"container.arguments": "--tmpfs /small:size=64k"})
    document = json.loads(workflow.read_text())
    for name, pfn in (("absent", "/not/there"), ("plain", "/etc/passwd")):
        at = {"name": "local", "type": "installed", "pfn": pfn, "container": "box"}
        document["transformationCatalog"]["transformations"].append({"name": name, "sites": [at]})
    workflow.write_text(json.dumps(document))
    run = run_of(workflow)

    markab("run", run, cwd=tmp_path, check=False)

    def error(job: str) -> tuple[str, str]:
        found = ends_of(run, job)[0]["error"]
        return found["kind"], found["message"]

    assert ("exit", "task 'three' ended with exit code 3") == error("sh_three")
    assert ("exit", "task 'own127' ended with exit code 127") == error("sh_own127")
    assert ("exit", "task 'killed' ended with exit code 9") == error(
        "sh_killed"
    )  # the first process gets no SIGKILL of its own
    kind, message = error("absent_absent")
    assert ("no-program", True) == (
        kind,
        message.startswith("the program of task 'absent' is not in container 'box'"),
    )
    kind, message = error("plain_plain")
    assert ("not-executable", True) == (kind, "cannot be executed in container 'box'" in message)
    assert ("storage", "task 'full' had no room in container 'box': no space left on device") == error(
        "sh_full"
    )
    assert [] == podman.containers()


def test_an_image_that_is_none_is_named(podman: Podman, tmp_path: Path) -> None:
    (tmp_path / "none.tar").write_bytes(b"no image\n" * 1000)
    run = run_of(boxed(tmp_path, tmp_path / "none.tar", [sh("a", "true")]))

    markab("run", run, cwd=tmp_path, check=False)

    error = ends_of(run, "sh_a")[0]["error"]
    assert "container" == error["kind"]
    assert error["message"].startswith("image 'box' cannot be loaded from '")
    assert "`docker save -o FILE IMAGE`" in error["hint"]


def test_a_task_that_ignores_sigterm_is_ended_with_its_container(
    podman: Podman, image: Path, tmp_path: Path
) -> None:
    job = sh("a", "trap '' TERM; while :; do sleep 1; done", profiles={"pegasus": {"maxwalltime": "0.05"}})
    run = run_of(boxed(tmp_path, image, [job]))

    markab("run", run, cwd=tmp_path, check=False)

    assert "timeout" == ends_of(run, "sh_a")[0]["error"]["kind"]
    assert [] == podman.containers()


def test_a_container_that_is_removed_fails_its_task(podman: Podman, image: Path, tmp_path: Path) -> None:
    run = run_of(boxed(tmp_path, image, [sh("a", "sleep 100")]))
    engine = start(run)
    wait_until(podman.containers)

    podman.run("rm", "--force", "--time", "0", *podman.containers())
    engine.wait(60)

    assert "exit" == ends_of(run, "sh_a")[0]["error"]["kind"]
    assert [] == podman.containers()


def start(run: Path) -> subprocess.Popen[bytes]:
    """Start the engine of a run."""
    return subprocess.Popen(
        [sys.executable, "-m", "markab", "run", str(run)],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_a_run_that_is_cancelled_leaves_no_container(podman: Podman, image: Path, tmp_path: Path) -> None:
    run = run_of(boxed(tmp_path, image, [sh("a", "trap '' TERM; while :; do sleep 1; done")]))
    engine = start(run)
    wait_until(podman.containers)

    markab("remove", run, cwd=tmp_path)
    engine.wait(60)

    assert "cancelled" == ends_of(run, "sh_a")[0]["error"]["kind"]
    assert [] == podman.containers()


@pytest.mark.parametrize("launcher_too", [False, True])
def test_a_killed_engine_leaves_no_container_once_the_run_goes_on(
    podman: Podman, image: Path, tmp_path: Path, launcher_too: bool
) -> None:
    gate = tmp_path / "gate"
    gate.mkdir()
    text = "[ -e /gate/open ] && echo done > a.txt && exit 0; sleep 100"
    run = run_of(boxed(tmp_path, image, [sh("a", text, outputs=("a.txt",))], mounts=[f"{gate}:/gate:ro"]))
    engine = start(run)
    [first] = wait_until(podman.containers)
    children = children_of(engine.pid) if launcher_too else []

    for pid in (engine.pid, *children):
        os.kill(pid, signal.SIGKILL)
    engine.wait()
    (gate / "open").touch()
    markab("run", run, cwd=tmp_path)

    assert "done\n" == (tmp_path / "out" / "a.txt").read_text()
    assert [] == podman.containers(), first
    uuid = first.removeprefix("markab-")[:36]
    assert [] == processes_of_run(uuid)
    assert not [name for name in podman.images() if uuid in name]


def children_of(pid: int) -> list[int]:
    """Return the children of a process."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(word) for word in (task / "children").read_text().split()]
    return found


def cluster(directory: Path, image: Path, texts: list[str], outputs: bool = False, **container: Any) -> Path:
    """Return the submit directory of a cluster of tasks, each a text for the shell of the image."""
    jobs = [sh(f"t{n}", text, outputs=(f"{n}.txt",) if outputs else ()) for n, text in enumerate(texts)]
    for job in jobs:
        job["profiles"] = {"pegasus": {"label": "one", "maxwalltime": "0.05"}, "env": {"NAME": job["id"]}}
    return run_of(boxed(directory, image, jobs, **container), "--cluster", "label")


def test_the_tasks_of_a_cluster_run_in_one_container(podman: Podman, image: Path, tmp_path: Path) -> None:
    run = cluster(tmp_path, image, [f"echo $$ $NAME; echo {n} > {n}.txt" for n in range(3)], outputs=True)

    markab("run", run, cwd=tmp_path)

    [record] = ends_of(run, "merge_one")
    invocations = record["invocations"]
    assert ["t0", "t1", "t2"] == [entry["task"] for entry in invocations]
    assert [0, 0, 0] == [entry["status"] for entry in invocations]
    assert 1 == len({entry["pid"] for entry in invocations})  # one command for all
    pids, names = zip(*(line.split() for line in record["stdout"].splitlines()), strict=True)
    assert (3, ("t0", "t1", "t2")) == (len(set(pids)), names)
    assert all(
        one["start"] + one["duration_s"] <= other["start"] + 0.1 for one, other in pairwise(invocations)
    )
    assert "2\n" == (tmp_path / "out" / "2.txt").read_text()
    assert "undeclared" not in record
    assert 1 == len(record["containers"])
    assert [] == podman.containers()


def test_a_task_of_a_cluster_that_fails_ends_it_and_the_time_limit_names_the_one_that_hangs(
    podman: Podman, image: Path, tmp_path: Path
) -> None:
    for name in ("fails", "hangs"):
        (tmp_path / name).mkdir()
    fails = cluster(tmp_path / "fails", image, ["true", "exit 4", "true"])
    hangs = cluster(tmp_path / "hangs", image, ["true", "trap '' TERM; while :; do sleep 1; done", "true"])

    markab("run", fails, cwd=tmp_path, check=False)
    markab("run", hangs, cwd=tmp_path, check=False)

    [record] = ends_of(fails, "merge_one")
    assert [0, 4 << 8] == [entry["status"] for entry in record["invocations"]]
    assert "task 't1' ended with exit code 4" == record["error"]["message"]
    [record] = ends_of(hangs, "merge_one")
    assert "timeout" == record["error"]["kind"]
    assert record["error"]["message"].startswith("task 't1' was ended after")
    assert ["t0", "t1"] == [entry["task"] for entry in record["invocations"]]
    assert [] == podman.containers()


def test_without_a_shell_in_the_image_each_task_has_a_container(podman: Podman, tmp_path: Path) -> None:
    image = podman.save_image(tmp_path / "plain.tar", "localhost/plain:1", commands=("true",))
    workflow = boxed(tmp_path, image, [sh(f"t{n}", "") for n in range(2)])
    document = json.loads(workflow.read_text())
    document["transformationCatalog"]["transformations"][0]["sites"][0]["pfn"] = "/bin/true"
    for job in document["jobs"]:
        job["profiles"] = {"pegasus": {"label": "one"}}
    workflow.write_text(json.dumps(document))
    run = run_of(workflow, "--cluster", "label")

    markab("run", run, cwd=tmp_path)

    [record] = ends_of(run, "merge_one")
    assert [0, 0] == [entry["status"] for entry in record["invocations"]]
    assert 2 == len({entry["pid"] for entry in record["invocations"]})


def test_a_staged_program_and_large_inputs_are_in_the_container(
    podman: Podman, image: Path, tmp_path: Path
) -> None:
    """With sharedfs too, which in Pegasus has no containers."""
    program = script(tmp_path / "count.sh", "#!/bin/sh\nwc -c < big > size\n")
    (tmp_path / "big").write_bytes(bytes(20 << 20))
    workflow = boxed(tmp_path, image, [{"type": "job", "name": "count", "id": "a", "uses": []}])
    document = json.loads(workflow.read_text())
    at = {"name": "local", "type": "stageable", "pfn": str(program), "container": "box"}
    document["transformationCatalog"]["transformations"] = [{"name": "count", "sites": [at]}]
    document["replicaCatalog"]["replicas"] = [
        {"lfn": "big", "pfns": [{"site": "local", "pfn": f"{tmp_path}/big"}]}
    ]
    document["jobs"][0]["uses"] = [
        {"lfn": "big", "type": "input"},
        {"lfn": "size", "type": "output", "stageOut": True},
    ]
    workflow.write_text(json.dumps(document))
    for configuration in ("condorio", "sharedfs"):
        run = plan(
            workflow,
            *("-D", f"pegasus.data.configuration={configuration}", "-D", "pegasus.transfer.links=true"),
            *("--sites", "local", "--dir", "sub", "--output-dir", configuration),
            cwd=tmp_path,
        )
        markab("run", run, cwd=tmp_path)
        assert f"{20 << 20}\n" == (tmp_path / configuration / "size").read_text()


def test_an_image_of_a_registry_is_pulled_once_for_all_jobs(
    podman: Podman, image: Path, tmp_path: Path
) -> None:
    if not have("docker-registry", package="docker-registry"):
        assert not os.environ.get("CI"), "there is no registry"
        pytest.skip("there is no registry, and none can be installed")
    with registry(tmp_path / "registry") as address:
        podman.trust(address)
        podman.run("load", "--quiet", "--input", image)
        podman.run("push", "localhost/tool:1", f"docker://{address}/lab/tool:1")
        podman.run("rmi", "localhost/tool:1")
        jobs = [
            sh("a", "echo a > a.txt", outputs=("a.txt",)),
            sh("b", "cat a.txt > b.txt", ("a.txt",), ("b.txt",)),
        ]
        run = run_of(boxed(tmp_path, f"docker://{address}/lab/tool:1", jobs))

        markab("run", run, cwd=tmp_path)

        log = (tmp_path / "registry" / "log").read_text()
    blobs = re.findall(r'"GET /v2/lab/tool/blobs/(sha256:\w+)', log)
    assert len(blobs) == len(set(blobs)) > 0
    [pull] = ends_of(run, "stage_in_local_local_0_0")
    [transfer] = pull["transfers"]
    assert ("box", f"docker://{address}/lab/tool:1") == (transfer["lfn"], transfer["source"])
    assert transfer["sha256"] == ends_of(run, "sh_b")[0]["containers"][0]["sha256"]
    assert "a\n" == (tmp_path / "out" / "b.txt").read_text()
    assert ([], []) == (images_of(podman, run), podman.containers())


def test_an_image_that_a_job_builds_is_built_once_with_reuse_by_content(
    podman: Podman, tmp_path: Path
) -> None:
    command(sys.executable, ROOT / "examples" / "container" / "workflow.py", cwd=tmp_path)
    (tmp_path / "pegasus.properties").write_text(
        "pegasus.container.program = podman\nmarkab.reuse.policy = content\n"
        f"markab.reuse.index = {tmp_path}/results.db\nmarkab.reuse.store = {tmp_path}/store\n"
    )
    workflow = tmp_path / "workflow.yml"
    run = run_of(workflow)
    markab("run", run, cwd=tmp_path)

    assert "3 sorted.txt\n" == (tmp_path / "out" / "count.txt").read_text()
    [record] = ends_of(run, "wc_ID0000003")
    [of_image] = record["containers"]
    digest = f"sha256:{of_image['sha256']}"
    for words in (["trace", run, "count.txt"], ["show", run, "wc_ID0000003"]):
        assert digest in markab(*words, cwd=tmp_path).stdout
    for name in ("prov", "ro-crate", "csv"):
        markab("export", "-F", name, "-o", f"export-{name}", run, cwd=tmp_path)
        written = tmp_path / f"export-{name}"
        files = written.rglob("*.json*") if written.is_dir() else [written]
        assert any(of_image["sha256"] in file.read_text() for file in files), name

    workflow.write_text(workflow.read_text().replace("- -l\n", "- -c\n"))
    again = run_of(workflow)
    markab("run", again, cwd=tmp_path)

    assert "19 sorted.txt\n" == (tmp_path / "out" / "count.txt").read_text()
    assert ([], []) == (ends_of(again, "build-image_ID0000001"), ends_of(again, "sort_ID0000002"))
    assert [of_image["sha256"]] == [one["sha256"] for one in ends_of(again, "wc_ID0000003")[0]["containers"]]
    assert ([], []) == (images_of(podman, run, again), podman.containers())


def test_an_apptainer_gets_the_command_line_that_is_documented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a program that stands for apptainer: it runs the task in the directory that is bound to /srv."""
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    script(
        bin_dir / "apptainer",
        '#!/bin/sh\n[ "$1 $2 $3" = "exec --no-home --bind" ] || exit 255\n[ "$5 $6" = "--pwd /srv" ] || exit 255\n'
        'cd "${4%:/srv}"; image=$7; shift 7; echo "$image $APPTAINERENV_GREETING"; exec "$@"\n',
    )
    monkeypatch.setenv("PATH", f"{bin_dir}:{os.environ['PATH']}")
    (tmp_path / "tool.sif").write_bytes(b"an image")
    jobs = [sh("a", "cat < /dev/null; pwd", outputs=("seen",), stdout="seen"), sh("b", "exit 7")]
    workflow = boxed(
        tmp_path, tmp_path / "tool.sif", jobs, type="singularity", profiles={"env": {"GREETING": "hello; $x"}}
    )
    run = run_of(workflow)

    markab("run", run, cwd=tmp_path, check=False)

    first, second = (tmp_path / "out" / "seen").read_text().splitlines()
    assert (True, True) == (first.endswith("/box.sif hello; $x"), "sh_a.1" in second)
    assert "task 'b' ended with exit code 7" == ends_of(run, "sh_b")[0]["error"]["message"]
    [record] = ends_of(run, "sh_a")
    assert hashlib.sha256(b"an image").hexdigest() == record["containers"][0]["sha256"]
    assert "utime_s" in record["invocations"][0]

"""Failures that are really provoked, each in a job of its own: `markab explain` names the rule of each."""

from __future__ import annotations

import http.server
import json
import os
import shlex
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.full_disk import small_disk
from integration.tools import job_line, markab, plan, script, write_workflow
from kit.plan_text import replace_in_plan

pytestmark = pytest.mark.integration

MARKAB = (sys.executable, "-m", "markab")
PYTHON = "#!/usr/bin/env python3\n"
SHELL = "#!/bin/sh\n"
BASH = "#!/bin/bash\n"

PROVOKED = {
    "no_interpreter": ("F35", "certain", "#!/no/such/interpreter\n"),
    "no_env_interpreter": ("F35", "likely", "#!/usr/bin/env nosuchlanguage\n"),
    "carriage": ("F35", "certain", "#!/bin/sh\r\necho hello\r\nexit 0\r\n"),
    "no_command": ("F32", "likely", SHELL + "nosuchcommand --version\n"),
    "no_x_bit": ("F33", "likely", SHELL + "echo 'echo hi' > tool; ./tool\n"),
    "other_machine": ("F34", "likely", BASH + "printf '\\177ELF\\2\\1\\1broken' > tool; chmod +x tool; ./tool\n"),
    "no_library": ("F36", "likely", PYTHON + "import ctypes\nctypes.CDLL('libnosuch.so.9')\n"),
    "no_container_program": ("F37", "likely", SHELL + "PATH=/nowhere; apptainer exec image.sif true\n"),
    "no_module_command": ("F43", "likely", SHELL + "module load gcc/12\n"),
    "no_venv": ("F45", "likely", BASH + "source /no/such/venv/bin/activate || exit 1\n"),
    "no_python_module": ("F46", "likely", PYTHON + "import pandass\n"),
    "undeclared": ("F47", "likely", PYTHON + "open('made.txt')\n"),
    "wrong_option": ("F48", "likely", PYTHON + "import argparse\nargparse.ArgumentParser().parse_args(['--sise'])\n"),
    "exception": ("F49", "likely", PYTHON + "{}['station']\n"),
    "no_allocation": (
        "F51",
        "likely",
        PYTHON + "import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))\nbytearray(1 << 30)\n",
    ),
    "killed": (
        "F52",
        "likely",
        PYTHON + "import os\nheld = b'r' * (100 << 20)\nos.kill(os.getpid(), 9)\n",
    ),
    "killed_by_somebody": ("F55", "possible", PYTHON + "import os\nos.kill(os.getpid(), 9)\n"),
    "crash": ("F54", "certain", PYTHON + "import os\nos.kill(os.getpid(), 11)\n"),
    "crash_in_shell": ("F54", "likely", BASH + "bash -c 'kill -SEGV $$'\nexit $?\n"),
    "abort": ("F55", "certain", PYTHON + "import os\nos.abort()\n"),
    "slow": ("F56", "certain", SHELL + "exec sleep 60\n"),
    "open_files": (
        "F62",
        "likely",
        PYTHON + "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))\nheld = [open('/dev/null') for _ in range(30)]\n",
    ),
    "pipe": ("F64", "certain", PYTHON + "import os, signal\nsignal.signal(13, signal.SIG_DFL)\nos.kill(os.getpid(), 13)\n"),
    "port": (
        "F67",
        "likely",
        PYTHON + "import socket\none = socket.create_server(('127.0.0.1', 0))\nsocket.create_server(one.getsockname())\n",
    ),
    "database": (
        "F67",
        "likely",
        PYTHON + "import sqlite3\none = sqlite3.connect('x.db')\none.execute('begin exclusive')\n"
        "sqlite3.connect('x.db', timeout=0).execute('create table t (x)')\n",
    ),
    "forgetful": ("F68", "certain", SHELL + "echo 1 > result.dat\n"),
    "outside": ("F71", "certain", SHELL + "ln -s /etc/hostname out.txt\n"),
    "truncated": ("F69", "likely", SHELL + "echo hello | gzip | head -c 15 > x.gz; gzip -t x.gz\n"),
    "says_fatal": ("F70", "certain", SHELL + "echo FATAL: no sun today\n"),
    "web_page": ("F31", "likely", SHELL + "echo '<!DOCTYPE html><title>Log in</title>' > t.json; cat t.json >&2; exit 1\n"),
    "full_device": ("F28", "likely", PYTHON + "file = open('/dev/full', 'w')\nfile.write('x')\nfile.flush()\n"),
    "no_right": ("F13", "likely", PYTHON + "import os\nos.geteuid() or os.setuid(65534)\nopen('/etc/shadow')\n"),
    "no_host": ("F20", "likely", PYTHON + "import socket\nsocket.getaddrinfo('no.such.host.invalid', 80)\n"),
    "no_server": ("F19", "likely", PYTHON + "import socket\nsocket.create_connection(('127.0.0.1', 1))\n"),
    "singular": ("F66", "likely", PYTHON + "class LinAlgError(ArithmeticError): pass\nraise LinAlgError('Singular matrix')\n"),
    "fickle": (
        "F84",
        "certain",
        SHELL + 'if [ -e "$1" ]; then exec python3 -c "import pandass"; fi; touch "$1"; exec nosuchcommand\n',
    ),
    "odd": ("F86", "unknown", SHELL + "echo there is no station 5 >&2; exit 3\n"),
}  # fmt: skip
"""Program → rule, certainty and text."""

KEYS: dict[str, dict[str, Any]] = {
    "slow": {"profiles": {"pegasus": {"maxwalltime": 1}}},
    "killed": {"profiles": {"pegasus": {"memory": 110}}},
    "forgetful": {"outputs": ["result.data"]},
    "outside": {"outputs": ["out.txt"]},
    "says_fatal": {"profiles": {"pegasus": {"exitcode.failuremsg": "FATAL"}}},
    "fickle": {"profiles": {"dagman": {"RETRY": 1}}},
}


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("provoked")
    programs = {name: text for name, (_, _, text) in PROVOKED.items()} | {
        "make": SHELL + "echo hi > made.txt\n"
    }
    catalog = []
    for name, text in programs.items():
        path = here / name
        path.write_bytes(text.encode())
        path.chmod(0o755)
        catalog.append({"name": name, "sites": [{"name": "local", "type": "installed", "pfn": str(path)}]})
    jobs = [job_line("make", "make", outputs=["made.txt"])]
    for name in PROVOKED:
        arguments = shlex.quote(str(here / "witness")) if name == "fickle" else ""
        jobs.append(job_line(name, name, arguments, **KEYS.get(name, {})))
    workflow = write_workflow(here, jobs, transformationCatalog={"transformations": catalog})
    submit_dir = plan(
        workflow,
        *("--relative-dir", "run", "--dir", here / "runs", "--sites", "local", "--cleanup", "none"),
        *("-D", "dagman.retry=0"),
        cwd=here,
    )
    replace_in_plan(submit_dir / "plan.jsonl", '"max_wall_s":60', '"max_wall_s":2')
    done = markab("run", "-q", submit_dir, cwd=here, check=False)
    assert done.returncode == 14, done.stderr
    return submit_dir


@pytest.fixture(scope="module")
def verdicts(run_dir: Path) -> dict[str, dict[str, Any]]:
    """Program → verdict."""
    found = _explained(run_dir)
    by_job = {job: one for one in found["verdicts"] for job in one["jobs"]}
    return {name: by_job[f"{name}_{name}"] for name in PROVOKED}


def _explained(submit_dir: Path, code: int | None = None) -> dict[str, Any]:
    done = markab("explain", "--json", submit_dir, cwd=submit_dir.parent, check=False)
    assert done.returncode in ((0, 3) if code is None else (code,)), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", PROVOKED)
def test_a_provoked_failure_gets_its_rule(verdicts: dict[str, dict[str, Any]], name: str) -> None:
    rule, certainty, _ = PROVOKED[name]
    one = verdicts[name]
    assert (one["rule"], one["certainty"]) == (rule, certainty), one
    assert one["evidence"] and any("command" in step for step in one["steps"])


def test_each_piece_of_evidence_stands_where_it_says(
    verdicts: dict[str, dict[str, Any]], run_dir: Path
) -> None:
    for one in verdicts.values():
        first = one["evidence"][0]
        lines = (run_dir.parent / first["source"]).read_text().splitlines()
        said = json.dumps(first["text"], ensure_ascii=False)[1:-1].split("\\")[0][:40]
        assert said in lines[first["line"] - 1], first


def test_only_the_odd_one_is_not_explained(run_dir: Path) -> None:
    assert _explained(run_dir, 3)["not_explained"] == ["odd_odd"]


def test_analyze_shows_the_same_verdicts(verdicts: dict[str, dict[str, Any]], run_dir: Path) -> None:
    done = markab("analyze", "--json", run_dir, cwd=run_dir, check=False)
    for cause in json.loads(done.stdout)["causes"]:
        for job in cause["jobs"]:
            one = next(one for one in verdicts.values() if job in one["jobs"])
            assert (one["rule"], one["certainty"], one["class"]) == (
                cause["rule"],
                cause["certainty"],
                cause["class"],
            )


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        code = int(self.path[1:4])
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.send_header("Retry-After", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *words: object) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()


def _run_with_input(here: Path, url: str) -> dict[str, Any]:
    """Return the only verdict of a run whose input is at a URL."""
    replicas = {"replicas": [{"lfn": "raw", "pfns": [{"site": "web", "pfn": url}]}]}
    tool = script(here / "tool", SHELL + "cat raw\n")
    catalog = [{"name": "tool", "sites": [{"name": "local", "type": "installed", "pfn": str(tool)}]}]
    workflow = write_workflow(
        here,
        [job_line("use", "tool", inputs=["raw"])],
        replicaCatalog=replicas,
        transformationCatalog={"transformations": catalog},
    )
    submit_dir = plan(
        workflow,
        "--relative-dir",
        "run",
        "--dir",
        here / "runs",
        "--sites",
        "local",
        "-D",
        "dagman.retry=0",
        cwd=here,
    )
    assert markab("run", "-q", submit_dir, cwd=here, check=False).returncode == 14
    (one,) = _explained(submit_dir, 0)["verdicts"]
    return dict(one)


@pytest.mark.parametrize(
    ("code", "rule"), [(404, "F14"), (410, "F14"), (403, "F15"), (401, "F15"), (429, "F18")]
)
def test_what_a_server_answers_is_certain(server: str, tmp_path: Path, code: int, rule: str) -> None:
    one = _run_with_input(tmp_path, f"{server}/{code}/raw")

    assert (one["rule"], one["certainty"]) == (rule, "certain"), one
    assert any(found["source"].endswith("workflow.yml") and found["line"] for found in one["evidence"])


def test_a_server_that_is_not_there_is_a_network_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    assert _run_with_input(tmp_path, f"http://127.0.0.1:{port}/raw")["rule"] == "F19"


def test_a_file_that_was_renamed_after_planning_is_found_and_the_step_mends_the_run(tmp_path: Path) -> None:
    raw = tmp_path / "in" / "raw"
    raw.parent.mkdir()
    raw.write_text("raw\n")
    replicas = {"replicas": [{"lfn": "raw", "pfns": [{"site": "local", "pfn": str(raw)}]}]}
    tool = script(tmp_path / "tool", SHELL + "cat raw\n")
    catalog = [{"name": "tool", "sites": [{"name": "local", "type": "installed", "pfn": str(tool)}]}]
    workflow = write_workflow(
        tmp_path,
        [job_line("use", "tool", inputs=["raw"])],
        replicaCatalog=replicas,
        transformationCatalog={"transformations": catalog},
    )
    submit_dir = plan(
        workflow, "--relative-dir", "run", "--dir", tmp_path / "runs", "--sites", "local", cwd=tmp_path
    )
    raw.rename(raw.with_name("raw.BADNAME"))
    assert markab("run", "-q", submit_dir, cwd=tmp_path, check=False).returncode == 14

    (one,) = _explained(submit_dir, 0)["verdicts"]

    assert (one["rule"], one["certainty"]) == ("F12", "certain")
    move = shlex.split(one["steps"][0]["command"])
    assert move[0] == "mv"
    os.rename(submit_dir.parent / move[1], submit_dir.parent / move[2])
    assert markab("run", "-q", submit_dir, cwd=tmp_path).returncode == 0


def test_a_disk_that_is_full_is_certain_and_its_free_space_is_shown(tmp_path: Path) -> None:
    tool = script(tmp_path / "tool", SHELL + "exec head -c 4000000 /dev/zero > big.dat\n")
    catalog = [{"name": "tool", "sites": [{"name": "local", "type": "installed", "pfn": str(tool)}]}]
    jobs = [job_line("fill", "tool", outputs=["big.dat"])]
    workflow = write_workflow(tmp_path, jobs, transformationCatalog={"transformations": catalog})
    with small_disk(tmp_path / "wf-scratch", "1m") as disk:
        words = (
            "plan",
            "--relative-dir",
            "run",
            "--dir",
            tmp_path / "runs",
            "--sites",
            "local",
            "-D",
            "dagman.retry=0",
            workflow,
        )
        disk.command(*MARKAB, *words, cwd=tmp_path)
        submit_dir = tmp_path / "runs" / "run"
        assert disk.command(*MARKAB, "run", "-q", submit_dir, cwd=tmp_path).returncode == 14
        done = disk.command(*MARKAB, "explain", "--json", submit_dir, cwd=tmp_path)

    one = next(one for one in json.loads(done.stdout)["verdicts"] if one["jobs"] == ["tool_fill"])
    assert (one["rule"], one["certainty"], one["class"]) == ("F28", "certain", "R"), one
    assert any("free now" in found["text"] for found in one["evidence"])
    assert one["steps"][0]["command"].startswith("df -h ")

"""Software environments of tasks: made once, found again, and what their builders say when they fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kit.waiting import wait_until
from markab.plan.model import SoftwareEnvironment
from markab.worker.environment_modules import changed_variables
from markab.worker.failure import AttemptFailed
from markab.worker.software_environment import (
    READY,
    Environments,
    environment_directory,
    last_use,
    remove_environment,
    task_environ,
)

PIP = {"tool": "pip", "file": "requirements.txt", "text": "wheelless==1.0\n"}
CONDA = {"tool": "conda", "file": "environment.yml", "text": "dependencies: [python]\n"}
PIXI = {"tool": "pixi", "file": "pixi.toml", "text": "[workspace]\n"}

UV = """#!/bin/sh
echo "$@" >> {top}/calls
case "$1" in
  venv) mkdir -p "$4/bin"; ln -s {python} "$4/bin/python";;
  pip) cp "$6" {top}/read; [ ! -e {top}/fails ] || { cat {top}/fails; exit 1; };;
esac
"""


class Machine:
    """A machine with a cache, and whatever programs a test puts into PATH."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.environ = {
            "PATH": f"{top}/bin:/usr/bin:/bin",
            "XDG_CACHE_HOME": f"{top}/cache",
            "HOME": str(top),
        }
        (top / "bin").mkdir()

    def program(self, name: str, text: str) -> None:
        path = self.top / "bin" / name
        path.write_text(text.replace("{top}", str(self.top)).replace("{python}", sys.executable))
        path.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        file = self.top / "calls"
        return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []

    def use(self, definition: dict[str, Any], **more: Any) -> tuple[dict[str, str], dict[str, Any]]:
        return Environments(self.environ).use("e", definition, **more)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.program("uv", UV)
    return machine


def test_an_environment_is_made_once_for_all_processes_and_names_its_packages(machine: Machine) -> None:
    variables, entry = machine.use(PIP)
    again, found = machine.use(PIP)

    assert ["venv", "pip"] == machine.calls and variables == again and entry == found
    assert variables["PATH"].startswith(f"{entry['directory']}/prefix/bin:{machine.top}/bin:")
    assert variables["VIRTUAL_ENV"] == f"{entry['directory']}/prefix"
    assert PIP["text"] == (machine.top / "read").read_text()
    assert ("pip", "requirements.txt") == (entry["tool"], entry["file"])
    assert any(package.startswith("pytest==") for package in entry["packages"])


def test_a_process_looks_once_and_tells_the_packages_once(machine: Machine) -> None:
    environments = Environments(machine.environ)
    assert not environments.is_at_hand({"e": PIP})
    _, entry = environments.use("e", PIP)
    assert environments.is_at_hand({"e": PIP})
    (Path(entry["directory"]) / READY).unlink()

    _, later = environments.use("e", PIP)
    assert "packages" in entry and "packages" not in later and entry["digest"] == later["digest"]


@pytest.mark.parametrize("change", [{"text": "other==1\n"}, {"tool": "conda"}, {"file": "lock.txt"}])
def test_other_content_is_another_environment(machine: Machine, change: dict[str, str]) -> None:
    place = environment_directory(PIP, machine.environ)

    assert place != environment_directory({**PIP, **change}, machine.environ)
    assert place == environment_directory(dict(PIP), {**machine.environ, "LANG": "C"})


def test_an_empty_list_of_packages_is_an_environment_too(machine: Machine) -> None:
    plan_entry = msgspec.to_builtins(SoftwareEnvironment("pip", "requirements.txt"))
    _, entry = machine.use(plan_entry)

    assert Path(entry["directory"], READY).exists() and (machine.top / "read").read_text() == ""


def test_what_was_left_unfinished_is_made_again(machine: Machine) -> None:
    directory = Path(environment_directory(PIP, machine.environ))
    (directory / "prefix").mkdir(parents=True)
    (directory / "prefix" / "half").touch()
    machine.use(PIP)

    assert not (directory / "prefix" / "half").exists() and (directory / READY).exists()


def test_processes_that_need_it_at_once_make_it_once(machine: Machine) -> None:
    code = "import json, os, sys; from markab.worker.software_environment import Environments as E\n"
    code += "E(dict(os.environ)).use('e', json.loads(sys.argv[1]))"
    words = [sys.executable, "-c", code, json.dumps(PIP)]
    environ = {**machine.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    children = [subprocess.Popen(words, env=environ) for _ in range(3)]

    assert [0, 0, 0] == [child.wait() for child in children]
    assert ["venv", "pip"] == machine.calls


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("ERROR: Could not find a version that satisfies wheelless==1.0", "reach the package index"),
        ("ERROR: Invalid requirement: '!!'", "correct the file"),
        ("ensurepip is not available", "python3-venv"),
    ],
)
def test_what_a_builder_says_is_the_error_and_is_not_tried_again_at_once(
    machine: Machine, said: str, hint: str
) -> None:
    (machine.top / "fails").write_text(said + "\n")
    environments = Environments(machine.environ)
    for _ in range(3):
        with pytest.raises(AttemptFailed, match="'requirements.txt' cannot be made: uv ended with") as caught:
            environments.use("e", PIP)
        assert ("environment", True) == (caught.value.kind, said in caught.value.message)
        assert hint in caught.value.hint
    assert ["venv", "pip"] == machine.calls
    (machine.top / "fails").unlink()

    assert machine.use(PIP)


def test_making_one_can_be_cancelled_and_leaves_no_process(machine: Machine) -> None:
    machine.program("uv", f"#!/bin/sh\necho $$ > {machine.top}/pid\nexec sleep 1000\n")
    stop = threading.Event()
    errors: list[AttemptFailed] = []

    def use() -> None:
        with pytest.raises(AttemptFailed) as caught:
            machine.use(PIP, stop=stop)
        errors.append(caught.value)

    thread = threading.Thread(target=use)
    thread.start()
    pid = wait_until(lambda: (p := machine.top / "pid").exists() and p.read_text().strip())
    stop.set()
    thread.join()

    assert ["cancelled"] == [error.kind for error in errors]
    wait_until(lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("micromamba", "create --yes --prefix {d}/prefix --file {d}/environment.yml"),
        ("mamba", "env create --prefix {d}/prefix --file {d}/environment.yml"),
        ("conda", "env create --prefix {d}/prefix --file {d}/environment.yml"),
    ],
)
def test_conda_makes_what_its_file_lists(machine: Machine, program: str, words: str) -> None:
    machine.program(program, '#!/bin/sh\necho "$@" > {top}/words\nmkdir -p {top}/made\n')
    variables, entry = machine.use(CONDA)

    assert words.format(d=entry["directory"]) == (machine.top / "words").read_text().strip()
    assert variables["CONDA_PREFIX"] == f"{entry['directory']}/prefix" and "VIRTUAL_ENV" not in variables


def test_pixi_makes_what_its_manifest_lists(machine: Machine) -> None:
    machine.program("pixi", '#!/bin/sh\necho "$@" > {top}/words\n')
    variables, entry = machine.use(PIXI)

    assert f"install --manifest-path {entry['directory']}/pixi.toml" in (machine.top / "words").read_text()
    assert variables["CONDA_PREFIX"].endswith("/.pixi/envs/default")


def test_a_machine_without_the_programs_says_which_it_lacks(machine: Machine) -> None:
    machine.environ["PATH"] = str(machine.top / "bin")
    with pytest.raises(AttemptFailed, match="has no micromamba, mamba or conda"):
        machine.use(CONDA)
    with pytest.raises(AttemptFailed, match="has no pixi"):
        machine.use(PIXI)
    machine.environ["XDG_CACHE_HOME"] = str(machine.top / "file")
    (machine.top / "file").touch()
    with pytest.raises(AttemptFailed, match="cannot be made in") as caught:
        machine.use(PIP)
    assert "XDG_CACHE_HOME" in caught.value.hint


def test_the_variables_of_the_task_win_and_programs_of_the_environment_come_first() -> None:
    assert {"PATH": "/e:/bin:/mine", "A": "task", "B": "e"} == task_environ(
        {"PATH": "/e:/bin", "A": "e", "B": "e"}, {"PATH": "/mine", "A": "task"}
    )
    assert {"PATH": "/mine"} == task_environ({}, {"PATH": "/mine"})


MODULECMD = """#!/bin/sh
[ "$*" = "python load gcc/12 mpi" ] || { echo "ERROR: Unable to locate a modulefile for '$3'" >&2; exit 0; }
cat <<'END'
import os
os.environ['FOO'] = ''
del os.environ['FOO']
os.environ['HELLO'] = 'it\\'s "me"'
os.environ["PATH"] = "/opt/gcc/bin:/bin";
os.environ['EVIL'] = __import__('os').system('touch {top}/evil')
_mlstatus = True
END
"""


def test_modules_set_variables_and_nothing_of_what_they_print_is_run(machine: Machine) -> None:
    machine.program("modulecmd", MODULECMD)
    variables, entry = machine.use({"modules": ["gcc/12", "mpi"]})

    assert {"FOO": "", "HELLO": 'it\'s "me"', "PATH": "/opt/gcc/bin:/bin"} == variables
    assert {"name": "e", "modules": ["gcc/12", "mpi"]} == entry
    assert not (machine.top / "evil").exists()


def test_modules_and_packages_go_together(machine: Machine) -> None:
    machine.program("modulecmd", MODULECMD)
    variables, entry = machine.use({**PIP, "modules": ["gcc/12", "mpi"]})

    assert f"{entry['directory']}/prefix/bin:/opt/gcc/bin:/bin" == variables["PATH"]


def test_a_module_that_is_not_there_is_an_error_with_the_words_of_the_command(machine: Machine) -> None:
    machine.program("modulecmd", MODULECMD)
    with pytest.raises(AttemptFailed, match="'nothere' cannot be loaded: ERROR: Unable to locate"):
        machine.use({"modules": ["nothere"]})
    (machine.top / "bin" / "modulecmd").write_text("")
    assert changed_variables("os.environ['A'] = 'unclosed\n") == {}


@pytest.mark.integration
def test_modules_of_debian_are_loaded(machine: Machine) -> None:
    command = Path("/usr/lib/x86_64-linux-gnu/modulecmd.tcl")
    if not command.exists():
        pytest.skip("environment-modules is not installed")
    (machine.top / "modules").mkdir()
    (machine.top / "modules" / "hello").write_text(
        "#%Module1.0\nsetenv HELLO {it's me}\nprepend-path PATH /opt/h\n"
    )
    machine.environ["MODULEPATH"] = str(machine.top / "modules")
    variables, _ = machine.use({"modules": ["hello"]})

    assert "it's me" == variables["HELLO"] and variables["PATH"].startswith("/opt/h:")
    with pytest.raises(AttemptFailed, match="Unable to locate a modulefile"):
        machine.use({"modules": ["nothere"]})


@pytest.mark.integration
def test_pip_makes_a_real_environment_without_an_index(machine: Machine) -> None:
    (machine.top / "bin" / "uv").unlink()
    package = machine.top / "package"
    package.mkdir()
    (package / "hello_env.py").write_text("print('hello from the environment')\n")
    (package / "pyproject.toml").write_text(
        '[project]\nname = "hello-env"\nversion = "1.0"\n[build-system]\nrequires = []\n'
        'build-backend = "backend"\nbackend-path = ["."]\n'
    )
    (package / "backend.py").write_text(
        "import zipfile\n"
        "def build_wheel(directory, *_):\n"
        "    name = 'hello_env-1.0-py3-none-any.whl'\n"
        "    with zipfile.ZipFile(f'{directory}/{name}', 'w') as wheel:\n"
        "        wheel.write('hello_env.py')\n"
        "        info = 'hello_env-1.0.dist-info/'\n"
        "        wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: hello-env\\nVersion: 1.0\\n')\n"
        "        wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
        "        wheel.writestr(info + 'RECORD', '')\n"
        "    return name\n"
    )
    text = f"--no-index\nhello-env @ file://{package}\n"
    variables, entry = machine.use({**PIP, "text": text})
    ran = subprocess.run(
        ["python", "-c", "import hello_env"], env={**os.environ, **variables}, capture_output=True, check=True
    )

    assert b"hello from the environment\n" == ran.stdout
    assert "hello-env==1.0" in entry["packages"]
    with pytest.raises(AttemptFailed, match="cannot be made") as caught:
        machine.use({**PIP, "text": "--no-index\nno-such-package==1\n"})
    assert "package index" in caught.value.hint


def test_an_environment_in_use_is_not_removed_and_one_that_is_not_is(machine: Machine) -> None:
    users = Environments(machine.environ)
    _, entry = users.use("e", PIP)
    directory = entry["directory"]

    assert not remove_environment(directory) and last_use(directory)
    del users  # as when its process ends

    assert remove_environment(directory) and not os.path.exists(directory)
    assert machine.use(PIP)[1]["directory"] == directory
    assert ["venv", "pip", "venv", "pip"] == machine.calls


def test_a_use_is_noted(machine: Machine) -> None:
    _, entry = machine.use(PIP)
    os.utime(os.path.join(entry["directory"], READY), (1, 1))

    machine.use(PIP)

    assert (last_use(entry["directory"]) or 0) > 1


def test_a_builder_that_outlives_its_engine_is_waited_for(machine: Machine) -> None:
    """It has the lock of its engine: nothing is made in its directory, or removed there, meanwhile."""
    machine.program(
        "uv",
        "#!/bin/sh\ntouch {top}/begun-$1\nwhile [ ! -e {top}/go ]; do sleep 0.02; done\n"
        + UV.partition("\n")[2],
    )
    code = (
        "import sys, json; from markab.worker.software_environment import Environments;"
        "Environments(json.loads(sys.argv[1])).use('e', json.loads(sys.argv[2]))"
    )
    engine = subprocess.Popen([sys.executable, "-c", code, json.dumps(machine.environ), json.dumps(PIP)])
    wait_until((machine.top / "begun-venv").exists)
    engine.kill()
    engine.wait()
    directory = environment_directory(PIP, machine.environ)

    assert not remove_environment(directory)
    next_engine = threading.Thread(target=machine.use, args=(PIP,))
    next_engine.start()
    (machine.top / "go").touch()
    next_engine.join()

    assert ["venv", "venv", "pip"] == machine.calls, "the first was cut short, and all of it made again"
    assert last_use(directory)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_environment_that_may_only_be_read_is_used(machine: Machine) -> None:
    _, entry = machine.use(PIP)
    folder = Path(entry["directory"]).parent
    for path in folder.glob("*.lock"):
        path.unlink()
    folder.chmod(0o500)
    try:
        assert machine.use(PIP)[1]["directory"] == entry["directory"]
    finally:
        folder.chmod(0o700)

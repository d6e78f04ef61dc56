"""Modules beside the API that scripts import."""

import io
import sys
from pathlib import Path
from uuid import UUID

import pytest

from Pegasus import json, yaml
from Pegasus.api import Grid, Workflow
from Pegasus.api._utils import _chained, _get_class_enum_member_str, _get_enum_str
from Pegasus.client import condor
from Pegasus.tools.worker_utils import TimedCommand, Tools, backticks, force_str


def test_only_true_and_false_are_booleans_of_yaml() -> None:
    assert yaml.loads("a: yes\nb: off\nc: 2020-01-01\nd: true\ne: FALSE\nf: 010") == {
        "a": "yes",
        "b": "off",
        "c": "2020-01-01",
        "d": True,
        "e": False,
        "f": 8,
    }


def test_yaml_writes_what_it_reads() -> None:
    stream = io.StringIO()
    yaml.dump({"b": Path("/a"), "a": [1, 2]}, stream)
    assert stream.getvalue() == yaml.dumps({"a": [1, 2], "b": "/a"})
    assert list(yaml.load_all(yaml.dump_all([{"a": 1}, {"b": 2}]))) == [{"a": 1}, {"b": 2}]


def test_json_writes_paths_identifiers_enumerations_and_objects_that_know_how() -> None:
    class Own:
        def __json__(self) -> object:
            return {"z": 1}

    assert json.loads(json.dumps([Path("/a"), UUID(int=0), Own()])) == ["/a", str(UUID(int=0)), {"z": 1}]
    with pytest.raises(TypeError):
        json.dumps(object())


def test_json_documents_stand_one_a_line() -> None:
    text = json.dump_all([{"a": 1}, {"b": 2}])
    assert text == '{"a": 1}\n{"b": 2}\n'
    assert list(json.load_all(text)) == list(json.load_all(io.StringIO(text))) == [{"a": 1}, {"b": 2}]


def test_a_timed_command_collects_output_and_exit_code(tmp_path: Path) -> None:
    command = TimedCommand("pwd; echo $A >&2", env_overrides={"A": "b"}, cwd=tmp_path)
    command.run()
    assert (command.get_outerr(), command.get_exit_code()) == (f"{tmp_path}\nb", 0)
    assert command.get_duration() > 0


def test_a_failed_or_late_command_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"exit code \(3\): shown"):
        TimedCommand("exit 3", cmd_display="shown").run()
    late = TimedCommand("sleep 60 & wait", timeout_secs=0.05)
    with pytest.raises(RuntimeError, match="timed out"):
        late.run()
    assert late.get_exit_code() == -15


def test_a_program_is_found_with_its_version(tmp_path: Path) -> None:
    program = tmp_path / "tool"
    program.write_text("#!/bin/sh\necho tool 2.13.4\n")
    program.chmod(0o755)

    assert Tools().find("tool", "--version", r"tool ([0-9.]+)", [str(tmp_path)]) == str(program)
    tools = Tools()
    assert (tools.full_path("tool"), tools.major_version("tool"), tools.minor_version("tool")) == (
        str(program),
        2,
        13,
    )
    assert tools.version_comparable("tool") == "002013004"
    assert (
        tools.find("no-such-tool")
        is tools.full_path("no-such-tool")
        is tools.major_version("no-such-tool")
        is None
    )


def test_words_of_a_shell_and_of_condor() -> None:
    assert backticks("echo hi") == "hi\n" and force_str(b"a") == "a"
    assert condor._q([sys.executable, "-c", "print('[{\"ClusterId\": 1}]')"]) == [{"ClusterId": 1}]
    assert condor._q(["true"]) == []


def test_a_subclass_can_have_chained_methods_of_its_own() -> None:
    class Own(Workflow):
        @_chained
        def add_name(self, name: str) -> None:
            self.name += name

        @_chained
        def wrong(self) -> int:
            return 1

    assert Own("a").add_name("b").add_name("c").name == "abc"
    with pytest.raises(AssertionError, match=r"wrong is chained, but returned 1"):
        Own("a").wrong()


def test_members_of_enumerations_are_listed_for_messages() -> None:
    from Pegasus.api import EventType

    assert _get_enum_str(EventType) == "EventType.<ALL | END | ERROR | NEVER | START | SUCCESS>"
    with pytest.raises(TypeError, match="not an enumeration"):
        _get_enum_str(Workflow)  # type: ignore[arg-type]
    assert _get_class_enum_member_str(Grid, type(Grid.EC2)).startswith("Grid.<BATCH | CONDOR | CREAM")

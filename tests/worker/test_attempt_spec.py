"""What a worker is given: complete when it is made, short in a file, and with the plan's defaults."""

from __future__ import annotations

import inspect
import json
import os
from pathlib import Path

import msgspec
import pytest

from markab.plan.model import Header, Input, Output, PlannedJob, PlannedTask, Registration, Transfer
from markab.transfers.run_passwords import write_passwords
from markab.worker.attempt_spec import (
    JOB_DEFAULTS,
    captured_name,
    fill_in_passwords,
    make_spec,
    read_spec,
    scratch_place,
)
from markab.worker.failure import AttemptFailed

SHORT = {"job": {"id": "j", "kind": "compute", "site": "s"}, "attempt": 1, "uuid": "u", "workflow": "w"}


def defaults(struct: type[msgspec.Struct]) -> dict[str, object]:
    return {field.name: field.default for field in msgspec.structs.fields(struct) if not field.required}


def test_the_defaults_of_a_spec_are_those_of_the_plan() -> None:
    stated = {name: one.default for name, one in inspect.signature(make_spec).parameters.items()}
    header = defaults(Header)

    for name in ("integrity", "transfer_threads", "transfer_attempts", "catalog"):
        assert stated[name] == header[name], name


def test_what_the_plan_leaves_out_of_a_job_is_empty_or_in_the_table() -> None:
    stated = {
        name: value
        for struct in (PlannedJob, PlannedTask, Input, Output, Transfer, Registration)
        for name, value in defaults(struct).items()
        if value and value is not msgspec.NODEFAULT
    }

    assert stated == JOB_DEFAULTS


def test_a_spec_in_a_file_may_leave_out_defaults_and_have_relative_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.json").write_text(json.dumps({**SHORT, "work": "work", "scratch": "scratch"}))

    spec = read_spec("spec.json")

    assert spec.keys() == inspect.signature(make_spec).parameters.keys()
    assert spec["job"]["data"] == "condorio" and spec["integrity"] == "full" and spec["checksums"] == {}
    assert (spec["work"], spec["scratch"]) == (f"{tmp_path}/work", f"{tmp_path}/scratch")
    assert spec["attachments"] == os.getcwd() and spec["catalog"] is None


@pytest.mark.parametrize("key", ["scratch", "work", "attachments", "catalog", "passwords"])
def test_every_path_of_a_spec_in_a_file_is_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """A task may run in another directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.json").write_text(json.dumps({**SHORT, "work": "work", key: "some/where"}))

    assert read_spec("spec.json")[key] == f"{tmp_path}/some/where"


def test_the_urls_of_a_spec_get_the_passwords_of_the_run(tmp_path: Path) -> None:
    write_passwords(str(tmp_path / "passwords.json"), {"far://bob@h": "pw"})
    places = [{"site": "x", "url": "far://bob@h/x"}, {"site": "y", "url": "far://eve@h/y"}]
    files = [{"lfn": "x", "sources": places[:1], "destinations": places[1:]}]
    job = {**SHORT["job"], "transfers": files}  # type: ignore[dict-item]
    spec = make_spec(**{**SHORT, "job": job}, work="/w", scratch_url="far://bob@h/s")  # type: ignore[arg-type]

    fill_in_passwords(spec)
    assert spec["scratch_url"] == "far://bob@h/s", "a run without passwords"

    spec["passwords"] = str(tmp_path / "passwords.json")
    fill_in_passwords(spec)
    assert spec["scratch_url"] == "far://bob:pw@h/s"
    assert [place["url"] for place in places] == ["far://bob:pw@h/x", "far://eve@h/y"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{", json.dumps({**SHORT, "work": "w", "colour": "red"}), json.dumps(SHORT)]
)
def test_what_is_no_spec_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "spec.json").write_text(text)

    with pytest.raises(ValueError, match=r"."):
        read_spec(str(tmp_path / "spec.json"))


def test_the_output_of_the_first_attempt_is_numbered_as_under_pegasus() -> None:
    assert "wc_ID1.out.000" == captured_name("wc_ID1", "out", 1)
    assert "a_b.err.011" == captured_name("a/b", "err", 12)


def test_a_file_stands_at_a_path_or_at_a_url_and_never_outside() -> None:
    mounted = make_spec(**SHORT, work="/w", scratch="/s", scratch_url="far://h/s")
    apart = make_spec(**SHORT, work="/w", scratch_url="far://h/s/")

    assert scratch_place(mounted, "d/größe 1%") == "/s/d/größe 1%"
    assert scratch_place(apart, "d/größe 1%") == "far://h/s/d/gr%C3%B6%C3%9Fe%201%25"
    for spec, lfn in ((mounted, "../x"), (apart, "a/../../x"), (make_spec(**SHORT, work="/w"), "x")):
        with pytest.raises(AttemptFailed):
            scratch_place(spec, lfn)

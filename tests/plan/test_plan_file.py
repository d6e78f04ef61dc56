"""The plan on disk: round trip, laziness, damage."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

import pytest

from markab.errors import CorruptPlan, NewerFormat, NotARun, StorageError
from markab.plan.model import FORMAT, Header, Input, Kind, Output, PlannedJob, PlannedTask
from markab.plan.plan_file import PlanFile, write_plan


def job(name: str, parents: list[int] | None = None) -> PlannedJob:
    return PlannedJob(
        id=name,
        kind=Kind.COMPUTE,
        site="local",
        parents=parents or [],
        cores=2,
        tasks=[PlannedTask(id=name, transformation="true", executable="/bin/true", arguments="a 'b c' $D")],
        inputs=[Input("f.ä", sha256="0" * 64)],
        outputs=[Output(f"{name}.out")],
    )


def header(jobs: int) -> Header:
    return Header(format=FORMAT, workflow="w", jobs=jobs, limits={"stage-in": 10})


def test_a_plan_comes_back_as_it_was_written(tmp_path: Path) -> None:
    jobs = [job("a"), job("b", [0]), job("c", [0, 1])]
    write_plan(tmp_path / "plan.jsonl", header(3), jobs)

    plan = PlanFile(tmp_path / "plan.jsonl")

    assert header(3) == plan.header
    assert jobs == list(plan.jobs())
    assert [[], [0], [0, 1]] == [outline.parents for outline in plan.outline]
    assert {"a": 0, "b": 1, "c": 2} == plan.positions
    plan.close()


def test_jobs_of_a_kind_are_found_wherever_its_name_stands(tmp_path: Path) -> None:
    named = PlannedTask(id="t", transformation="t", executable="/bin/true", env={"kind": "stage_out"})
    jobs = [
        PlannedJob(id="first", kind=Kind.STAGE_OUT, site="local"),
        PlannedJob(id="variable", kind=Kind.COMPUTE, site="local", tasks=[named]),
        job("other"),
        PlannedJob(id="last", kind=Kind.STAGE_OUT, site="local"),
    ]
    write_plan(tmp_path / "plan.jsonl", header(4), jobs)
    plan = PlanFile(tmp_path / "plan.jsonl")

    assert {kind: [it.id for it in plan.jobs_of(kind)] for kind in Kind} == {
        kind: [it.id for it in jobs if it.kind is kind] for kind in Kind
    }
    assert b'"kind":"stage_out"' in plan.line(1)
    plan.close()


def test_a_plan_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    def jobs_of_a_planner_that_fails():  # type: ignore[no-untyped-def]
        yield job("a")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        write_plan(tmp_path / "plan.jsonl", header(2), jobs_of_a_planner_that_fails())

    assert [] == list(tmp_path.iterdir())


def test_a_plan_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = tmp_path / "plan.jsonl"
    write_plan(whole, header(2), [job("a"), job("b", [0])])
    text = whole.read_bytes()

    for size in range(len(text)):
        whole.write_bytes(text[:size])
        with pytest.raises(CorruptPlan, match=r"plan\.jsonl', line \d"):
            PlanFile(whole)


def test_a_plan_in_which_any_bit_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    write_plan(path, header(2), [job("a"), job("b", [0])])
    text = path.read_bytes()

    for bit in range(8 * len(text)):
        changed = bytearray(text)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises((CorruptPlan, NewerFormat)):
            plan = PlanFile(path)
            assert len(plan.outline) == len(list(plan.jobs())) == 2


def test_a_plan_of_a_newer_format_says_so(tmp_path: Path) -> None:
    write_plan(tmp_path / "plan.jsonl", Header(format=FORMAT + 1, workflow="w", jobs=0), [])

    with pytest.raises(NewerFormat, match=f"has format {FORMAT + 1}; this Markab reads up to {FORMAT}"):
        PlanFile(tmp_path / "plan.jsonl")


def test_a_directory_without_a_plan_is_no_submit_directory(tmp_path: Path) -> None:
    with pytest.raises(NotARun, match="is not a submit directory: it has no plan.jsonl") as caught:
        PlanFile(tmp_path / "plan.jsonl")
    assert "markab plan" in caught.value.hint


def test_a_job_that_cannot_be_read_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    write_plan(path, header(2), [job("a"), job("b", [0])])
    lines = path.read_bytes().split(b"\n")
    lines[2] = lines[2].replace(b'"parents":[0]', b'"parents":"x"')
    path.write_bytes(b"\n".join(lines))
    plan = PlanFile(path)

    assert "a" == plan.job(0).id
    with pytest.raises(CorruptPlan, match="line 3"):
        plan.job(1)


def test_a_plan_that_cannot_be_written_names_the_directory(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write .*missing.*No such file or directory"):
        write_plan(tmp_path / "missing" / "plan.jsonl", header(0), [])


@pytest.mark.parametrize("parent", [1, 5, -1])
def test_a_parent_that_does_not_stand_above_its_job_is_damage(tmp_path: Path, parent: int) -> None:
    path = tmp_path / "plan.jsonl"
    write_plan(path, header(2), [job("a"), job("b", [parent])])
    with pytest.raises(CorruptPlan, match="line 3: the job has a parent that does not stand above it"):
        PlanFile(path).outline  # noqa: B018


def test_a_line_that_is_nested_too_deep_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    write_plan(path, header(1), [job("a")])
    head, line = path.read_bytes().splitlines(keepends=True)
    body = line[: line.rindex(b',"crc":')] + b',"x":' + b"[" * 200_000 + b"]" * 200_000
    path.write_bytes(head + body + b',"crc":"%08x"}\n' % crc32(body + b"}"))
    with pytest.raises(CorruptPlan, match="line 2"):
        PlanFile(path).job(0)

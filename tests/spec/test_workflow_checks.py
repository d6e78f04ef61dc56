"""Checks that look at more than one value of a workflow."""

from __future__ import annotations

import pytest

from markab.spec.lfn import lfn_fault
from markab.spec.model import Dependency, Task, Use, Workflow
from markab.spec.workflow_checks import check_workflow


def task(name: str, reads: str = "", makes: str = "") -> Task:
    uses = [Use(lfn, "input") for lfn in reads.split()] + [Use(lfn, "output") for lfn in makes.split()]
    return Task(name, name="x", uses=uses)


def wrong(
    *tasks: Task, name: str = "w", edges: dict[str, str] | None = None, **options: bool
) -> list[tuple[str, str]]:
    dependencies = [Dependency(parent, children.split()) for parent, children in (edges or {}).items()]
    workflow = Workflow("5.0.4", name, list(tasks), dependencies)
    return [(problem.message, problem.hint) for problem in check_workflow(workflow, **options)]


def test_a_right_workflow_has_no_problems() -> None:
    checkpointing = Task("c", name="x", uses=[Use("state", "checkpoint")], stdin="f", stdout="out/log.txt")
    both = Task("d", name="x", uses=[Use("state", "checkpoint"), Use("f", "none"), Use("f", "input")])

    assert [] == wrong(task("a", "f", "g/h i"), task("b", "g/h i f"), checkpointing, both, edges={"a": "b c"})


def test_two_jobs_with_one_id() -> None:
    assert [("two jobs have the id 'a'", "give each an id of its own")] == wrong(task("a"), task("a"))


def test_two_jobs_that_make_one_file() -> None:
    assert [("file 'f' is made by two jobs, 'a' and 'b'", "let each job write a file of its own")] == wrong(
        task("a", "", "f"), task("b", "", "f")
    )


def test_a_file_below_a_file() -> None:
    message = "file 'a/b/c' needs a directory 'a', which is a file of this workflow"
    assert [(message, "rename one of the two")] == wrong(task("x", "a", "ab/c"), task("y", "", "a/b/c"))
    stream = Task("y", name="x", stdout="a/b/c")
    assert [(message, "rename one of the two")] == wrong(task("x", "a"), stream)


def test_one_job_that_makes_a_file_twice_or_reads_what_it_makes() -> None:
    assert [("job 'a' makes 'f' twice", "remove one of the two entries")] == wrong(task("a", "", "f f"))
    assert [("job 'a' both reads and makes 'f'", "write the result to a file with another name")] == wrong(
        task("a", "f", "f")
    )


def test_dependencies_on_unknown_jobs_and_on_the_job_itself() -> None:
    assert [
        ("job 'fetch' depends on itself", "remove it from its own children"),
        ("a dependency names the job 'fetsh', which does not exist", "did you mean 'fetch'?"),
        ("a dependency names the job 'zzz', which does not exist", "add the job, or remove the dependency"),
    ] == wrong(task("fetch"), edges={"fetch": "fetch fetsh", "zzz": ""})


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("a/b", "the workflow's name 'a/b' has a slash or a blank in it", "use for example 'a-b'"),
        (
            "my work",
            "the workflow's name 'my work' has a slash or a blank in it",
            "use for example 'my-work'",
        ),
        ("", "the workflow's name '' is empty", "use for example 'my-workflow'"),
        ("..", "the workflow's name '..' is not a valid name", "use for example 'my-workflow'"),
    ],
)
def test_names_that_no_directory_can_have(name: str, message: str, hint: str) -> None:
    assert [(message, hint)] == wrong(task("a"), name=name)


def test_ids_have_letters_digits_and_little_else() -> None:
    assert [] == wrong(task("a-B_1.2"))
    assert [
        ("the job id 'a b' has characters that are not allowed", "use letters, digits, '-', '_' and '.'")
    ] == wrong(task("a b"))


def test_jobs_need_a_name_and_sub_workflows_a_file() -> None:
    assert [
        ("job 'a' has no 'name'", "name the transformation it runs"),
        ("job 'b' has no 'file'", "name the logical file with the sub-workflow"),
    ] == wrong(Task("a"), Task("b", type="pegasusWorkflow"))


@pytest.mark.parametrize(
    ("lfn", "message", "hint"),
    [
        ("../f", "has '..' in it", "name the file relative to the directory of the run"),
        ("a/../../f", "has '..' in it", "name the file relative to the directory of the run"),
        ("/etc/passwd", "is an absolute path", "use a relative name, or allow such names with markab.lfn.absolute = true"),
        ("a\0b", "has the control character 0x00", "use printable characters only"),
        ("a\nb", "has the control character 0x0a", "use printable characters only"),
        ("", "is empty", "give the file a name"),
        ("./f", "has '.' as a part", "write 'f'"),
        (".//d/", "has '.' as a part", "write 'd/'"),
        ("./", "has '.' as a part", "give the file a name"),
        ("a//f", "has an empty part", "remove one of two slashes in a row"),
        ("a//", "has an empty part", "remove one of two slashes in a row"),
        ("a.markab-tree", "is a name that Markab uses itself", "choose another name"),
        ("x" * 300, "has a part of 300 bytes", "file systems allow at most 255 bytes between two slashes"),
        ("é" * 200, "has a part of 400 bytes", "file systems allow at most 255 bytes between two slashes"),
        ("x/" * 2000 + "ff", "is 4002 bytes long", "at most 3000 bytes are allowed"),
    ],
)  # fmt: skip
def test_file_names_that_would_leave_their_directory_or_break_a_disk(
    lfn: str, message: str, hint: str
) -> None:
    assert (message, hint) == lfn_fault(lfn)
    ((found, shown),) = wrong(Task("a", name="x", uses=[Use(lfn, "input")]))
    assert found.endswith(f"(used by job 'a') {message}")
    assert hint == shown
    assert 1 == len(wrong(Task("a", name="x", stdout=lfn)))


def test_ordinary_and_strange_but_good_file_names_pass() -> None:
    for lfn in (
        "f",
        "a/b.c",
        "with blank",
        "é",
        "-x",
        "...",
        ".hidden",
        "x" * 255,
        "/".join(["y" * 200] * 5),
    ):
        assert lfn_fault(lfn) is None


@pytest.mark.parametrize(
    "lfn",
    [
        ".markab",
        ".markab/f",
        ".markab.part",
        ".work",
        ".work/a.1",
        ".f.part-0",
        "d/.f.part-link",
        ".f.part-host-12-3",
    ],
)
def test_names_that_markab_uses_itself_are_reserved(lfn: str) -> None:
    assert lfn_fault(lfn) == ("is a name that Markab uses itself", "choose another name")


def test_names_like_those_that_markab_uses_are_valid() -> None:
    for lfn in (".markab.yml", ".working", "d/.markab", "d/.work", "f.part-1", ".f.partial"):
        assert lfn_fault(lfn) is None


def test_absolute_names_pass_when_they_are_allowed_but_never_leave() -> None:
    assert [] == wrong(task("a", "/data/f"), absolute_lfns=True)
    assert lfn_fault("/data/../f", absolute=True)


def test_arguments_with_which_no_program_can_be_started_are_a_problem() -> None:
    assert [] == wrong(Task("a", name="x", arguments=["y" * 131_071]))
    ((message, hint),) = wrong(Task("a", name="x", arguments=["y" * 131_072]))
    assert "an argument of job 'a' is too long" == message and "131,071 bytes" in hint
    ((message, _),) = wrong(Task("a", name="x", arguments=["y" * 131_000] * 49))
    assert "the arguments of job 'a' are too long: 6,419,049 bytes of at most 6,291,456" == message

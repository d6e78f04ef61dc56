"""Which steps a script has, and which files each reads and writes, without running it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from markab.errors import DocumentError, MarkabError
from markab.importing.shell_script import read_script
from markab.importing.step_jobs import StepSource, workflow_of
from markab.importing.steps import Step

pytest.importorskip("tree_sitter_bash")


def read(directory: Path, text: str, *arguments: str) -> StepSource:
    path = directory / "run.sh"
    path.write_text(text)
    return read_script(path, arguments)


def only(source: StepSource) -> Step:
    (step,) = source.steps
    return step


def files(step: Step) -> tuple[str, str]:
    return " ".join(sorted(step.reads)), " ".join(sorted(step.writes))


def have(directory: Path, *names: str) -> None:
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(name)


@pytest.mark.parametrize(
    ("command", "reads", "writes"),
    [
        ("sort a.txt > b.txt", "a.txt", "b.txt"),
        ("sort < a.txt >> b.txt 2> err", "a.txt", "b.txt err"),
        ("sort a.txt 2>&1 > /dev/null", "a.txt", ""),
        ("sort a.txt &> log", "a.txt", "log"),
        ("cat a.txt | tee x y | wc -l > n", "a.txt", "n x y"),
        ("sort -o b.txt a.txt", "a.txt", "b.txt"),
        ("tool --output=out/b.txt --threads=3 a.txt", "a.txt", "out/b.txt"),
        ("./tool.sh a.txt > b", "a.txt tool.sh", "b"),
        ("cp a.txt d/x.txt", "a.txt", "d/x.txt"),
        ("cp a.txt d/x.txt new/", "a.txt d/x.txt", "new/a.txt new/x.txt"),
        ("mv a.txt d", "a.txt", "d/a.txt"),
        ("gzip -9 a.txt", "a.txt", "a.txt.gz"),
        ("gunzip -k z.gz", "z.gz", "z"),
        ("tar czf all.tgz a.txt d", "a.txt d/", "all.tgz"),
        ("tar -xzf z.gz", "z.gz", ""),
        ("sed -i s/a/b/ a.txt", "a.txt", "a.txt"),
        ("cat d/*.txt > all", "d/x.txt d/y.txt", "all"),
        ('cat "d/*.txt" > all', "", "all"),
        ("cat $(basename q/a.txt) > b", "a.txt", "b"),
        ("cat <<END > b\n$HOME a.txt\nEND", "", "b"),
        ("diff <(sort a.txt) d/x.txt > b", "a.txt d/x.txt", "b"),
        ("( sort a.txt; cat d/x.txt ) > b", "a.txt d/x.txt", "b"),
        ("sort a.txt > t && uniq t > b", "a.txt", "b t"),
        ("if [ -e a.txt ]; then sort a.txt > b; else touch c; fi", "a.txt", "b c"),
        ("while read x; do echo $x; done < a.txt > b", "a.txt", "b"),
        ("echo hello > b", "", "b"),
        ("sort {a,d/x}.txt > b & wait", "a.txt d/x.txt", "b"),
        ("X=1 sort a.txt > b", "a.txt", "b"),
        ("awk '{print $1}' a.txt > b", "a.txt", "b"),
        ("sort /dev/null a.txt > b", "a.txt", "b"),
        ("tr a-z A-Z < a.txt | grep -v x.y | awk -F. '{print}' > b", "a.txt", "b"),
        ("grep -e x.y a.txt > b", "a.txt", "b"),
        ("python gone.py a.txt figure.png", "a.txt", "figure.png"),
    ],
)
def test_the_files_of_a_command(command: str, reads: str, writes: str, tmp_path: Path) -> None:
    have(tmp_path, "a.txt", "d/x.txt", "d/y.txt", "tool.sh", "z.gz")

    assert files(only(read(tmp_path, f"set -e\n{command}\n"))) == (reads, writes)


def test_a_loop_over_words_is_one_step_for_each(tmp_path: Path) -> None:
    have(tmp_path, "d/x.txt", "d/y.txt")
    source = read(
        tmp_path,
        """\
IN=d
for f in $IN/*.txt {1..2}; do
  base=$(basename "$f" .txt)
  sort "$f" > $IN/out/$base.s
done
cat $IN/out/*.s > all; echo $base >> all
""",
    )

    assert [files(step) for step in source.steps] == [
        ("d/x.txt", "d/out/x.s"),
        ("d/y.txt", "d/out/y.s"),
        ("", "d/out/1.s"),
        ("", "d/out/2.s"),
        ("d/out/1.s d/out/2.s d/out/x.s d/out/y.s", "all"),
        ("", "all"),
    ]
    assert source.steps[-1].text.splitlines() == ["f=2", 'base=$(basename "$f" .txt)', "echo $base >> all"]


def test_the_second_variable_of_an_unquoted_word_is_seen(tmp_path: Path) -> None:
    """The grammar takes it for a dollar sign and another word."""
    source = read(tmp_path, "a=x\nb=y\nc=$a/d/$b.e\nsort < /dev/null > $a/d/$b.$c\n")

    assert files(only(source)) == ("", "x/d/y.x/d/y.e")


def test_a_file_that_is_mentioned_first_and_read_later_is_made(tmp_path: Path) -> None:
    have(tmp_path, "a.txt")
    source = read(tmp_path, "tool a.txt model.bin\npredict model.bin a.txt > p\n")

    assert [files(step) for step in source.steps] == [("a.txt", "model.bin"), ("a.txt model.bin", "p")]
    assert "line 2 uses it" in source.notes[0].message


def test_a_step_gets_what_precedes_it_and_no_more(tmp_path: Path) -> None:
    source = read(
        tmp_path,
        """\
set -euo pipefail
export LC_ALL=C
A=1
B=$A.x
C=unused
show() { echo $A; }
N=$(wc -l < /etc/passwd)
echo $B > b
show > c
head -n $N /dev/null > d
""",
    )

    always = ["set -euo pipefail", "export LC_ALL=C"]
    assert [step.text.splitlines() for step in source.steps] == [
        [*always, "A=1", "B=$A.x", "echo $B > b"],
        [*always, "A=1", "show() { echo $A; }", "show > c"],
        [*always, "N=$(wc -l < /etc/passwd)", "head -n $N /dev/null > d"],
    ]


def test_options_in_the_first_line_hold_for_each_step(tmp_path: Path) -> None:
    source = read(tmp_path, "#!/bin/sh -eu\ntouch a\n")

    assert only(source).text == "set -eu\ntouch a" and source.shell == "/bin/sh" and source.notes == []


def test_modules_that_a_python_program_imports_are_read_too(tmp_path: Path) -> None:
    have(tmp_path, "bin/tool.py", "bin/helper.py")
    (tmp_path / "bin/tool.py").write_text("import helper")
    (task,) = workflow_of(read(tmp_path, "python3 bin/tool.py > a\n"), "w", tmp_path / "p").workflow.jobs

    assert [use.lfn for use in task.uses] == ["bin/helper.py", "bin/tool.py", "a"]


def test_a_value_that_a_step_computes_brings_its_files(tmp_path: Path) -> None:
    have(tmp_path, "a.txt")
    source = read(tmp_path, "sort a.txt > b\nN=$(wc -l < b)\necho $N > c\n")

    assert files(source.steps[1]) == ("b", "c")


def test_a_directory_that_is_entered_is_part_of_the_paths(tmp_path: Path) -> None:
    have(tmp_path, "sub/a.txt", "c.txt")
    source = read(tmp_path, "cd sub\nsort a.txt ../c.txt > b\ncd ..\ncat sub/b > d\n")

    assert [files(step) for step in source.steps] == [("c.txt sub/a.txt", "sub/b"), ("sub/b", "d")]
    assert source.steps[0].directories == {"sub"}


def test_arguments_and_the_environment_are_written_into_the_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    have(tmp_path, "a.txt")
    monkeypatch.setenv("WHERE", "here dir")
    source = read(tmp_path, 'sort "$1" > "$WHERE.txt"\n', "a.txt")

    assert files(only(source)) == ("a.txt", "here dir.txt")
    assert only(source).text.splitlines()[:2] == ["export WHERE='here dir'", "set -- a.txt"]
    assert "$WHERE is taken from the environment: 'here dir'" in [note.message for note in source.notes]


def test_files_can_be_declared_in_a_comment(tmp_path: Path) -> None:
    have(tmp_path, "a.txt", "b.txt")
    source = read(
        tmp_path,
        "for x in a b; do\n  # markab: in=$x.txt out=$x.png,$x.pdf\n  plot --data $x\ndone\ntool # markab: out=c\n",
    )

    assert [files(step) for step in source.steps] == [
        ("a.txt", "a.pdf a.png"),
        ("b.txt", "b.pdf b.png"),
        ("", "c"),
    ]
    assert not source.left_out


def test_what_is_removed_or_moved_is_not_delivered(tmp_path: Path) -> None:
    have(tmp_path, "a.txt")
    source = read(tmp_path, "rm -f old\nsort a.txt > t\ncp t u\nuniq u > v\nmv v w\nrm t u\n")
    workflow = workflow_of(source, "w", tmp_path / "p").workflow

    delivered = {use.lfn for task in workflow.jobs for use in task.uses if use.stage_out}
    assert delivered == {"w"} and [task.id for task in workflow.jobs] == ["sort", "cp", "uniq", "mv"]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("source conf.sh", 1, "`source` takes commands from another file"),
        ("sort a.txt > b\neval x", 2, "`eval` runs text as commands"),
        ("read name", 1, "`read` reads from the terminal"),
        ("cd /tmp\nls", 1, "`cd` leads out of the directory"),
        ("for f in $(cat list); do sort $f > $f.s; done", 1, "$f, $f.s: known only when the script runs"),
        ("while read f; do\n gzip $f\ndone < a.txt", 1, "$f: known only when the script runs"),
        ("go() { sort $1 > $2; }\ngo a.txt b", 2, "the files of the function go"),
        ("sort a.txt > b\nsort b > a.txt", 2, "changes 'a.txt', which was there before and was read"),
        ("sort a.txt > ../b", 1, "writes '../b', and the name has '..'"),
        ("sort a.txt > /tmp/b", 1, "writes '/tmp/b', and the name is an absolute path"),
        ("# markab: in=gone.txt out=b\ntool", 2, "there is no file 'gone.txt'"),
        ('# markab: "a.txt\ntool', 2, "'\"a.txt' is not in=FILE"),
        ("# markab: inn=a.txt\ntool", 2, "'inn=a.txt' is not in=FILE"),
    ],
)
def test_what_cannot_be_carried_over_is_listed_with_its_line(
    text: str, line: int, message: str, tmp_path: Path
) -> None:
    have(tmp_path, "a.txt", "list")
    source = read(tmp_path, text + "\n")
    workflow_of(source, "w", tmp_path / "p")

    assert message in source.left_out[0].message and source.left_out[0].line == line
    assert len(source.left_out) == 1


def test_only_printing_is_no_job(tmp_path: Path) -> None:
    source = read(
        tmp_path,
        'echo start\n[ -d out ] || mkdir out\nmkdir -p x/y\n[ -n "$HOME" ] || { echo no; exit 1; }\n',
    )

    assert source.steps == [] and source.directories == {"out", "x/y"}


def test_a_script_that_bash_cannot_parse_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"run\.sh:2: syntax error near"):
        read(tmp_path, "sort a\nif then (\n")


def test_words_are_expanded_without_running_anything(tmp_path: Path) -> None:
    read(tmp_path, "X=$(touch harm; echo a)\nY=`touch harm`\nsort $X $Y > b\ncat ${Z:=$(touch harm)} > c\n")

    assert not (tmp_path / "harm").exists()


def test_without_the_packages_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tree_sitter_bash", None)

    with pytest.raises(MarkabError) as caught:
        read(tmp_path, "ls\n")
    assert caught.value.hint == "pip install 'markab[shell]'"


def test_a_comment_beside_a_step_is_not_for_the_next(tmp_path: Path) -> None:
    have(tmp_path, "a.txt")
    source = read(tmp_path, "tool # markab: out=c\nsort a.txt > b\n")

    assert [files(step) for step in source.steps] == [("", "c"), ("a.txt", "b")]

"""A script, a Makefile and a Snakefile leave the same files as the workflows that are imported from them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from integration.official_packages import python_with
from integration.packages import have
from integration.tools import command, environment, markab

SNAKEMAKE = "snakemake==9.27.1"

SCRIPT = """\
#!/bin/bash
set -euo pipefail
IN=data
OUT=out
export LC_ALL=C
mkdir -p $OUT/sorted tmp
shout() { tr a-z A-Z; }
echo "starting"
for f in $IN/*.txt; do
  base=$(basename "$f" .txt)
  sort "$f" > $OUT/sorted/$base.s
  ./bin/count.sh $OUT/sorted/$base.s >> counts.txt
done
cat $OUT/sorted/*.s | uniq -c > all.txt && echo ok
python3 bin/upper.py all.txt "upper case.txt"
N=$(wc -l < all.txt)
head -n $N "upper case.txt" > first.txt &
cat > conf <<EOF
from $IN, $N lines
EOF
wait
mv first.txt renamed.txt
shout < conf > tmp/conf.up # markab: in=conf out=tmp/conf.up
if [ -s conf ]; then
  gzip -n conf
fi
while read -r count word; do
  echo "$word $count"
done < all.txt > swapped.txt
( cd $OUT && ls sorted > listing ) # markab: in=out/sorted/one.s,out/sorted/two.s out=out/listing
rm all.txt
tail -1 renamed.txt
"""

MAKEFILE = """\
SHELL = /bin/bash
SAMPLES = one two
export LC_ALL = C
PARTS = $(SAMPLES:%=out/%.s)
.PHONY: all clean
all: joined.txt shout
joined.txt: $(PARTS)
\t@echo joining
\tcat $^ > $@
\t-false
out/%.s: data/%.txt | out
\tset -o pipefail; sort $< \\
\t  | uniq -c > $@
out:
\tmkdir -p out
shout: joined.txt bin/upper.py
\tpython3 bin/upper.py $< $@
clean:
\trm -rf out
"""

SNAKEFILE = """\
SAMPLES = ["one", "two"]

rule all:
    input: "joined.txt", "shout dir/shout"

rule sort:
    input: "data/{sample}.txt"
    output: "out/{sample}.s"
    threads: 2
    resources: mem_mb=20
    params: flags="-r"
    shell:
        \"\"\"
        sort {params.flags} {input} \\\\
            | uniq -c > {output}
        \"\"\"

rule join:
    input: expand("out/{sample}.s", sample=SAMPLES)
    output: temp("joined.tmp"), "joined.txt"
    log: "logs/join.log"
    shell: "cat {input} > joined.txt 2> {log}; cp joined.txt joined.tmp"

rule shout:
    input: text="joined.tmp", program="bin/upper.py"
    output: "shout dir/shout"
    shell: "python3 {input.program} {input.text} {output:q}"
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory with data and programs."""
    directory = tmp_path / "source"
    for name in ("data", "bin"):
        (directory / name).mkdir(parents=True)
    (directory / "data/one.txt").write_text("b\na\nb\n")
    (directory / "data/two.txt").write_text("z\nb\n")
    (directory / "bin/upper.py").write_text(
        "import sys\nopen(sys.argv[2], 'w').write(open(sys.argv[1]).read().upper())\n"
    )
    (directory / "bin/count.sh").write_text('#!/bin/sh\nwc -l "$@"\n')
    (directory / "bin/count.sh").chmod(0o755)
    return directory


def left_by_the_original(source: Path, *words: str | Path) -> dict[str, bytes]:
    """Run the original in a copy of its directory; return the files that are new or changed, by name."""
    copy = source.parent / "original"
    shutil.copytree(source, copy)
    command(*words, cwd=copy)
    before, after = all_files(source), all_files(copy)
    return {name: data for name, data in after.items() if before.get(name) != data}


def left_by_the_workflow(source: Path, name: str, *flags: str | Path) -> dict[str, bytes]:
    """Import and run; return the results."""
    markab("import", name, "project", *flags, cwd=source)
    project = source / "project"
    markab("run", "--dir", "runs", "--output-dir", "results", "workflow.yml", cwd=project)
    return all_files(project / "results")


def all_files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and ".snakemake" not in path.parts
    }


@pytest.mark.integration
def test_a_script_that_is_only_read(source: Path) -> None:
    pytest.importorskip("tree_sitter_bash")
    (source / "run.sh").write_text(SCRIPT)

    expected = left_by_the_original(source, "bash", "run.sh")
    assert len(expected) == 9
    assert left_by_the_workflow(source, "run.sh") == expected


@pytest.mark.integration
@pytest.mark.parametrize("tool", ["strace", "nothing"])
def test_a_script_that_is_traced(
    source: Path, tool: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("tree_sitter_bash")
    if tool == "strace" and not have("strace", package="strace"):
        pytest.skip("strace cannot be had")
    if tool == "nothing":
        hide("strace", tmp_path / "programs", monkeypatch)
    plain = "\n".join(line.partition(" # markab:")[0] for line in SCRIPT.splitlines())
    plain += '\ncp data/one.txt secret.dat; python3 -c \'open("secret.copy", "w").write(open("secret.dat").read())\'\n'
    # What a program opens by itself, only a trace sees.
    (source / "run.sh").write_text(plain if tool == "strace" else SCRIPT)

    expected = left_by_the_original(source, "bash", "run.sh")
    assert left_by_the_workflow(source, "run.sh", "--trace") == expected
    assert sorted(path.name for path in source.iterdir()) == ["bin", "data", "project", "run.sh"]


@pytest.mark.integration
def test_a_makefile(source: Path) -> None:
    if not have("make", package="make"):
        pytest.skip("make cannot be had")
    (source / "Makefile").write_text(MAKEFILE)

    expected = left_by_the_original(source, "make", "-j2")
    assert len(expected) == 4
    assert left_by_the_workflow(source, "Makefile") == expected


@pytest.mark.integration
def test_a_snakefile(source: Path) -> None:
    try:
        program = python_with(SNAKEMAKE).with_name("snakemake")
    except subprocess.CalledProcessError:
        pytest.skip("snakemake cannot be installed")
    (source / "Snakefile").write_text(SNAKEFILE)

    expected = left_by_the_original(source, program, "--cores", "2", "--quiet")
    assert len(expected) == 5
    assert left_by_the_workflow(source, "Snakefile", "--snakemake", program) == expected


@pytest.mark.integration
def test_a_snakefile_that_snakemake_refuses_is_refused_with_its_line(source: Path) -> None:
    try:
        program = python_with(SNAKEMAKE).with_name("snakemake")
    except subprocess.CalledProcessError:
        pytest.skip("snakemake cannot be installed")
    (source / "Snakefile").write_text(
        "rule a:\n    output: 'x'\n    shell: 'true'\n\nrule b:\n    input: 'gone'\n    output: 'y'\n    shell: 'true'\n"
    )
    done = markab(
        "import", "Snakefile", "p", "--target", "y", "--snakemake", program, cwd=source, check=False
    )

    assert done.returncode == 10 and "Snakefile:5" in done.stderr and "gone" in done.stderr


def hide(program: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a PATH that has all programs but one."""
    folder.mkdir()
    for place in environment()["PATH"].split(":"):
        for path in Path(place).glob("*"):
            if path.name != program and not (folder / path.name).exists():
                (folder / path.name).symlink_to(path)
    monkeypatch.setenv("PATH", str(folder))

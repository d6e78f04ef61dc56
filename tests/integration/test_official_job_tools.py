"""The tools around one job of `pegasus-wms`, and ours: they read each other's records, and judge alike."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from integration.official_packages import theirs, with_their_modules
from integration.tools import command
from markab.cli.exitcode import pegasus_exitcode

pytestmark = pytest.mark.integration

MEASURED = ("-n", "sh", "-N", "ID1", "-R", "local", "-s", "made=out.txt", "/bin/sh", "-c")
SUMMARY = '[cluster-summary stat="ok", lines=2, tasks=2, succeeded={}, failed={}, extra=0, pid=7, app="/x"]\n'
TASK = '[cluster-task id=1, duration=1.200, status=0, line=1, pid=77, app="/bin/wc"]\n'


def measured(directory: Path, script: str) -> str:
    """Return what our kickstart writes of a shell script."""
    return command("pegasus-kickstart", *MEASURED, script, cwd=directory, check=False).stdout


Case = tuple[str, str, list[str]]
"""stdout and stderr of a job, and options."""

CHECK_ALL = """
import json, os, sys
from Pegasus import exitcode
for name in sorted(os.listdir(".")):
    child = os.fork()  # one process a case: it cleans up at its end
    if not child:
        os.chdir(name)
        exitcode.main(json.load(open("words")))
        sys.exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Checked(NamedTuple):
    code: int
    log: list[dict[str, object]]
    files: dict[str, str]


def prepare(directory: Path, cases: list[Case]) -> list[Path]:
    """Make a directory for each case; two attempts of the job were checked before."""
    for number, (stdout, stderr, words) in enumerate(cases):
        case = directory / f"{number:03d}"
        case.mkdir(parents=True)
        for name in ("job.out.000", "job.err.000", "job.out.001"):
            (case / name).write_text("before")
        (case / "job.out").write_text(stdout)
        (case / "job.err").write_text(stderr)
        words = [*words, "-l", "log", "-M", "all.meta", "-R", "2", "job.out"]
        (case / "words").write_text(json.dumps(words))
    return sorted(directory.iterdir())


def checked(case: Path, code: int) -> Checked:
    """Return all that a check has changed."""
    files = {path.name: path.read_text() for path in case.iterdir()}
    log = [json.loads(line) for line in files.pop("log", "").splitlines()]
    return Checked(code, [entry | {"timestamp": ""} for entry in log], files)


def test_they_check_our_records_as_we_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = measured(tmp_path, "echo a word > out.txt; echo said; echo k=v > \\$KICKSTART_METADATA")
    bad = measured(tmp_path, "echo a word > out.txt; exit 3")
    killed = measured(tmp_path, r"kill -9 \$\$")
    (tmp_path / "out.txt").unlink()
    missing = measured(tmp_path, "exit 0")
    cases: list[Case] = [
        *[(text, "", []) for text in (good, bad, killed, missing, "", "text\n", good + bad, good + good)],
        *[(f"noise\n{good}noise [\n", "", []), (good, "", ["-r", "1"]), (good, "", ["-r", "0"])],
        *[("text\n", "", ["-I"]), ("", "", ["-I"]), (good, "", ["-N"]), (good, "", ["-n"])],
        *[(good, "fine", ["-s", text]) for text in ("fine", "no", "said", "fi+ne", r"fi\+ne")],
        *[(good, "a b", ["-f", text]) for text in ("a+b", "no", "said")],
        *[(good + TASK + SUMMARY.format(2 - n, n), "", []) for n in (0, 1, 2)],
        *[(TASK, "", []), (SUMMARY.format(0, 0), "", [])],
    ]

    codes = with_their_modules(CHECK_ALL, prepare(tmp_path / "theirs", cases)[0].parent).split()
    for code, own in zip(codes, prepare(tmp_path / "ours", cases), strict=True):
        monkeypatch.chdir(own)
        done = CliRunner().invoke(pegasus_exitcode, json.loads(Path("words").read_text()))
        expected = checked(tmp_path / "theirs" / own.name, int(code))
        assert checked(own, done.exit_code) == expected, cases[int(own.name)]


def test_they_find_all_facts_in_our_records(tmp_path: Path) -> None:
    (tmp_path / "job.out").write_text(
        measured(tmp_path, "echo a word > out.txt; echo said; echo bad >&2; exit 3")
    )
    code = (
        "import json; from Pegasus.tools.kickstart_parser import Parser; "
        "(found,) = Parser('job.out').parse_stampede(); found['outputs'] = list(found['outputs']); "
        "print(json.dumps(found))"
    )
    found = json.loads(with_their_modules(code, tmp_path))

    assert [
        found[key] for key in ("transformation", "derivation", "resource", "raw", "exitcode", "name")
    ] == [
        "sh",
        "ID1",
        "local",
        768,
        3,
        "/bin/sh",
    ]
    assert (found["stdout"], found["stderr"], found["cwd"]) == ("said\n", "bad\n", str(tmp_path))
    assert found["maxrss"] > 0 and found["cpu_count"] > 0 and found["outputs"] == ["made"]


def test_checksums_are_verified_alike(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b c").write_text("b")
    own = command("pegasus-integrity", "--generate", "a;;;b c", cwd=tmp_path).stdout
    assert own == theirs("pegasus-integrity", "--generate", "a;;;b c", cwd=tmp_path).stdout

    sums = re.findall(r"^\w{64}", own, re.MULTILINE)
    entries = [("a", sums[0]), ("b", sums[1]), ("wrong", sums[1])]
    meta = [{"_id": lfn, "_type": "file", "_attributes": {"checksum.value": sum_}} for lfn, sum_ in entries]
    (tmp_path / "job.meta").write_text(json.dumps(meta))
    for files in ("a", "b=b c", "a;;;b=b c", "wrong=a", "a;;;wrong=a", "a=none", "none=a"):
        codes = [
            theirs("pegasus-integrity", "--verify", files, cwd=tmp_path).returncode,
            command("pegasus-integrity", "--verify", files, cwd=tmp_path, check=False).returncode,
        ]
        assert codes[0] == codes[1], files

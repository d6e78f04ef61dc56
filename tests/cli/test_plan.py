from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from markab import operations
from markab.cli import plan_output
from markab.cli.main import markab
from markab.cli.plan import pegasus_plan
from markab.errors import Problem
from markab.planner.draft import Reason
from markab.planner.options import PlanOptions
from markab.planner.planning import Planned
from markab.planner.summary import PlanSummary


class FakePlanner:
    """Stands where the planner is; keeps what it was asked."""

    def __init__(self, submit_dir: Path) -> None:
        self.asked: list[PlanOptions] = []
        self.dry: list[bool] = []
        self.submit_dir = submit_dir

    def __call__(
        self,
        options: PlanOptions,
        *,
        dry: bool = False,
        quiet: int = 0,
        then: str = "nothing",
        explain: bool = False,
        verbose: int = 0,
    ) -> Planned:
        self.asked.append(options)
        self.dry.append(dry)
        return Planned(
            "words",
            PlanSummary(
                jobs={"compute": 2, "stage_in": 1},
                tasks=2,
                left_out=0,
                transfers=3,
                bytes_known=4096,
                files_unknown_size=1,
                deletions=0,
            ),
            None if dry else self.submit_dir,
            {"wf_uuid": "7a3c", "grid_dn": None},
            [],
            [Reason("stage_in_local", "move data", "added", "wc needs 'in'")],
        )


@pytest.fixture
def planner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePlanner:
    fake = FakePlanner(tmp_path / "run0001")
    monkeypatch.setattr(plan_output, "make_plan", fake)
    return fake


def options_of(planner: FakePlanner, *words: str) -> PlanOptions:
    result = CliRunner().invoke(pegasus_plan, words)
    assert result.exit_code == 0, result.output
    return planner.asked[-1]


def test_every_short_flag_of_pegasus_plan_is_understood(planner: FakePlanner) -> None:
    words = (
        "-Dpegasus.mode=tutorial -Dempty= -b base -c c1,c2 -C horizontal,label --cleanup leaf --conf p.properties "
        "--dir sub -f --force-replan -F nice=1 --inherited-rc-files i1,i2 -I in1 -I in2 -j pre -J -m out.map -O out "
        "-o local,archive -qq -r --relative-dir rd --relative-submit-dir rsd -R old -s a,b --staging-site local "
        "-t bin -vvv -Xmx1g -z wf.yml"
    )
    options = options_of(planner, *words.split())
    assert options == PlanOptions(
        workflow=Path("wf.yml"),
        conf=Path("p.properties"),
        properties={"pegasus.mode": "tutorial", "empty": ""},
        sites=["a", "b"],
        output_sites=["local", "archive"],
        staging_sites={"": "local"},
        input_dirs=[Path("in1"), Path("in2")],
        output_dir=Path("out"),
        output_map=Path("out.map"),
        transformations_dir=Path("bin"),
        dir=Path("sub"),
        relative_dir="rd",
        relative_submit_dir="rsd",
        random_dir=True,
        basename="base",
        job_prefix="pre",
        cleanup="leaf",
        cluster=["horizontal", "label"],
        cache=[Path("c1"), Path("c2")],
        reuse=[Path("old")],
        inherited_rc_files=[Path("i1"), Path("i2")],
        force=True,
        force_replan=True,
        forward=["nice=1"],
        directory=Path.cwd(),
    )


def test_pegasus_plan_takes_the_workflow_as_older_versions_name_it(planner: FakePlanner) -> None:
    assert options_of(planner, "-d", "old.yml").workflow == Path("old.yml")
    assert options_of(planner, "--dax", "old.yml", "--rescue", "2").workflow == Path("old.yml")
    assert options_of(planner).workflow == Path("workflow.yml")


def test_two_names_of_the_workflow_are_refused(planner: FakePlanner) -> None:
    done = CliRunner().invoke(pegasus_plan, ["-d", "old.yml", "new.yml"])

    assert done.exit_code == 2 and not planner.asked
    assert "name one workflow: 'new.yml', or --dax 'old.yml'" in done.output


def test_long_flags_mean_the_same(planner: FakePlanner) -> None:
    short = options_of(
        planner,
        *[
            "-b",
            "x",
            "-c",
            "f",
            "-C",
            "label",
            "-f",
            "-F",
            "o",
            "-I",
            "i",
            "-j",
            "p",
            "-m",
            "m",
            "-O",
            "o",
            "-o",
            "s",
            "-R",
            "r",
            "-s",
            "s",
            "-t",
            "t",
            "w",
        ],
    )
    long = options_of(
        planner,
        *[
            "--basename",
            "x",
            "--cache",
            "f",
            "--cluster",
            "label",
            "--force",
            "--forward",
            "o",
            "--input-dir",
            "i",
            "--job-prefix",
            "p",
        ],
        *[
            "--output-map",
            "m",
            "--output-dir",
            "o",
            "--output-sites",
            "s",
            "--reuse",
            "r",
            "--sites",
            "s",
            "--transformations-dir",
            "t",
            "w",
        ],
    )
    assert short == long


def test_the_workflow_is_workflow_yml_when_none_is_named(planner: FakePlanner) -> None:
    assert options_of(planner).workflow == Path("workflow.yml")


@pytest.mark.parametrize(
    ("words", "random_dir", "workflow"),
    [
        ("-r wf.yml", True, "wf.yml"),
        ("--randomdir wf.yml", True, "wf.yml"),
        ("--randomdir=x wf.yml", "x", "wf.yml"),
        ("-rx wf.yml", "x", "wf.yml"),
        ("wf.yml", False, "wf.yml"),
        ("wf.yml -r", True, "wf.yml"),
    ],
)
def test_the_name_of_a_random_directory_must_be_joined(
    planner: FakePlanner, words: str, random_dir: bool | str, workflow: str
) -> None:
    options = options_of(planner, *words.split())
    assert (options.random_dir, options.workflow) == (random_dir, Path(workflow))


def test_properties_may_stand_anywhere(planner: FakePlanner) -> None:
    options = options_of(planner, "-Da=1", "-s", "x", "-D", "b=2", "wf.yml", "-Dc=x=y")
    assert options.properties == {"a": "1", "b": "2", "c": "x=y"}


def test_slots_are_properties_of_the_plan(planner: FakePlanner) -> None:
    options = options_of(planner, "--cores", "3", "--memory", "2GB", "-Dmarkab.slots.gpus=9", "--gpus", "0")
    assert options.properties == {
        "markab.slots.cores": "3",
        "markab.slots.memory": "2GB",
        "markab.slots.gpus": "0",
    }


def test_staging_sites_by_execution_site(planner: FakePlanner) -> None:
    options = options_of(planner, "--staging-site", "a=s1,b=s2", "--staging-site", "c=s3")
    assert options.staging_sites == {"a": "s1", "b": "s2", "c": "s3"}


def test_older_spellings_of_flags_still_work(planner: FakePlanner) -> None:
    options = options_of(planner, *["--site", "a", "--output-site", "local", "wf.yml"])
    assert (options.sites, options.output_sites, options.workflow) == (["a"], ["local"], Path("wf.yml"))


def test_nocleanup_is_cleanup_none(planner: FakePlanner) -> None:
    assert options_of(planner, "-n").cleanup == "none"


def test_json_is_the_braindump_with_what_to_type_next(planner: FakePlanner) -> None:
    import json

    shown = json.loads(CliRunner().invoke(pegasus_plan, ["--json"]).stdout)
    assert shown["submit_dir"] == str(planner.submit_dir)
    assert shown["pegasus-run"] == f"pegasus-run {planner.submit_dir}"
    assert shown["wf_uuid"] == "7a3c" and shown["grid_dn"] is None and shown["message"]


def test_pegasus_plan_prints_the_lines_that_run_and_remove(planner: FakePlanner) -> None:
    out = CliRunner().invoke(pegasus_plan, []).stdout
    assert f"\npegasus-run  {planner.submit_dir}\n" in out
    assert f"\npegasus-remove {planner.submit_dir}\n" in out


def test_markab_plan_prints_the_summary_and_the_next_command(planner: FakePlanner) -> None:
    out = CliRunner().invoke(markab, ["plan", "wf.yml"]).stdout
    assert "words: 3 jobs (2 compute, 1 stage-in)" in out
    assert "3 transfers, 4.0 KB known, 1 file of unknown size" in out
    assert f"markab run {planner.submit_dir}" in out


def test_quiet_prints_nothing(planner: FakePlanner) -> None:
    assert CliRunner().invoke(markab, ["plan", "-q", "wf.yml"]).output == ""


def test_explain_shows_why_each_job_is_in_the_plan(planner: FakePlanner) -> None:
    out = CliRunner().invoke(markab, ["plan", "--explain"]).stdout
    assert "stage_in_local: added by move data: wc needs 'in'" in out


def test_a_dry_run_writes_nothing_and_says_so(planner: FakePlanner) -> None:
    out = CliRunner().invoke(markab, ["plan", "--dry-run"]).stdout
    assert planner.dry == [True]
    assert "nothing was written" in out and "markab run" not in out
    assert CliRunner().invoke(markab, ["plan", "--dry-run", "--submit"]).exit_code == 2


def test_a_property_without_a_key_is_a_wrong_command_line(planner: FakePlanner) -> None:
    assert CliRunner().invoke(pegasus_plan, ["-D=1"]).exit_code == 2


def test_submit_starts_in_the_background_under_the_name_of_pegasus(
    planner: FakePlanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    monkeypatch.setattr(operations, "start", started.append)
    result = CliRunner().invoke(pegasus_plan, ["--submit", "wf.yml"])
    assert started == [planner.submit_dir]
    assert f"pegasus-status -l {planner.submit_dir}" in result.stdout


def test_submit_runs_in_the_foreground_under_our_name(
    planner: FakePlanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    from markab.cli import run_output

    monkeypatch.setattr(run_output, "run_here", lambda path, **_: 14)
    assert CliRunner().invoke(markab, ["plan", "--submit"]).exit_code == 14


def test_warnings_go_to_stderr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakePlanner(tmp_path)
    planned = fake(PlanOptions(workflow=Path("w")))
    planned.warnings.append(Problem("property 'dagman.retri' is unknown", hint="did you mean dagman.retry?"))
    monkeypatch.setattr("markab.planner.planning.plan", lambda options, progress, **_: planned)
    result = CliRunner().invoke(markab, ["plan"])
    assert "warning: property 'dagman.retri' is unknown\n  hint: did you mean dagman.retry?" in result.stderr
    assert "retri" not in result.stdout
    assert CliRunner().invoke(markab, ["plan", "-qq"]).stderr == ""


def test_planning_says_nothing_in_its_first_second_and_clears_its_line() -> None:
    import io

    now = [0.0]
    stream = io.StringIO()
    line = plan_output.PlanningProgress(stream, clock=lambda: now[0])
    line("reading", 0, None)
    assert stream.getvalue() == ""
    now[0] = 1.5
    line("placing jobs", 500, 1000)
    line("placing jobs", 501, 1000)
    assert stream.getvalue() == "\rplanning: placing jobs, 500 of 1,000"
    line.clear()
    assert stream.getvalue().endswith(" \r")

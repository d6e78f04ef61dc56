from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from markab.cli.plan import plan
from markab.diagnosis.error_rules import rule_of_error, rule_of_signal, rule_of_stop
from markab.diagnosis.failure_rules import CERTAINTIES, CLASSES, RULES, rule_text
from markab.transfers.error_kinds import ErrorKind

WORKFLOW = {
    "F01": """jobs:
- {type: job, id: a, name: cat, arguments: [f.in], uses: [{lfn: f.in, type: input}]}
""",
    "F02": """jobs:
- {type: job, id: a, name: nosuchprogram, arguments: []}
""",
    "F04": """jobs:
- {type: job, id: a, name: cat, uses: [{lfn: x, type: input}, {lfn: y, type: output}]}
- {type: job, id: b, name: cat, uses: [{lfn: y, type: input}, {lfn: x, type: output}]}
""",
    "F05": """jobs:
- {type: job, id: a, name: cat, uses: [{lfn: y, type: output}]}
- {type: job, id: b, name: cat, uses: [{lfn: y, type: output}]}
""",
    "F07": """jobs:
- {type: job, id: a, name: cat, uses: [{lfn: f.in, type: input}]}
replicaCatalog:
  replicas:
  - {lfn: f.in, pfns: [{site: local, pfn: "${NO_SUCH_DIRECTORY_OF_DATA}/f.in"}]}
""",
    "F09": """jobs:
- {type: job, id: a, name: cat, arguments: []}
jobDependencies:
- {id: a, children: [forgotten]}
""",
}


@pytest.mark.parametrize("rule", WORKFLOW)
def test_what_planning_refuses_is_named_by_its_rule(
    rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    head = "x-pegasus: {apiLang: python}\npegasus: '5.0'\nname: w\n"
    (tmp_path / "workflow.yml").write_text(head + WORKFLOW[rule])

    done = CliRunner().invoke(plan, ["--json", "workflow.yml"])

    assert done.exit_code in (10, 11), done.output
    (problem,) = json.loads(done.stdout)["error"]["problems"]
    assert rule_of_error(ErrorKind.PLANNING, problem["message"]) == (rule, "certain"), problem["message"]


def test_a_signal_that_anyone_can_send_has_no_certain_cause() -> None:
    assert rule_of_signal("SIGSEGV (11)") == ("F54", "certain")
    assert rule_of_signal("SIGILL (4)") == ("F55", "certain")
    for name in ("SIGKILL (9)", "SIGTERM (15)", "SIGUSR1 (10)", "signal 40"):
        assert rule_of_signal(name) == ("F55", "possible")


def test_every_kind_of_error_has_a_rule_or_is_unknown() -> None:
    kinds = [value for name, value in vars(ErrorKind).items() if name.isupper()]
    for kind in kinds:
        rule, certainty = rule_of_error(kind, "something that no message of ours has")
        assert rule in RULES and certainty in CERTAINTIES
        assert (rule == "F86") == (certainty == "unknown")


def test_what_stops_an_engine_has_a_rule() -> None:
    assert rule_of_stop("refused", "this machine has 2 cores, too few for 'a'") == "F06"
    assert rule_of_stop("refused", "the plan was changed") == "F83"
    assert rule_of_stop("no-room", "it needs 2 GB") == "F63"


def test_the_rules_are_numbered_without_a_gap_and_have_a_class() -> None:
    assert list(RULES) == [f"F{number:02d}" for number in range(1, 90)]
    assert {rule.category for rule in RULES.values()} == set(CLASSES)
    assert rule_text("F86", "unknown") == "F86 unknown"

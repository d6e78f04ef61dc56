from __future__ import annotations

from pathlib import Path

import pytest

from kit.made_run import (
    T0,
    began,
    compute,
    end,
    ended,
    engine_alive,
    failed,
    gave_up,
    make_run,
    retry,
    start,
)
from markab.errors import MarkabError
from markab.plan.model import Input, Kind, Output, Place, PlannedJob, PlannedTask, Transfer
from markab.reports.exports.formatting import iso, planned_words
from markab.reports.exports.run_facts import AttemptFacts, Facts


def read(directory: Path) -> tuple[Facts, list[AttemptFacts]]:
    facts = Facts(directory)
    return facts, list(facts.attempts())


def made(lfn: str, sha256: str = "ab", **more: object) -> dict[str, object]:
    return {"lfn": lfn, "size": 7, "sha256": sha256, **more}


RAN = [{"task": "a", "argv": ["wc"], "start": T0 + 1, "duration_s": 0.5, "status": 0}]
PAIR = [
    compute("a", outputs=[Output("x")]),
    compute("b", 0, inputs=[Input("x")], outputs=[Output("y")]),
]


def test_a_file_is_described_with_its_maker_and_passed_to_its_readers(tmp_path: Path) -> None:
    make_run(
        tmp_path,
        PAIR,
        [
            began(),
            start(0),
            end(0, outputs=[made("x")]),
            start(1),
            end(1, invocations=RAN, outputs=[made("y")]),
        ],
    )

    facts, attempts = read(tmp_path)

    assert ["wc_a/1", "wc_b/1"] == [attempt.name for attempt in attempts]
    assert ["x"] == [file.lfn for file in attempts[1].used]
    assert ("wc_a/1", "ab", 7) == (
        facts.files["x"].maker,
        facts.files["x"].sha256,
        facts.files["x"].size_bytes,
    )


def test_every_attempt_is_described_the_failed_ones_with_their_error(tmp_path: Path) -> None:
    make_run(
        tmp_path,
        PAIR,
        [
            began(),
            start(0),
            failed(0, also=[{"kind": "missing-output", "message": "no x"}]),
            retry(0),
            start(0, 2),
            failed(0, 2),
            gave_up(0, 2),
            ended("failed"),
        ],
    )

    facts, attempts = read(tmp_path)

    assert [(1, "failed", "exit code 3; no x"), (2, "failed", "exit code 3")] == [
        (attempt.number, attempt.state, attempt.error) for attempt in attempts
    ]
    assert "Failure" == facts.state
    assert ["the run is not complete: 2 of 2 jobs did not succeed"] == facts.missing()


def test_an_attempt_that_failed_before_its_start_read_nothing(tmp_path: Path) -> None:
    make_run(tmp_path, PAIR, [began(), start(0), end(0, outputs=[made("x")]), start(1), failed(1)])

    assert [] == read(tmp_path)[1][1].used


@pytest.mark.parametrize("lives", [True, False])
def test_an_attempt_without_an_end_runs_or_is_lost_with_its_engine(tmp_path: Path, lives: bool) -> None:
    make_run(tmp_path, PAIR, [began(), start(0)])

    if lives:
        with engine_alive(tmp_path):
            facts, attempts = read(tmp_path)
    else:
        facts, attempts = read(tmp_path)

    assert ["running" if lives else "lost"] == [attempt.state for attempt in attempts]
    assert ("Running" if lives else "Halted") == facts.state
    assert T0 + 1 == attempts[0].start


def test_a_checkpoint_has_a_version_for_each_attempt_that_made_one(tmp_path: Path) -> None:
    job = compute("a", inputs=[Input("ckpt", optional=True)], outputs=[Output("ckpt", checkpoint=True)])
    first = failed(0, invocations=RAN, outputs=[made("ckpt", "11", checkpoint=True)])
    second = end(0, 2, invocations=RAN, outputs=[made("ckpt", "22", checkpoint=True)])
    make_run(tmp_path, [job], [began(), start(0), first, retry(0), start(0, 2), second])

    facts, attempts = read(tmp_path)

    assert [] == attempts[0].used, "there was none yet"
    assert ["11"] == [file.sha256 for file in attempts[1].used]
    assert [(1, "11")] == [(file.version, file.sha256) for file in facts.older]
    assert (2, "22", "wc_a/2") == (
        facts.files["ckpt"].version, facts.files["ckpt"].sha256, facts.files["ckpt"].maker
    )  # fmt: skip


def test_what_a_failed_attempt_left_half_placed_is_not_its_result(tmp_path: Path) -> None:
    make_run(
        tmp_path,
        PAIR,
        [
            began(),
            start(0),
            failed(0, outputs=[made("x", "11")]),
            retry(0),
            start(0, 2),
            end(0, 2, outputs=[made("x", "22")]),
        ],
    )

    facts, attempts = read(tmp_path)

    assert [[], ["22"]] == [[file.sha256 for file in attempt.made] for attempt in attempts]
    assert [] == facts.older


def delivery(url: str) -> PlannedJob:
    move = Transfer("x", [Place("local", "/scratch/x")], [Place("out", url)])
    return PlannedJob(id="stage_out", kind=Kind.STAGE_OUT, site="local", parents=[0], transfers=[move])


def test_a_delivered_file_that_was_deleted_is_noticed(tmp_path: Path) -> None:
    kept, gone = tmp_path / "kept", tmp_path / "gone"
    kept.write_text("x")
    for place, notes in ((kept, 0), (gone, 1)):
        moved = {"lfn": "x", "source": "/scratch/x", "destination": str(place), "bytes": 7}
        make_run(
            tmp_path / f"run-{place.name}",
            [PAIR[0], delivery(str(place))],
            [
                began(),
                start(0),
                end(0, outputs=[made("x")]),
                start(1),
                end(1, transfers=[moved]),
                ended("success"),
            ],
        )
        facts, _ = read(tmp_path / f"run-{place.name}")
        assert [("out", str(place), True)] == [(p.site, p.url, p.delivered) for p in facts.files["x"].places]
        assert notes == len([line for line in facts.missing() if "no longer" in line])


def test_passwords_in_urls_do_not_come_through(tmp_path: Path) -> None:
    url = "https://ada:hunter2@example.org/x?token=hunter2"
    moved = {"lfn": "x", "source": "/scratch/x", "destination": url, "bytes": 7}
    make_run(
        tmp_path,
        [PAIR[0], delivery(url)],
        [began(), start(0), end(0, outputs=[made("x")]), start(1), end(1, transfers=[moved])],
    )

    facts, attempts = read(tmp_path)

    assert "hunter2" not in repr([facts.files["x"], attempts[1].moved])
    assert "https://example.org/x" in facts.files["x"].places[0].url


def test_command_lines_are_as_planned_whatever_the_quotes() -> None:
    def words(arguments: str) -> list[str]:
        return planned_words(PlannedTask("a", "t", "/bin/sh", arguments))

    assert ["/bin/sh", "-c", "a b", "$TOKEN"] == words("-c 'a b' $TOKEN")
    assert ["/bin/sh", "it's"] == words("it's")
    assert ["/bin/sh", "a\u00a0b\u2028c", "d"] == words("a\u00a0b\u2028c  d")
    assert ["/bin/sh", "http://example.org/"] == words("http://ada:hunter2@example.org/")


def test_a_run_that_never_started_says_so(tmp_path: Path) -> None:
    make_run(tmp_path, PAIR)

    facts, attempts = read(tmp_path)

    assert [] == attempts
    assert ["the run never started: the export has only the plan"] == facts.missing()


def test_a_missing_document_is_named_with_the_remedy(tmp_path: Path) -> None:
    make_run(tmp_path, PAIR)

    with pytest.raises(MarkabError, match="workflow document is missing") as caught:
        _ = Facts(tmp_path).document

    assert "cp " in caught.value.hint


def test_moments_are_utc_with_their_offset() -> None:
    assert "2027-01-15T08:00:00.250+00:00" == iso(T0 + 0.25)

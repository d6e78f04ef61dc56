"""How long each step of the planner took."""

from __future__ import annotations

from markab.cli.pass_times import PassTimes


def test_each_step_has_its_time_and_what_is_reported_goes_on() -> None:
    now_s = 10.0
    seen: list[tuple[str, int, int | None]] = []
    times = PassTimes(lambda *report: seen.append(report), lambda: now_s)

    for step, at_s in (("reading", 11.0), ("staging in", 13.5), ("staging in", 14.0), ("writing", 15.0)):
        now_s = at_s
        times(step, 0, None)
    now_s = 15.25

    assert times.lines() == [
        "reading       2.500 s",
        "staging in    1.500 s",
        "writing       0.250 s",
        "all           4.250 s",
    ]
    assert len(seen) == 4

import base64
import hashlib
import html
import json
import re
import zlib
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from markab import operations
from markab.errors import CorruptJournal, NotARun, StorageError
from markab.journal.progress import Progress, ScratchUse
from markab.journal.records import AttemptRunning
from markab.plan.model import BoundedScratch, Kind, Output, PlannedJob, Transfer
from markab.reports.html.histograms import histogram, log_bounds, quantile
from markab.reports.html.packed_data import lanes
from markab.reports.html.page import write_page

EVIL = '<!--<script>--></script><script>window.pwned=1</script><img src=x onerror="pwned=2">&amp;\''


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))


def page_of(run: Path, now: float = T0 + 60) -> str:
    write_page(run, run / "page.html", clock=lambda: now)
    return (run / "page.html").read_text()


def data_in(page: str) -> dict:
    found = re.search(r'id="data">([^<]*)</script>', page)
    assert found
    return json.loads(zlib.decompress(base64.b64decode(found[1])))


def used(duration_s: float, memory_kb: int) -> dict:
    return {
        "task": "t",
        "argv": ["x"],
        "duration_s": duration_s,
        "utime_s": duration_s,
        "status": 0,
        "maxrss_kb": memory_kb,
    }


def test_the_page_shows_failures_first_with_error_hint_and_output(tmp_path: Path) -> None:
    bad = failed(1, 1, "no such module", stderr="Traceback\nModuleNotFoundError: 'x'\n", host="n1")
    bad.record["error"]["hint"] = "pip install x"
    bad.record["invocations"] = [used(1, 2048) | {"status": 256, "argv": ["python", "a b.py"]}]
    run = make_run(
        tmp_path,
        [compute("a"), compute("b"), compute("c", 1)],
        [began(), start(0), end(0), start(1), bad, gave_up(1), ended("failed")],
    )

    page = page_of(run)

    for text in ("exit code 1: ModuleNotFoundError", "pip install x", ": &#x27;x&#x27;", "✗ Failure"):
        assert text in page
    assert "with exit code 1 after 1.0 s" in page and "python &#x27;a b.py&#x27;" in page
    assert page.index("id=failures") < page.index('id="time"')


def test_equal_failures_are_shown_once_and_those_tried_again_apart(tmp_path: Path) -> None:
    jobs = [compute(str(n)) for n in range(9)]
    entries = [began()]
    for job in range(9):
        entries += [start(job), failed(job, message=f"task 'ID{job}' ended with exit code 3")]
        entries += [gave_up(job)] if job < 5 else [retry(job), start(job, 2), end(job, 2)]
    page = page_of(make_run(tmp_path, jobs, [*entries, ended("failed")]))

    assert "5 × wc" in page and "5 jobs failed permanently, for 1 reason" in page
    assert "4 × wc" in page and "4 attempts failed, after which the job was tried again" in page


def test_the_causes_are_those_of_analyze_in_its_order(tmp_path: Path) -> None:
    missing = "ModuleNotFoundError: No module named 'numpy'\n"
    killed = used(1, 2048) | {"status": 9}
    jobs = [compute("a", transformation="x"), compute("b", transformation="x"), compute("c"), compute("d", 2)]
    jobs += [compute("e", 3)]
    entries = [began()]
    for job, record in enumerate(({"stderr": missing}, {"stderr": missing}, {"invocations": [killed]})):
        entries += [start(job), failed(job, **record), gave_up(job)]
    entries[-2].record["error"] = {"kind": "signal", "message": "SIGKILL"}
    run = make_run(tmp_path, jobs, [*entries, ended("failed")])

    with operations.analyze(run) as report:
        expected = [(group.cause.title, group.cause.remedy) for group in report.groups]
    page = html.unescape(page_of(run))

    assert "killed by SIGKILL" in expected[0][0] and "'numpy' is not installed" in expected[1][0]
    shown = re.findall(r"<details class=fail.*?<span>(.*?)</span>.*?<b>help</b> (.*?)</p>", page)
    assert shown == [(expected[0][0] + " [holds up 2 jobs]", expected[0][1]), expected[1]]


def test_results_that_were_not_delivered_are_listed_as_analyze_lists_them(tmp_path: Path) -> None:
    names = [f"r{n}<b>" for n in range(52)]
    out = PlannedJob(
        "out", Kind.STAGE_OUT, "local", parents=[0], transfers=[Transfer(n, [], []) for n in names]
    )
    jobs = [compute("a", outputs=[Output(name) for name in names]), out]
    page = page_of(make_run(tmp_path, jobs, [began(), start(0), failed(0), gave_up(0), ended("failed")]))

    assert "not delivered: 52 results" in page and "… and 2 more results" in page
    assert "<td>r0&lt;b&gt;</td><td>wc_a failed</td>" in page
    assert page.index("not delivered") < page.index('id="time"')


def test_values_that_were_not_measured_are_no_error(tmp_path: Path) -> None:
    unmeasured = used(1, 1) | {"utime_s": None, "maxrss_kb": None}
    moved = {
        "lfn": "f.in",
        "source": "/data/f.in",
        "destination": "/scratch/f.in",
        "bytes": None,
        "sha256": None,
    }
    stage_out = PlannedJob(id="out", kind=Kind.STAGE_OUT, site="local")
    stage_in = PlannedJob(id="in", kind=Kind.STAGE_IN, site="local")
    fine = end(0, start=None, end=None, invocations=[unmeasured])
    fine.record["outputs"] = [{"lfn": "f.out", "size": None, "sha256": None}]
    bad = failed(1, start=None, end=None, cwd=None, checked=None, stdout=None, stdout_file=None)
    bad.record["error"] = {"kind": "lost"}
    bad.record["invocations"] = [unmeasured | {"status": 256}]
    gone = failed(4, start=None, end=None)
    gone.record["error"] = None
    story = [start(0), fine, start(1), bad, gave_up(1), start(2), end(2, transfers=[moved])]
    story += [start(3), end(3, transfers=[moved]), start(4), gone, gave_up(4)]
    run = make_run(
        tmp_path,
        [compute("a"), compute("b"), stage_in, stage_out, compute("c")],
        [began(), *story, ended("failed")],
    )

    page = page_of(run)

    assert "None" not in page
    files = data_in(page)["files"]
    assert {"f.in", "f.out"} == set(files["name"]) and files["size"] == [0, 0] and files["sha256"] == ["", ""]
    assert data_in(page)["attempts"]["took"][0] == 1000


def test_nothing_that_a_user_wrote_becomes_markup(tmp_path: Path) -> None:
    job = compute("a")
    job.id = job.tasks[0].transformation = job.tasks[0].arguments = EVIL
    bad = failed(0, 1, EVIL, stderr=EVIL, stdout=EVIL, host=EVIL, cwd=EVIL, also=[{"message": EVIL}])
    bad.record["error"]["hint"] = EVIL
    bad.record["invocations"] = [used(1, 1) | {"argv": [EVIL]}]
    good = end(1, outputs=[{"lfn": EVIL, "size": 1}], invocations=[used(1, 1)])
    other = compute("b")
    other.tasks[0].transformation = EVIL
    run = make_run(
        tmp_path, [job, other], [began(), start(0), bad, gave_up(0), start(1), good, ended("failed")]
    )

    page = page_of(run)
    tags = Tags()
    tags.feed(page)

    assert [tag for tag, _ in tags.tags if tag in ("img", "iframe", "base", "object")] == []
    scripts = [attributes for tag, attributes in tags.tags if tag == "script"]
    assert scripts == [{"type": "application/octet-stream", "id": "data"}, {}]
    assert not any(name.startswith("on") for _, attributes in tags.tags for name in attributes)
    assert data_in(page)["jobs"]["name"][0] == EVIL


def test_characters_that_are_invisible_or_change_the_order_are_escape_sequences(tmp_path: Path) -> None:
    odd = "\x1b[2J\u202etxt\x00"
    bad = failed(0, 1, odd, stderr=f"1%\r99%\n{odd}", host=odd, cwd=odd)
    run = make_run(tmp_path, [compute("a")], [began(), start(0), bad, gave_up(0), ended("failed")])
    page = page_of(run)

    assert "<pre>99%\n\\x1b[2J\\u202etxt\\x00</pre>" in page
    assert all(c == "\n" or c.isprintable() for c in page)
    assert data_in(page)["hosts"] == ["\\x1b[2J\\u202etxt\\x00"]


def test_the_page_asks_the_network_for_nothing_and_runs_only_its_own_script(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path, [compute("a")], [began(), start(0), end(0), ended("success")]))
    tags = Tags()
    tags.feed(page)

    urls = [
        value
        for tag, attributes in tags.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action") and value and not value.startswith(("#", "data:"))
    ]
    assert urls == [] and "@import" not in page
    assert set(re.findall(r"url\([^)]*\)", page.partition("<script")[0])) <= {"url(#wfga)"}
    script = page.rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in page


def test_the_data_has_every_attempt_and_file(tmp_path: Path) -> None:
    jobs = [
        PlannedJob(id="in", kind=Kind.STAGE_IN, site="pool"),
        compute("a", 0, memory_mb=1),
        PlannedJob(id="out", kind=Kind.STAGE_OUT, site="local"),
    ]
    move = {"duration_s": 1.0, "attempts": 1}
    brought = {"lfn": "d/x", "source": "http://h/d/x", "destination": "file:///s/d/x", "bytes": 7, **move}
    sent = {"lfn": "y", "source": "file:///s/y", "destination": "file:///out/y", "bytes": 9, **move}
    entries = [
        began(),
        start(0),
        end(0, transfers=[brought]),
        start(1, time=T0 + 3),
        end(1, time=T0 + 5, start=T0 + 4, outputs=[{"lfn": "y", "size": 9, "sha256": "ab"}]),
        start(2, time=T0 + 6),
        end(2, time=T0 + 7, transfers=[sent]),
        ended("success"),
    ]

    page = page_of(make_run(tmp_path, jobs, entries))
    data = data_in(page)

    assert data["attempts"]["job"] == [0, 1, 2] and data["span"] == 9000
    assert [data["sites"][site] for site in data["jobs"]["site"]] == ["pool", "local", "local"]
    assert [data["kinds"][kind] for kind in data["jobs"]["kind"]] == ["stage_in", "compute", "stage_out"]
    assert data["attempts"]["begin"] == [1000, 2000, 3000]
    assert data["attempts"]["wait"][1] == 1000 and data["attempts"]["took"][1] == 1000
    files = data["files"]
    places = [
        f"{files['places'][d[0]]}{n}" for n, d in zip(files["name"], files["delivered"], strict=True) if d
    ]
    assert files["name"] == ["y", "d/x"] and places == ["file:///out/y"]
    assert files["sha256"] == ["ab", ""] and files["size"] == [9, 7] and files["job"] == [1, -1]
    assert files["places"][files["source"][1]] + "d/x" == "http://h/d/x"
    assert "7 B in, 9 B out" in page


def test_what_a_failed_attempt_of_a_cluster_made_did_not_come_from_outside(tmp_path: Path) -> None:
    jobs = [compute("a"), PlannedJob(id="out", kind=Kind.STAGE_OUT, site="local", parents=[0])]
    sent = {"lfn": "y", "source": "file:///s/y", "destination": "file:///out/y", "bytes": 9}
    sent |= {"duration_s": 1.0, "attempts": 1}
    story = [failed(0, outputs=[{"lfn": "y", "size": 9, "sha256": "ab"}]), gave_up(0), start(1)]

    page = page_of(make_run(tmp_path, jobs, [began(), start(0), *story, end(1, transfers=[sent])]))

    files = data_in(page)["files"]
    assert (files["name"], files["job"], files["sha256"]) == (["y"], [0], ["ab"])


def test_a_run_in_progress_and_one_that_never_started_have_pages(tmp_path: Path) -> None:
    never = page_of(make_run(tmp_path / "never", [compute("a")]))
    assert "Not started" in never and "Nothing has started yet" in never and data_in(never)["span"] == 0

    run = make_run(tmp_path / "now", [compute("a"), compute("b", 0)], [began(), start(0)])
    with engine_alive(run):
        page = page_of(run, now=T0 + 61)
    assert "▶ Running" in page and data_in(page)["attempts"]["took"] == [60_000]
    dead = page_of(run)
    assert "its engine ended" in dead and data_in(dead)["attempts"]["verdict"] == [3]

    assert "100.0 %" in page_of(make_run(tmp_path / "empty", [], [began(), ended("success")]))


def test_waiting_in_the_queue_of_a_site_is_no_run_time(tmp_path: Path) -> None:
    entries = [
        began(),
        start(0, site="pool"),
        AttemptRunning(T0 + 5, 0, 1),
        end(0, time=T0 + 6, start=T0 + 1),
    ]
    attempts = data_in(page_of(make_run(tmp_path, [compute("a")], [*entries, ended("success")])))["attempts"]
    assert (attempts["wait"], attempts["took"]) == ([4000], [1000])


def test_the_parameters_of_the_workflow_are_shown(tmp_path: Path) -> None:
    make_run(tmp_path, [compute("a")], metadata={"parameter.n": EVIL, "parameter.m": "1", "other": "x"})
    page = page_of(tmp_path)
    assert f"<dt>parameters</dt><dd>n = {html.escape(EVIL)}, m = 1</dd>" in page


def test_a_run_that_was_continued_shows_when(tmp_path: Path) -> None:
    entries = [began(), start(0), failed(0), gave_up(0), ended("failed")]
    entries += [
        began(time=T0 + 20, restart=1),
        start(0, 2, T0 + 21),
        end(0, 2, T0 + 22),
        ended("success", T0 + 23),
    ]
    page = page_of(make_run(tmp_path, [compute("a")], entries))

    assert data_in(page)["engines"] == [0, 20_000]
    assert "continued</dt><dd>1 time" in page and "failed permanently" not in page.partition("<script")[0]


def test_an_attempt_lost_with_its_engine_ended_at_the_last_recorded_time(tmp_path: Path) -> None:
    lost = {"kind": "lost", "message": "the engine was killed while it ran"}
    entries = [began(), start(0), start(1), end(1, time=T0 + 5)]
    entries += [
        began(time=T0 + 9000, restart=1),
        end(0, time=T0 + 9001, ok=False, error=lost, start=0.0, end=0.0),
    ]
    entries += [start(0, 2, T0 + 9001), end(0, 2, T0 + 9003), ended("success", T0 + 9003)]
    page = page_of(make_run(tmp_path, [compute("a"), compute("b")], entries))

    attempts = data_in(page)["attempts"]
    assert (attempts["verdict"], attempts["took"]) == ([3, 0, 0], [4000, 1000, 1000])
    assert "<b>10 s</b><span>job time</span>" in page, "4 s of each engine before, and 2 s"


def test_a_lost_attempt_that_its_engine_watched_ended_when_that_was_noticed(tmp_path: Path) -> None:
    lost = {"kind": "lost", "message": "the site no longer knows the job"}
    entries = [began(), ended("halted"), began(time=T0 + 20, restart=1), start(0, time=T0 + 21)]
    entries += [
        end(0, time=T0 + 29, ok=False, error=lost, start=0.0, end=0.0),
        gave_up(0),
        ended("failed", T0 + 30),
    ]
    attempts = data_in(page_of(make_run(tmp_path, [compute("a")], entries)))["attempts"]

    assert (attempts["verdict"], attempts["took"]) == ([3], [8000])


def test_times_below_a_second_are_shown_in_milliseconds(tmp_path: Path) -> None:
    entries = [
        began(),
        start(0),
        end(0, time=T0 + 1.25, invocations=[used(0.004, 9)]),
        ended("success", T0 + 1.5),
    ]
    page = page_of(make_run(tmp_path, [compute("a")], entries))

    assert "<td class=num>4 ms</td>" in page and "<b>250 ms</b><span>job time" in page


def test_checksums_that_were_wrong_stand_out(tmp_path: Path) -> None:
    for failed_checks, marked in ((0, False), (1, True)):
        record = {"checked": {"count": 3, "failed": failed_checks}}
        run = make_run(tmp_path / str(failed_checks), [compute("a")], [began(), start(0), end(0, **record)])
        assert ("<li class=bad><b>3</b><span>checksums" in page_of(run)) is marked


def test_a_torn_journal_is_read_to_its_last_whole_record_and_a_damaged_one_is_an_error(
    tmp_path: Path,
) -> None:
    run = make_run(tmp_path, [compute("a")], [began(), start(0), end(0)])
    journal = run / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'0123abcd {"event":"torn')
    assert data_in(page_of(run))["attempts"]["verdict"] == [0]
    journal.write_bytes(whole.replace(b'"ok":true', b'"ok":trve'))
    with pytest.raises(CorruptJournal):
        page_of(run)


def test_what_is_no_run_and_what_cannot_be_written_are_errors(tmp_path: Path) -> None:
    with pytest.raises(NotARun):
        write_page(tmp_path, tmp_path / "x.html")
    run = make_run(tmp_path / "run", [compute("a")])
    with pytest.raises(StorageError, match="no/such"):
        write_page(run, tmp_path / "no/such/x.html")


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9)), max_size=30))
def test_bars_of_a_lane_never_overlap_and_lanes_are_as_few_as_can_be(spans) -> None:
    spans = sorted((float(start), float(start + took)) for start, took in spans)
    found = lanes([start for start, _ in spans], [end for _, end in spans])

    for lane in set(found):
        row = [span for span, its_lane in zip(spans, found, strict=True) if its_lane == lane]
        assert all(one[1] <= other[0] for one, other in pairwise(row))
    most = max((sum(s <= t < e for s, e in spans) for t, _ in spans), default=0)
    assert len(set(found)) <= max(most, 1) + sum(s == e for s, e in spans)


def test_distributions_say_what_went_beyond_what_was_asked() -> None:
    bounds = log_bounds([1.5, 700.0], 0.01)
    assert bounds == (1.0, 1000.0)
    drawn = histogram([1.5, 700.0], bounds, asked=100.0, title="<t>")
    assert drawn.count('class="over"') == drawn.count('class="bar"') == drawn.count('class="asked"') == 1
    assert "&lt;t&gt;" in drawn and 'class="asked"' not in histogram([1.0], bounds)
    assert [quantile([1, 2, 3, 4], share) for share in (0, 0.5, 0.95, 1)] == [1, 2, 4, 4]


def test_resources_are_of_tasks_that_succeeded(tmp_path: Path) -> None:
    jobs = [compute("a", memory_mb=1), compute("b", memory_mb=1)]
    entries = [
        began(),
        start(0),
        end(0, invocations=[used(10.0, 4096), used(5.0, 100)]),
        start(1),
        failed(1, invocations=[used(99.0, 1)]),
        gave_up(1),
        ended("failed"),
    ]
    page = page_of(make_run(tmp_path, jobs, entries))
    row = re.search(r"<tr><th>wc</th><td class=num>1</td>.*?</tr>", page)
    assert row and "15 s" in row[0] and "4.0 MB" in row[0] and 'class="over"' in row[0]


def test_the_attempt_shown_is_of_a_job_that_failed_for_good(tmp_path: Path) -> None:
    jobs = [compute(str(n)) for n in range(40)]
    entries = [began()]
    for job in range(40):  # the same failure, first of many that recover, then of one that does not
        entries += [start(job), failed(job, message="exit code 3", cwd=f"/in/{job}")]
        entries += [gave_up(job)] if job == 39 else [retry(job), start(job, 2), end(job, 2)]
    page = page_of(make_run(tmp_path, jobs, [*entries, ended("failed")]))

    first = page.partition("<details class=fail")[2].partition("</details>")[0]
    assert "wc_39, attempt 1" in first and "/in/39" in first


def test_what_an_earlier_engine_gave_up_is_not_failed_for_good(tmp_path: Path) -> None:
    entries = [began(), start(0), failed(0), gave_up(0), start(1), failed(1), gave_up(1), ended("failed")]
    entries += [began(time=T0 + 20, restart=1), start(0, 2, T0 + 21), end(0, 2, T0 + 22)]
    page = page_of(make_run(tmp_path, [compute("a"), compute("b")], [*entries, ended("halted", T0 + 23)]))

    assert "failed permanently" not in page.partition('<section id="time"')[0].partition("<header")[2]
    assert "2 attempts failed, after which the job was tried again" in page


def test_bounded_scratch_has_a_section_with_what_was_predicted_and_measured(tmp_path: Path) -> None:
    jobs, entries = [compute("a")], [began(), start(0), end(0), ended("success")]
    assert 'id="scratch"' not in page_of(make_run(tmp_path / "free", jobs, entries))
    bound = {"local": BoundedScratch(5 * 2**20, 3 * 2**20)}

    run = make_run(tmp_path / "run", jobs, entries, scratch=bound)
    planned = page_of(run)
    use = ScratchUse(5 * 2**20, 2**20, 4 * 2**20, 0, 3 * 2**20)
    progress = Progress("words", "7a3c", T0, 1, succeeded=1, outcome="success", scratch={"local": use})
    (run / "status.json").write_bytes(msgspec.json.encode(progress))
    measured = page_of(run)

    cells = "<tr><th>local</th><td class=num>5.0 MB</td><td class=num>3.0 MB</td>"
    assert f"{cells}<td class=num>–</td>" in planned and '<a href="#scratch">Scratch</a>' in planned
    assert f"{cells}<td class=num>4.0 MB</td><td class=num>1.0 MB</td></tr>" in measured

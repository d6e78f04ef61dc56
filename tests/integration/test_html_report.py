"""The page of a run in a real browser: charts are drawn, without errors and without requests to the network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.browser import NAMES, Browser, browser
from integration.packages import have
from integration.tools import job_line, markab, plan, script, write_workflow
from kit.made_run import T0, began, compute, end, ended, failed, gave_up, make_run, retry, start

pytestmark = pytest.mark.integration

READY = "document.documentElement?.dataset.ready === 'yes'"
EVIL = "</script><script>window.pwned=1</script><img src=http://127.0.0.1:9/x onerror=window.pwned=2>"

COLOURS = """(() => {
  const c = document.getElementById(%r), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, seen = {};
  for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 200) {
    const key = '#' + [d[i], d[i + 1], d[i + 2]].map((v) => v.toString(16).padStart(2, '0')).join('');
    seen[key] = (seen[key] || 0) + 1;
  }
  return seen;
})()"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = have(*NAMES, package="chromium")
    if program is None:
        pytest.skip("no Chromium is installed, and it cannot be")
    with browser(program, tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(autouse=True)
def forgetful(page: Browser) -> None:
    page.events.clear()


def is_quiet(page: Browser, file: Path) -> None:
    """Check that the page reported no error and requested only its own file."""
    assert page.troubles() == []
    asked = {url for url in page.requests() if not url.startswith(("data:", "blob:"))}
    assert asked == {file.as_uri()}


def made(directory: Path, jobs: int) -> Path:
    """Make a run of two levels, in which every tenth job fails at first and every fiftieth for good."""
    half = jobs // 2
    plans = [compute(str(n), *([n - half] if n >= half else [])) for n in range(jobs)]
    entries, broken = [began()], set()
    for n in range(jobs):
        if n - half in broken:
            continue
        at = T0 + 1 + n // 4
        entries.append(start(n, time=at))
        if n % 10 == 3:
            entries += [failed(n, time=at + 0.5, message=EVIL, stderr=EVIL), retry(n), start(n, 2, at + 0.5)]
        number = 2 if n % 10 == 3 else 1
        if n % 50 == 3:
            entries += [failed(n, number, time=at + 1, message=EVIL), gave_up(n, number)]
            broken.add(n)
        else:
            used = {"duration_s": 0.9, "maxrss_kb": 9000, "utime_s": 0.5, "argv": ["x"], "status": 0}
            made = [{"lfn": f"out{n}", "size": n, "sha256": f"{n:064x}"}]
            entries.append(end(n, number, at + 1, invocations=[used], outputs=made))
    return make_run(directory, plans, [*entries, ended("failed", T0 + 2 + jobs // 4)])


def test_a_real_run_opens_with_its_charts_drawn(page: Browser, tmp_path: Path) -> None:
    bad = script(tmp_path / "bad", f"#!/bin/sh\necho '{EVIL}' >&2\nexit 3\n")
    good = script(tmp_path / "good", "#!/bin/sh\necho x > a\n")
    names = [
        {"name": name, "sites": [{"name": "condorpool", "type": "installed", "pfn": str(path)}]}
        for name, path in (("good", good), ("bad", bad))
    ]
    jobs = [
        job_line("g", "good", outputs=["a"]),
        job_line("b", "bad", EVIL.replace("<", "").replace(">", "")),
    ]
    workflow = write_workflow(tmp_path, jobs, transformationCatalog={"transformations": names})
    run = plan(workflow, "-D", "dagman.retry=0", cwd=tmp_path)
    assert markab("run", run, cwd=tmp_path, check=False).returncode == 14
    file = tmp_path / "run.html"
    markab("report", run, "-o", file, cwd=tmp_path)

    page.go(file.as_uri(), READY)

    for chart in ("states", "atonce", "gantt"):
        assert len(page.evaluate(COLOURS % chart)) >= 2, chart
    text = page.evaluate("document.body.innerText")
    assert "exit code 3" in text and "window.pwned=1" in text
    assert page.evaluate("typeof window.pwned") == "undefined"
    assert page.evaluate("document.querySelectorAll('svg.wfg rect, svg.wfg polygon').length") > 3
    is_quiet(page, file)


def test_failures_are_seen_among_many_and_charts_answer_to_the_mouse(page: Browser, tmp_path: Path) -> None:
    file = tmp_path / "run.html"
    markab("report", made(tmp_path / "run", 1000), "-o", file, cwd=tmp_path)

    page.go(file.as_uri(), READY)

    assert page.evaluate(COLOURS % "gantt").get("#d55e00", 0) > 100
    assert page.evaluate(COLOURS % "states").get("#009e73", 0) > 1000
    page.evaluate("document.getElementById('gantt').scrollIntoView({block:'center'})")
    box = page.evaluate(
        "JSON.parse(JSON.stringify(document.getElementById('gantt').getBoundingClientRect()))"
    )
    middle = box["top"] + 8
    page.mouse("mouseMoved", box["left"] + 300, middle)
    tip = page.evaluate("document.getElementById('tip').innerText")
    assert "wc at local, host here" in tip and "attempt" in tip
    whole = page.evaluate("document.getElementById('window').textContent")
    page.mouse("mousePressed", box["left"] + 300, middle, 1)
    page.mouse("mouseMoved", box["left"] + 400, middle, 1)
    page.mouse("mouseReleased", box["left"] + 400, middle)
    closer = page.evaluate("document.getElementById('window').textContent")
    assert whole.startswith("whole run") and " of " in closer
    page.evaluate("document.getElementById('fit').click()")
    assert page.evaluate("document.getElementById('window').textContent") == whole
    is_quiet(page, file)


def test_tables_are_searched_sorted_and_paged(page: Browser, tmp_path: Path) -> None:
    file = tmp_path / "run.html"
    markab("report", made(tmp_path / "run", 100), "-o", file, cwd=tmp_path)
    page.go(file.as_uri(), READY)
    shown = "[...document.querySelectorAll('#files tbody tr')].map((row) => row.innerText)"
    where = "document.querySelector('#files .pager span').textContent"

    assert page.evaluate(where) == "1–25 of 98"
    page.evaluate("[...document.querySelectorAll('#files .pager button')].pop().click()")
    assert page.evaluate(where) == "26–50 of 98"
    page.evaluate("document.querySelectorAll('#files thead button')[1].click()")
    assert page.evaluate(shown)[0].startswith("out99\t99 B")
    find = "const box = document.querySelector('#files input'); box.value = 'OUT7 '; box.dispatchEvent(new Event('input'));"
    page.evaluate(f"(async () => {{ {find} await new Promise((r) => setTimeout(r, 400)); }})()")
    assert len(page.evaluate(shown)) == 11 and "wc_7" in "".join(page.evaluate(shown))
    is_quiet(page, file)


def test_runs_without_anything_to_draw_open_too(page: Browser, tmp_path: Path) -> None:
    for name, jobs, entries in (
        ("never", [compute("a")], []),
        ("empty", [], [began(), ended("success")]),
        ("begun", [compute("a")], [began(), start(0)]),
    ):
        page.events.clear()
        file = tmp_path / f"{name}.html"
        markab("report", make_run(tmp_path / name, jobs, entries), "-o", file, cwd=tmp_path)
        page.go(file.as_uri(), READY)
        is_quiet(page, file)


def test_every_control_and_chart_has_a_name_and_the_keyboard_reaches_the_time_axis(
    page: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "run.html"
    markab("report", made(tmp_path / "run", 100), "-o", file, cwd=tmp_path)
    page.go(file.as_uri(), READY)

    page.call("Accessibility.enable")
    found = page.call("Accessibility.getFullAXTree")["nodes"]
    page.call("Accessibility.disable")
    roles = {"button", "link", "textbox", "searchbox", "combobox", "image", "img", "navigation"}
    named = [
        (node["role"]["value"], node["name"]["value"]) for node in found if node["role"]["value"] in roles
    ]
    assert {"button", "searchbox", "link", "navigation"} <= {role for role, _ in named}
    assert [role for role, name in named if not name.strip()] == []
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.evaluate("document.title") == "words: Failure"
    assert page.evaluate("[...document.querySelectorAll('thead th')].every((th) => th.innerText.trim())")
    assert page.evaluate("document.querySelector('#jobs th[aria-sort]').innerText").startswith("took")

    page.evaluate("document.getElementById('gantt').focus()")
    for key in ("+", "ArrowRight"):
        page.call("Input.dispatchKeyEvent", type="keyDown", key=key)
    assert " of " in page.evaluate("document.getElementById('window').textContent")
    page.call("Input.dispatchKeyEvent", type="keyDown", key="0")
    assert page.evaluate("document.getElementById('window').textContent").startswith("whole run")
    is_quiet(page, file)


def test_on_a_telephone_nothing_is_wider_than_the_screen_and_a_finger_moves_the_time(
    page: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "run.html"
    markab("report", made(tmp_path / "run", 100), "-o", file, cwd=tmp_path)
    page.call("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=2, mobile=True)
    page.call("Emulation.setTouchEmulationEnabled", enabled=True)
    try:
        page.go(file.as_uri(), READY)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        heights = "[...document.querySelectorAll('#jobs tbody tr')].map((row) => row.offsetHeight)"
        assert max(page.evaluate(heights)) < 60

        page.evaluate("document.getElementById('gantt').scrollIntoView({block: 'center'})")
        page.evaluate("document.getElementById('in').click()")
        before = page.evaluate("document.getElementById('window').textContent")
        box = page.evaluate("document.getElementById('gantt').getBoundingClientRect().toJSON()")
        middle = box["top"] + box["height"] / 2
        for kind, x in (("touchStart", 250), ("touchMove", 200), ("touchMove", 120)):
            page.call("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": middle}])
        page.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        assert page.evaluate("document.getElementById('window').textContent") != before
        is_quiet(page, file)
    finally:
        page.call("Emulation.setTouchEmulationEnabled", enabled=False)
        page.call("Emulation.clearDeviceMetricsOverride")


def test_on_paper_the_page_is_light_whatever_it_is_on_the_screen(page: Browser, tmp_path: Path) -> None:
    file = tmp_path / "run.html"
    markab("report", made(tmp_path / "run", 100), "-o", file, cwd=tmp_path)
    page.go(file.as_uri(), READY)
    page.evaluate("document.getElementById('theme').click()")
    shade = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(shade), page.evaluate(COLOURS % "states")
    try:
        page.call("Emulation.setEmulatedMedia", media="print")
        page.evaluate("new Promise((done) => setTimeout(done, 100))")
        assert page.evaluate(shade) == "rgb(255, 255, 255)"
        paper = page.evaluate(COLOURS % "states")
        assert "#2b3441" in dark[1] and "#2b3441" not in paper and "#cccccc" in paper
    finally:
        page.call("Emulation.setEmulatedMedia", media="")
    assert page.evaluate(shade) == dark[0]

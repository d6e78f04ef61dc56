from __future__ import annotations

from pathlib import Path

from kit.made_tree import INNER, make_tree
from markab.operations import write_page
from markab.plan.child_directory import child_directory


def test_the_page_has_a_line_and_the_failures_of_each_sub_workflow(tmp_path: Path) -> None:
    page, _ = write_page(make_tree(tmp_path / "run", fails=True))
    text = page.read_text()

    assert f"<th>{INNER}</th><td>inner</td><td>✗ Failure</td>" in text
    assert "inner: failed" in text and "exit code 3" in text
    assert f"{INNER}/wc_c" in text or "wc_c" in text.partition("<h2>Workflow</h2>")[2], (
        "the graph has its jobs"
    )


def test_pages_of_a_tree_link_to_each_other(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "run")
    inner = child_directory(2, INNER)

    write_page(root, recursive=True)
    write_page(root, tmp_path / "a page.html", recursive=True)

    assert f'<a href="{inner}/report.html">{INNER}</a>' in (root / "report.html").read_text()
    assert '<a href="../../../report.html">' in (root / inner / "report.html").read_text()
    assert f'<a href="a%20page.{INNER}.html">' in (tmp_path / "a page.html").read_text()
    assert '<a href="a%20page.html">' in (tmp_path / f"a page.{INNER}.html").read_text()


def test_the_page_of_a_run_without_sub_workflows_has_no_part_about_them(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "run", is_planned=False)

    assert "Sub-workflows" not in write_page(root)[0].read_text()

"""The commands that the pages show work, and print what the pages show."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.pages import DOCS, as_on_the_page, first_missing, printed_by, steps_of, undocumented
from examples.typing_commands import type_in

TYPED = [DOCS / "tutorial.md", *sorted(DOCS.glob("how-to/*.md")), *sorted(DOCS.glob("explanation/*.md"))]


@pytest.mark.integration
@pytest.mark.parametrize("page", [p for p in TYPED if steps_of(p)], ids=lambda page: page.stem)
def test_a_page_can_be_typed_from_top_to_bottom(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    monkeypatch.setenv("NO_COLOR", "1")
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    steps = steps_of(page)

    transcript = as_on_the_page(type_in([step.command for step in steps], tmp_path), tmp_path)

    for step, printed in zip(steps, printed_by(steps, transcript), strict=True):
        missing = first_missing(step.shown, printed) if step.compared else None
        text = "\n".join(printed)
        assert missing is None, f"$ {step.command}\nshould print\n{missing}\nbut printed\n{text}"
        assert not undocumented(step.shown, printed), f"$ {step.command}\nprinted\n{text}"


def test_steps_are_commands_and_files_in_reading_order(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- file: a.txt -->\n```text\nhello\n```\n\n```console\n$ cat a.txt\nhello\n$ true\n```\n\n"
        "<!-- not run -->\n```console\n$ rm -rf /\n```\n\n```python\n$ no\n```\n\n"
        "<!-- output varies -->\n```console\n$ date\nMonday\n```\n"
    )

    steps = steps_of(page)

    assert [step.command for step in steps] == [
        "cat > a.txt <<'END OF FILE'\nhello\nEND OF FILE",
        "cat a.txt",
        "true",
        "date",
    ]
    assert [step.shown for step in steps] == [[], ["hello"], [], ["Monday"]]
    assert [step.compared for step in steps] == [False, True, True, False]


def test_a_transcript_is_cut_into_what_each_command_printed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ one\n$ two\n```\n")

    printed = printed_by(steps_of(page), "$ one\na\n0.1 s: 3 of 9 jobs done\nb\n$ two\nc\n")

    assert printed == [["a", "b"], ["c"]]


def test_numbers_may_differ_and_words_may_not() -> None:
    printed = ["all 19 jobs succeeded in 0.5 s", "  results: /x"]

    assert first_missing(["all 19 jobs succeeded in 1.25 s", "…"], printed) is None
    assert first_missing(["all 19 jobs failed in 0.5 s"], printed) == "all 19 jobs failed in 0.5 s"
    assert first_missing(["  results: /x", "all 19 jobs succeeded in 0.5 s"], printed) is not None


def test_a_warning_that_a_page_does_not_show_is_noticed() -> None:
    printed = ["warning: property 'x' is not known", "done"]

    assert undocumented(["done"], printed) == ["warning: property 'x' is not known"]
    assert undocumented(printed, printed) == []

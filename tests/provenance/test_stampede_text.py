"""Text in the form of Pegasus' database comes back as it was."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from markab.provenance.stampede_text import (
    marked_output,
    percent_escaped,
    percent_unescaped,
    without_marks,
)

PRINTED = st.none() | st.text().filter(lambda text: "#@" not in text)


@given(PRINTED, PRINTED)
def test_what_an_attempt_printed_is_marked_as_pegasus_tools_expect_and_comes_back(
    out: str | None, err: str | None
) -> None:
    text = marked_output(out, err)

    assert without_marks(percent_unescaped(percent_escaped(text) or "")) == (out or "", err or "")
    assert ("#@ 1 stdout\n" in (text or "")) == bool(out)
    assert ("#@ 1 stderr\n" in (text or "")) == bool(err)


def test_an_attempt_that_printed_nothing_has_no_text() -> None:
    assert marked_output(None, "") is None

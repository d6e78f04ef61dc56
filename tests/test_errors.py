"""Messages are bounded, whatever a document, a name or a server puts into them."""

from __future__ import annotations

import pickle

from markab.errors import DocumentError, MarkabError, Problem, TransferRefused


def test_a_message_keeps_its_beginning_and_its_end() -> None:
    problem = Problem("begin " + "x" * 1_000_000 + " end", "hint " + "y" * 1_000_000)
    assert len(str(problem)) < 2100 and len(problem.hint) < 2100
    assert problem.message.startswith("begin x") and problem.message.endswith("x end")
    assert "998010 more characters" in problem.message
    assert len(str(DocumentError(problem))) < 2100


def test_a_short_message_is_kept_as_it_is() -> None:
    assert str(MarkabError("m" * 2000)) == "m" * 2000


def test_a_long_error_can_be_pickled() -> None:
    error = TransferRefused("m" * 5000, "h")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) and again.hint == "h"

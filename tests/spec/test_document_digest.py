from __future__ import annotations

from pathlib import Path

import pytest

from markab.spec.document_digest import digest_of_document, document_digest

HEAD = "x-pegasus:\n  apiLang: python\n  createdBy: ada\n  createdOn: '{}'\n"
BODY = "pegasus: '5.0.4'\nname: fit\n"


def digest(text: str) -> str:
    return document_digest(text.encode())


def test_who_wrote_a_document_and_when_does_not_count(tmp_path: Path) -> None:
    first = HEAD.format("11-30-26T15:44:00Z") + BODY
    (tmp_path / "workflow.yml").write_text(HEAD.format("12-01-26T09:00:00Z").replace("ada", "eve") + BODY)

    assert digest(first) == digest_of_document(str(tmp_path / "workflow.yml"))
    assert digest(first) != digest(first.replace("fit", "fat"))


@pytest.mark.parametrize(
    "other",
    [
        BODY + HEAD,
        "# a comment\n" + HEAD + BODY,
        HEAD.replace("createdBy", "name") + BODY,
        HEAD.format("&anchor") + BODY,
        HEAD.format("1\n\n  2") + BODY,
    ],
)
def test_all_else_counts(other: str) -> None:
    assert digest(other) != digest(other.replace("python", "perl"))

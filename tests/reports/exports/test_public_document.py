"""No export contains the value of a variable of the user who planned, in documents of any size and spelling."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.made_run import began, compute, end, make_run, start
from markab.reports.exports.formats import FORMATS, export_run
from reports.exports.real_run import SECRET, all_text

HEAD = "pegasus: 5.0.4\nname: w\njobs:\n"
LONG = "".join(
    f"- id: A{n}\n  type: job\n  name: t\n  arguments: [{'p' * 60_000}]\n  uses: []\n" for n in range(20)
)
NOTE = '- id: B\n  type: job\n  name: t\n  metadata: {note: "two\nlines"}\n  arguments: []\n  uses: []\n'
LAST = "- id: a\n  type: job\n  name: t\n  arguments: [%s]\n  uses: []\n"

PLAIN = LAST % '"${MYTOKEN}"'
ESCAPED = LAST % r'"\x24{MYTOKEN}"'
FOLDED = LAST % '"$\\\n   {MYTOKEN}"'

DOCUMENTS = {
    "plain": HEAD + PLAIN,
    "large": HEAD + LONG + PLAIN,
    "large, after a quoted text at the margin": HEAD + LONG + NOTE + PLAIN,
    "escaped": HEAD + ESCAPED,
    "large, escaped": HEAD + LONG + ESCAPED,
    "folded": HEAD + FOLDED,
    "large, folded": HEAD + LONG + FOLDED,
    "XML": '<adag version="3.6" name="w"><job id="a" name="t"><argument>&#36;{MYTOKEN}</argument></job></adag>',
}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("text", DOCUMENTS.items(), ids=lambda item: item[0])
def test_the_value_of_a_variable_is_in_no_export(format: str, text: tuple[str, str], tmp_path: Path) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow")
    job = compute("a")
    job.tasks[0].arguments = SECRET
    ran = {"task": "a", "argv": ["wc", SECRET], "start": 1.0, "duration_s": 0.5, "status": 0}
    run = make_run(tmp_path / "r", [job], [began(), start(0), end(0, invocations=[ran])])
    (run / "catalogs").mkdir()
    (run / "catalogs/workflow.yml").write_text(text[1])

    export_run(run, format, tmp_path / "out")

    exported = all_text(tmp_path / "out")
    assert SECRET not in exported
    if format in ("csv", "wfformat", "prov"):
        assert "${MYTOKEN}" in exported

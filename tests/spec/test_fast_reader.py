"""The fast reader and the careful one give the same structs, or the fast one steps back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from markab.spec import careful_reader, document_pieces, fast_reader, schema, yaml_nodes
from markab.spec.model import Workflow

ENVIRONMENT = {"HOME": "/home/ada", "ODD": "a: b"}
UNSURE = "the fast reader steps back"

PLAIN = st.sampled_from(
    [
        "a",
        "f.txt",
        "3.10",
        "007",
        "0x1F",
        "1e5",
        "1E5",
        "+5",
        "-0",
        ".5",
        "5.",
        "1_000",
        "0o17",
        "0b1",
        "yes",
        "no",
        "on",
        "off",
        "true",
        "True",
        "FALSE",
        "y",
        "n",
        "~",
        "null",
        "Null",
        "NULL",
        "2024-01-01",
        "12:30:45",
        "1:30",
        ".inf",
        "-.INF",
        "nan",
        ".nan",
        "-.nan",
        "é",
        "☃",
        "😀",
        "a-b",
        "a:b",
        "a#b",
        "-",
        "--",
        "-n",
        "x,y",
        "${HOME}/x",
        "${NOPE}/x",
        "$HOME",
        "${_PEGASUS_X}",
        "5",
        "12",
        "0",
        "00",
        "1.0",
        "1.50",
        "1e400",
        "99999999999999999999999",
        "0x",
        "1.",
        "-1",
        "--5",
        "+1.5",
        "1e",
        "1.e5",
        "<<",
    ]
)
QUOTED = st.sampled_from(
    [
        "'a'",
        "'it''s'",
        '"a\\tb"',
        '"\\u00e9\\x41"',
        "''",
        '""',
        "'5'",
        "'true'",
        "'~'",
        "'null'",
        '"a\\n b"',
        "'a: b'",
    ]
)
STRANGE = st.sampled_from(
    ["a b c", "a  b", "|-\n        x\n        y", ">\n        x\n        y", "a\n        b", "'a\n\n        b'",
     "!!str 5", "!x y", "&n v", "*n", "[]", "{}", "", "a # c", "a #c", "@x", "`x", "%x", "a: b", "[a", "\"a\\\n        b\"",
     "? a", "a\tb", "\u0085", "a\u2028b", "\ufeff", "'\"'", '"\\ud83d\\ude00"', "- a", "\"\\/\"", "true ", "5 # five"]
)  # fmt: skip
TAME = st.sampled_from(
    [
        "a",
        "f.txt",
        "3.10",
        "007",
        "0x1F",
        "1e5",
        "1E5",
        "-0",
        "1_000",
        "yes",
        "no",
        "on",
        "True",
        "y",
        "é",
        "😀",
        "a-b",
        "a:b",
        "-n",
        "${HOME}/x",
        "${_PEGASUS_X}",
        "5",
        "12",
        "0",
        "00",
        "1.0",
        "1.50",
        "1e400",
        "99999999999999999999999",
        "-1",
        "+5",
        "+1.5",
        "true",
        "false",
        "2024-01-01",
        "12:30:45",
        "x=1",
        "0010",
        "1e",
        "0b1",
    ]
)
ESCAPE = st.sampled_from(
    [f"\\{letter}" for letter in '0abtnvfre"/\\N_LP ']
    + [r"\x41", r"\x0a", r"\x00", r"\x80", r"\xff", r"\u0041", r"\u00e9", r"\u2028", r"\u2603", r"\ufeff"]
    + [r"\ud83d\ude00", r"\U00000041", r"\U0001F600"]
)
BAD_ESCAPE = st.sampled_from([r"\q", r"\x4", r"\u12", r"\ud83d", r"\U00110000", r"\U0000D800"])
LINE_END = st.builds(
    lambda before, lines, indent: before + "\n" + "".join(lines) + " " * indent,
    st.sampled_from(["", "\\", " ", " \\", "\\ "]),
    st.lists(st.sampled_from(["\n", " \n", "        \n"]), max_size=2),
    st.integers(6, 8),
)
PIECE = st.one_of(
    ESCAPE, ESCAPE, LINE_END, st.sampled_from(["a", "b", " ", "  ", "'", "#", ": ", ",", "[", "{", "é", "😀", "L", "~", "5"])
)  # fmt: skip
WILD = st.one_of(PLAIN, PLAIN, PLAIN, QUOTED, STRANGE)
TAMEST = st.one_of(TAME, TAME, TAME, QUOTED.filter(lambda text: text not in ("'~'", '"\\u00e9\\x41"')))


BARE = re.compile(r"true$|false$|\$|[-+]?[\d.]+([eE]\d+)?$")
"""What programs write with quotes between braces and brackets."""


def lines(*parts: str) -> str:
    return "".join(part + "\n" for part in parts)


@st.composite
def uses(draw: Any, scalar: Any, flow: Any, wrong: bool) -> str:
    in_braces = draw(st.booleans())
    lfn, size, flag = (
        draw(flow if in_braces else scalar),
        draw(st.sampled_from(["5", "'12'", *(["007", "+1", "x"] if wrong else [])])),
        draw(st.sampled_from(["true", "false", *(["yes", "'true'"] if wrong else [])])),
    )
    kind = draw(st.sampled_from(["input", "output", "'input'", "checkpoint", *(["bad"] if wrong else [])]))
    extra = draw(
        st.sampled_from(
            ["", f"size: {size}", f"stageOut: {flag}", "bypass: false", "metadata: {k: '12'}",
             *([f"metadata: {{k: {size}}}", "metadata: {size: 5}", "x-mine: 1", "lfn: again", "strange: 1"] if wrong else [])]
        )
    )  # fmt: skip
    if in_braces:
        return f"    - {{lfn: {lfn}, type: {kind}{', ' + extra if extra else ''}}}\n"
    return lines(f"    - lfn: {lfn}", f"      type: {kind}", *([f"      {extra}"] if extra else []))


@st.composite
def jobs(draw: Any, scalar: Any, flow: Any, wrong: bool) -> str:
    text = lines(f"- id: {draw(scalar)}", f"  name: {draw(scalar)}")
    if draw(st.booleans()):
        text += f"  arguments: [{', '.join(draw(st.lists(flow, max_size=4)))}]\n"
    else:
        text += lines("  arguments:", *(f"  - {word}" for word in draw(st.lists(scalar, max_size=4))))
    some = draw(st.lists(uses(scalar, flow, wrong), max_size=2))
    text += "  uses:\n" + "".join(some) if some else "  uses: []\n"
    if draw(st.booleans()):
        namespace = draw(
            st.sampled_from(["env", "pegasus", "condor", *(["x-mine", "strange"] if wrong else [])])
        )
        text += lines(
            "  profiles:",
            f"    {namespace}:",
            f"      {draw(st.sampled_from(['A', 'B', '1', 'size']))}: {draw(scalar)}",
        )
    return text + draw(
        st.sampled_from(
            [
                "",
                "",
                "  # a comment\n",
                "\n",
                *(["  name: twice\n", "  hooks:\n", "  file: null\n"] if wrong else []),
            ]
        )
    )


@st.composite
def workflows(draw: Any) -> str:
    """Of three kinds: as programs write them, with a mistake here and there, and what only a careful reader gets right."""
    kind = draw(st.sampled_from(["plain", "plain", "plain", "wrong", "wild"]))
    wild = kind == "wild"
    scalar = WILD if wild else TAMEST
    flow = TAMEST.filter(lambda text: not BARE.match(text)) if kind == "plain" else scalar
    head = draw(
        st.sampled_from(["", "---\n", "# hello\n", "x-pegasus: {a: b}\n"])
        if not wild
        else st.sampled_from(
            ["", "", "---\n", "%YAML 1.1\n---\n", "\ufeff", "# hello\n", "x-pegasus: {a: b}\n", "\r\n"]
        )
    )
    text = head + lines(
        f"pegasus: {draw(st.sampled_from(['5.0.4', '5.0', chr(39) + '5.0' + chr(39)]))}", "name: w"
    )
    text += "jobs:\n" + "".join(draw(st.lists(jobs(scalar, flow, kind != "plain"), min_size=1, max_size=3)))
    if not wild:
        return text + draw(st.sampled_from(["", "jobDependencies:\n- {id: a, children: [b]}\n"]))
    return text + draw(
        st.sampled_from(["", "", "...\n", "---\na: b\n", "jobDependencies:\n- {id: a, children: [b]}\n"])
    )


@pytest.fixture(autouse=True, scope="module")
def small_is_large() -> Iterator[None]:
    """Let the fast reader cut each list before every entry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document_pieces, "PIECE_BYTES", 1)
        yield


def read_carefully(text: str, struct: type) -> Any:
    """Return the struct, or None if the document has a problem."""
    try:
        node = yaml_nodes.compose(yaml_nodes.decode(text.encode(), "w"), "w")
    except yaml_nodes.UnreadableError:
        return None
    builder = careful_reader.Builder("w", ENVIRONMENT, 1000)
    item = builder.record(node, schema.shape_of(struct))
    return None if builder.problems else item


def read_fast(text: str, struct: type = Workflow) -> Any:
    found = fast_reader.read(text.encode(), struct, ENVIRONMENT)
    return UNSURE if found is None else found[0]


class Agreement:
    """Compares the readers, and counts the documents of which the fast one was sure: only these say something."""

    def __init__(self) -> None:
        self.read = self.sure = 0

    def check(self, text: str) -> None:
        answer = read_fast(text)
        self.read += 1
        if answer != UNSURE:
            self.sure += 1
            assert answer == read_carefully(text, Workflow)


@pytest.mark.parametrize(
    "value",
    ["~", "Null", "NULL", ".nan", ".NaN", ".NAN", "-.nan", "-.NaN", ".inf", ".Inf", ".INF", "-.inf", "-.INF"],
)
def test_a_value_that_rapidyaml_spells_differently_is_left_to_the_careful_reader(value: str) -> None:
    text = f"pegasus: 5.0.4\nname: w\njobs:\n- id: a\n  name: a\n  arguments:\n  - {value}\n  uses: []\n"

    assert read_fast(text) in (UNSURE, read_carefully(text, Workflow))


def test_the_fast_reader_agrees_with_the_careful_one_or_steps_back() -> None:
    readers = Agreement()

    @given(workflows())
    @settings(max_examples=800, deadline=None, suppress_health_check=list(HealthCheck))
    @example("pegasus: 5.0\nname: w\njobs:\n- id: a\n  id: a\n")
    @example("pegasus: 5.0\nname: w\njobs:\n- id: a\n  stranger: a\n")
    @example("pegasus: 5.0\nname: w\njobs:\n- id: a\n  arguments: [.5, 5]\n")
    @example("pegasus: 5.0\nname: w\njobs:\n- id: a\n  name: ~\n")
    @example("pegasus: 5.0\nname: w\njobs:\n- id: a\n  arguments: [nan, .inf]\n")
    def agree(text: str) -> None:
        readers.check(text)

    agree()
    assert readers.read > 600 and readers.read * 0.35 < readers.sure < readers.read * 0.9


TASK = "- id: {}\n  name: t\n  arguments: []\n  uses: []\n"


@pytest.mark.parametrize(
    "text",
    [
        TASK.format("a") + TASK.format("b"),
        TASK.format("a") + '  metadata:\n    k: "x\n- id: c"\n' + TASK.format("b"),
        TASK.format("a") + "  metadata:\n    k: 'x\n- id: c\n- d'\n" + TASK.format("b"),
        TASK.format("a") + '  metadata: {k: "x\njobs:\n- id: c\n"}\n' + TASK.format("b"),
        TASK.format("a") + "  metadata: {k: [x,\n- y]}\n" + TASK.format("b"),
        TASK.format("a") + "# - id: no\n\n" + TASK.format("b") + "metadata:\n  - x\n",
        TASK.format("a") + "metadata:\n  k: v\njobs:\n" + TASK.format("b"),
        TASK.format("a") + "replicas:\n- {lfn: a, pfns: []}\n",
        TASK.format("a")
        + "replicaCatalog:\n  replicas:\n  - lfn: f\n    pfns:\n    - {site: s, pfn: /f}\n  - lfn: g\n    pfns: []\n",
    ],
)
def test_a_list_is_cut_only_where_an_entry_begins(text: str) -> None:
    text = "pegasus: 5.0.4\nname: w\njobs:\n" + text
    answer = read_fast(text)

    assert answer == UNSURE or answer == read_carefully(text, Workflow)


def test_the_entries_of_all_pieces_are_read_in_their_order() -> None:
    text = "pegasus: 5.0.4\nname: w\njobs:\n" + "".join(TASK.format(f"t{n}") for n in range(20))

    assert [f"t{n}" for n in range(20)] == [task.id for task in read_fast(text).jobs]


def test_a_list_inside_of_a_text_is_none() -> None:
    text = 'pegasus: 5.0.4\nname: "w\njobs:\n- id: a\n"\njobs: []\n'

    assert read_fast(text) in (UNSURE, read_carefully(text, Workflow))


def double_quoted(pieces: Any) -> Any:
    return st.lists(pieces, max_size=8).map(lambda found: f'"{"".join(found)}"')


def test_they_agree_about_what_is_escaped_in_quotes() -> None:
    readers = Agreement()

    @given(
        double_quoted(PIECE),
        double_quoted(PIECE) | double_quoted(PIECE | BAD_ESCAPE),
        double_quoted(PIECE).filter(lambda text: "\n" not in text),
    )
    @settings(max_examples=600, deadline=None)
    @example(r'"a\n\L\L"', r'"a: \n- b\L\L"', '"k"')
    @example(r'"a\n\P\P"', r'"\P"', '"k"')
    @example('"a\\\n\n      b"', '"a\\\n   \n      b"', '"k"')
    @example('"a\n      \\ \n      b"', '"a\\ \n\n      b"', '"k"')
    def agree(one: str, other: str, key: str) -> None:
        head = "pegasus: 5.0\nname: w\njobs:\n- id: a\n"
        for text in (
            f"{head}  arguments:\n  - {one}\n  - b\n",
            f"{head}  name: {other}\n  metadata:\n    {key}: {one}\n",
            f"{head}  arguments: [{one}, {other}]\n",
        ):
            readers.check(text)

    agree()
    assert readers.read > 1200 and readers.sure > readers.read * 0.2


def test_usual_escapes_do_not_make_the_fast_reader_step_back() -> None:
    text = 'pegasus: 5.0\nname: w\njobs:\n- id: a\n  arguments: ["a\\n\\tb\\"\\\\", "\\xe9\\\n      c"]\n'

    assert ['a\n\tb"\\', "éc"] == read_fast(text).jobs[0].arguments


def test_they_agree_about_the_line_ends_of_other_systems_too() -> None:
    readers, others = Agreement(), Agreement()

    @given(workflows(), st.sampled_from(["\r\n", "\r\n", "\r", "\n\r"]))
    @settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
    @example('pegasus: 5.0\nname: w\njobs:\n- id: a\n  name: "x\n\n    y"\n', "\r\n")
    @example("pegasus: 5.0\nname: w\njobs:\n- id: a\n  name: 'x\n    y'\n", "\r")
    def agree(text: str, line_end: str) -> None:
        (readers if line_end == "\r\n" else others).check(text.replace("\n", line_end))

    agree()
    # About half of 250 examples are of each; chance may halve that again.
    assert readers.read > 30 and readers.sure > readers.read * 0.25
    assert others.read > 30


SCALARS = st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False)
NESTED = st.recursive(
    st.none() | SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def test_json_goes_through_both_readers_alike() -> None:
    readers = Agreement()

    @given(
        st.lists(st.text(max_size=5) | SCALARS, max_size=4) | NESTED.map(lambda value: [value]),
        st.dictionaries(st.text(max_size=3), SCALARS, max_size=3),
        st.sampled_from([None, 1, 1, 1]),
    )
    @settings(max_examples=400, deadline=None)
    def agree(arguments: list[Any], metadata: dict[str, Any], indent: int | None) -> None:
        job = {"id": "a", "name": "x", "arguments": arguments, "metadata": metadata, "uses": []}
        readers.check(json.dumps({"pegasus": "5.0", "name": "w", "jobs": [job]}, indent=indent))

    agree()
    assert readers.read > 300 and readers.sure > readers.read * 0.25


def test_the_fast_reader_is_sure_of_what_programs_write() -> None:
    yaml = "pegasus: 5.0.4\nname: w\njobs:\n- id: a\n  name: x\n  arguments:\n  - -n\n  - 007\n  - 3.10\n  uses: []\n"
    sure = json.dumps(
        {"pegasus": "5.0", "name": "w", "jobs": [{"id": "a", "name": "é☃😀", "arguments": ["5", "a"]}]}
    )

    assert ["-n", "007", "3.10"] == read_fast(yaml).jobs[0].arguments
    assert ["-n", "007", "3.10"] == read_fast(yaml.replace("\n", "\r\n")).jobs[0].arguments
    assert ["5", "a"] == read_fast(sure).jobs[0].arguments
    assert UNSURE == read_fast("pegasus: [\n")

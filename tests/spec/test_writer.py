import io
import json
import math
import tracemalloc
from typing import Any

import pytest
import ryml
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from markab.spec import model
from markab.spec.writer import emit, emit_json, to_document


def as_yaml(data: object, indent: int = 0) -> str:
    pieces: list[str] = []
    emit(data, pieces.append, indent)
    return "".join(pieces)


def through_rapidyaml(text: str) -> Any:
    tree = ryml.parse_in_arena(text.encode())
    return json.loads(ryml.emit_json(tree), strict=False)  # it does not escape control characters


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
words = (  # noqa: SIM905
    "yes No ON y n ~ null Null .nan .inf -.inf nan -inf Infinity 1e3 1.0e+3 0x1f 0o17 017 1_000 12:30:45 "
    "2026-01-01 2026-01-01T00:00:00Z = << - -- --- ... ? : # a:b a: :a a#b !x &x *x @x `x %x |x >x [x] {x} ,x "
    "-1 -l --sites ${HOME} $x 'x' \"x\" \\ \\n 0 007 3.10 +1 -0 true False http://x.org/a?b=c#d a,b é 日本語 😀"
).split()
blanks = [
    "",
    " ",
    " a",
    "a ",
    "a  b",
    "a #b",
    "a: b",
    "a -b",
    "- a",
    "x\n",
    "\nx",
    "a\n\nb",
    "\t",
    "a\tb",
    "\r\n",
]
strange = ["\x00", "\x07", "\x1b[0m", "\x7f", "\x85", "\xa0", "\u2028", "\ufeff", "\uffff", "x" * 1200]
tricky = st.sampled_from(words + blanks + strange)
texts = st.one_of(text, tricky, st.builds("".join, st.lists(tricky, max_size=3)))
numbers = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
plain = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)


@given(plain)
@settings(max_examples=400)
def test_pyyaml_reads_back_what_was_written(data: object) -> None:
    assert data == yaml.safe_load(as_yaml(data))


def survives_rapidyaml(text: str) -> bool:
    """On its way to JSON it cuts a text at NUL; the careful reader does not."""
    return "\0" not in text


def survives_rapidyaml_as_key(text: str) -> bool:
    """On its way to JSON it turns a key `nan` into `.nan`, however it is quoted."""
    return survives_rapidyaml(text) and text.lower().strip("-") not in ("nan", "inf", "infinity")


keys = texts.filter(survives_rapidyaml_as_key)
values = texts.filter(survives_rapidyaml)


@given(st.dictionaries(keys, st.one_of(values, st.lists(values), st.dictionaries(keys, values)), min_size=1))
@settings(max_examples=400)
def test_rapidyaml_reads_back_every_text_as_that_text(data: dict[str, Any]) -> None:
    assert data == through_rapidyaml(as_yaml(data))


@given(tricky)
def test_every_tricky_text_stays_a_text_as_value_key_and_item(word: str) -> None:
    data = {"value": word, "items": [word, [word]], word: word}

    assert data == yaml.safe_load(as_yaml(data))
    assert data == yaml.load(as_yaml(data), Loader=yaml.BaseLoader)
    if survives_rapidyaml_as_key(word):
        assert data == through_rapidyaml(as_yaml(data))


@given(st.dictionaries(texts, plain))
def test_json_reads_back_what_was_written(data: dict[str, Any]) -> None:
    pieces: list[str] = []
    emit_json(data, pieces.append)

    assert data == json.loads("".join(pieces))


def test_the_yaml_looks_as_people_know_it() -> None:
    data = {
        "pegasus": "5.0.4",
        "name": "count words",
        "jobs": [{"arguments": ["-l", "${X}", 3], "uses": [], "size": 1e20, "flag": True}],
        "nested": [["a", "b"], {"k": {}}],
        "nothing": None,
    }

    assert as_yaml(data) == (
        "pegasus: '5.0.4'\n"
        "name: count words\n"
        "jobs:\n"
        "- arguments:\n"
        "  - -l\n"
        "  - '${X}'\n"
        "  - 3\n"
        "  uses: []\n"
        "  size: 1.0e+20\n"
        "  flag: true\n"
        "nested:\n"
        "- - a\n"
        "  - b\n"
        "- k: {}\n"
        "nothing: null\n"
    )


def test_infinities_and_not_a_number_survive() -> None:
    assert yaml.safe_load(as_yaml([math.inf, -math.inf])) == [math.inf, -math.inf]
    assert math.isnan(yaml.safe_load(as_yaml([math.nan]))[0])


def test_indent_shifts_every_line() -> None:
    assert as_yaml({"a": [1, {"b": "c"}]}, indent=4) == "    a:\n    - 1\n    - b: c\n"


def test_an_iterator_is_written_as_a_list_and_an_empty_one_as_an_empty_list() -> None:
    def document() -> dict[str, Any]:
        return {"some": iter([1, "b"]), "none": iter(())}

    pieces: list[str] = []
    emit_json(document(), pieces.append)
    assert (
        {"some": [1, "b"], "none": []} == yaml.safe_load(as_yaml(document())) == json.loads("".join(pieces))
    )


def test_a_long_list_is_written_while_it_is_made() -> None:
    """Neither the text nor the items of 20,000 jobs are ever in memory together."""
    written = 0

    def write(piece: str) -> None:
        nonlocal written
        written += len(piece)

    tracemalloc.start()
    emit({"jobs": ({"id": f"ID{i:07d}", "arguments": ["-n", i]} for i in range(20_000))}, write)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert written > 700_000
    assert peak_bytes < 500_000


def test_what_no_document_can_hold_is_named() -> None:
    with pytest.raises(TypeError, match="is a set, which cannot be written to a document"):
        as_yaml({"a": {1}})
    with pytest.raises(ValueError, match="half a surrogate pair"):
        as_yaml({"a": "x\udc80"})


@example(3)
@given(st.integers(min_value=1, max_value=3))
def test_an_error_while_writing_reaches_the_caller(failing_call: int) -> None:
    calls = 0

    def write(piece: str) -> None:
        nonlocal calls
        calls += 1
        if calls == failing_call:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        emit({"jobs": iter(range(20_000))}, write)


def test_a_struct_becomes_the_document_it_stands_for() -> None:
    workflow = model.Workflow(
        pegasus="5.0.4",
        name="w",
        jobs=[model.Task(id="ID1", name="wc", hooks=model.Hooks([model.ShellHook("end", "date")]))],
        job_dependencies=[model.Dependency("ID1", ["ID2"])],
        replica_catalog=model.ReplicaCatalog([model.Replica("a", [model.Pfn("local", "/a")])]),
    )

    assert to_document(workflow) == {
        "pegasus": "5.0.4",
        "name": "w",
        "jobs": [
            {
                "type": "job",
                "arguments": [],
                "uses": [],
                "id": "ID1",
                "name": "wc",
                "hooks": {"shell": [{"_on": "end", "cmd": "date"}]},
            }
        ],
        "jobDependencies": [{"id": "ID1", "children": ["ID2"]}],
        "replicaCatalog": {"replicas": [{"lfn": "a", "pfns": [{"site": "local", "pfn": "/a"}]}]},
    }


def test_a_catalog_of_its_own_file_begins_with_the_version() -> None:
    catalog = model.SiteCatalog([model.Site("local", os_type="linux")])

    stream = io.StringIO()
    emit(to_document(catalog, version="5.0.4"), stream.write)

    assert stream.getvalue() == "pegasus: '5.0.4'\nsites:\n- name: local\n  os.type: linux\n"


def test_a_tuple_is_written_as_the_list_it_stands_for() -> None:
    assert as_yaml({"a": ("x", ["y"], ()), "b": ()}) == as_yaml({"a": ["x", ["y"], []], "b": []})

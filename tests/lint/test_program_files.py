import pytest

from markab.lint.program_files import argument_directions


@pytest.mark.parametrize(
    ("line", "direction"),
    [
        ("open(args.x)", "input"),
        ("open(args.x, 'rb')", "input"),
        ("open(args.x, mode='w')", "output"),
        ("open(args.x, 'x')", "output"),
        ("Path(args.x).read_text()", "input"),
        ("pathlib.Path(args.x).write_bytes(b'')", "output"),
        ("pd.read_csv(args.x)", "input"),
        ("table.to_csv(args.x, index=False)", "output"),
        ("plt.savefig(args.x)", "output"),
        ("np.load(args.x)", "input"),
    ],
)
def test_what_a_program_does_with_an_argument_is_read_from_its_text(line: str, direction: str) -> None:
    assert argument_directions(line) == {"x": direction}


@pytest.mark.parametrize(
    "text",
    [
        "open(args.x, 'r+')",
        "open(args.x, MODE)",
        "open(args.x)\nopen(args.x, 'w')",
        "open(args.x + '.txt')",
        "print(args.x)",
        "total(args.x)",
        "open(",
    ],
)
def test_what_is_not_certain_is_left_out(text: str) -> None:
    assert argument_directions(text) == {}

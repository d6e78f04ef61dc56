from __future__ import annotations

from markab.worker.invocation import WORD_BYTES, too_long_error


def test_the_word_that_is_too_long_for_the_system_is_named_with_its_length() -> None:
    environ = {"HOME": "/home/ada", "BIG": "ü" * (WORD_BYTES // 2)}
    error = too_long_error("a", ["/bin/true", "-x"], environ)
    assert str(error) == (
        f"environment variable 'BIG' of task 'a' is too long for this system: {WORD_BYTES + 4} bytes, "
        f"and {WORD_BYTES - 1} are possible"
    )
    error = too_long_error("a", ["/bin/true", "-x", "y" * WORD_BYTES], {})
    assert str(error).startswith(f"argument 2 of task 'a' is too long for this system: {WORD_BYTES} bytes")


def test_if_no_word_is_too_long_their_sums_are() -> None:
    error = too_long_error("a", ["/bin/true", "12345"], {"A": "1"})
    assert str(error).endswith("of task 'a' are too long for this system: 16 and 4 bytes")

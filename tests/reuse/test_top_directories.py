from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from markab.reuse.top_directories import packed_directories, top_directories, unpacked_directories


def test_directories_in_others_are_left_out() -> None:
    assert [b"/a", b"/ab"] == top_directories([b"/ab", b"/a/b/c", b"/a", b"/a/b"])


def test_when_there_are_too_many_those_above_the_deepest_stand_for_them() -> None:
    assert [b"/in", b"/out"] == top_directories([b"/in/x", *(b"/out/%d" % n for n in range(9))], most=3)


PATHS = st.lists(
    st.lists(st.sampled_from([b"a", b"b", b"cd"]), max_size=5).map(lambda p: b"/" + b"/".join(p))
)


@given(PATHS, st.integers(1, 4))
def test_each_directory_is_in_one_of_the_few(directories: list[bytes], most: int) -> None:
    tops = top_directories(directories, most)

    assert len(tops) <= most
    for folder in directories:
        assert any(os.path.commonpath([folder, top]) == top for top in tops)


@given(PATHS)
def test_packed_directories_are_the_same_again(directories: list[bytes]) -> None:
    assert directories == unpacked_directories(packed_directories(directories))

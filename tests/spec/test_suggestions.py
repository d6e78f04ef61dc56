from __future__ import annotations

import time

from markab.spec.suggestions import did_you_mean, likely, nearest


def test_the_likeliest_name_comes_first() -> None:
    assert nearest("algn_2", ["align_1", "align_2", "sort"])[0] == "align_2"
    assert nearest("nothing", ["align_1", "sort"]) == []


def test_case_and_separators_count_for_nothing() -> None:
    assert likely("stage_out", ["stageOut", "stageIn"]) == "stageOut"
    assert did_you_mean("zzz", ["stageOut"], "look it up") == "look it up"


def test_among_a_million_names_the_one_that_was_meant_is_found_soon() -> None:
    names = [f"findrange_ID{number:07d}" for number in range(1_000_000)]
    began_s = time.process_time()
    assert nearest("findrnge_ID0777777", names)[0] == "findrange_ID0777777"
    assert "findrange_ID0000707" in nearest("findrange_ID0000707x", names)
    assert time.process_time() - began_s < 5

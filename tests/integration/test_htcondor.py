from __future__ import annotations
import pytest
from kit.htcondor_pool import Pool
pytestmark = pytest.mark.integration

def test_pool(htcondor: Pool) -> None:
    assert htcondor.queue() == []

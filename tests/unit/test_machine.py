"""How busy the machine is: what other processes use of it is seen, what is ours is not counted."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from inboxbench.machine import ProcessorTime


def test_shares_of_a_while() -> None:
    passed = ProcessorTime(total=110.0, idle=40.0, stolen=12.0).since(ProcessorTime(100.0, 36.0, 11.0))
    assert passed == ProcessorTime(total=10.0, idle=4.0, stolen=1.0)
    assert passed.others_share() == pytest.approx(0.5)
    assert passed.others_share(own=3.0) == pytest.approx(0.2)
    assert passed.others_share(own=7.0) == 0.0
    assert ProcessorTime(0.0, 0.0, 0.0).others_share() == 0.0


def test_busy_neighbours_are_seen() -> None:
    """One process for each processor that does nothing but count."""
    count = os.cpu_count() or 1
    neighbours = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        begun = ProcessorTime.now()
        time.sleep(1)
        passed = ProcessorTime.now().since(begun)
        assert passed.total > 0
        assert passed.others_share() > 0.2 * (1 - passed.stolen / passed.total)
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.wait()

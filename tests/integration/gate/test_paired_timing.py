"""Writes are timed as queries are, and leave no row behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.gate.conftest import Head

from inboxbench.database import connect
from inboxbench.gate import paired_timing
from inboxbench.gate.paired_timing import Trial, time_cases
from inboxbench.project import Loose


def test_writes_are_timed_and_taken_back(shop: Head, shop_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired_timing, "LOOKS", (2,))
    monkeypatch.setattr(paired_timing, "_MOST_REPEATS", 2)
    loose = Loose(shop_folder, shop_folder / "indexes.toml")
    with shop.altered() as before, shop.altered() as now, shop.altered() as copy:
        trial = Trial(before, now, copy)
        timed = [case.where for case in time_cases(shop.server, trial, (loose, loose), tolerated=0.5, budget_s=0.1)]
        with connect(shop.server.conninfo(now)) as connection:
            row = connection.execute("SELECT count(*) FROM orders").fetchone()
        chosen = time_cases(shop.server, trial, (loose, loose), ["lines"], tolerated=0.5, budget_s=0.1)
        assert [case.where for case in chosen] == ["lines/given"]
    assert {"place_order/write", "ship_order/write", "forget_customer/write", "lines/given"} <= set(timed)
    assert row == (3000,)

"""A workload as requests: as often as a server was asked, with the values of a log, and with rows left as they were."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.conftest import Database

from inboxbench.database import connect, first_row
from inboxbench.errors import SubjectFailed
from inboxbench.traffic.engine import DEFAULT_RATE, RequestClass, live_traffic
from inboxbench.workload.model import Recorded
from inboxbench.workload.questions import Statements, statements_of
from inboxbench.workload.traffic import MOST_RATE, replay

LOG = """\
2026-11-30 10:00:00.000 UTC [7] LOG:  duration: 1.0 ms  statement: SELECT email FROM customers WHERE id = 77
2026-11-30 10:00:01.000 UTC [7] LOG:  duration: 1.0 ms  statement: SELECT email FROM customers WHERE id = 78
2026-11-30 10:00:02.000 UTC [7] LOG:  duration: 1.0 ms  execute x: INSERT INTO customers (email) VALUES ($1)
2026-11-30 10:00:02.000 UTC [7] DETAIL:  Parameters: $1 = 'c9@x.org'
2026-11-30 10:00:02.500 UTC [7] LOG:  duration: 1.0 ms  statement: UPDATE customers SET country = '100%' WHERE id = 5
2026-11-30 10:00:04.000 UTC [7] LOG:  duration: 1.0 ms  statement: SELECT id FROM orders WHERE note LIKE 'about r%'
"""


def drawn(item: RequestClass) -> list[Mapping[str, Any]]:
    random = Random(1)
    return [item.draw(random) for _ in range(30)]


def test_a_log_gives_rates_and_values(shop: Database, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(LOG)
    made = replay(shop.server, shop.name, statements_of(str(tmp_path / "a.log")), speed=10)
    assert made.rate == pytest.approx(10 * 5 / 4)
    assert "5 calls in 4 s at 10x" in made.notes[-1]
    by_kind = {item.name.split("_")[1] + item.name.split("_")[0]: item for item in made.classes}
    assert {name: item.weight for name, item in by_kind.items()} == {
        "selectcustomers": 2, "insertcustomers": 1, "updatecustomers": 1, "selectorders": 1,
    }  # fmt: skip
    assert {values["id"] for values in drawn(by_kind["selectcustomers"])} == {"77", "78"}
    assert {values["country"] for values in drawn(by_kind["updatecustomers"])} == {"100%"}
    # The row of the log is there already, so that a new one is drawn.
    assert "c9@x.org" not in {values["email"] for values in drawn(by_kind["insertcustomers"])}
    assert [by_kind[name].undo for name in ("selectcustomers", "insertcustomers", "updatecustomers")] == [
        False, True, True,
    ]  # fmt: skip
    with connect(shop.conninfo) as connection:
        before = first_row(connection, "SELECT count(*), count(*) FILTER (WHERE country = '100%') FROM customers")
    with live_traffic(shop.conninfo, made.classes, rate=200) as traffic:
        pass  # one of each class has been answered
    assert not [answer for answer in traffic.answers if answer.error]
    assert {answer.name for answer in traffic.answers} == {item.name for item in made.classes}
    with connect(shop.conninfo) as connection:
        after = first_row(connection, "SELECT count(*), count(*) FILTER (WHERE country = '100%') FROM customers")
    assert after == before


def test_the_rate_where_nobody_knows_when(shop: Database) -> None:
    asked = Recorded("SELECT id FROM orders WHERE customer_id = $1", 10_000_000, 5.0)
    known, unknown = Statements((asked,), "a test", 100.0), Statements((asked,), "a test")
    made = replay(shop.server, shop.name, unknown)
    assert made.rate == DEFAULT_RATE
    assert "does not say within which time" in made.notes[-1]
    assert made.classes[0].name.startswith("orders_select")
    assert replay(shop.server, shop.name, unknown, rate=7).rate == 7
    made = replay(shop.server, shop.name, known)
    assert made.rate == MOST_RATE
    assert "in place of 100,000" in made.notes[-1]


def test_a_workload_that_cannot_be_run_is_no_traffic(shop: Database) -> None:
    with pytest.raises(SubjectFailed, match="no query of a test can be run: settings of a session"):
        replay(shop.server, shop.name, Statements((Recorded("SET a.b = 1"),), "a test"))

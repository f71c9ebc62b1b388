"""What the rules cost beside their alternatives: each alternative keeps its rule, and counters count what was done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from inboxbench.database import Connection, connect, list_databases, scratch_database
from inboxbench.disturbance import watching
from inboxbench.errors import UsageError
from inboxbench.messenger.costs.measure import measure, open_rules_office
from inboxbench.messenger.costs.rules import Alternative, Rule
from inboxbench.messenger.costs.run_rules import CostRow, find_rules, holds, run_costs
from inboxbench.project import Project, find_project
from inboxbench.race.atlas import find_families
from inboxbench.server import Server

RULES = {rule.name: rule for rule in find_rules()}
WAYS = [(rule, way) for rule in RULES.values() for way in rule.alternatives]
IDS = [f"{rule.name}-{way.name}" for rule, way in WAYS]


@pytest.fixture(scope="module")
def office(server: Server, project: Project) -> Iterator[str]:
    with open_rules_office(server, project) as name:
        yield name


@pytest.fixture
def session(server: Server, office: str) -> Iterator[Connection]:
    """One whose transaction is rolled back with the test, tables and triggers of its own included."""
    with closing(connect(server.conninfo(office), autocommit=False)) as opened:
        yield opened


@pytest.fixture
def clone(server: Server, office: str) -> Iterator[str]:
    with scratch_database(server, "costs", office) as name:
        yield server.conninfo(name)


def test_every_rule_has_one_way_of_ours_and_another() -> None:
    for rule in RULES.values():
        assert [way.ours for way in rule.alternatives].count(True) == 1, rule.name
        assert len(rule.alternatives) > 1
        assert len({way.name for way in rule.alternatives}) == len(rule.alternatives)


@pytest.mark.parametrize(("rule", "way"), WAYS, ids=IDS)
def test_a_way_that_is_named_in_the_atlas_is_there_and_ours_is_safe(rule: Rule, way: Alternative) -> None:
    if way.atlas:
        assert way.atlas in {
            (family.name, entry.name) for family in find_families(find_project()) for entry in family.entries
        }
    if way.ours:
        assert holds(way.atlas) is not False, rule.name


# What an execution leaves behind, by rule; a way without the rule ("none") may leave something else.
LEFT = {
    "clocks": "SELECT count(*) FROM conversations WHERE last_activity_at > now() - interval '1 minute'",
    "notification": "SELECT count(*) - 6000 FROM messages",
    "flood": "SELECT count(*) - 6000 FROM messages",
    "delivery": "SELECT count(*) - 6000 FROM messages",
    "redelivery": "SELECT 3 + count(*) - 6000 FROM messages",
    "unread-arrival": "SELECT count(*) - 6000 FROM messages",
    "unread-page": "SELECT 3",
    "unread-look": "SELECT count(*) FROM conversations WHERE agent_last_seen_at IS NOT NULL",
    "take": "SELECT count(*) FROM conversations WHERE assignee_id = 1",
    "automatic": "SELECT count(DISTINCT assignee_id) FROM conversations",
    "activity": "SELECT count(*) FROM messages WHERE message_type = 2",
    "mute": "SELECT count(*) FROM conversations WHERE status = 'resolved'",
    "snooze": "SELECT count(*) / 10 FROM conversations WHERE status = 'open'",
}


@pytest.mark.parametrize(("rule", "way"), WAYS, ids=IDS)
def test_a_way_does_what_its_rule_asks_for(session: Connection, rule: Rule, way: Alternative) -> None:
    """Three executions; what they leave is the same whichever way was taken."""
    session.execute(way.setup.encode())
    if rule.name == "clocks":
        session.execute("UPDATE conversations SET last_activity_at = created_at")
    for number in range(3):
        way.act(session, number)
    row = session.execute(LEFT[rule.name].encode()).fetchone()
    assert row == ((0,) if way.name == "none" and rule.name in ("clocks", "activity") else (3,))


def test_counters_count(server: Server, clone: str) -> None:
    """Two statements, one of which writes a row of known width to a table without an index."""
    with closing(connect(clone)) as builder:
        builder.execute("CREATE TABLE counted (body text)")

    def act(connection: Connection, number: int) -> None:
        connection.execute("SELECT 1")
        connection.execute("INSERT INTO counted VALUES (%s)", ("x" * 100 + str(number),))

    with watching(server) as watch:
        cost = measure(clone, act, executions=50, watch=watch)
        shared = measure(clone, act, executions=50, units=10, watch=watch)
    assert cost.statements == 2
    assert 1 <= cost.buffers < 2
    assert 100 < cost.wal_bytes < 300
    assert shared.statements == 0.2


def test_a_clock_by_trigger_costs_what_the_same_update_by_the_application_does(server: Server) -> None:
    """WAL is the same to a byte; without clocks it is less; by recount more pages are read."""
    rows = {row.alternative: row for row in run_costs(server, rules=find_rules(["clocks"]), executions=30)}
    assert rows["trigger"].statements + 1 == rows["application"].statements
    assert rows["none"].wal_bytes < rows["trigger"].wal_bytes
    assert rows["trigger"].buffers < rows["recount"].buffers
    assert (rows["trigger"].ours, rows["trigger"].safe, rows["recount"].safe) == (True, True, False)


def test_nothing_is_left_behind(server: Server) -> None:
    before = [info.name for info in list_databases(server)]
    (first, *_) = run_costs(server, rules=find_rules(["unread-look"]), executions=5)
    assert isinstance(first, CostRow)
    with pytest.raises(UsageError, match="executions: 500 is outside 1 … 200"):
        run_costs(server, executions=500)
    with pytest.raises(UsageError, match="unknown rule 'clock'; did you mean 'clocks'"):
        find_rules(["clock"])
    assert [info.name for info in list_databases(server)] == before

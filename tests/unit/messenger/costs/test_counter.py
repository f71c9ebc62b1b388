"""Ways are read strictly, judged by their declaration, and put into words with the figures they come from."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.messenger.app.page import UNREAD
from inboxbench.messenger.costs.counter import Counters, Way, WayCost, pays, read_ways, verdict
from inboxbench.messenger.costs.measure import Contention, Cost
from inboxbench.project import Project


@pytest.fixture(scope="module")
def ways(project: Project) -> dict[str, Way]:
    return {way.name: way for way in read_ways(project.bench / "counters")}


def cost(way: Way, page: int, *, buffers: float = 60, wal: float = 2000, drift: int = 0) -> WayCost:
    event = Cost(2, buffers, wal, 1.0, 1.0, 0.0)
    events = {"arrive": event, "look": replace(event, buffers=0, wal_bytes=0)}
    return WayCost(way, {"page": page}, events, (Contention(16, 500.0, 0.8),), drift, 800)


def test_the_catalogue_has_what_is_asked_for(ways: dict[str, Way]) -> None:
    """P2.3: on demand, a column by trigger and by application, rows for agents, slots; a list cache; a control."""
    assert {
        *("on_demand", "column_trigger", "column_application", "agent_rows", "inbox_slots", "read_modify_write"),
        *("list_indexed", "list_rows_trigger", "list_rows_application"),
    } <= set(ways)
    assert [way.name for way in ways.values() if way.ours] == ["on_demand", "list_indexed"]
    unread = [way.name for way in ways.values() if way.family == "unread"]
    assert (unread[0], unread[-1]) == ("on_demand", "read_modify_write")
    assert unread[1:-1] == sorted(unread[1:-1])


def test_counting_on_demand_is_what_the_messenger_does(ways: dict[str, Way]) -> None:
    asked = re.sub(r"\s+", " ", UNREAD.as_string()).strip()
    for section in ("page", "badge"):
        assert asked.removeprefix("SELECT count(*) ") in re.sub(r"\s+", " ", ways["on_demand"].section(section))


def test_an_event_is_everybodys_statements_and_a_ways_own(ways: dict[str, Way]) -> None:
    arrive = ways["side_row"].statements("arrive")
    assert len(arrive) == 3
    assert arrive[:2] == ways["on_demand"].statements("arrive")
    assert arrive[2].startswith("UPDATE conversation_unread")
    assert ways["read_modify_write"].statements("arrive") == ["SELECT arrive(:conversation)"]


def test_a_crowd_runs_the_same_statements(ways: dict[str, Way]) -> None:
    text = ways["side_row"].pgbench_script("look", 4)
    assert text.startswith("\\set conversation random(1, 4)\nBEGIN;\nUPDATE conversations SET agent_last_seen_at")
    assert text.endswith("WHERE conversation_id = :conversation;\nCOMMIT;\n")


def test_a_named_way_brings_what_it_is_held_to(project: Project) -> None:
    assert [way.name for way in read_ways(project.bench / "counters", ["side_row"])] == ["on_demand", "side_row"]
    with pytest.raises(UsageError, match="unknown way 'side_rows'; did you mean 'side_row'"):
        read_ways(project.bench / "counters", ["side_rows"])


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("family: unread", "family: badge", "unknown family 'badge'"),
        ("drift: none", "drift: never", "drift: 'never' is neither 'none' nor 'some'"),
        ("--- badge", "--- bagde", "unknown section 'bagde'; did you mean 'badge'"),
    ],
)
def test_a_wrong_file_is_named(project: Project, tmp_path: Path, old: str, new: str, told: str) -> None:
    for path in (project.bench / "counters").glob("*.sql"):
        text = path.read_text()
        (tmp_path / path.name).write_text(text.replace(old, new) if path.stem == "side_row" else text)
    with pytest.raises(UsageError, match=told):
        read_ways(tmp_path)


def test_a_declaration_is_held(ways: dict[str, Way]) -> None:
    base, control = cost(ways["on_demand"], 300), cost(ways["read_modify_write"], 4, drift=3)
    Counters("a server", (base, control)).require()
    with pytest.raises(SubjectFailed, match="'read_modify_write' is declared to drift and was right after 800 events"):
        Counters("a server", (base, replace(control, drift=0))).require()
    with pytest.raises(SubjectFailed, match="'side_row': 1 rows are wrong after 800 events"):
        Counters("a server", (base, cost(ways["side_row"], 3, drift=1))).require()


@pytest.mark.parametrize(
    ("page", "buffers", "words"),
    [
        (300, 70, "saves nothing on a list page"),
        (4, 60.5, "pays from the first list page on"),
        (100, 80, "pays where one list page is read for every 10.0 messages or fewer"),
    ],
)
def test_when_it_pays(ways: dict[str, Way], page: int, buffers: float, words: str) -> None:
    assert pays(cost(ways["on_demand"], 300), cost(ways["side_row"], page, buffers=buffers), "page") == words


def test_the_verdict_chooses_what_is_right_and_nearly_free(ways: dict[str, Way]) -> None:
    base = cost(ways["on_demand"], 300)
    cheap, dear = cost(ways["column_with_clocks"], 4, wal=2010), cost(ways["inbox_row"], 4, wal=2500, buffers=100)
    wrong = cost(ways["read_modify_write"], 4, wal=2001, drift=4)
    lines = verdict(Counters("a server", (base, cheap, dear, wrong)))
    assert lines[0] == "on_demand keeps nothing: 300 pages for a list page."
    assert "16 clients spend 80% of their time waiting for each other" in lines[2]
    assert "4 rows wrong after 800 concurrent events" in lines[3]
    assert "pays" not in lines[3]
    assert lines[-1].startswith("Choose column_with_clocks: ")
    assert verdict(Counters("a server", (base, dear)))[-1].startswith("Choose on_demand: ")

"""The atlas as a heat map, and the lines of safety against cost: what they say, and that a page may lack them."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.unit.report.conftest import ATLAS, BENCH, Parse, raced_run

from inboxbench.cli.report.command import command
from inboxbench.errors import UsageError
from inboxbench.report import checked_run, render_html
from inboxbench.report.charts.atlas import LEGEND, atlas_map
from inboxbench.report.charts.races import crowd_charts, race_charts
from inboxbench.report.findings import findings
from inboxbench.report.index_figures import compare
from inboxbench.report.model import AtlasCell, Race, read_run


@pytest.fixture
def run() -> dict[str, Any]:
    return raced_run()


def cell(**facts: Any) -> AtlasCell:
    whole: dict[str, Any] = {"family": "assign", "entry": "naive", "level": "rc", "schedules": 20} | facts
    return AtlasCell(**whole)


@pytest.mark.parametrize(
    ("found", "symbol", "ratio", "note", "tone"),
    [
        (cell(), "✓", "0/20", "", 0),
        (cell(aborted=12), "↻", "0/20", "12 refused", 1),
        (cell(aborted=2, deadlocked=1), "↻", "0/20", "1 deadlock", 1),
        (cell(bad=4), "✗", "4/20", "", 3),
        (cell(bad=5), "✗", "5/20", "", 4),
        (cell(bad=15, deadlocked=2, aborted=2), "✗", "15/20", "2 deadlocks", 5),
    ],
)
def test_a_cell_says_by_symbol_figure_and_colour_what_it_is(
    found: AtlasCell, symbol: str, ratio: str, note: str, tone: int
) -> None:
    drawn = atlas_map([found])
    assert drawn is not None
    (mark,) = drawn.groups[0].rows[0].marks
    assert mark is not None
    assert (mark.symbol, mark.ratio, mark.note, mark.tone) == (symbol, ratio, note, tone)
    assert (symbol, tone) in {(known, number) for known, _, number in LEGEND}


def test_a_tooltip_tells_the_whole_cell() -> None:
    drawn = atlas_map([cell(bad=12, schedules=14, aborted=2, deadlocked=1, counterexample="ABBBAA")])
    assert drawn is not None
    (mark,) = drawn.groups[0].rows[0].marks
    assert mark is not None
    assert mark.hint == (
        "naive at READ COMMITTED: 12 of 14 feasible schedules break it; in 2 the server refuses a session, in 1 for a "
        "deadlock; shortest: ABBBAA"
    )


def test_rows_stand_under_their_family_with_a_cell_for_each_level(run: dict[str, Any]) -> None:
    drawn = atlas_map(read_run(run).atlas)
    assert drawn is not None
    assert drawn.levels == ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]
    assert [group.family for group in drawn.groups] == ["assign", "limit", "waiting_since", "lock order"]
    assert sum(len(row.marks) for group in drawn.groups for row in group.rows) == drawn.cells == len(run["atlas"])
    assert atlas_map([]) is None


def test_a_level_that_was_not_explored_is_a_dash_and_no_column_of_its_own() -> None:
    drawn = atlas_map([cell(), cell(entry="other"), cell(entry="other", level="ser")])
    assert drawn is not None
    assert drawn.levels == ["READ COMMITTED", "SERIALIZABLE"]
    assert [[mark is None for mark in row.marks] for row in drawn.groups[0].rows] == [[False, True], [False, False]]


def test_a_cell_that_is_not_what_it_claims_stands_out(run: dict[str, Any], parse: Parse) -> None:
    text = "".join(parse(render_html(run)).itertext())
    assert "not as claimed" not in text
    run["atlas"][0]["safe"] = True
    text = "".join(parse(render_html(run)).itertext())
    assert "not as claimed" in text
    assert "1 cells are not what they claim" in text


def test_the_page_holds_every_cell_with_its_tooltip(run: dict[str, Any], parse: Parse) -> None:
    page = parse(render_html(run))
    (section,) = (e for e in page.iter("section") if e.get("id") == "atlas")
    cells = list(section.iter("td"))
    assert len(cells) == len(run["atlas"])
    assert all(e.get("title") for e in cells)
    assert {("".join(e.itertext()))[0] for e in cells} == {"✓", "↻", "✗"}


def test_the_verdict_tells_how_many_ways_hold(run: dict[str, Any]) -> None:
    found = read_run(run)
    (said,) = (f for f in findings(found, compare(found)) if f.topic == "Atlas")
    text = " ".join("".join(sentence) for sentence in said.sentences)
    holding = sum(c["level"] == "rc" and not c["bad"] for c in run["atlas"])
    assert f"{holding} at READ COMMITTED" in text
    assert f"{len(run['atlas']) // 3} ways to write the same rows" in text


def test_a_line_for_each_strategy_over_the_numbers_of_workers(run: dict[str, Any]) -> None:
    ((heading, chart),) = crowd_charts(read_run(run).races).items()
    assert heading == "2 ms of application time inside, driven by pgbench, embedded PostgreSQL 18.6"
    assert [tick.label for tick in chart.x_ticks] == ["1", "4", "16", "64"]
    assert len(chart.lines) == 6
    assert all(len(line.points) == 4 and len(line.segments) == 3 for line in chart.lines)
    assert [line.strategy for line in chart.lines if line.unsafe] == ["naive"]
    assert chart.lines[0].note.startswith("✗ 9")
    assert {line.note for line in chart.lines[1:]} == {"none twice"}
    assert "times naive" in chart.lines[4].points[2].hint


def test_two_numbers_of_workers_make_no_line() -> None:
    assert crowd_charts([Race("a", workers=count, per_s=9.0) for count in (1, 16)]) == {}
    assert crowd_charts([]) == {}


def test_bars_are_of_the_largest_crowd_where_lines_show_the_others(run: dict[str, Any]) -> None:
    (heading,) = race_charts(read_run(run).races)
    assert heading == "64 workers, 2 ms inside, by pgbench, embedded PostgreSQL 18.6"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ({"schedules": 0}, r"key 'atlas\[0\].schedules'"),
        ({"bad": -1}, r"key 'atlas\[0\].bad'"),
        ({"entry": None}, r"key 'atlas\[0\].entry'"),
    ],
)
def test_a_wrong_cell_is_named(run: dict[str, Any], spoil: dict[str, Any], message: str) -> None:
    run["atlas"][0] |= spoil
    with pytest.raises(UsageError, match=message):
        checked_run(run)


def _invoke(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_the_command_shows_what_atlas_and_bench_printed(tmp_path: Any) -> None:
    page = tmp_path / "page.html"
    result = _invoke("--atlas", ATLAS, "--races", BENCH, "--html", page)
    assert result.exit_code == 0, result.output
    text = page.read_text()
    assert 'id="atlas"' in text
    assert "Safety against cost" in text
    assert "two agents take one conversation" in text  # the title comes with the file's family
    assert "Atlas" in result.output


@pytest.mark.parametrize(
    ("words", "content", "message"),
    [
        ((), "", "nothing to show: name a RECORD"),
        (("--atlas",), "{}", "holds no rows"),
        (("--atlas",), "[]", "holds no rows"),
        (("--atlas",), '[{"strategy": "naive"}]', "a row has no 'family'"),
        (("--races",), '[{"family": "assign"}]', "key 'races[0].strategy' is missing"),
        (("--races",), "[1", "not whole JSON"),
    ],
)
def test_files_that_are_no_rows_are_named(tmp_path: Any, words: tuple[str, ...], content: str, message: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(content)
    result = _invoke(*words, *([path] if words else []))
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)

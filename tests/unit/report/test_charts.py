from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from inboxbench.report.charts.bars import rows_chart, size_charts
from inboxbench.report.charts.clock import clock, span, time_scale
from inboxbench.report.charts.migration import timeline, traffic_chart
from inboxbench.report.charts.pareto import scatter
from inboxbench.report.charts.races import race_charts
from inboxbench.report.charts.reads import LEVELS, dot_plot, heat_map, level
from inboxbench.report.index_figures import Comparison, compare
from inboxbench.report.model import Matrix, Migration, Race, Run, Seed, read_run


@pytest.fixture
def whole(run: dict[str, Any]) -> Run:
    return read_run(run)


@pytest.fixture
def matrix(whole: Run) -> Matrix:
    assert whole.matrix is not None
    return whole.matrix


@pytest.fixture
def migration(whole: Run) -> Migration:
    assert whole.migration is not None
    return whole.migration


@pytest.mark.parametrize(("reads", "expected"), [(0, 0), (9, 0), (10, 1), (999, 2), (1000, 3), (5e7, LEVELS - 1)])
def test_a_colour_is_a_decade(reads: float, expected: int) -> None:
    assert level(reads) == expected


def test_the_heat_map_has_each_query_once_and_marks_the_fewest(matrix: Matrix) -> None:
    rows = [row for rows in heat_map(matrix).values() for row in rows]
    assert [row.query.name for row in rows] == [query.name for query in matrix.queries]
    assert all(len(row.cells) == len(matrix.sets) for row in rows)
    assert all(any(cell.best for cell in row.cells) for row in rows)
    assert "\nLimit" in rows[0].cells[0].hint  # the plan travels with the figure


def test_a_class_without_an_answer_is_never_the_best(matrix: Matrix) -> None:
    cells = [
        replace(cell, failure="stopped", buffers=None)
        if (cell.query, cell.index_set, cell.parameter_class) == ("list_mine", "recommended", "huge_account")
        else cell
        for cell in matrix.cells
    ]
    row = next(iter(heat_map(replace(matrix, cells=cells)).values()))[0]
    failed = row.cells[[s.name for s in matrix.sets].index("recommended")]
    assert failed.failed
    assert not failed.best


def test_marks_of_a_row_do_not_cover_each_other(matrix: Matrix) -> None:
    plot = dot_plot(matrix)
    assert [row.query.name for row in plot.rows] == [query.name for query in matrix.queries]
    for row in plot.rows:
        assert len(row.dots) == len(matrix.sets)
        for number, dot in enumerate(row.dots):
            assert 0 <= dot.at <= 100
            assert row.label_y < dot.y < plot.axis_y
            assert all(abs(dot.at - o.at) >= 1.6 or dot.y != o.y for o in row.dots[number + 1 :])


def test_rows_of_the_dot_plot_do_not_overlap(matrix: Matrix) -> None:
    rows = dot_plot(matrix).rows
    for row, below in itertools.pairwise(rows):
        assert max(dot.y for dot in row.dots) < below.label_y


def test_the_scatter_keeps_labels_apart_and_inside(whole: Run) -> None:
    chart = scatter(compare(whole))
    assert chart is not None
    lines = sorted(bubble.label_y for bubble in chart.bubbles)
    assert all(below - line >= 17 for line, below in itertools.pairwise(lines))
    assert lines[0] > 0
    assert lines[-1] < chart.axis_y
    assert {b.name for b in chart.bubbles if b.chosen} == {"recommended"}
    assert {b.name for b in chart.bubbles if b.dominated_by} == {"chatwoot", "owners"}


def test_a_larger_set_has_a_larger_bubble(whole: Run) -> None:
    chart = scatter(compare(whole))
    assert chart is not None
    assert whole.matrix is not None
    sizes = {s.name: s.bytes or 0 for s in whole.matrix.sets}
    by_radius = sorted(chart.bubbles, key=lambda b: b.radius)
    assert [b.name for b in by_radius] == sorted(sizes, key=lambda name: sizes[name])


def test_the_frontier_steps_down_to_the_right(whole: Run) -> None:
    chart = scatter(compare(whole))
    assert chart is not None
    assert chart.frontier
    assert all(step.x2 >= step.x1 and step.y2 >= step.y1 for step in chart.frontier)


def test_one_set_makes_no_scatter(whole: Run) -> None:
    comparison = compare(whole)
    assert scatter(Comparison(comparison.results[:1], None, None)) is None


def test_pieces_add_up_to_their_set(matrix: Matrix) -> None:
    charts = size_charts(matrix)
    for index_set, bar in zip(matrix.sets, charts.size.bars, strict=True):
        assert bar.label == index_set.name
        assert len(bar.pieces) == len(index_set.indexes)
        total = sum(index.bytes or 0 for index in index_set.indexes)
        share = sum(piece.width for piece in bar.pieces)
        assert share == pytest.approx(total / (80 << 20) * 100, abs=0.05)  # the axis ends at the next round figure


def test_an_index_keeps_its_colour(matrix: Matrix) -> None:
    charts = size_charts(matrix)
    colours: dict[str, set[str]] = {}
    for chart in (charts.size, charts.build):
        for bar in chart.bars:
            for piece in bar.pieces:
                colours.setdefault(piece.label, set()).add(piece.tone)
    assert all(len(tones) == 1 for tones in colours.values())


def test_revisions_lie_end_to_end(migration: Migration) -> None:
    rows = timeline(migration).rows
    assert [row.revision.revision for row in rows] == [r.revision for r in migration.revisions]
    for row, following in itertools.pairwise(rows):
        assert row.start + row.width == pytest.approx(following.start, abs=0.01)
    assert rows[-1].start + rows[-1].width <= 100


def test_a_stall_stands_beside_the_revision_it_fell_into(migration: Migration) -> None:
    felt = {row.revision.revision: {t.name for t in row.stalls} for row in timeline(migration).rows if row.stalls}
    assert felt["0010"] == {"insert_message", "insert_conversation"}
    assert sum(map(len, felt.values())) == len(migration.traffic)


def test_an_unknown_kind_of_revision_is_drawn_all_the_same(migration: Migration) -> None:
    odd = replace(migration.revisions[0], kind='"><script>')
    assert timeline(replace(migration, revisions=[odd])).rows[0].tone == "k-other"


def test_traffic_shows_median_and_tail_inside_the_worst(migration: Migration) -> None:
    chart = traffic_chart(migration.traffic)
    assert chart is not None
    for bar in chart.bars:
        worst, median, tail = bar.pieces
        assert 0 < median.start <= tail.start <= worst.width <= 100
    assert traffic_chart([]) is None


def test_races_share_one_scale(whole: Run) -> None:
    charts = race_charts(whole.races)
    assert len(charts) == 2
    assert len({tuple(tick.label for tick in chart.ticks) for chart in charts.values()}) == 1
    widths = {(heading, bar.label): bar.pieces[0].width for heading, chart in charts.items() for bar in chart.bars}
    assert len(widths) == len(whole.races)
    fastest = max(whole.races, key=lambda race: race.per_s or 0)
    assert max(widths, key=lambda key: widths[key])[1] == fastest.strategy


@pytest.mark.parametrize(
    ("race", "tone", "note"),
    [
        (Race("a", doubles=3, safe=False), "r-unsafe", "3 doubled"),
        (Race("a", doubles=0, safe=True), "r-safe", "0 doubled"),
        (Race("a", doubles=1, safe=True), "r-unsafe", "1 doubled"),
        (Race("a", doubles=0, safe=False), "r-unsafe", "0 doubled"),
        (Race("a"), "r-safe", "doubles not counted"),
    ],
)
def test_a_race_says_whether_it_is_safe(race: Race, tone: str, note: str) -> None:
    (bar,) = next(iter(race_charts([race]).values())).bars
    assert (bar.tone, bar.note) == (tone, note)


def test_tables_come_largest_first() -> None:
    chart = rows_chart(Seed(rows={"small": 1, "large": 10, "empty": 0}))
    assert chart is not None
    assert [bar.label for bar in chart.bars] == ["large", "small", "empty"]
    assert rows_chart(Seed(rows={"empty": 0})) is None


def test_a_lane_draws_no_more_than_can_be_seen() -> None:
    """50,000 statements of a millisecond in a chain of ten minutes, and one of a minute among them."""
    scale = time_scale(600_000)
    spans = [span(scale, 12.0 * n, 1.0, "l-run", f"{n}") for n in range(50_000)]
    spans += [span(scale, 300_000, 60_000, "l-rewrite", "long"), span(scale, 301_000, 10, "l-rewrite", "under it")]
    (lane,) = clock(scale, {"statements": spans}, (), 0.0).lanes
    assert 400 <= len(lane.spans) <= 1_100
    assert [one.hint for one in lane.spans if one.tone == "l-rewrite"] == ["long"]
    last = max(lane.spans, key=lambda one: one.x)
    assert last.x + last.width == pytest.approx(100, abs=0.3)

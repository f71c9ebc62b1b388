"""The matrix as Markdown: the verdict and the sets as the report has them, then every cell, the widest spread first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inboxbench.bench import Cell, Matrix
from inboxbench.cli.bench.table import by_spread
from inboxbench.report import render_markdown
from inboxbench.report.markdown import escape


def matrix_markdown(matrix: Matrix, document: Mapping[str, Any]) -> str:
    names = [one.index_set.name for one in matrix.sets]
    rows = [_row([escape(row[0].case.name), *(_figure(matrix, cell) for cell in row)]) for row in by_spread(matrix)]
    head = [_row(["query \\[class\\]", *map(escape, names)]), _row(["---", *["---:"] * len(names)])]
    told = [f"- {escape(reason)}" for reason in document["verdict"]["reasons"]]
    notes = [f"- note: {escape(note)}" for note in matrix.notes]
    overhead = [f"- {escape(matrix.client)}"] if matrix.client else []
    blocks = [
        render_markdown(document).rstrip(),
        "\n".join([*told, *overhead, *notes]),
        "Buffers and median milliseconds of server time; ~ where the round trip says nothing.",
        "\n".join([*head, *rows]),
    ]
    return "\n\n".join(block for block in blocks if block)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _figure(matrix: Matrix, cell: Cell) -> str:
    if cell.plan is None or cell.timing is None:
        return "**stopped**" if cell.stopped else "**failed**"
    text = f"{cell.plan.buffers:,} · {'~' if matrix.unclear(cell) else ''}{cell.timing.median_ms:,.2f}"
    return f"{text} **other rows**" if cell.same_rows is False else text

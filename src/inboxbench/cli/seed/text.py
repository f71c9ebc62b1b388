"""Loads, comparisons and descriptions as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from inboxbench import units
from inboxbench.seed import Dataset
from inboxbench.seed.datasets.benchmark import Benchmark
from inboxbench.seed.datasets.describe import Description, Words


def _table(title: str, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    """The first column to the left, the others to the right."""
    table = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    for row in rows:
        table.add_row(*row)
    return table


def dataset_text(dataset: Dataset) -> RenderableType:
    rows = (
        (name, f"{count:,}", units.size(dataset.octets[name]), dataset.checksums[name])
        for name, count in dataset.rows.items()
    )
    return Group(_table(dataset.name, ("table", "rows", "sent", "checksum"), rows), Text(_history(dataset)))


def _history(dataset: Dataset) -> str:
    if dataset.reused:
        return f"Found: loaded before in {units.seconds(dataset.elapsed)}; a new load would give the same rows."
    total_rows = max(1, sum(dataset.rows.values()))
    workers = f"{dataset.workers} worker{'s' if dataset.workers > 1 else ''}"
    parts = ", ".join(f"{stage} {units.seconds(seconds)}" for stage, seconds in dataset.seconds.items())
    server = "" if dataset.server_cpu is None else f", server {units.micros(dataset.server_cpu / total_rows * 1e6)}"
    return (
        f"{units.seconds(dataset.elapsed)} ({parts}) with {workers}: "
        f"{units.number(dataset.rows_per_s / 1e3)} k rows/s, {units.size(dataset.bytes / dataset.seconds['rows'])}/s; "
        f"CPU a row: client {units.micros(dataset.client_cpu / total_rows * 1e6)}{server}."
    )


def benchmark_text(measured: Benchmark) -> str:
    stages = ", ".join(f"{stage} {units.seconds(seconds)}" for stage, seconds in measured.stages_s.items())
    raw, server = (
        "not visible" if cpu is None else units.micros(cpu)
        for cpu in (measured.raw_cpu_us_per_row, measured.server_cpu_us_per_row)
    )
    what = f"k rows/s of {measured.counted}"
    return (
        f"raw binary COPY, one connection  {units.number(measured.raw_rows_per_s / 1e3):>8} {what}\n"
        f"generated and sent               {units.number(measured.seeded_rows_per_s / 1e3):>8} {what}\n"
        f"ratio                            {measured.ratio:>8.2f}, {measured.ratio_with_outline:.2f} with the outline\n"
        f"time                             {units.seconds(measured.total_s):>10}: {stages}\n"
        f"CPU a row                        raw {raw}; client {units.micros(measured.client_cpu_us_per_row)} "
        f"and server {server}; largest worker {units.size(measured.client_peak_mb * units.SIZES['MB'])}"
    )


def _optional(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def description_text(description: Description) -> RenderableType:
    percentiles = ("shortest 1 %", "25 %", "median", "75 %", "90 %", "99 %", "longest")
    skew = (
        (name, f"{skew.owners:,}", f"{skew.largest_share:.1%}", _optional(skew.exponent))
        for name, skew in description.skew.items()
    )
    lengths = ((title, *(f"{value:,.0f}" for value in values)) for title, values in description.lengths.values())
    columns = (
        (f"{column.table}.{column.name}", _optional(column.correlation), f"{column.n_distinct:,.4g}")
        for column in description.columns
    )
    files = (
        (file.table, f"{file.rows:,}", units.size(file.size), f"{file.dead_share:.1%}", f"{file.visible_share:.1%}")
        for file in description.files
    )
    shares = ((name, f"{value:.1%}") for name, value in description.shares.items())
    return Group(
        _table(description.database, ("skew", "owners", "largest", "Zipf exponent"), skew),
        *([_table("Lengths", ("", *percentiles), lengths)] if description.lengths else []),
        *([_table("Shares", ("of rows", "share"), shares)] if description.shares else []),
        *([_words_table(description, description.words)] if description.words else []),
        _table("Key columns", ("column", "correlation", "n_distinct"), columns),
        _table("Files", ("table", "rows", "size with indexes", "dead rows", "all-visible pages"), files),
    )


def _words_table(description: Description, words: Words) -> Table:
    shares = "".join(f" ({share:.0%} of all {title})" for title, share in description.facts.values())
    title = (
        f"Words of {words.sampled:,} sampled {words.table}{shares}: "
        f"{words.distinct:,} distinct, {words.once:,} once, Zipf exponent {_optional(words.exponent)}"
    )
    rows = ((word.name, word.word, f"{word.selectivity:.3%}") for word in words.classes)
    return _table(title, ("class", "word", f"{words.table} with it"), rows)

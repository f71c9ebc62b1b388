"""`inboxbench seed PROFILE`: fill a database with a profile."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from inboxbench import units
from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import Output, output_options
from inboxbench.cli.progress import SeedProgress
from inboxbench.config import load_settings
from inboxbench.database import exists
from inboxbench.errors import UsageError
from inboxbench.extensions import extension_name
from inboxbench.project import find_project
from inboxbench.seed import Dataset, load_dataset, load_profile, project_row_source, seed_into
from inboxbench.seed.dask.option import parse_cluster
from inboxbench.seed.datasets.benchmark import Benchmark
from inboxbench.seed.datasets.benchmark import benchmark as run_benchmark
from inboxbench.seed.datasets.describe import Description, Words
from inboxbench.seed.datasets.describe import describe as describe_database
from inboxbench.seed.row_source import KEY
from inboxbench.server import Server


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


_TOO_BUSY = "The machine is too busy: the ratio says nothing. Measure again when nothing else runs."


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
        f"and server {server}; largest worker {units.size(measured.client_peak_mb * units.SIZES['MB'])}\n"
        f"machine                          others used {measured.others_share:.0%} of its processors, its host "
        f"{measured.steal_share:.0%}; {measured.idle_share:.0%} idle without the benchmark\n"
        f"{'' if measured.meaningful else _TOO_BUSY}"
    ).rstrip()


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


class Amount(click.ParamType[int]):
    """A count that may be written 7e6."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number = float(str(value).replace("_", ""))
        except ValueError:
            self.fail(f"{value!r} is not a number", param, ctx)
        if not 1 <= number < math.inf or number != int(number):
            self.fail(f"{value!r} is not a whole number of at least 1", param, ctx)
        return int(number)


def _counted() -> str | None:
    """The table that the profiles count, of the project that the environment or the nearest pyproject.toml names."""
    settings = load_settings()
    project = find_project(Path(settings.project) if settings.project else None, needs=())
    return project_row_source(project).counted if extension_name(project, KEY) else None


class SeedCommand(click.Command):
    """Takes --rows by the name of the table that the project's profiles count, too: for the messenger, --messages."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        if any(arg.startswith("--") and arg.partition("=")[0] not in known for arg in args) and (table := _counted()):
            args = ["--rows" + arg.removeprefix(f"--{table}") if _names(arg, table) else arg for arg in args]
        return super().parse_args(ctx, args)


def _names(arg: str, table: str) -> bool:
    return arg.partition("=")[0] == f"--{table}"


@click.command(cls=SeedCommand)
@click.argument("profile")
@click.option("--seed", default=1, show_default=True, help="another seed gives other rows", type=click.IntRange(0))
@click.option("--database", help="fill this database (made when absent) instead of keeping a template")
@click.option("--allow-foreign", is_flag=True, help="--database may name one that inboxbench did not make")
@click.option("--scale", default=1.0, show_default=True, help="times the profile's number of rows")
@click.option(
    "--rows",
    type=Amount(),
    help="this many rows of the table that the project's profiles count, e.g. 7e6; also called by that table's name, "
    "such as --orders",
)
@click.option("--workers", type=click.IntRange(1), help="processes that build and send rows (default: processors + 1)")
@click.option("--dask", metavar="CLUSTER", help="tcp://HOST:PORT of a Dask scheduler, or local:N: its workers load")
@click.option(
    "--at",
    type=click.Choice(["baseline", "head"]),
    default="baseline",
    show_default=True,
    help="the schema to fill: before the project's migrations or after them",
)
@click.option("--fresh", is_flag=True, help="as loaded: without the churn of a live database")
@click.option("--benchmark", is_flag=True, help="compare with the raw binary COPY rate of the same server")
@click.option("--describe", is_flag=True, help="measure skew, lengths, words and files of what is there")
@output_options()
@pass_session
def command(
    session: Session,
    profile: str,
    *,
    seed: int,
    database: str | None,
    allow_foreign: bool,
    scale: float,
    rows: int | None,
    workers: int | None,
    dask: str | None,
    at: str,
    fresh: bool,
    benchmark: bool,
    describe: bool,
    output: Output,
) -> None:
    """Fill a database with PROFILE, the name of a file in the project's seeds/: of the one that ships tiny, small,
    medium, large, xlarge.

    Without --database the result is kept as a template that other commands clone; the same profile, size, seed
    and version are found again instead of being loaded twice. With --describe, a --database that exists is
    measured as it is.
    """
    if allow_foreign and database is None:
        raise UsageError("--allow-foreign says something about --database; name one")
    if benchmark and (database or describe or fresh):
        raise UsageError("--benchmark loads into a database of its own; leave out --database, --describe and --fresh")
    if dask and (workers or benchmark):
        raise UsageError("--dask brings its own workers, on several machines; leave out --workers and --benchmark")
    cluster = parse_cluster(dask) if dask else None
    load_profile(session.project, profile)  # a wrong name is said before a server is started
    source = project_row_source(session.project)
    options: dict[str, Any] = {
        "scale": scale,
        "size": rows,
        "workers": cluster or workers,
        "project": session.project,
    }
    result: Dataset | Benchmark | Description
    with session.server() as server, SeedProgress() as report:
        if benchmark:
            result = run_benchmark(server, profile, seed, at=at, progress=report, **options)
        elif database is not None and describe and exists(server, database):
            result = describe_database(server.conninfo(database), source)
        else:
            options |= {"fresh": fresh, "at": at, "progress": report}
            result = _load(server, database, profile, seed, allow_foreign=allow_foreign, options=options)
            if describe:
                result = describe_database(server.conninfo(result.name), source)
    output.hand_over(result.to_json(), text=lambda console: console.print(_as_text(result)))


def _load(
    server: Server, database: str | None, profile: str, seed: int, *, allow_foreign: bool, options: dict[str, Any]
) -> Dataset:
    if database is None:
        return load_dataset(server, profile, seed, **options)
    return seed_into(server, database, profile, seed, allow_foreign=allow_foreign, **options)


def _as_text(result: Dataset | Benchmark | Description) -> RenderableType:
    match result:
        case Dataset():
            return dataset_text(result)
        case Benchmark():
            return benchmark_text(result)
        case Description():
            return description_text(result)

"""`inboxbench seed PROFILE`: fill a database with a profile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from inboxbench.cli.session import Session, pass_session, progress_console, results_console
from inboxbench.errors import UsageError
from inboxbench.seed import Dataset, Step, load_dataset, profile_names, seed_into
from inboxbench.seed import Progress as Report


class Amount(click.ParamType[int]):
    """A count that may be written 7e6."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number = float(str(value).replace("_", ""))
        except ValueError:
            self.fail(f"{value!r} is not a number", param, ctx)
        if number < 1 or number != int(number):
            self.fail(f"{value!r} is not a whole number of at least 1", param, ctx)
        return int(number)


@contextmanager
def shown_progress(label: str) -> Iterator[Report]:
    """A bar on stderr with rows/s, MB/s and time left, while the `with` block runs."""
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=progress_console, transient=True) as bar:
        tasks = {
            "rows": bar.add_task(f"{label}: rows", total=None, rate=""),
            "keys": bar.add_task(f"{label}: keys, indexes, statistics", total=None, rate=""),
        }

        def report(step: Step) -> None:
            elapsed = bar.tasks[tasks["rows"]].elapsed or 0
            rate = ""
            if step.stage == "rows" and elapsed > 0:
                rate = f"{step.done / elapsed / 1e3:,.0f} k rows/s {step.octets / elapsed / 1e6:,.0f} MB/s"
            bar.update(tasks[step.stage], completed=step.done, total=step.total, rate=rate)

        yield report


def as_json(dataset: Dataset) -> dict[str, Any]:
    """The slice of run.json that describes a dataset."""
    return {
        **asdict(dataset),
        "elapsed_s": dataset.elapsed,
        "bytes": dataset.bytes,
        "messages_per_s": round(dataset.messages_per_s),
        "rows_per_s": round(dataset.rows_per_s),
    }


def summary(dataset: Dataset) -> Table:
    table = Table(title=f"{dataset.name}", title_justify="left")
    table.add_column("table")
    for name in ("rows", "MB sent", "checksum"):
        table.add_column(name, justify="right")
    for name, rows in dataset.rows.items():
        table.add_row(name, f"{rows:,}", f"{dataset.octets[name] / 1e6:,.1f}", dataset.checksums[name])
    return table


def _say(dataset: Dataset) -> str:
    if dataset.reused:
        return f"found, loaded before in {dataset.elapsed:.1f} s; the same rows as a new load would give"
    total_rows = max(1, sum(dataset.rows.values()))
    parts = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in dataset.seconds.items())
    return (
        f"{dataset.elapsed:.1f} s ({parts}) with {dataset.workers} workers: "
        f"{dataset.rows_per_s / 1e3:,.0f} k rows/s, {dataset.bytes / dataset.seconds['rows'] / 1e6:,.0f} MB/s, "
        f"client CPU {dataset.client_cpu / total_rows * 1e6:.2f} µs a row"
    )


@click.command()
@click.argument("profile")
@click.option("--seed", default=1, show_default=True, help="another seed gives other rows", type=click.IntRange(0))
@click.option("--database", help="fill this database (made when absent) instead of keeping a template")
@click.option("--allow-foreign", is_flag=True, help="--database may name one that inboxbench did not make")
@click.option("--scale", default=1.0, show_default=True, help="times the profile's number of messages")
@click.option("--messages", type=Amount(), help="this many messages instead, e.g. 7e6")
@click.option("--workers", type=click.IntRange(1), help="processes (default: all processors)")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pass_session
def command(
    session: Session,
    profile: str,
    seed: int,
    database: str | None,
    allow_foreign: bool,
    scale: float,
    messages: int | None,
    workers: int | None,
    form: str,
) -> None:
    """Fill a database with PROFILE: tiny, small, medium, large, xlarge, or a file in seeds/.

    Without --database the result is kept as a template that other commands clone; the same profile, size, seed
    and version are found again instead of being loaded twice.
    """
    if scale <= 0:
        raise UsageError("--scale must be more than 0")
    if allow_foreign and database is None:
        raise UsageError("--allow-foreign says something about --database; name one")
    if profile not in profile_names(session.project.seeds):
        from inboxbench.errors import unknown  # noqa: PLC0415

        raise unknown("profile", profile, profile_names(session.project.seeds))
    options: dict[str, Any] = {
        "scale": scale,
        "messages": messages,
        "workers": workers,
        "project": session.project,
    }
    with session.server() as server, shown_progress(profile) as report:
        options["progress"] = report
        if database is None:
            dataset = load_dataset(server, profile, seed, **options)
        else:
            dataset = seed_into(server, database, profile, seed, allow_foreign=allow_foreign, **options)
    if form == "json":
        click.echo(json.dumps(as_json(dataset), indent=2))
        return
    console = results_console()
    console.print(summary(dataset))
    console.print(_say(dataset))

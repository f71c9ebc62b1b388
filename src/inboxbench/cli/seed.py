"""`inboxbench seed PROFILE`: fill a database with a profile."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.table import Table

from inboxbench.cli.seed_progress import SeedProgress
from inboxbench.cli.session import Session, pass_session, progress_console, results_console
from inboxbench.errors import UsageError
from inboxbench.seed import Dataset, load_dataset, load_profile, seed_into


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
    *,
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
    load_profile(session.project.seeds, profile)  # a wrong name is said before a server is started
    options: dict[str, Any] = {
        "scale": scale,
        "messages": messages,
        "workers": workers,
        "project": session.project,
    }
    with session.server() as server, SeedProgress(progress_console) as report:
        options["progress"] = report
        if database is None:
            dataset = load_dataset(server, profile, seed, **options)
        else:
            dataset = seed_into(server, database, profile, seed, allow_foreign=allow_foreign, **options)
    if form == "json":
        click.echo(json.dumps(dataset.to_json(), indent=2))
        return
    console = results_console()
    console.print(summary(dataset))
    console.print(_say(dataset))

"""`inboxbench demo`: the whole job with one command, and a report a person can read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import results_console
from inboxbench.cli.progress import progress_console
from inboxbench.errors import UsageError
from inboxbench.files import check_writable, write_text
from inboxbench.messenger.cli.demo_stages import Order, run_job
from inboxbench.report import print_summary, render_html
from inboxbench.seed.datasets.dataset import resolve


def _prepare(folder: Path) -> None:
    """Before minutes of work: can the result be written at all?"""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--output {folder}: cannot be written: {error.strerror}") from error
    check_writable(folder / "run.json")


def write_run(folder: Path, run: dict[str, Any]) -> tuple[Path, Path]:
    """run.json and report.html."""
    record, report = folder / "run.json", folder / "report.html"
    write_text(record, json.dumps(run, ensure_ascii=False, indent=1) + "\n")
    write_text(report, render_html(run))
    return record, report


@click.command()
@click.option(
    "--profile", default="small", show_default=True, help="data profile to fill the database with: see seeds/"
)
@click.option("--seed", "number", default=1, show_default=True, help="random seed: the same one gives the same rows")
@click.option("--scale", default=1.0, show_default=True, help="how many times the profile's rows to make")
@click.option(
    "--output",
    default="reports",
    type=click.Path(path_type=Path, file_okay=False),
    help="folder of the results [reports]",
)
@pass_session
def command(session: Session, profile: str, number: int, scale: float, output: Path) -> None:
    """Seed, migrate online, measure index sets, race writers, and write run.json and report.html."""
    resolve(profile, scale=scale, size=None, project=session.project)  # a wrong size is said before the work
    _prepare(output)
    with session.server() as server:
        progress_console.print(f"[bold]{server.label}[/]")
        run, matrix = run_job(server, session, Order(profile, number, scale))
    record, report = write_run(output, run)
    print_summary(run, results_console())
    click.echo(f"\nReport: {report.resolve()}\nFigures: {record.resolve()}")
    matrix.require_sound()

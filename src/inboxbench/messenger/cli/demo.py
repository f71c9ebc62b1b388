"""`inboxbench demo`: the whole job with one command, and a report a person can read.

Each stage (seed, migrate under traffic, measure, race, explore) returns its part of run.json.
"""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from inboxbench import __version__, units
from inboxbench.bench.execute.pgbench import Speed
from inboxbench.bench.run import Matrix, run_matrix
from inboxbench.bench.verdict.verdict import decide
from inboxbench.bench.workload.mix import project_weights
from inboxbench.cli.bench.source import seeded
from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import OutputFolder, results_console
from inboxbench.cli.progress import SeedProgress, counting, progress_console
from inboxbench.database import connect, scratch_database
from inboxbench.errors import UsageError
from inboxbench.files import check_writable, write_text
from inboxbench.machine import describe_machine
from inboxbench.messenger.claims import Sources, claims_document, claims_lab, judge, read_claims
from inboxbench.messenger.cli.demo_migration import migrate
from inboxbench.messenger.throughput.python_workers import run_races
from inboxbench.project import Project
from inboxbench.race.atlas import described, run_atlas
from inboxbench.report import print_summary, render_html
from inboxbench.seed.datasets.dataset import load_dataset, resolve
from inboxbench.server import Server
from inboxbench.server.handle import tuned_settings

RUN_SCHEMA_VERSION = 1
# Families of the atlas that say most in least time.
_BRIEF_ATLAS = ("assign", "take", "limit", "waiting_since")


@dataclass(frozen=True, slots=True)
class Order:
    """Holds what to do it on. budget_s: about how long the reads of the matrix may take in all."""

    profile: str
    seed: int
    scale: float = 1.0
    workers: tuple[int, ...] = (16, 64)
    budget_s: float = 28.0


@contextmanager
def _stage(title: str) -> Iterator[None]:
    """Print a line on stderr when a stage begins, and what it took when it is done."""
    started = time.monotonic()
    progress_console.print(f"[bold]{title}[/]")
    yield
    progress_console.print(f"  done in {units.seconds(time.monotonic() - started)}", highlight=False)


def commit_of(project: Project) -> str | None:
    """Return the git commit of a checkout, with "+" when its tree is dirty; None outside of one."""
    ask = ["git", "-C", str(project.root), "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(ask, capture_output=True, check=False, text=True)
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def describe_server(server: Server) -> dict[str, Any]:
    """Label, version and the settings that decide what a measurement means, as the server reports them."""
    with connect(server.conninfo()) as connection:
        query = "SELECT name, current_setting(name) FROM pg_settings WHERE lower(name) = ANY(%s) ORDER BY name"
        settings: dict[str, str] = dict(connection.execute(query, (list(tuned_settings()),)).fetchall())
    return {"label": server.label, "version": server.version, "settings": settings}


def _seed(server: Server, session: Session, order: Order) -> tuple[str, dict[str, Any]]:
    with _stage(f"Seeding profile {order.profile}"), SeedProgress() as progress:
        dataset = load_dataset(
            server, order.profile, order.seed, project=session.project, scale=order.scale, progress=progress
        )
    return dataset.name, dataset.to_json()


def _migrate(server: Server, session: Session, database: str, source: str) -> dict[str, Any]:
    with _stage("Migrating from baseline to head while the old application goes on writing"):
        return migrate(server, session.project, database, source)


def _measure(server: Server, session: Session, order: Order) -> Matrix:
    """Measure on rows of its own: those that were migrated have no priorities, notes or put-away conversations yet."""
    with (
        _stage("Measuring the query families under every index set"),
        seeded(session, server, order.profile, order.seed, order.scale) as database,
        counting() as progress,
    ):
        speed = Speed(seconds=1)
        return run_matrix(
            server, database.name, session.project, budget_s=order.budget_s, speed=speed, progress=progress
        )


def _race(server: Server, session: Session, order: Order) -> list[dict[str, Any]]:
    with _stage("Racing for the same conversations"), progress_console.status("") as status:
        results = run_races(server, workers=order.workers, seconds=0.5, project=session.project, progress=status.update)
    return [result.to_json() for result in results]


def _explore(server: Server, project: Project) -> list[dict[str, Any]]:
    """Explore the families of the atlas that a reader asks about first; all of them take three times as long."""
    with _stage("Playing every schedule of two writers"), progress_console.status("") as status:
        cells = run_atlas(server, project, names=_BRIEF_ATLAS, progress=status.update)
    return described(project, [cell.to_json() for cell in cells])


def run_job(server: Server, session: Session, order: Order) -> tuple[dict[str, Any], Matrix]:
    """Run every stage on one server; databases made for it are gone at the end. Returns run.json and the matrix."""
    begun, started = _now(), time.monotonic()
    source, dataset = _seed(server, session, order)
    with scratch_database(server, "demo", source) as database:
        migration = _migrate(server, session, database, f"profile {order.profile}, seed {order.seed}")
    matrix = _measure(server, session, order)
    races = _race(server, session, order)
    atlas = _explore(server, session.project)
    run = {
        "schema_version": RUN_SCHEMA_VERSION,
        "tool": {"name": "inboxbench", "version": __version__, "commit": commit_of(session.project)},
        "started_at": begun,
        "finished_at": _now(),
        "elapsed_s": round(time.monotonic() - started, 1),
        "machine": describe_machine(),
        "server": describe_server(server),
        "seed": dataset,
        "migration": migration,
        "matrix": matrix.to_json(),
        "races": races,
        "atlas": atlas,
        "verdict": decide(matrix, project_weights(session.project)).to_json(),
    }
    return run, matrix


def _prepare(folder: Path) -> None:
    """Before minutes of work: can the result be written at all?"""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--output {folder}: cannot be written: {error.strerror}") from error
    check_writable(folder / "run.json")


def _with_claims(run: dict[str, Any], project: Project) -> dict[str, Any]:
    """Return the record with what its figures say of the claims, where the other figures lie beside the project."""
    if not (project.bench / "results").is_dir():
        return run  # an installed wheel has none
    found = Sources(project, run, "run.json")
    try:
        judged = judge(read_claims(project.schema / "requirements.toml"), found)
    except UsageError as error:
        progress_console.print(f"The claims of the owners are left out: {error}", highlight=False, markup=False)
        return run
    part = {"source": "inboxbench coverage --claims --run run.json", "document": claims_document(judged, found)}
    return {**run, "labs": [part]}


def write_run(folder: Path, run: dict[str, Any]) -> tuple[Path, Path]:
    """Write run.json and report.html, the claims of the owners included."""
    record, report = folder / "run.json", folder / "report.html"
    write_text(record, json.dumps(run, ensure_ascii=False, indent=1) + "\n")
    labs = [(claims_lab(part["document"]), part["source"]) for part in run.get("labs") or ()]
    write_text(report, render_html(run, labs))
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
    type=OutputFolder(),
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
    run = _with_claims(run, session.project)
    record, report = write_run(output, run)
    print_summary(run, results_console())
    click.echo(f"\nReport: {report.resolve()}\nFigures: {record.resolve()}")
    matrix.require_sound()

"""Two public Alembic histories through the dry run: mlflow (one transaction) and prefect (asyncpg, CONCURRENTLY).

Each is installed from PyPI into an environment of its own, run base to head and, for prefect, back to base, on each
server. Every statement between the first and the last revision must belong to one. What tracing costs is measured on
mlflow and the first server: the chain's time with and without the observer, in turns, medians. Writes
bench/results/dryrun.md.

    python bench/proofs/prove_dryrun.py [--environments /tmp/dir] [--rounds 3] [--server embedded --server bin:DIR]

Without --server it is the embedded one, and the local PostgreSQL 15 where there is one.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import click
import psutil
from psycopg.conninfo import conninfo_to_dict

from inboxbench import __version__
from inboxbench.database import scratch_database
from inboxbench.dryrun.model import Finding, Statement
from inboxbench.dryrun.observe.observer import observed
from inboxbench.dryrun.rules import find
from inboxbench.dryrun.run import Segment, as_run, described, run_segment
from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.dryrun.tools.base import Tool
from inboxbench.dryrun.tools.process import run_tool
from inboxbench.machine import describe_machine
from inboxbench.server import Server, open_server

PAGE = Path(__file__).resolve().parents[1] / "results" / "dryrun.md"
PACKAGES = {"mlflow": ["mlflow==3.17.*", "psycopg2-binary"], "prefect": ["prefect==3.8.*"]}
_OLDER = Path("/usr/lib/postgresql/15/bin")
PREFECT_URL = ("PREFECT_API_DATABASE_CONNECTION_URL",)
LIMIT_S = 900.0


@dataclass(frozen=True)
class Counts:
    """What a leg shows. before: statements ahead of the first revision, which are nobody's; nobodys: all others."""

    name: str
    server: Server
    leg: Segment

    @property
    def found(self) -> tuple[Finding, ...]:
        """What the rules say of it."""
        run = as_run(self.leg, server=self.server, source="an empty database", command=self.name, started="")
        return find(run, Alembic())

    @property
    def before(self) -> int:
        return next((n for n, one in enumerate(self.leg.statements) if one.revision), len(self.leg.statements))

    @property
    def nobodys(self) -> list[Statement]:
        return [one for one in self.leg.statements[self.before :] if one.revision is None]

    def row(self) -> str:
        leg, changing = self.leg, [one for one in self.leg.statements if one.locks and one.revision]
        lined = sum(one.line is not None for one in changing)
        locks = sum(len(one.locks) for one in leg.statements)
        concurrent = sum("CONCURRENTLY" in one.sql.upper() for one in leg.statements)
        said = ", ".join(f"{rule} {n}" for rule, n in Counter(one.rule for one in self.found).items())
        cells = (
            self.server.label.rpartition(" ")[2], self.name, len(leg.revisions), len(leg.statements), self.before,
            len(self.nobodys), len(leg.transactions),
            concurrent, locks, sum(len(one.rewrites) for one in leg.statements), f"{lined} of {len(changing)}",
            leg.ended.status, said or "none",
        )  # fmt: skip
        return "| " + " | ".join(str(cell) for cell in cells) + " |"


def environment(folder: Path, name: str) -> Path:
    """The bin folder of a virtual environment with the package, made when it is not there."""
    home = folder / name
    if not (home / "bin" / name).exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([str(home / "bin/python"), "-m", "pip", "install", "-q", *PACKAGES[name]], check=True)
    return home / "bin"


def version(place: Path, name: str) -> str:
    code = f"from importlib.metadata import version; print(version({name!r}))"
    done = subprocess.run([str(place / "python"), "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def mlflow(place: Path) -> Alembic:
    return Alembic(program=f"{place}/mlflow db upgrade {{url}}", driver="postgresql+psycopg2", timeout_s=LIMIT_S)


def prefect(place: Path, direction: str) -> Alembic:
    words = "upgrade -y" if direction == "up" else "downgrade -y -r base"
    program = f"{place}/prefect server database {words}"
    return Alembic(program=program, driver="postgresql+asyncpg", url_env=PREFECT_URL, timeout_s=LIMIT_S)


def both_ways(server: Server, place: Path) -> list[Counts]:
    with scratch_database(server, "prefect") as name:
        up = run_segment(server, name, prefect(place, "up"))
        down = run_segment(server, name, prefect(place, "down"), downgrade=True)
    return [Counts("prefect up", server, up), Counts("prefect down", server, down)]


def traced(server: Server, tool: Tool) -> tuple[Cost, Segment]:
    with scratch_database(server, "traced") as name, observed(server, name) as observer:
        begun = processors(server)
        ended = run_tool(tool, server.url(name))
        cost = Cost(ended.seconds, processors(server) - begun)
    return cost, described(tool, ended, observer)


@dataclass(frozen=True)
class Cost:
    """Seconds of the chain: by the clock, and of processors in the command and in its sessions on the server."""

    clock: float
    processors: float


def processors(server: Server) -> float:
    """Seconds so far of our ended children and of the server's: a session counts once it is over."""
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    home = Path(str(conninfo_to_dict(server.base)["host"]))
    postmaster = psutil.Process(int((home / "data/postmaster.pid").read_text().split()[0])).cpu_times()
    return own.ru_utime + own.ru_stime + postmaster.children_user + postmaster.children_system


def overhead(server: Server, tool: Tool, rounds: int) -> tuple[list[Cost], list[Cost]]:
    """Without and with the observer, in turns."""
    without, with_it = [], []
    for _ in range(rounds):
        with scratch_database(server, "plain") as name:
            begun = processors(server)
            ended = run_tool(tool, server.url(name))
            without.append(Cost(ended.seconds, processors(server) - begun))
        with_it.append(traced(server, tool)[0])
        click.echo(f"without {without[-1]}, traced {with_it[-1]}")
    return without, with_it


def _against(without: list[Cost], traced: list[Cost]) -> str:
    texts = []
    for name in ("clock", "processors"):
        plain, observed_ = (statistics.median(getattr(one, name) for one in costs) for costs in (without, traced))
        texts.append(f"{name} {plain:.1f} s without, {observed_:.1f} s with (**{observed_ / plain:.2f}×**)")
    return "; ".join(texts)


def page(versions: str, counts: list[Counts], costs: str, rounds: int) -> str:
    machine = describe_machine()
    labels = ", ".join(dict.fromkeys(one.server.label for one in counts))
    lines = [
        "# Two public histories through the dry run",
        "",
        f"`python bench/proofs/prove_dryrun.py`, {dt.datetime.now(dt.UTC):%Y-%m-%d}, inboxbench {__version__},",
        f"{labels}; {machine['cpu']}, {machine['cores']} cores; {versions}. Base to head, no rows, no traffic.",
        "",
        "| PostgreSQL | history | revisions | statements | before the first revision | without a revision after it "
        "| transactions | CONCURRENTLY | locks | rewrites | with source line | exit | findings |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|",
        *(one.row() for one in counts),
        "",
        "Before the first revision are the driver's greetings, Alembic's look for its table, and (mlflow) the tables",
        'that the tool itself makes ahead of its history. "With source line" counts statements that locked something.',
        "Without rows nothing is scanned or rewritten at length: what is found are locks that a chain in one",
        "transaction keeps for seconds, and parents that a dropped child locks along without a lock_timeout.",
        "",
        f"**Tracing**, on mlflow and the first server, medians of {rounds} in turns: {costs}.",
        "Processor seconds are those of the command and of its sessions; the poll runs beside them.",
        f"Load average at the end: {os.getloadavg()[2]:.1f}; other work shows in the clock, not in the processors.",
    ]
    return "\n".join(lines) + "\n"


def measure(specs: list[str], folder: Path, rounds: int) -> tuple[str, list[Counts]]:
    """The page, and what it tells of."""
    places = {name: environment(folder, name) for name in PACKAGES}
    versions = ", ".join(f"{name} {version(place, name)}" for name, place in places.items())
    counts, costs = [], ""
    for number, spec in enumerate(specs):
        with open_server(spec) as server:
            if number == 0:
                costs = _against(*overhead(server, mlflow(places["mlflow"]), rounds))
            leg = traced(server, mlflow(places["mlflow"]))[1]
            counts += [Counts("mlflow", server, leg), *both_ways(server, places["prefect"])]
    return page(versions, counts, costs, rounds), counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environments", type=Path, help="keep the two environments here")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--server", action="append")
    given = parser.parse_args()
    specs = given.server or ["embedded", *([f"bin:{_OLDER}"] if _OLDER.is_dir() else [])]
    with tempfile.TemporaryDirectory(prefix="ib-envs-") as temporary:
        text, counts = measure(specs, given.environments or Path(temporary), given.rounds)
    PAGE.write_text(text, encoding="utf-8")
    click.echo(text)
    for one in counts:
        for statement in one.nobodys:
            click.echo(f"{one.name}: nobody's: {statement.sql[:200]}")
        for finding in one.found:
            click.echo(f"{one.name}: {finding.rule}: {finding.what}")
    if any(one.nobodys or one.leg.error for one in counts):
        sys.exit(
            "; ".join(f"{one.name}: {one.leg.error}" for one in counts if one.leg.error) or "unattributed statements"
        )


if __name__ == "__main__":
    main()

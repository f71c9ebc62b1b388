"""Two public Alembic histories through the dry run: mlflow (one transaction) and prefect (asyncpg, CONCURRENTLY).

Each is installed from PyPI into an environment of its own, run base to head and, for prefect, back to base. Every
statement between the first and the last revision must belong to one. What tracing costs is measured on mlflow: the
chain's time with and without the observer, in turns, medians. Writes bench/results/dryrun.md.

    python bench/proofs/prove_dryrun.py [--environments /tmp/dir] [--rounds 3]
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
from dataclasses import dataclass
from pathlib import Path

import click
import psutil
from psycopg.conninfo import conninfo_to_dict

from inboxbench import __version__
from inboxbench.database import scratch_database
from inboxbench.dryrun.chain import Chain, run_chain
from inboxbench.dryrun.observer import observed
from inboxbench.dryrun.record import Statement
from inboxbench.dryrun.run import Leg, Watched, described, run_leg
from inboxbench.machine import describe_machine
from inboxbench.server import Server, open_server

PAGE = Path(__file__).resolve().parents[1] / "results" / "dryrun.md"
PACKAGES = {"mlflow": ["mlflow==3.17.*", "psycopg2-binary"], "prefect": ["prefect==3.8.*"]}
PREFECT_URL = ("PREFECT_API_DATABASE_CONNECTION_URL",)
LIMIT_S = 900.0


@dataclass(frozen=True)
class Counts:
    """What a leg shows. before: statements ahead of the first revision, which are nobody's; nobodys: all others."""

    name: str
    leg: Leg

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
        cells = (
            self.name, len(leg.revisions), len(leg.statements), self.before, len(self.nobodys), len(leg.transactions),
            concurrent, locks, sum(len(one.rewrites) for one in leg.statements), f"{lined} of {len(changing)}",
            leg.ended.status,
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


def mlflow(place: Path) -> Chain:
    return Chain(command=f"{place}/mlflow db upgrade {{url}}", driver="postgresql+psycopg2", timeout_s=LIMIT_S)


def prefect(place: Path, direction: str) -> Chain:
    words = "upgrade -y" if direction == "up" else "downgrade -y -r base"
    program = f"{place}/prefect server database {words}"
    return Chain(command=program, driver="postgresql+asyncpg", url_env=PREFECT_URL, timeout_s=LIMIT_S)


def both_ways(server: Server, place: Path) -> list[Counts]:
    with scratch_database(server, "prefect") as name:
        up = run_leg(server, name, prefect(place, "up"))
        down = run_leg(server, name, prefect(place, "down"), downgrade=True)
    return [Counts("prefect up", up), Counts("prefect down", down)]


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


def overhead(server: Server, chain: Chain, rounds: int) -> tuple[list[Cost], list[Cost], Leg]:
    """Without and with the observer, in turns."""
    without, traced = [], []
    for _ in range(rounds):
        with scratch_database(server, "plain") as name:
            begun = processors(server)
            ended = run_chain(chain, server.url(name))
            without.append(Cost(ended.seconds, processors(server) - begun))
        with scratch_database(server, "traced") as name, observed(server, name) as observer:
            begun = processors(server)
            ended = run_chain(chain, server.url(name))
            traced.append(Cost(ended.seconds, processors(server) - begun))
        leg = described(Watched(chain, ended, observer, [], downgrade=False))
        click.echo(f"without {without[-1]}, traced {traced[-1]}")
    return without, traced, leg


def _against(without: list[Cost], traced: list[Cost]) -> str:
    texts = []
    for name in ("clock", "processors"):
        plain, observed_ = (statistics.median(getattr(one, name) for one in costs) for costs in (without, traced))
        texts.append(f"{name} {plain:.1f} s without, {observed_:.1f} s with (**{observed_ / plain:.2f}×**)")
    return "; ".join(texts)


def page(versions: str, counts: list[Counts], without: list[Cost], traced: list[Cost], label: str) -> str:
    machine = describe_machine()
    lines = [
        "# Two public histories through the dry run",
        "",
        f"`python bench/proofs/prove_dryrun.py`, {dt.datetime.now(dt.UTC):%Y-%m-%d}, inboxbench {__version__},",
        f"{label}, {machine['cpu']}, {machine['cores']} cores; {versions}. Base to head, no rows, no traffic.",
        "",
        "| history | revisions | statements | before the first revision | without a revision after it | transactions "
        "| CONCURRENTLY | locks | rewrites | with source line | exit |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(one.row() for one in counts),
        "",
        "Before the first revision are the driver's greetings, Alembic's look for its table, and (mlflow) the tables",
        'that the tool itself makes ahead of its history. "With source line" counts statements that locked something.',
        "",
        f"**Tracing**, on mlflow, medians of {len(without)} in turns: {_against(without, traced)}.",
        "Processor seconds are those of the command and of its sessions; the poll runs beside them.",
        f"Load average at the end: {os.getloadavg()[2]:.1f}; other work shows in the clock, not in the processors.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environments", type=Path, help="keep the two environments here")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--server", default="embedded")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ib-envs-") as temporary, open_server(given.server) as server:
        folder = given.environments or Path(temporary)
        places = {name: environment(folder, name) for name in PACKAGES}
        versions = ", ".join(f"{name} {version(place, name)}" for name, place in places.items())
        without, traced, leg = overhead(server, mlflow(places["mlflow"]), given.rounds)
        counts = [Counts("mlflow", leg), *both_ways(server, places["prefect"])]
        text = page(versions, counts, without, traced, server.label)
    PAGE.write_text(text, encoding="utf-8")
    click.echo(text)
    for one in counts:
        for statement in one.nobodys:
            click.echo(f"{one.name}: nobody's: {statement.sql[:200]}")
    if any(one.nobodys or one.leg.error for one in counts):
        sys.exit(
            "; ".join(f"{one.name}: {one.leg.error}" for one in counts if one.leg.error) or "unattributed statements"
        )


if __name__ == "__main__":
    main()

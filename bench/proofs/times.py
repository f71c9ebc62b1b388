"""A/A of times: identical code on two copies of one database, judged by the gate's paired verdicts and, beside it on
the same server in the same minutes, by pytest-benchmark's --benchmark-compare-fail."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import click
from journal import Entry, Journal, span

from inboxbench.database import scratch_database
from inboxbench.gate.measure_head import Request, migrated
from inboxbench.gate.paired_timing import Timed, Trial, time_cases
from inboxbench.project import Project
from inboxbench.server import Server

QUERIES = ("list_all", "thread_latest")
TITLE = """## Identical code on two copies, timed

The gate's paired verdicts and, in the same minutes on the same server, pytest-benchmark against a baseline that it
stored when the series began, as a CI job keeps one. It judges medians, the steadiest of its figures."""
KIND, WOLF = "time verdict", "pytest-benchmark"
_SUITE = Path(__file__).with_name("wolf_suite.py")
# Runs of pytest-benchmark beside each round of verdicts.
_RUNS_BESIDE = 5
_SECONDS_EACH = 1.0
_FAILED = re.compile(r"Field 'median' has failed PercentageRegressionCheck")


def run(server: Server, project: Project, journal: Journal, *, verdicts: int) -> None:
    """Go on until the journal holds so many verdicts, and as many runs of pytest-benchmark."""
    with migrated(server, project, Request()) as (source, _), tempfile.TemporaryDirectory() as storage:
        while min(len(journal.entries(KIND)), len(journal.entries(WOLF))) < verdicts:
            with ExitStack() as stack:
                names = [stack.enter_context(scratch_database(server, side, source)) for side in ("a", "b", "copy")]
                _judge(server, project, journal, Trial(*names))
                for _ in range(_RUNS_BESIDE):
                    _cry(server, names[:2], journal, storage)
            click.echo(f"{len(journal.entries(KIND))} verdicts, {len(journal.entries(WOLF))} pytest-benchmark runs")


def _judge(server: Server, project: Project, journal: Journal, trial: Trial) -> None:
    begun = time.monotonic()
    for one in time_cases(server, trial, (project, project), QUERIES, tolerated=0.1, budget_s=7 * _SECONDS_EACH):
        journal.add(KIND, **_told(one), seconds=round(time.monotonic() - begun, 2))
        begun = time.monotonic()


def _told(one: Timed) -> dict[str, object]:
    change = one.as_change()
    alarm = change is not None and change.verdict == "worse"
    if alarm:
        click.echo(f"false alarm: {one}")
    return {
        "where": one.where,
        "said": one.said,
        "trusted": one.trusted,
        "alarm": alarm,
        "ratio": round(one.found.middle, 4),
        "control": round(one.control.middle, 4),
        "detectable": round(one.found.detectable, 4),
        "pairs": one.found.pairs,
    }


def _cry(server: Server, names: list[str], journal: Journal, storage: str) -> None:
    """A run against the stored baseline: a stored one first, of the other copy."""
    if not any(Path(storage).rglob("*.json")):
        _pytest(server.conninfo(names[0]), storage, "--benchmark-save=baseline")
    done = _pytest(
        server.conninfo(names[1]),
        storage,
        "--benchmark-compare=0001",
        "--benchmark-compare-fail=median:10%",
    )
    failed = len(_FAILED.findall(done.stdout + done.stderr))
    if done.returncode and not failed:
        raise SystemExit(f"pytest-benchmark did not run: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    journal.add(WOLF, median=failed, exit=done.returncode)


def _pytest(conninfo: str, storage: str, *words: str) -> subprocess.CompletedProcess[str]:
    quick = ["--benchmark-max-time=0.1", "--benchmark-min-rounds=30", f"--benchmark-storage=file://{storage}"]
    command = [sys.executable, "-m", "pytest", "--noconftest", "-q", "-p", "no:cacheprovider", str(_SUITE), *quick]
    environment = os.environ | {"WOLF_CONNINFO": conninfo, "WOLF_QUERIES": ",".join(QUERIES)}
    return subprocess.run([*command, *words], env=environment, capture_output=True, text=True, check=False)


def table(journal: Journal) -> tuple[list[str], int]:
    """Rows of the table, and how many verdicts beyond one in a hundred are false alarms."""
    judged, wolf = journal.entries(KIND), journal.entries(WOLF)
    rows = ["| judge | judged | false alarms | share |", "|---|---:|---:|---:|"]
    alarms = sum(entry["alarm"] for entry in judged)
    rows.append(_row("inboxbench gate --time, a verdict a query", judged, alarms))
    rows.append(_row("--benchmark-compare-fail=median:10%, a run", wolf, sum(bool(entry["median"]) for entry in wolf)))
    return [*rows, "", *_remarks(judged, wolf)], max(0, alarms - len(judged) // 100)


def _row(name: str, found: list[Entry], alarms: int) -> str:
    return f"| {name} | {len(found)} | {alarms} | {alarms / max(1, len(found)):.1%} |"


def _remarks(judged: list[Entry], wolf: list[Entry]) -> list[str]:
    said = [entry["said"] if entry["trusted"] else "not judged, A/A beyond 5 %" for entry in judged]
    counts = ", ".join(f"{said.count(word)} {word}" for word in dict.fromkeys(sorted(said)))
    return [
        f"Verdicts: {counts}. Median (lowest to highest): ratio {span((e['ratio'] for e in judged), 3)}, "
        f"A/A beside it {span((e['control'] for e in judged), 3)}, smallest slowdown that would show "
        f"{span((100 * e['detectable'] for e in judged), 0)} %, {span((e['pairs'] for e in judged), 0)} pairs, "
        f"{span(e['seconds'] for e in judged)} s. Load of the machine {span(e['load'] for e in [*judged, *wolf])}.",
    ]

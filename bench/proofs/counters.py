"""A/A of the counters gate: head against itself, built anew each time; every alarm is a false one."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from journal import Entry, Journal, span

from inboxbench.database import scratch_database
from inboxbench.gate import Budgets, Snapshot, compare, read_snapshot, write_snapshot
from inboxbench.gate.change import CLOSING
from inboxbench.gate.measure_head import Request, measure_head, measure_upgraded, upgraded
from inboxbench.project import Project
from inboxbench.server import Server

KIND = "counters"
TITLE = """## The same head, built anew for each run

Copy, order of rows, indexes, VACUUM and ANALYZE are made anew for every run, and held against the first one. The load
is the mean of the last minute, median (lowest to highest), on two cores."""
_HEAD = (
    "| runs | noisy neighbours | of them migrated anew | figures compared | runs with a false alarm "
    "| figures that came out better | seconds a run | load of the machine |"
)


def _busy() -> None:
    while True:
        sum(range(100_000))


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Processes that compute all the time beside the measurement."""
    noisy = [multiprocessing.Process(target=_busy, daemon=True) for _ in range(count)]
    for process in noisy:
        process.start()
    try:
        yield
    finally:
        for process in noisy:
            process.kill()
            process.join()


def run(server: Server, project: Project, journal: Journal, *, runs: int, noisy: int, every: int) -> None:
    """Go on until the journal holds `runs` runs beside `noisy` neighbours.

    The copy, the order of its rows, its indexes, VACUUM and ANALYZE are made anew for every run; the migrations for
    every `every`-th one.
    """
    first = _first(server, project, journal)
    done = len(_of(journal, noisy))
    with neighbours(noisy):
        while done < runs:
            for fresh, seconds, snapshot in _measured(server, project, min(every, runs - done)):
                done += 1
                _note(journal, first, snapshot, noisy=noisy, seconds=seconds, fresh=fresh)
            if done % 20 < every:
                click.echo(f"{done} runs beside {noisy} neighbours, {_alarms(_of(journal, noisy))} alarms")


def _first(server: Server, project: Project, journal: Journal) -> Snapshot:
    """What all runs are held against, those after an interruption, too."""
    path = journal.path.with_suffix(".first.json")
    if not path.is_file():
        write_snapshot(path, measure_head(server, project, Request()))
    return read_snapshot(path)


def _measured(server: Server, project: Project, every: int) -> Iterator[tuple[bool, float, Snapshot]]:
    """Whether it was migrated anew, seconds, counters; `every` of them."""
    begun = time.monotonic()
    with upgraded(server, project, Request()) as (source, dataset):
        for number in range(every):
            with scratch_database(server, "proof", source) as name:
                snapshot = measure_upgraded(server, name, dataset, project, Request())
            yield number == 0, time.monotonic() - begun, snapshot
            begun = time.monotonic()


def _note(journal: Journal, first: Snapshot, now: Snapshot, *, noisy: int, seconds: float, fresh: bool) -> None:
    found = compare(first, now, Budgets())
    alarms = [f"{one.where} {one.metric}: {one.text}" for one in found.of(*CLOSING)]
    journal.add(
        KIND,
        neighbours=noisy,
        seconds=round(seconds, 2),
        migrated=fresh,
        compared=found.compared,
        alarms=alarms,
        better=len(found.of("better")),
    )
    for alarm in alarms:
        click.echo(f"false alarm: {alarm}")


def _of(journal: Journal, noisy: int) -> list[Entry]:
    return [entry for entry in journal.entries(KIND) if entry["neighbours"] == noisy]


def _alarms(found: list[Entry]) -> int:
    return sum(bool(entry["alarms"]) for entry in found)


def table(journal: Journal) -> tuple[list[str], int]:
    """Rows of the table, a row for each number of neighbours, and how many runs raised a false alarm."""
    rows, wrong = [_HEAD, "|---:|---:|---:|---:|---:|---:|---:|---:|"], 0
    for noisy in sorted({entry["neighbours"] for entry in journal.entries(KIND)}):
        found = _of(journal, noisy)
        alarms = _alarms(found)
        fresh, figures = sum(entry["migrated"] for entry in found), sum(entry["compared"] for entry in found)
        better = sum(entry["better"] for entry in found)
        seconds, load = span(entry["seconds"] for entry in found), span(entry["load"] for entry in found)
        rows.append(f"| {len(found)} | {noisy} | {fresh} | {figures:,} | {alarms} | {better} | {seconds} | {load} |")
        wrong += alarms
    return rows, wrong

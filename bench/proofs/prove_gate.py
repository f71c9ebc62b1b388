"""Does the gate catch every real regression, and does it never cry wolf?

    python bench/proofs/prove_gate.py catalogue
    python bench/proofs/prove_gate.py counters --runs 200 --neighbours 2
    python bench/proofs/prove_gate.py times --runs 200
    python bench/proofs/prove_gate.py collect --output bench/results/gate.md

catalogue: every regression of regressions.py and write_regressions.py put into head on its own; each has to be caught
in its class, and the same head without it has to pass. counters: the same head again and again, built anew, against the
first one; every alarm is a false one. times: identical code on two copies, timed in pairs, with pytest-benchmark's own
check beside it.
What is found goes to a journal (--log), so that an interrupted proof goes on where it stopped;
collect prints the tables of all that the journal holds. Exit code 1 when one is missed or an alarm is false.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from pathlib import Path

import catalogue
import click
import times
from journal import Journal

import counters
from inboxbench.machine import describe_machine
from inboxbench.project import find_project
from inboxbench.server import Server, open_server, parse_spec

_HEADING = """# What the gate catches, and whether it cries wolf

`make prove-gate` repeats this; the sentence that follows names day, machine and server.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("proof", choices=["catalogue", "counters", "times", "collect"])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--neighbours", type=int, default=0, help="processes that compute all the time beside it")
    parser.add_argument("--migrate-every", type=int, default=1, help="counters: migrate for every N-th run only")
    parser.add_argument("--kinds", help="catalogue: regressions of these kinds alone, with commas between")
    parser.add_argument("--server", default="embedded")
    parser.add_argument("--log", type=Path, default=Path("reports/prove_gate.jsonl"), help="the journal")
    parser.add_argument("--output", type=Path, help="write the tables there")
    given = parser.parse_args()
    journal = Journal(given.log)
    if given.proof != "collect":
        with open_server(parse_spec(given.server)) as server:
            journal.add("facts", text=facts(server), command=" ".join(sys.argv))
            prove(given, server, journal)
    rows, wrong = tables(journal)
    said = [entry["text"] for entry in journal.entries("facts")]
    text = "\n".join([_HEADING, *dict.fromkeys(said), *rows, ""])
    click.echo(text)
    if given.output:
        given.output.write_text(text, encoding="utf-8")
    sys.exit(1 if wrong else 0)


def prove(given: argparse.Namespace, server: Server, journal: Journal) -> None:
    project = find_project()
    if given.proof == "catalogue":
        catalogue.catalogue(server, project, journal, given.kinds.split(",") if given.kinds else None)
    elif given.proof == "times":
        times.run(server, project, journal, verdicts=given.runs)
    else:
        counters.run(
            server, project, journal, runs=given.runs, noisy=given.neighbours, every=max(1, given.migrate_every)
        )


def tables(journal: Journal) -> tuple[list[str], int]:
    """Of everything that the journal holds, and how much of it is wrong."""
    rows: list[str] = []
    wrong = 0
    for part in (catalogue, counters, times):
        if journal.entries(part.KIND):
            found, mistakes = part.table(journal)
            rows, wrong = [*rows, "", part.TITLE, "", *found], wrong + mistakes
    return rows, wrong


def facts(server: Server) -> str:
    machine = describe_machine()
    return f"{dt.date.today()}, {machine['cpu']}, {machine['cores']} cores, {machine['os']}, {server.label}."


if __name__ == "__main__":
    main()

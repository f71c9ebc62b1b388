"""`inboxbench coverage`: every requirement id, and where it is delivered."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import Output, OutputFile, output_options
from inboxbench.errors import ThresholdExceeded, UsageError
from inboxbench.files import write_text
from inboxbench.messenger.claims import claims_document, claims_lab, judge, kept, read_claims, sources, unexpected
from inboxbench.messenger.coverage import PLACES, Covered, find_coverage
from inboxbench.project import Project
from inboxbench.report.document import Lab, lab_markdown, print_lab
from inboxbench.report.page import lab_page
from inboxbench.report.table import Row, Table, as_markdown, print_table, words

_SHOWN = 3


def _names(found: Iterable[str]) -> str:
    names = list(found)
    more = f" +{len(names) - _SHOWN}" if len(names) > _SHOWN else ""
    return ", ".join(name.rsplit("/", 1)[-1].removesuffix(".py") for name in names[:_SHOWN]) + more


def _cell(row: Covered, place: str) -> str:
    if place in row.missing:
        return "MISSING"
    return _names(row.found[place]) if row.found[place] else "–" if row.requirement.needs else ""


def coverage_table(rows: Iterable[Covered]) -> Table:
    """Return where every requirement is delivered, a row each."""
    return Table(
        "Requirements and where they are delivered",
        words("id", "requirement", *PLACES),
        [Row([row.requirement.id, _title(row), *(_cell(row, place) for place in PLACES)]) for row in rows],
    )


def _title(row: Covered) -> str:
    through = row.requirement.through
    return f"{row.requirement.title} (through {', '.join(through)})" if through else row.requirement.title


def _document(rows: Iterable[Covered]) -> list[dict[str, Any]]:
    return [
        {"id": row.requirement.id, "title": row.requirement.title, **dict(row.found), "missing": row.missing}
        for row in rows
    ]


@click.command()
@click.option(
    "--claims", is_flag=True, help="print each claim of the owners with the figures that confirm or refute it"
)
@click.option(
    "--run",
    type=click.Path(path_type=Path, dir_okay=False),
    help="with --claims: read figures from this run.json of `inboxbench demo` [bench/results/claims.json]",
)
@click.option(
    "--keep",
    type=OutputFile(),
    help="with --run: write what the claims read of it into this file, such as bench/results/claims.json",
)
@output_options("markdown", "html")
@pass_session
def command(session: Session, /, *, claims: bool, run: Path | None, keep: Path | None, output: Output) -> None:
    """Print where every requirement is delivered; exit 1 when one lacks a place it needs.

    With --claims, print what the owners wrote and whether it is so; exit 1 when figures and file disagree.
    """
    if (run or keep) and not claims:
        raise UsageError("--run and --keep are for --claims; add it")
    if keep and not run:
        raise UsageError("--keep writes what the claims read of a record; name the record with --run")
    if claims:
        _claims(session.project, run, keep, output)
        return
    rows = find_coverage(session.project)
    table = coverage_table(rows)
    lab = Lab("coverage", table.title, "By id, from the project's own files.", [table])
    output.hand_over(
        _document(rows),
        text=lambda console: print_table(table, console),
        markdown=lambda: as_markdown(table),
        html=lambda: lab_page(lab),
    )
    if lacking := [f"{row.requirement.id} ({', '.join(row.missing)})" for row in rows if row.missing]:
        raise ThresholdExceeded(f"{len(lacking)} of {len(rows)} requirements are not covered: {'; '.join(lacking)}")


def _claims(project: Project, run: Path | None, keep: Path | None, output: Output) -> None:
    read = read_claims(project.schema / "requirements.toml")
    found = sources(project, run)
    judged = judge(read, found)
    if keep:
        write_text(keep, json.dumps(kept(found.record, read), indent=1) + "\n", option="--keep")
    document = claims_document(judged, found)
    lab = claims_lab(document)
    output.hand_over(
        document,
        text=lambda console: print_lab(lab, console),
        markdown=lambda: lab_markdown(lab, [f"# {lab.title}", ""]),
        html=lambda: lab_page(lab),
    )
    if wrong := unexpected(judged):
        raise ThresholdExceeded(f"{len(wrong)} of {len(judged)} claims are not as the file expects: {'; '.join(wrong)}")

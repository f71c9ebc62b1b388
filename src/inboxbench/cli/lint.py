"""`inboxbench lint`: what a static linter says, and what the dry run says to that."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from inboxbench.cli.output import results_console
from inboxbench.documents import read_json
from inboxbench.dryrun.model import check_dry_run
from inboxbench.dryrun.rules.checks import head_of
from inboxbench.dryrun.squawk import Judged, Piece, judged, pieces_of, warnings
from inboxbench.errors import ThresholdExceeded, UsageError
from inboxbench.files import read_text

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("run", required=False, type=_FILE)
@click.option("--sql", type=_FILE, multiple=True, help="lint this file of SQL instead of a dry run")
@click.option("--pg-version", default="18", show_default=True, help="PostgreSQL version that the SQL is for")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(run: Path | None, sql: tuple[Path, ...], pg_version: str, form: str) -> None:
    """Look at the SQL of RUN, the JSON of `inboxbench dryrun --output RUN`, with squawk, and check it against the run.

    confirmed: the run shows it. accepted: that too, and its revision says why it may be. refuted: on these rows it is
    not so; the suppression is printed. unseen: a matter that no run can show, or of waiting
    where nobody waited. Exit 1 when something is confirmed or
    seen only at run time; with --sql, when there is any warning.
    """
    if (run is None) == (not sql):
        raise UsageError("name the JSON of a dry run, or files with --sql")
    found = _offline(sql, pg_version) if run is None else _checked(run, pg_version)
    if form == "json":
        click.echo(json.dumps([_plain(verdict) for verdict in found], ensure_ascii=False, indent=1))
    else:
        _show(found)
    count = Counter(verdict.verdict for verdict in found)
    if bad := len(found) if run is None else count["confirmed"] + count["run time only"]:
        raise ThresholdExceeded(f"{bad} {'warnings' if run is None else 'warnings that the run confirms or adds'}")


def _offline(files: tuple[Path, ...], pg_version: str) -> list[Judged]:
    pieces = [Piece(read_text(path), file=str(path), line=1) for path in files]
    return [Judged(rule, "unseen", message, piece) for rule, message, piece in warnings(pieces, pg_version=pg_version)]


def _checked(run: Path, pg_version: str) -> list[Judged]:
    document = read_json(run, f"make it with: inboxbench dryrun --output {run}")
    check_dry_run(document, str(run))
    return judged(document, warnings(pieces_of(document), pg_version=pg_version))


def _show(found: list[Judged]) -> None:
    table = Table("verdict", "rule", "revision", "statement", "to paste")
    for verdict in found:
        place = verdict.piece.revision or verdict.piece.file or ""
        cells = (verdict.rule, place, head_of(verdict.piece.sql), verdict.paste)
        table.add_row(verdict.verdict, *map(escape, cells))
    results_console().print(table)


def _plain(verdict: Judged) -> dict[str, Any]:
    place = {"statement": verdict.piece.number, "revision": verdict.piece.revision, "file": verdict.piece.file}
    place["line"] = verdict.piece.line
    return {"verdict": verdict.verdict, "rule": verdict.rule, "message": verdict.message, "finding": verdict.finding,
            "paste": verdict.paste, **place}  # fmt: skip

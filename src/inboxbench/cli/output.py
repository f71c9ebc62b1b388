"""What the labs' commands share: form and file of a result, and the heading that says where it comes from."""

from __future__ import annotations

import datetime as dt
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from inboxbench import __version__
from inboxbench.cli.bench.options import check_writable
from inboxbench.errors import UsageError
from inboxbench.machine import describe_machine

FORMS = ("text", "json", "markdown")
form_option = click.option("--format", "form", type=click.Choice(FORMS), default="text", show_default=True)
output_option = click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="write it there as well: Markdown into FILE.md, else JSON",
)


def heading(title: str, server: str, begun: dt.datetime) -> list[str]:
    """A results page's first lines: command, date, machine with its load, server."""
    machine = describe_machine()
    load = f"; load {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else ""
    return [
        f"# {title}",
        "",
        f"- Command: `inboxbench {shlex.join(sys.argv[1:])}`",
        f"- Date: {begun:%Y-%m-%d %H:%M} UTC, inboxbench {__version__}",
        f"- Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GiB, {machine['os']}{load}",
        f"- Server: {server}",
        "",
    ]


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> list[str]:
    """A Markdown table; the first `words` columns are text, the others figures."""
    lines = [f"| {' | '.join(headings)} |", f"|{'---|' * words}{'---:|' * (len(headings) - words)}"]
    return [*lines, *(f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows)]


def hand_over(
    document: dict[str, Any], markdown: Callable[[], str], show: Callable[[], None], *, form: str, output: Path | None
) -> None:
    """To stdout in the form that was asked for, and to the file in the one that its name asks for."""
    text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    if output is not None:
        try:
            output.write_text(markdown() if output.suffix == ".md" else text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--output {output}: cannot be written: {error.strerror}") from error
    if form == "text":
        show()
    else:
        click.echo(text if form == "json" else markdown(), nl=False)


__all__ = ["check_writable", "form_option", "hand_over", "heading", "output_option", "table"]

"""`inboxbench report`: a recorded run shown again, as summary, page or Markdown."""

from __future__ import annotations

from pathlib import Path

import click

from inboxbench.cli.session import results_console
from inboxbench.errors import UsageError
from inboxbench.report import load_run, print_summary, render_html, render_markdown


def _write(path: Path, page: str) -> None:
    """Whole or not at all: a reader never finds half a page."""
    draft = path.with_name(path.name + ".part")
    try:
        draft.write_text(page, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise UsageError(f"--html {path}: cannot be written: {error.strerror}; name another file.") from error


@click.command()
@click.argument("record", type=click.Path(path_type=Path))
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="write the page into this file")
@click.option("--markdown", is_flag=True, help="print Markdown, for a README or a job summary")
def command(record: Path, html: Path | None, markdown: bool) -> None:
    """Show RECORD, a run.json of `inboxbench demo`, again: no server is needed and nothing is measured."""
    run = load_run(record)
    if html:
        _write(html, render_html(run))
    if markdown:
        click.echo(render_markdown(run), nl=False)
    else:
        print_summary(run, results_console())

"""`inboxbench report`: a recorded run shown again, as summary, page or Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from inboxbench import __version__
from inboxbench.cli.output import results_console
from inboxbench.cli.report.parts import joined
from inboxbench.config import load_settings
from inboxbench.errors import UsageError
from inboxbench.files import write_text
from inboxbench.project import Project, find_project
from inboxbench.race.atlas import described
from inboxbench.report import checked_run, load_rows, load_run, print_summary, render_html, render_markdown

_WITH = (
    "join into the page, as often as you like, the JSON that `dryrun --output` or `bench counters|pages|traps|decay|"
    "drop-one|growth|load --output` wrote"
)


def _begin(record: Path | None, added: list[Path]) -> dict[str, Any]:
    """The recorded run, or an empty one for what is added to it."""
    if record:
        return load_run(record)
    if not added:
        raise UsageError("nothing to show: name a RECORD, or --atlas, --races or --with and what they wrote as JSON")
    return {"schema_version": 1, "tool": {"name": "inboxbench", "version": __version__}}


def _project() -> Project:
    """Return the project that the settings name, else the messenger."""
    settings = load_settings()
    return find_project(Path(settings.project) if settings.project else None, needs=())


def _described(path: Path) -> list[dict[str, Any]]:
    try:
        return described(_project(), load_rows(path))
    except KeyError as error:
        raise UsageError(f"{path}: a row has no {error}; name what `race atlas` prints with --format json.") from None


@click.command()
@click.argument("record", required=False, type=click.Path(path_type=Path))
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="write the page into this file")
@click.option("--markdown", is_flag=True, help="print Markdown, for a README or a job summary")
@click.option("--atlas", type=click.Path(path_type=Path), help="show this too: `race atlas --format json`")
@click.option("--races", type=click.Path(path_type=Path), help="show this too: `race bench --format json`, or stress")
@click.option("--with", "others", multiple=True, metavar="FILE", type=click.Path(path_type=Path), help=_WITH)
def command(
    *,
    record: Path | None,
    html: Path | None,
    markdown: bool,
    atlas: Path | None,
    races: Path | None,
    others: tuple[Path, ...],
) -> None:
    """Show RECORD, a run.json of `inboxbench demo`, again: no server is needed and nothing is measured."""
    if others and not html:
        raise UsageError("--with is for the page; say where to write it with --html FILE")
    run = _begin(record, [path for path in (atlas, races, *others) if path])
    for path in others:
        run = joined(run, path)
    if atlas:
        run = checked_run(run | {"atlas": _described(atlas)}, str(atlas))
    if races:
        run = checked_run(run | {"races": [*(run.get("races") or []), *load_rows(races)]}, str(races))
    if html:
        write_text(html, render_html(run), option="--html")
    if markdown:
        click.echo(render_markdown(run), nl=False)
    else:
        print_summary(run, results_console())

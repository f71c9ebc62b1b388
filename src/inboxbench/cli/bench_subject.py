"""What the bench commands share: which data to measure on, which sets and queries, where the outcome goes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from inboxbench.cli.seed_progress import SeedProgress
from inboxbench.cli.session import Session, progress_console
from inboxbench.database import require_ours, scratch_database
from inboxbench.errors import UsageError
from inboxbench.measure import TIMEOUT_S
from inboxbench.measure.indexset import read_catalogue
from inboxbench.measure.workload import read_workload
from inboxbench.migrate import runner
from inboxbench.seed import load_profile
from inboxbench.seed.dataset import load_dataset
from inboxbench.server import Server

SCHEMA_VERSION = 1
Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Source:
    """What to measure on: a database that is at head already, or a profile that is seeded and migrated first."""

    database: str | None
    profile: str
    seed: int
    allow_foreign: bool


def _together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Options as one decorator, in this order in the help."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


profile_options = _together(
    click.option("--profile", "--dataset", default="small", show_default=True, help="else this, seeded and migrated"),
    click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="of the profile"),
)
source_options = _together(
    click.option("--database", help="a database at head that inboxbench made; it is read, never written"),
    click.option("--allow-foreign", is_flag=True, help="take --database NAME even if inboxbench did not make it"),
    profile_options,
)
queries_option = click.option(
    "--queries", help="queries or families with commas between (default: all of bench/queries)"
)
sets_option = click.option(
    "--sets", help="index sets with commas between (default: those marked so in schema/indexes.toml)"
)
timeout_option = click.option(
    "--timeout", default=TIMEOUT_S, show_default=True, type=click.FloatRange(0.001), help="seconds a query"
)
output_option = click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="write the JSON there as well"
)
form_options = _together(
    click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True),
    output_option,
)
markdown_options = _together(
    click.option(
        "--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True
    ),
    output_option,
)


@contextmanager
def opened_database(session: Session, server: Server, source: Source) -> Iterator[str]:
    """The name of a database at head; one made here is gone afterwards, its dataset stays with the server."""
    if source.database:
        if not source.allow_foreign:
            require_ours(server, source.database)
        yield source.database
        return
    with seeded(session, server, source.profile, source.seed) as (name, _messages):
        yield name


@contextmanager
def seeded(session: Session, server: Server, profile: str, seed: int, scale: float = 1.0) -> Iterator[tuple[str, int]]:
    """A database at head with `scale` times the profile's messages, and how many those are; gone afterwards."""
    with SeedProgress(progress_console) as progress:
        dataset = load_dataset(server, profile, seed, scale=scale, project=session.project, progress=progress)
    with scratch_database(server, "bench", dataset.name) as name:
        with progress_console.status("migrating to head"):
            runner.upgrade(server.conninfo(name), session.project)
        yield name, dataset.messages


@contextmanager
def counting() -> Iterator[Any]:
    """A bar on stderr, and the function that moves it: (done, total, what comes next)."""
    columns = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=progress_console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, text: bar.update(task, completed=done, total=total or None, description=text)


def names_in(text: str | None) -> list[str] | None:
    """`a,b` as a list. Raises UsageError when there is nothing between the commas."""
    if text is None:
        return None
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise UsageError(f"{text!r} names nothing; give names with commas between")
    return names


def check_names(session: Session, source: Source, sets: list[str] | None, queries: list[str] | None) -> None:
    """A wrong name is said before a server is started."""
    read_catalogue(session.project.schema / "indexes.toml").choose(sets)
    read_workload(session.project, queries)
    if not source.database:
        load_profile(session.project.seeds, source.profile)


def check_writable(path: Path | None) -> None:
    """Before minutes of work: is there a folder to write to?"""
    if path is not None and not path.resolve().parent.is_dir():
        raise UsageError(f"--output {path}: the folder {path.resolve().parent} does not exist")


def hand_over(
    document: dict[str, Any],
    form: str,
    output: Path | None,
    show: Callable[[], None],
    markdown: Callable[[], str] | None = None,
) -> None:
    """The JSON to --output if one was given, and to stdout or else `markdown`, or whatever `show` prints."""
    text = json.dumps(document, ensure_ascii=False, indent=1)
    if output is not None:
        try:
            output.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--output {output}: cannot be written: {error.strerror}") from error
    if form == "json":
        click.echo(text)
    elif form == "markdown" and markdown:
        click.echo(markdown())
    else:
        show()

"""`inboxbench workload import`: queries to measure, made from what a server was asked."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click
from rich.text import Text

from inboxbench.cli.options import Session, pass_loose_session
from inboxbench.cli.output import Output, OutputFolder, heading, output_options
from inboxbench.cli.progress import counting, progress_console
from inboxbench.credentials import masked
from inboxbench.database import require_ours
from inboxbench.database_copy import CopyFailed, copied, is_url
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.record import as_json
from inboxbench.report.document import lab_markdown, print_lab
from inboxbench.server import Server, parse_spec
from inboxbench.workload.model import Imported
from inboxbench.workload.questions import Statements, checked, statements_of
from inboxbench.workload.run import BUDGET_S, MOST_QUERIES, TIMEOUT_S, Limits, import_workload
from inboxbench.workload.show import workload_lab
from inboxbench.workload.sources.command import read_command
from inboxbench.workload.sources.files import read_files
from inboxbench.workload.sources.server_log import read_log
from inboxbench.workload.sources.statistics import read_export

SCHEMA_VERSION = 1
_EXISTING = click.Path(path_type=Path)


@click.group(name="workload")
def command() -> None:
    """Queries to measure, made from what a server was asked."""


@command.command(name="import")
@click.option(
    "--database",
    required=True,
    help="postgresql://… of the database that the queries are for; it is read, and everything is tried on a copy of it",
)
@click.option(
    "--into", required=True, type=OutputFolder(), help="folder to write the queries to: a new or an empty one"
)
@click.option("--csv", "export", type=_EXISTING, help="take the statements from this CSV export of pg_stat_statements")
@click.option(
    "--log", "logs", type=_EXISTING, multiple=True,
    help="take the statements from this server log: text, csvlog or jsonlog; may be given again",
)  # fmt: skip
@click.option("--sql", "folder", type=_EXISTING, help="take the statements from the .sql files of this folder")
@click.option(
    "--command",
    "suite",
    help='take the statements that this command sends, such as "pytest tests": it runs on a server of ours that logs '
    "all of them, and finds an empty database there in DATABASE_URL, PGHOST and {url}",
)
@click.option(
    "--driver",
    default="postgresql",
    show_default=True,
    help="with --command: how the database's URL begins, such as postgresql+psycopg for SQLAlchemy",
)
@click.option("--role", help="take only what this role sent, of pg_stat_statements (default: what all roles sent)")
@click.option(
    "--top",
    default=MOST_QUERIES,
    show_default=True,
    type=click.IntRange(1),
    help="how many queries to take at most, those that took longest first; the rest is counted",
)
@click.option(
    "--timeout",
    default=TIMEOUT_S,
    show_default=True,
    type=click.FloatRange(0.001),
    help="seconds after which a query is stopped and left out, when it is tried on the copy",
)
@click.option(
    "--budget",
    default=BUDGET_S,
    show_default=True,
    type=click.FloatRange(0.001),
    help="seconds that trying all queries may take; those that are not tried by then are left out",
)
@click.option(
    "--values",
    is_flag=True,
    help="write values of the log into the files (default: draws of like values, so that no data leaves the copy)",
)
@output_options("markdown", what="what was imported")
@pass_loose_session
def import_command(
    session: Session,
    /,
    *,
    database: str,
    into: Path,
    export: Path | None,
    logs: tuple[Path, ...],
    folder: Path | None,
    suite: str | None,
    driver: str,
    role: str | None,
    top: int,
    timeout: float,
    budget: float,
    values: bool,
    output: Output,
) -> None:
    """Make query files, draws of values and a mix of requests from what a server was asked.

    Without --csv, --log, --sql or --command the statements are those of pg_stat_statements in --database. Statements
    that differ in values alone become one query; its parameters get types from PostgreSQL and values from a copy of the
    database, by how selective they are. Every query is tried on the copy; what cannot be run is named with the reason.

    `inboxbench bench --database URL --queries DIR` measures the result.
    """
    given = {"--csv": export, "--log": logs, "--sql": folder, "--command": suite}
    _check_sources([name for name, value in given.items() if value], role, values)
    limits = Limits(top, timeout, values, budget)
    with _made(into) as made:
        sent = _sent(session, suite, driver) if suite else _statements(database, export, logs, folder, role)
        statements = checked(sent)
        with session.server() as server:
            imported = _imported(server, database, statements, made, limits)
            label = server.label
    imported = replace(imported, folder=str(into))
    lab = workload_lab(imported)
    output.hand_over(
        {
            "schema_version": SCHEMA_VERSION,
            "workload": as_json(imported) | {"share": imported.share, "share_of_queries": imported.share_of_queries},
        },
        text=lambda console: print_lab(lab, console),
        markdown=lambda: lab_markdown(lab, heading(lab.title, label, dt.datetime.now(dt.UTC))),
    )
    progress_console.print(
        f"wrote {masked(str(into))}; measure it: inboxbench bench --database URL --queries {masked(str(into))}",
        highlight=False,
        markup=False,
    )


def _check_sources(given: Sequence[str], role: str | None, values: bool) -> None:
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)}: name one source of statements")
    if role and given:
        raise UsageError(f"--role chooses among what pg_stat_statements counted; {given[0]} does not say who sent what")
    if values and given not in (["--log"], ["--command"]):
        raise UsageError("--values are those of a log: name it with --log")


def _sent(session: Session, suite: str, driver: str) -> Statements:
    spec = parse_spec(session.settings.server, session.settings.origin("server"))
    recorded, status = read_command(suite, spec, driver=driver, data_dir=session.settings.data_dir)
    if status:
        progress_console.print(
            Text(f"the command ended with exit status {status}; what it sent is imported all the same", style="yellow")
        )
    return Statements(tuple(recorded), "the command's statements")


def _statements(
    database: str, export: Path | None, logs: Sequence[Path], folder: Path | None, role: str | None
) -> Statements:
    if export:
        return Statements(tuple(read_export(export)), str(export))
    if logs:
        return Statements(tuple(found for path in logs for found in read_log(path)), ", ".join(map(str, logs)))
    if folder:
        return Statements(tuple(read_files(folder)), str(folder))
    if not is_url(database):
        raise UsageError(
            "--database NAME has no statistics of its own: write postgresql://…, or name --csv, --log, --sql, --command"
        )
    return statements_of(database, role)


def _imported(server: Server, database: str, statements: Statements, folder: Path, limits: Limits) -> Imported:
    if not is_url(database):
        require_ours(server, database)
    try:
        with copied(server, database) as copy, counting() as progress:
            for remark in copy.remarks:
                progress_console.print(Text(remark, style="yellow"))
            return import_workload(
                server,
                copy.name,
                statements.recorded,
                folder,
                source=statements.source,
                limits=limits,
                progress=progress,
            )
    except CopyFailed as error:
        raise SubjectFailed(str(error)) from None


@contextmanager
def _made(target: Path) -> Iterator[Path]:
    """Yield a folder that becomes `target` at the end of the block, and goes when the block fails."""
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise UsageError(f"--into {target}: is there and not empty; name a new folder")
    try:
        parent = target.absolute().parent
        parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=parent))
    except (OSError, ValueError) as error:
        raise UsageError(f"--into {target}: cannot be written: {getattr(error, 'strerror', None) or error}") from None
    try:
        yield made
        made.chmod(0o777 & ~_umask())
        made.replace(target)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

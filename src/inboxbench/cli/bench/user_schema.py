"""`bench --database … --queries DIR --indexes FILE`: queries and index sets of the user's own, without a project."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from inboxbench.cli.options import Session
from inboxbench.database_copy import is_url
from inboxbench.errors import UsageError
from inboxbench.project import Loose

indexes_option = click.option(
    "--indexes",
    type=click.Path(path_type=Path, dir_okay=False),
    help="index sets for --queries DIR (default: indexes.toml in that folder)",
)


def own_questions(
    session: Session, database: str | None, queries: str | None, indexes: Path | None
) -> tuple[Session, str | None]:
    """The session with the folder of queries as its project, and which of them to measure (None: all).

    Raises UsageError for what lies nowhere, and for questions without a database to put them to.
    """
    folder = Path(queries) if queries else None
    if folder is None or not folder.is_dir():
        if queries and ("/" in queries or indexes):
            raise UsageError(f"--queries {queries}: there is no such folder")
        if indexes:
            raise UsageError("--indexes goes with a folder of queries: --queries DIR")
        if is_url(database) and session.settings.project is None:
            raise UsageError("--database of your own needs queries of your own: --queries DIR --indexes FILE")
        return session, queries
    catalogue = indexes or folder / "indexes.toml"
    if not catalogue.is_file():
        raise UsageError(f"{catalogue}: there is no such file of index sets; name it with --indexes FILE")
    if database is None:
        raise UsageError("--queries DIR are of a database of your own; name it with --database")
    return replace(session, project=Loose(folder.resolve(), catalogue.resolve())), None

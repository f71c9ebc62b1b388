"""Outcomes kept between runs: one JSON file each, named by a digest of everything that the outcome depends on.

A file appears whole or not at all, so a run that is killed leaves what it had finished. One that cannot be read is said
in a line and measured again; the folder may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from psycopg import sql

from inboxbench import __version__
from inboxbench.bench.sets.template import tables
from inboxbench.database import Connection
from inboxbench.files import drafted
from inboxbench.machine import describe_machine
from inboxbench.sqlfile import read_sections

_SQL = read_sections(__file__)

_FORMAT = 1
_OURS = re.compile(r"[0-9a-f]{32}\.json|\.[0-9a-f]{32}\.json\.[0-9a-f]{8}\.part")  # an outcome, or one half written


def default_folder() -> Path:
    """$XDG_CACHE_HOME/inboxbench/cells, as a rule ~/.cache/inboxbench/cells."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "inboxbench" / "cells"


def digest(value: object) -> str:
    """Return a digest of anything that JSON can hold; the order of an object's keys does not count."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass
class Store:
    """`fresh`: read nothing, write all the same. `limit`: bytes that the folder may take, see `trim`. `problems`: what
    could not be read or written, a line each."""

    folder: Path
    fresh: bool = False
    limit: float = math.inf
    problems: list[str] = field(default_factory=list)
    _writable: bool = True

    def find(self, key: str) -> dict[str, Any] | None:
        """Return what was kept under `key`, or None when there is nothing, or nothing that can be read."""
        path = self._path(key)
        if self.fresh or not path.is_file():
            return None
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            with suppress(OSError):
                os.utime(path)  # the last use counts, not the first
            if document["format"] == _FORMAT and document["key"] == key:
                return dict(document["outcome"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        self.refuse(key)
        return None

    def refuse(self, key: str) -> None:
        """Report that what is kept under `key` makes no sense: it will be measured again, and overwritten."""
        problem = f"{self._path(key)} cannot be read as an outcome; measured again"
        if problem not in self.problems:
            self.problems.append(problem)

    def keep(self, key: str, about: Mapping[str, Any], outcome: Mapping[str, Any]) -> None:
        """`about` is for people who look into the file."""
        document = {"format": _FORMAT, "key": key, "about": about, "outcome": outcome}
        text = json.dumps(document, ensure_ascii=False, indent=1, default=str)
        if self._writable:
            try:
                _put(self._path(key), text + "\n")
            except OSError as error:
                self._writable = False
                self.problems.append(f"{self.folder}: outcomes cannot be kept there: {error.strerror}")

    def trim(self) -> None:
        """Remove outcomes until the folder takes no more than `limit`: those first that were not used for longest."""
        found = []
        for path in self.folder.glob("[0-9a-f][0-9a-f]/*"):
            with suppress(OSError):  # another run may trim, too
                if _OURS.fullmatch(path.name):
                    facts = path.stat()
                    found.append((facts.st_mtime, facts.st_size, path))
        size = sum(size for _used, size, _path in found)
        for _used, octets, path in sorted(found):
            if size <= self.limit:
                return
            with suppress(OSError):
                path.unlink()
            size -= octets

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def _put(path: Path, text: str) -> None:
    """Whole or not at all; two runs that write the same outcome do not meet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with drafted(path) as draft:
        draft.write_text(text, encoding="utf-8")


_PACKAGE = Path(__file__).resolve().parents[2]

_PAGES = "SELECT %s::text, pg_relation_size(%s::regclass)"
_ROWS = "SELECT count(*), coalesce(sum(hashtextextended({row}, 0)::numeric), 0)::text FROM {table} AS t"
_LOCALE = (
    "SELECT datcollate, datctype, datlocprovider, datcollversion FROM pg_database WHERE datname = current_database()"
)


_BELOW = (
    "sqlfile.py", "database.py", "database_settings.py", "explain.py", "sqltree/openings.py", "sqltree/tie_breaks.py",
)  # fmt: skip


@cache
def code() -> str:
    """Return a digest of the program that measures: an outcome of another one is none of this one's."""
    found = hashlib.sha256(__version__.encode())
    measuring = (path for path in (_PACKAGE / "bench").rglob("*") if path.suffix in (".py", ".sql"))
    for path in sorted([*measuring, *(_PACKAGE / name for name in _BELOW)]):
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()[:16]


def surroundings(connection: Connection) -> dict[str, Any]:
    """Describe the server behind `connection`, a template: version, settings, locale; its schema; pages of each table;
    the machine we are on. Alike in two runs when their figures compare."""
    version = connection.execute("SELECT version()").fetchone()
    locale = connection.execute(_LOCALE).fetchone()
    names = [sql.Identifier(*table).as_string(connection) for table in tables(connection)]
    pages = [connection.execute(_PAGES, (name, name)).fetchone() for name in names]
    return {
        "server": version[0] if version else "",
        "settings": dict(connection.execute(_SQL["settings"]).fetchall()),
        "locale": locale,
        "schema": hashlib.sha256(repr(connection.execute(_SQL["schema"]).fetchall()).encode()).hexdigest()[:16],
        "pages": pages,
        "machine": _machine(),
    }


def _machine() -> Mapping[str, Any]:
    return {key: value for key, value in describe_machine().items() if key in ("cpu", "cores", "memory_gb")}


def contents(connection: Connection, *, as_is: bool) -> str:
    """Return a digest of every row; with `as_is` also of where it lies. Reads each table once."""
    found = hashlib.sha256()
    row = sql.SQL("t.ctid::text || t::text" if as_is else "t::text")
    for table in tables(connection):
        counted = connection.execute(sql.SQL(_ROWS).format(row=row, table=sql.Identifier(*table))).fetchone()
        found.update(repr((table, counted)).encode())
    return f"rows {found.hexdigest()[:16]}"

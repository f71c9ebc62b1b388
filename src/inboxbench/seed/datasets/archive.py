"""A dataset as one file, for other machines: a zip of binary COPY data, table by table, and what is known of it."""

from __future__ import annotations

import hashlib
import json
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from inboxbench import units
from inboxbench.database import Connection, connect, create_database, exists, read_marker, write_marker
from inboxbench.database_marks import PREFIX
from inboxbench.errors import InboxbenchError, UsageError, unknown
from inboxbench.files import drafted
from inboxbench.project import Project
from inboxbench.record import restored
from inboxbench.seed.datasets.dataset import dropped_on_failure, schema_file, stamp_head
from inboxbench.seed.datasets.registry import KIND, LOADING, Dataset, from_marker, list_datasets, marker_of
from inboxbench.seed.load.run import Progress, Step, age, check_empty, create_tables, finish, silent
from inboxbench.seed.load.target import load_lock
from inboxbench.seed.row_source import SLICE, Layout, find_layout, project_row_source
from inboxbench.server import Server, reason

# 1 had no digests, so nothing in it can be verified.
_FORMAT = 2
_MANIFEST = "dataset.json"
_MANIFEST_BYTES = 1 << 20
_NAME = re.compile(rf"{PREFIX}[a-z0-9_]{{1,52}}")


def _columns(layout: Layout, table: str) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, layout.columns[table]))


def _layout(project: Project, dataset: Dataset) -> Layout:
    return find_layout(project_row_source(project), dataset.at)


def _schema_hash(project: Project, at: str) -> str:
    return hashlib.sha256(schema_file(project, at).read_bytes()).hexdigest()


def export_dataset(server: Server, name: str, path: Path, *, project: Project, progress: Progress = silent) -> Dataset:
    """Write dataset `name` to `path`, which must not exist. Raises UsageError for either name."""
    marker = read_marker(server, name) or {}
    dataset = from_marker(name, marker) if marker.get("kind") == KIND else None
    if dataset is None:
        raise unknown("dataset", name, [stored.name for stored in list_datasets(server) if stored.dataset])
    if path.exists():
        raise UsageError(f"{path} exists already; choose another file or remove it")
    try:
        with drafted(path) as draft, zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            _write(server, dataset, archive, project, progress)
    except OSError as error:
        raise UsageError(f"{path} could not be written: {error.strerror or error}") from None
    return dataset


def _write(server: Server, dataset: Dataset, archive: zipfile.ZipFile, project: Project, progress: Progress) -> None:
    layout, contents = _layout(project, dataset), {}
    total, done = sum(dataset.rows.values()), 0
    with connect(server.conninfo(dataset.name)) as connection:
        for table in layout.columns:
            contents[table] = asdict(_write_table(connection, layout, table, archive))
            done += dataset.rows[table]
            progress(Step("export", done, total))
    manifest = {
        "format": _FORMAT,
        "name": dataset.name,
        "schema": _schema_hash(project, dataset.at),
        "dataset": marker_of(dataset),
        "contents": contents,
    }
    archive.writestr(_MANIFEST, json.dumps({**manifest, "sha256": _seal(manifest)}, indent=2))


def _seal(manifest: Mapping[str, Any]) -> str:
    """A digest of all that a manifest says but the digest itself."""
    facts = {key: value for key, value in manifest.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Content:
    """What an export says of a member: its bytes, and their digest."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class _Export:
    """What the manifest of a file says. contents: by table."""

    dataset: Dataset
    contents: Mapping[str, _Content]


def _write_table(connection: Connection, layout: Layout, table: str, archive: zipfile.ZipFile) -> _Content:
    """In order of the first column, which is the order of arrival: churn has moved rows about."""
    query = sql.SQL("COPY (SELECT {} FROM {} ORDER BY {}) TO STDOUT (FORMAT BINARY)").format(
        _columns(layout, table), sql.Identifier(table), sql.Identifier(layout.columns[table][0])
    )
    digest, size = hashlib.sha256(), 0
    with (
        archive.open(_member(table), "w", force_zip64=True) as member,
        connection.cursor() as cursor,
        cursor.copy(query) as copy,
    ):
        for data in copy:
            member.write(data)
            digest.update(data)
            size += len(data)
    return _Content(size, digest.hexdigest())


def _member(table: str) -> str:
    return f"{table}.copy"


def import_dataset(server: Server, path: Path, *, project: Project, progress: Progress = silent) -> Dataset:
    """Make the dataset of `path` on `server`, its keys, statistics and churn too. A broken one leaves nothing."""
    try:
        with zipfile.ZipFile(path) as archive:
            exported = _manifest(archive, path, project)
            dataset = exported.dataset
            with load_lock(server, dataset.name):
                if exists(server, dataset.name):
                    raise UsageError(f"dataset {dataset.name} is on {server.label} already; nothing to import")
                create_database(server, dataset.name, kind=LOADING)
                with dropped_on_failure(server, dataset.name):
                    _read(server, exported, archive, project, progress)
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, KeyError, RuntimeError) as error:
        # RuntimeError is what zipfile says of members that are encrypted, or packed in a way it does not know.
        raise UsageError(f"{path} is no whole export of a dataset: {reason(error)}; export it again") from None
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        raise UsageError(f"{path} holds data that the server refuses: {reason(error)}; export it again") from None
    return dataset


def _manifest(archive: zipfile.ZipFile, path: Path, project: Project) -> _Export:
    """What the file says of its dataset and of each table's member, whose bytes are verified when they are read."""
    with archive.open(_MANIFEST) as member:
        text = member.read(_MANIFEST_BYTES + 1)
    if len(text) > _MANIFEST_BYTES:
        raise UsageError(f"{path}: {_MANIFEST} has more than {units.size(_MANIFEST_BYTES)}, which no export has")
    try:
        manifest = json.loads(text)
        dataset = _checked(manifest, path, project)
        contents = {table: restored(_Content, manifest["contents"][table]) for table in dataset.rows}
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise UsageError(f"{path}: {_MANIFEST} is not as we wrote it: {reason(error)}; export it again") from None
    expected = sorted([_MANIFEST, *map(_member, contents)])
    if sorted(archive.namelist()) != expected:
        others = [name for name in archive.namelist() if name not in expected]
        what = f"holds {others[0]!r}, which no export has" if others else "lacks a table, or has one twice"
        raise UsageError(f"{path} {what}; export it again")
    return _Export(dataset, contents)


def _checked(manifest: dict[str, Any], path: Path, project: Project) -> Dataset:
    if manifest["format"] != _FORMAT:
        raise UsageError(
            f"{path} was exported by another version (format {manifest['format']!r:.20}, not {_FORMAT}); "
            "export it again"
        )
    if manifest["sha256"] != _seal(manifest):
        raise ValueError("its digest is not that of what it says")
    if not _NAME.fullmatch(manifest["name"]):
        raise ValueError(f"{manifest['name']!r:.80} is no name of a dataset")
    dataset = from_marker(manifest["name"], manifest["dataset"])
    if dataset is None:
        raise UsageError(f"{path} was exported by another version and lacks facts that this one needs")
    if manifest["schema"] != _schema_hash(project, dataset.at):
        raise UsageError(
            f"{path} was exported from another {schema_file(project, dataset.at).name} than this project's; seed it "
            f"again with `inboxbench seed {dataset.profile} --seed {dataset.seed}`"
        )
    if set(dataset.rows) != set(_layout(project, dataset).columns):
        raise ValueError("its tables are not those of the schema")
    if dataset.churn is not None:
        project_row_source(project).churn(dataset.churn, dataset.rows)
    return dataset


def _read(server: Server, exported: _Export, archive: zipfile.ZipFile, project: Project, progress: Progress) -> None:
    dataset = exported.dataset
    conninfo, layout = server.conninfo(dataset.name), _layout(project, dataset)
    total, done = sum(dataset.rows.values()), 0
    with connect(conninfo, synchronous_commit="off") as connection:
        check_empty(connection)
        parts = create_tables(connection, project.schema, layout)
        for table in layout.columns:
            rows = _read_table(connection, layout, table, archive, exported.contents[table])
            if rows != dataset.rows[table]:
                raise InboxbenchError(f"{table} came with {rows} rows instead of {dataset.rows[table]}")
            done += rows
            progress(Step("import", done, total))
    finish(conninfo, layout, parts, progress)
    if dataset.churn is not None:
        age(conninfo, project_row_source(project).churn(dataset.churn, dataset.rows), progress)
    if layout.at_head:
        stamp_head(conninfo, project)
    write_marker(server, dataset.name, {"kind": KIND, **marker_of(dataset)})


def _read_table(connection: Connection, layout: Layout, table: str, archive: zipfile.ZipFile, content: _Content) -> int:
    """Raises BadZipFile as soon as there is more than the manifest says, and at the end when its digest differs."""
    query = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table), _columns(layout, table))
    with archive.open(_member(table)) as member, connection.cursor() as cursor:
        with cursor.copy(query) as copy:
            digest, size = hashlib.sha256(), 0
            while data := member.read(SLICE):
                digest.update(data)
                size += len(data)
                if size > content.size:
                    break
                copy.write(data)
            if _Content(size, digest.hexdigest()) != content:
                raise zipfile.BadZipFile(f"{_member(table)} is not what was exported: its digest differs")
        return cursor.rowcount

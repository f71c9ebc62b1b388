"""Datasets: a seeded database kept as a template, found again by what it was made of, cloned to be used."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from inboxbench.credentials import named
from inboxbench.database import connect, create_database, drop_database, exists, read_marker, require_ours, write_marker
from inboxbench.database_marks import PREFIX
from inboxbench.errors import UsageError
from inboxbench.project import Project, find_project
from inboxbench.seed.dask.option import Cluster
from inboxbench.seed.datasets.registry import KIND, LOADING, SEEDED, Dataset, from_marker, marker_of
from inboxbench.seed.load.created import listed, remove_listed
from inboxbench.seed.load.run import Progress, check_empty, load, silent
from inboxbench.seed.load.target import check_rights, emptied_on_failure, load_lock
from inboxbench.seed.profile import BaseProfile, read_profile, scaled
from inboxbench.seed.row_source import RowSource, find_layout, project_row_source, row_source_name
from inboxbench.server import Server


def fingerprint(profile: BaseProfile, seed: int, project: Project, *, fresh: bool, at: str) -> str:
    """Hash of everything that a dataset depends on: profile, seed, the row source's version and ingredients, schema."""
    source = project_row_source(project)
    versions, files = source.ingredients(project.seeds)
    digest = hashlib.sha256(repr([source.generator, profile, seed, fresh, at, *versions]).encode())
    for path in (schema_file(project, at), *files):
        if not path.is_file():
            raise UsageError(f"{path} is missing: a dataset of this project depends on it")
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def schema_file(project: Project, at: str) -> Path:
    """The file that makes the tables. Raises UsageError when the project's row source knows no schema `at`."""
    return project.schema / find_layout(project_row_source(project), at).schema


def _amount(count: int) -> str:
    """200000 -> 200k, 5000000 -> 5m, 1234 -> 1234: short enough for a database name."""
    for unit, size in (("m", 1_000_000), ("k", 1_000)):
        if count >= size and count % size == 0:
            return f"{count // size}{unit}"
    return str(count)


def dataset_name(source: RowSource[Any], profile: BaseProfile, seed: int, mark: str, *, at: str = "baseline") -> str:
    """By profile, size, seed and version; the last part tells apart what no name can say."""
    size = _amount(source.size(profile))
    end = "" if at == "baseline" else f"_{at}"
    return f"{PREFIX}ds_{profile.name[:16]}_{size}_s{seed}{end}_v{source.generator}_{mark[:8]}".lower()


def resolve(
    profile: str | BaseProfile, *, scale: float, size: int | None, project: Project | None
) -> tuple[BaseProfile, Project]:
    """The profile at the size asked for, and the project. Raises UsageError for a profile or size that cannot be."""
    found = project or find_project()
    source = project_row_source(found)
    base = read_profile(source, found.seeds, profile) if isinstance(profile, str) else profile
    return scaled(source, base, scale=scale, size=size), found


def load_dataset(
    server: Server,
    profile: str | BaseProfile,
    seed: int,
    *,
    scale: float = 1.0,
    size: int | None = None,
    workers: int | Cluster | None = None,
    fresh: bool = False,
    at: str = "baseline",
    progress: Progress | None = None,
    project: Project | None = None,
) -> Dataset:
    """The dataset of (profile, seed) on `server`: the one that is there, or a new one, kept as a template.

    Clone it (database.clone_database) rather than work in it. An interrupted load leaves no database behind.
    """
    sized, found = resolve(profile, scale=scale, size=size, project=project)
    mark = fingerprint(sized, seed, found, fresh=fresh, at=at)
    name = dataset_name(project_row_source(found), sized, seed, mark, at=at)
    with load_lock(server, name):
        if existing := _whole(server, name, mark):
            return replace(existing, generator=project_row_source(found).generator)
        create_database(server, name, kind=LOADING)
        with dropped_on_failure(server, name):
            return fill(
                server, name, sized, seed, project=found, workers=workers, fresh=fresh, at=at, progress=progress
            )


def seed_into(
    server: Server,
    name: str,
    profile: str | BaseProfile,
    seed: int,
    *,
    scale: float = 1.0,
    size: int | None = None,
    workers: int | Cluster | None = None,
    fresh: bool = False,
    at: str = "baseline",
    progress: Progress | None = None,
    project: Project | None = None,
    allow_foreign: bool = False,
) -> Dataset:
    """Fill database `name`: made when absent, refused unless it is empty. It is nobody's template.

    An interrupted load drops a database that was made for it, and empties one that was there.
    """
    sized, found = resolve(profile, scale=scale, size=size, project=project)
    with load_lock(server, name), _target(server, name, allow_foreign=allow_foreign) as (kind, shared):
        return fill(
            server,
            name,
            sized,
            seed,
            project=found,
            workers=workers,
            fresh=fresh,
            at=at,
            progress=progress,
            kind=kind,
            shared=shared,
        )


@contextmanager
def _target(server: Server, name: str, *, allow_foreign: bool) -> Iterator[tuple[str | None, bool]]:
    """The database, made when absent: the kind that it is marked as when it is filled (None: not at all), and whether
    it was there before, and others may work in it."""
    if not exists(server, name):
        if allow_foreign and not name.startswith(PREFIX):
            raise UsageError(
                f"database {named(name, '--database')} does not exist on {server.label}; --allow-foreign fills one "
                f"that does: create it first, or give a name that begins with {PREFIX}, which is made"
            )
        create_database(server, name, kind=LOADING)
        with dropped_on_failure(server, name):
            yield SEEDED, False
        return
    if not allow_foreign:
        require_ours(server, name)
    with connect(server.conninfo(name)) as connection:
        check_rights(connection)
        # Of a load that was killed: it is no more, for we have its lock.
        if kept := remove_listed(connection):
            raise UsageError(
                f"database {name!r} still has what an earlier load left there, which must stay: {'; '.join(kept)}; "
                "take away what depends on it, or seed another database"
            )
        check_empty(connection)
    with emptied_on_failure(server.conninfo(name)):
        yield (None if allow_foreign else SEEDED), True


@contextmanager
def dropped_on_failure(server: Server, name: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        drop_database(server, name)
        raise


def fill(
    server: Server,
    name: str,
    profile: BaseProfile,
    seed: int,
    *,
    project: Project,
    workers: int | Cluster | None = None,
    fresh: bool = False,
    at: str = "baseline",
    progress: Progress | None = None,
    kind: str | None = KIND,
    shared: bool = False,
) -> Dataset:
    """Load into the empty database `name` and mark it with what it holds (kind None: leave its marker alone).

    shared: the database is there for others as well, so what is made in it is listed (see `seed.load.created`).
    """
    source = project_row_source(project)
    begun = time.monotonic()
    loaded = load(
        server.conninfo(name),
        profile,
        seed,
        source=row_source_name(project),
        schema=project.schema,
        seeds=project.seeds,
        workers=workers,
        fresh=fresh,
        at=at,
        progress=progress or silent,
        shared=shared,
    )
    if find_layout(source, at).at_head:
        stamp_head(server.conninfo(name), project)
    dataset = Dataset(
        name=name,
        profile=profile.name,
        seed=seed,
        counted=source.counted,
        rows=loaded.rows,
        octets=loaded.octets,
        checksums=loaded.checksums,
        elapsed=round(time.monotonic() - begun, 3),
        seconds={stage: round(seconds, 3) for stage, seconds in loaded.seconds.items()},
        client_cpu=round(loaded.client_cpu, 3),
        server_cpu=None if loaded.server_cpu is None else round(loaded.server_cpu, 3),
        client_peak_mb=loaded.client_peak_mb,
        workers=loaded.workers,
        created=int(time.time()),
        fingerprint=fingerprint(profile, seed, project, fresh=fresh, at=at),
        at=at,
        churn=None if fresh else profile.past,
        generator=source.generator,
    )
    if kind is not None:
        write_marker(server, name, {"kind": kind, **marker_of(dataset)})
    return dataset


def stamp_head(conninfo: str, project: Project) -> None:
    """Write down, where Alembic looks for it, that the schema is at the last revision; a project may have none."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - needed here alone, and slow to import

    head = ScriptDirectory(str(project.migrations)).get_current_head()
    if head is None:
        return
    with connect(conninfo) as connection, listed(connection):
        connection.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
        connection.execute("INSERT INTO alembic_version VALUES (%s)", (head,))


def _whole(server: Server, name: str, mark: str) -> Dataset | None:
    """The dataset of that name if it is whole; what a killed load or another version left is removed."""
    marker = read_marker(server, name)
    if marker is None:
        return None
    whole = from_marker(name, marker) if marker.get("kind") == KIND else None
    if whole is not None and whole.fingerprint == mark:
        return whole
    if _sessions(server, name):
        raise UsageError(f"dataset {name} is being loaded by another process; wait for it, or end it first")
    drop_database(server, name)
    return None


def _sessions(server: Server, name: str) -> int:
    with connect(server.conninfo()) as connection:
        row = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", (name,)).fetchone()
    return int(row[0]) if row else 0

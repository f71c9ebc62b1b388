"""Datasets: a seeded database kept as a template, found again by what it was made of, cloned to be used."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg

from inboxbench.database import (
    PREFIX,
    connect,
    create_database,
    drop_database,
    exists,
    list_databases,
    read_marker,
    require_ours,
    write_marker,
)
from inboxbench.errors import UsageError, unknown
from inboxbench.project import Project, find_project
from inboxbench.seed.catalogue import layout
from inboxbench.seed.load import Loaded, Progress, check_empty, load, silent
from inboxbench.seed.profile import Profile, load_profile, scaled
from inboxbench.server import Server

# Raised whenever the same profile and seed would give other rows than before.
GENERATOR = 1
KIND = "dataset"
_LOADING = "loading"


@dataclass(frozen=True, slots=True)
class Dataset:
    """A seeded database. `elapsed` is what its load took, also when it was found and not loaded now."""

    name: str
    profile: str
    seed: int
    messages: int
    rows: dict[str, int]
    octets: dict[str, int]
    checksums: dict[str, str]
    elapsed: float
    seconds: dict[str, float]
    client_cpu: float
    server_cpu: float | None
    client_peak_mb: float
    workers: int
    created: int  # Unix seconds
    fingerprint: str
    reused: bool = False

    @property
    def messages_per_s(self) -> float:
        """Of generating and sending, keys and indexes not counted."""
        return self.messages / max(self.seconds["rows"], 1e-9)

    @property
    def rows_per_s(self) -> float:
        return sum(self.rows.values()) / max(self.seconds["rows"], 1e-9)

    @property
    def bytes(self) -> int:
        """Sent to the server."""
        return sum(self.octets.values())

    def to_json(self) -> dict[str, Any]:
        """What run.json says of a dataset."""
        return {
            "profile": self.profile,
            "seed": self.seed,
            "messages": self.messages,
            "database": self.name,
            "rows": self.rows,
            "elapsed_s": self.elapsed,
            "stages_s": self.seconds,
            "messages_per_s": round(self.messages_per_s),
            "rows_per_s": round(self.rows_per_s),
            "bytes": self.bytes,
            "checksums": self.checksums,
            "client_cpu_s": self.client_cpu,
            "server_cpu_s": self.server_cpu,
            "client_peak_mb": self.client_peak_mb,
            "workers": self.workers,
            "generator": GENERATOR,
            "reused": self.reused,
        }


def fingerprint(profile: Profile, seed: int, project: Project, *, fresh: bool, at: str) -> str:
    """Of everything that a dataset depends on: profile, seed, generator, phrases, schema, both word sources, churn."""
    digest = hashlib.sha256()
    parts = [GENERATOR, profile, seed, fresh, at, version("faker"), version("wordfreq")]
    files = [_schema(project, at), *sorted(_vocabulary(project).glob("*.txt"))]
    digest.update(repr(parts).encode())
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _schema(project: Project, at: str) -> Path:
    return project.schema / layout(at).schema


def _vocabulary(project: Project) -> Path:
    return project.seeds / "vocabulary"


def _amount(count: int) -> str:
    """200000 -> 200k, 5000000 -> 5m, 1234 -> 1234: short enough for a database name."""
    for unit, size in (("m", 1_000_000), ("k", 1_000)):
        if count >= size and count % size == 0:
            return f"{count // size}{unit}"
    return str(count)


def dataset_name(profile: Profile, seed: int, mark: str, *, at: str = "baseline") -> str:
    """By profile, size, seed and version; the last part tells apart what no name can say."""
    size = _amount(profile.messages.count)
    end = "" if at == "baseline" else f"_{at}"
    return f"{PREFIX}ds_{profile.name[:16]}_{size}_s{seed}{end}_v{GENERATOR}_{mark[:8]}".lower()


def resolve(
    profile: str | Profile, *, scale: float, messages: int | None, project: Project | None
) -> tuple[Profile, Project]:
    found = project or find_project()
    base = load_profile(found.seeds, profile) if isinstance(profile, str) else profile
    return scaled(base, scale=scale, messages=messages), found


def load_dataset(
    server: Server,
    profile: str | Profile,
    seed: int,
    *,
    scale: float = 1.0,
    messages: int | None = None,
    workers: int | None = None,
    fresh: bool = False,
    at: str = "baseline",
    progress: Progress | None = None,
    project: Project | None = None,
) -> Dataset:
    """The dataset of (profile, seed) on `server`: the one that is there, or a new one, kept as a template.

    Clone it (database.clone_database) rather than work in it. An interrupted load leaves no database behind.
    """
    sized, found = resolve(profile, scale=scale, messages=messages, project=project)
    mark = fingerprint(sized, seed, found, fresh=fresh, at=at)
    name = dataset_name(sized, seed, mark, at=at)
    if existing := _found(server, name, mark):
        return existing
    create_database(server, name, kind=_LOADING)
    with _dropped_on_failure(server, name):
        return fill(server, name, sized, seed, project=found, workers=workers, fresh=fresh, at=at, progress=progress)


def seed_into(
    server: Server,
    name: str,
    profile: str | Profile,
    seed: int,
    *,
    scale: float = 1.0,
    messages: int | None = None,
    workers: int | None = None,
    fresh: bool = False,
    at: str = "baseline",
    progress: Progress | None = None,
    project: Project | None = None,
    allow_foreign: bool = False,
) -> Dataset:
    """Fill database `name`: made when absent, refused unless it is empty. It is nobody's template.

    An interrupted load drops a database that was made for it, and empties one that was there.
    """
    sized, found = resolve(profile, scale=scale, messages=messages, project=project)
    if not exists(server, name):
        create_database(server, name, kind=_LOADING)
        with _dropped_on_failure(server, name):
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
                kind="seeded",
            )
    if not allow_foreign:
        require_ours(server, name)
    with connect(server.conninfo(name)) as connection:
        check_empty(connection)
    with _emptied_on_failure(server, name):
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
            kind=None if allow_foreign else "seeded",
        )


@contextmanager
def _dropped_on_failure(server: Server, name: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        drop_database(server, name)
        raise


@contextmanager
def _emptied_on_failure(server: Server, name: str) -> Iterator[None]:
    """The database was empty, so all that is in it now is ours."""
    try:
        yield
    except BaseException:
        with connect(server.conninfo(name)) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        raise


def fill(
    server: Server,
    name: str,
    profile: Profile,
    seed: int,
    *,
    project: Project,
    workers: int | None = None,
    fresh: bool = False,
    at: str = "baseline",
    progress: Progress | None = None,
    kind: str | None = KIND,
) -> Dataset:
    """Load into the empty database `name` and mark it with what it holds (kind None: leave its marker alone)."""
    begun = time.monotonic()
    loaded = load(
        server.conninfo(name),
        profile,
        seed,
        schema=_schema(project, at),
        vocabulary=_vocabulary(project),
        workers=workers,
        fresh=fresh,
        at=layout(at),
        progress=progress or silent,
    )
    if layout(at).at_head:
        stamp_head(server.conninfo(name), project)
    mark = fingerprint(profile, seed, project, fresh=fresh, at=at)
    dataset = _described(name, profile, seed, loaded, mark=mark, elapsed=time.monotonic() - begun)
    if kind is not None:
        write_marker(server, name, {"kind": kind, **_marker(dataset)})
    return dataset


def stamp_head(conninfo: str, project: Project) -> None:
    """Write down, where Alembic looks for it, that the schema is at the last revision."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - needed here alone, and slow to import

    head = ScriptDirectory(str(project.migrations)).get_current_head()
    with connect(conninfo) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
        connection.execute("INSERT INTO alembic_version VALUES (%s)", (head,))


def _described(name: str, profile: Profile, seed: int, loaded: Loaded, *, mark: str, elapsed: float) -> Dataset:
    return Dataset(
        name=name,
        profile=profile.name,
        seed=seed,
        messages=profile.messages.count,
        rows=loaded.rows,
        octets=loaded.octets,
        checksums=loaded.checksums,
        elapsed=round(elapsed, 3),
        seconds={stage: round(seconds, 3) for stage, seconds in loaded.seconds.items()},
        client_cpu=round(loaded.client_cpu, 3),
        server_cpu=None if loaded.server_cpu is None else round(loaded.server_cpu, 3),
        client_peak_mb=loaded.client_peak_mb,
        workers=loaded.workers,
        created=int(time.time()),
        fingerprint=mark,
    )


_KEPT = (
    "profile", "seed", "messages", "rows", "octets", "checksums", "elapsed", "seconds", "client_cpu", "server_cpu",
    "client_peak_mb", "workers",
    "created", "fingerprint",
)  # fmt: skip


def _marker(dataset: Dataset) -> dict[str, Any]:
    return {key: getattr(dataset, key) for key in _KEPT}


def _from_marker(name: str, marker: dict[str, Any]) -> Dataset | None:
    """None for a marker that another version of inboxbench wrote with other facts."""
    if not marker.keys() >= set(_KEPT):
        return None
    return Dataset(name=name, reused=True, **{key: marker[key] for key in _KEPT})


def _found(server: Server, name: str, mark: str) -> Dataset | None:
    """The dataset of that name if it is whole; what a killed load or another version left is removed."""
    marker = read_marker(server, name)
    if marker is None:
        return None
    whole = _from_marker(name, marker) if marker.get("kind") == KIND else None
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


@dataclass(frozen=True, slots=True)
class Stored:
    """A dataset as `dataset list` shows it; `dataset` is None for what a killed load or another version left."""

    name: str
    size: int
    created: int
    dataset: Dataset | None


def list_datasets(server: Server) -> list[Stored]:
    found = []
    for info in list_databases(server):
        marker = info.marker or {}
        if marker.get("kind") in (KIND, _LOADING):
            whole = _from_marker(info.name, marker) if marker["kind"] == KIND else None
            found.append(Stored(info.name, info.size, int(marker.get("created", 0)), whole))
    return found


def remove_dataset(server: Server, name: str) -> None:
    """Drop a dataset. Raises UsageError for a name that is none, or one that is in use."""
    names = [stored.name for stored in list_datasets(server)]
    if name not in names:
        raise unknown("dataset", name, names)
    try:
        drop_database(server, name)
    except psycopg.errors.ObjectInUse:
        raise UsageError(f"dataset {name} is in use; end the sessions connected to it first") from None

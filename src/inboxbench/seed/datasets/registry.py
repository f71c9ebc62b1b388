"""Datasets that a server keeps: what is known of one, where that is written down, how they are listed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import psycopg

from inboxbench import units
from inboxbench.database import clone_database, database_name, drop_database, list_databases
from inboxbench.errors import UsageError, unknown
from inboxbench.server import Server

# Raised whenever the same profile and seed would give other rows than before.
GENERATOR = 2
KIND = "dataset"
LOADING = "loading"
COPY = "copy"  # of a dataset, made for the user


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
    at: str  # the schema it was seeded at: baseline or head
    churn: dict[str, Any] | None  # its past; None for one that is as loaded
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
            "at": self.at,
            "fresh": self.churn is None,
            "reused": self.reused,
        }


_KEPT = (
    "profile", "seed", "messages", "rows", "octets", "checksums", "elapsed", "seconds", "client_cpu", "server_cpu",
    "client_peak_mb", "workers",
    "created", "fingerprint", "at", "churn",
)  # fmt: skip


def marker_of(dataset: Dataset) -> dict[str, Any]:
    return {key: getattr(dataset, key) for key in _KEPT}


def from_marker(name: str, marker: dict[str, Any]) -> Dataset | None:
    """None for a marker that another version of inboxbench wrote with other facts."""
    if not marker.keys() >= set(_KEPT):
        return None
    return Dataset(name=name, reused=True, **{key: marker[key] for key in _KEPT})


@dataclass(frozen=True, slots=True)
class Stored:
    """A dataset as `dataset list` shows it; `dataset` is None for what a killed load or another version left, and
    for a copy of the dataset `template`."""

    name: str
    size: int
    created: int
    dataset: Dataset | None
    template: str | None = None


def list_datasets(server: Server) -> list[Stored]:
    found = []
    for info in list_databases(server):
        marker = info.marker or {}
        if marker.get("kind") in (KIND, LOADING, COPY):
            whole = from_marker(info.name, marker) if marker["kind"] == KIND else None
            found.append(Stored(info.name, info.size, int(marker.get("created", 0)), whole, marker.get("template")))
    return found


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy of a dataset: bytes, and the seconds it took."""

    template: str
    name: str
    size: int
    elapsed: float

    @property
    def seconds_per_gb(self) -> float:
        return self.elapsed / (self.size / units.SIZES["GB"])


def copy_dataset(server: Server, template: str, name: str | None = None) -> Copied:
    """A database to work in, with the dataset's files as they are: order, dead tuples, visibility map.

    Raises UsageError for a `template` that is no dataset and a `name` that is taken or not ours to make.
    """
    stored = {one.name: one for one in list_datasets(server)}
    if template not in stored:
        raise unknown("dataset", template, list(stored))
    target = name or database_name("copy")
    begun = time.monotonic()
    clone_database(server, template, target, kind=COPY)
    return Copied(template, target, stored[template].size, round(time.monotonic() - begun, 3))


def remove_dataset(server: Server, name: str) -> None:
    """Drop a dataset. Raises UsageError for a name that is none, or one that is in use."""
    names = [stored.name for stored in list_datasets(server)]
    if name not in names:
        raise unknown("dataset", name, names)
    try:
        drop_database(server, name)
    except psycopg.errors.ObjectInUse:
        raise UsageError(f"dataset {name} is in use; end the sessions connected to it first") from None

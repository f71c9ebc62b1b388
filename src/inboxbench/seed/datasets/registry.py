"""Datasets that a server keeps: what is known of one, where that is written down, how they are listed."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

from inboxbench import units
from inboxbench.database import clone_database, drop_database, list_databases
from inboxbench.database_marks import database_name
from inboxbench.errors import UsageError, unknown
from inboxbench.leftovers import temporary_databases
from inboxbench.record import restored
from inboxbench.server import Server

_MOST = 1 << 62  # what a marker's numbers stay below
KIND = "dataset"
LOADING = "loading"
SEEDED = "seeded"  # a database that the user named
COPY = "copy"  # of a dataset, made for the user


@dataclass(frozen=True, slots=True)
class Dataset:
    """A seeded database. counted: the table whose rows a size counts; elapsed: seconds that its load took, also when
    it was found and not loaded now."""

    name: str
    profile: str
    seed: int
    counted: str
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
    generator: int  # version of its row source
    reused: bool = False

    @property
    def size(self) -> int:
        """Rows of the table `counted`."""
        return self.rows[self.counted]

    @property
    def counted_per_s(self) -> float:
        """Rows of that table a second of generating and sending, keys and indexes not counted."""
        return self.size / max(self.seconds["rows"], 1e-9)

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
            self.counted: self.size,
            "database": self.name,
            "rows": self.rows,
            "elapsed_s": self.elapsed,
            "stages_s": self.seconds,
            f"{self.counted}_per_s": round(self.counted_per_s),
            "rows_per_s": round(self.rows_per_s),
            "bytes": self.bytes,
            "checksums": self.checksums,
            "client_cpu_s": self.client_cpu,
            "server_cpu_s": self.server_cpu,
            "client_peak_mb": self.client_peak_mb,
            "workers": self.workers,
            "generator": self.generator,
            "at": self.at,
            "fresh": self.churn is None,
            "reused": self.reused,
        }


_KEPT = (
    "profile", "seed", "rows", "octets", "checksums", "elapsed", "seconds", "client_cpu", "server_cpu",
    "client_peak_mb", "workers", "created", "fingerprint", "at", "churn",
)  # fmt: skip


def marker_of(dataset: Dataset) -> dict[str, Any]:
    return {key: getattr(dataset, key) for key in (*_KEPT, "counted", "generator")}


def from_marker(name: str, marker: dict[str, Any]) -> Dataset | None:
    """None for a marker that another version of inboxbench, or somebody else, wrote with other facts.

    Markers and exports from before row sources do not say which table was counted: it was the largest.
    """
    try:
        rows = marker["rows"]
        later = {"counted": marker.get("counted") or max(rows, key=rows.get), "generator": marker.get("generator", 0)}
        facts = {key: marker[key] for key in _KEPT}
        dataset = restored(Dataset, {"name": name, "reused": True, **facts, **later})
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return dataset if _is_whole(dataset) else None


def _is_whole(dataset: Dataset) -> bool:
    """Whether it has rows, bytes and a checksum of every table, and the time of its load."""
    numbers = (*dataset.rows.values(), *dataset.octets.values())
    return (
        dataset.counted in dataset.rows
        and dataset.rows.keys() == dataset.octets.keys() == dataset.checksums.keys()
        and all(0 <= number <= _MOST for number in numbers)
        and "rows" in dataset.seconds
        and 0 <= dataset.created <= _MOST
    )


@dataclass(frozen=True, slots=True)
class Stored:
    """A dataset as `dataset list` shows it; `dataset` is None for what a killed load or another version left, and
    for a copy of the dataset `template`."""

    name: str
    size: int
    created: int
    dataset: Dataset | None
    template: str | None = None

    def to_json(self) -> dict[str, Any]:
        """What `dataset list --format json` says of it."""
        document = asdict(self)
        if self.dataset is not None:
            document["dataset"][self.dataset.counted] = self.dataset.size
        return document


def list_datasets(server: Server) -> list[Stored]:
    """Datasets, what is left of killed loads, and copies, by name."""
    stored = []
    for info in list_databases(server):
        marker = info.marker or {}
        if marker.get("kind") in [KIND, LOADING, COPY]:  # a list, since a marker may hold what has no hash
            whole = from_marker(info.name, marker) if marker["kind"] == KIND else None
            template, created = marker.get("template"), marker.get("created")
            created = created if isinstance(created, int) and 0 <= created <= _MOST else 0
            stored.append(Stored(info.name, info.size, created, whole, template if isinstance(template, str) else None))
    return stored


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
    stored = {dataset.name: dataset for dataset in list_datasets(server)}
    if template not in stored:
        raise unknown("dataset", template, list(stored))
    target = name or database_name("copy")
    begun = time.monotonic()
    clone_database(server, template, target, kind=COPY, kept=True)
    return Copied(template, target, stored[template].size, round(time.monotonic() - begun, 3))


def remove_dataset(server: Server, name: str) -> None:
    """Drop a dataset, or what a command has left. Raises UsageError for a name that is neither, or one in use."""
    left = {database.name: database for database in temporary_databases(server)}
    names = {*left, *(stored.name for stored in list_datasets(server))}
    if name not in names:
        raise unknown("dataset", name, names)
    if name in left and left[name].state == "running":
        raise UsageError(f"{name} is in use by {left[name].owner}, which runs; end that first")
    try:
        drop_database(server, name)
    except psycopg.errors.ObjectInUse:
        raise UsageError(f"dataset {name} is in use; end the sessions connected to it first") from None

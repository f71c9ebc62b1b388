"""A run as values: what `run.json` says, typed, with every absent part empty and every absent figure None."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inboxbench.record import read
from inboxbench.report.verdict import Verdict

# A standstill of the instrument that is shorter is not worth a word.
NOTICED_MS = 50.0
_RATE = "_per_s"


def _key(name: str, **default: Any) -> Any:
    """Return a field that has another name in the JSON, because that one is a keyword, or the table of a project's
    case.
    """
    return field(metadata={"json": name}, **default)


@dataclass(frozen=True, slots=True)
class Tool:
    name: str = "inboxbench"
    version: str = ""
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    cpu: str | None = None
    cores: int | None = None
    memory_gb: float | None = None
    os: str | None = None
    python: str | None = None


@dataclass(frozen=True, slots=True)
class Server:
    label: str = ""
    version: int | str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seed:
    """What was loaded. rows, checksums: by table; rates: loaded a second, of the project's largest table and of all
    rows, by the word for it."""

    profile: str = ""
    seed: int | str | None = None
    rows: Mapping[str, int] = field(default_factory=dict)
    elapsed_s: float | None = None
    rates: Mapping[str, float] = field(default_factory=dict)
    bytes: int | None = None
    checksums: Mapping[str, str] = field(default_factory=dict)

    @property
    def largest(self) -> str | None:
        """Return the table with most rows."""
        return max(self.rows, key=lambda table: self.rows[table], default=None)

    @property
    def rate(self) -> tuple[str, float] | None:
        """Return what was loaded, and how much of it a second: of the largest table where that is known, else of all
        rows.
        """
        return next(iter(sorted(self.rates.items(), key=lambda item: item[0] == "rows")), None)


@dataclass(frozen=True, slots=True)
class Revision:
    revision: str
    slug: str = ""
    kind: str = ""
    phase: int | str | None = None
    ids: Sequence[str] = ()
    elapsed_s: float | None = None
    started_s: float | None = None
    rows: int | None = None
    title: str = ""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one class of requests saw while the migration ran; course: its latencies over time, if recorded.

    still_ms: how much of max_stall_ms the instrument itself stood still; max_wait_ms: the longest latency without that.
    """

    name: str = _key("class")
    kind: str = ""
    requests: int | None = None
    errors: int | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    max_stall_ms: float | None = None
    still_ms: float | None = None
    max_wait_ms: float | None = None
    worst_revision: str | None = None
    first_error: str | None = None
    course: Sequence[Mapping[str, Any]] = ()

    @property
    def waited_ms(self) -> float | None:
        """Return the longest wait that was not the instrument's; older records cannot tell the two apart."""
        return self.max_stall_ms if self.max_wait_ms is None else self.max_wait_ms


@dataclass(frozen=True, slots=True)
class Migration:
    """An upgrade. dry_run: its document, when it was observed as a dry run; notes: what no wait must be blamed on."""

    from_revision: str | None = _key("from", default=None)
    to_revision: str | None = _key("to", default=None)
    elapsed_s: float | None = None
    revisions: Sequence[Revision] = ()
    traffic: Sequence[Traffic] = ()
    notes: Sequence[str] = ()
    dry_run: Mapping[str, Any] | None = None

    def worst(self, kind: str) -> Traffic | None:
        """Return the class of this kind (`read` or `write`) that waited longest."""
        waited = [t for t in self.traffic if t.kind == kind and t.waited_ms is not None]
        return max(waited, key=lambda t: t.waited_ms or 0.0, default=None)

    @property
    def standstill(self) -> Traffic | None:
        """Return the class whose longest stall was the instrument's own for longest."""
        still = [t for t in self.traffic if (t.still_ms or 0.0) >= NOTICED_MS]
        return max(still, key=lambda t: t.still_ms or 0.0, default=None)


@dataclass(frozen=True, slots=True)
class Query:
    name: str
    family: str = ""
    title: str = ""
    ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ParameterClass:
    name: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Index:
    name: str
    definition: str = ""
    serves: Sequence[str] = ()
    bytes: int | None = None
    build_s: float | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """What one kind of write costs under a set."""

    name: str
    title: str = ""
    wal_bytes: float | None = None
    per_s: float | None = None
    hot_share: float | None = None


@dataclass(frozen=True, slots=True)
class IndexSet:
    name: str
    title: str = ""
    why: str = ""
    indexes: Sequence[Index] = ()
    bytes: int | None = None
    build_s: float | None = None
    insert_wal_bytes: float | None = None
    update_wal_bytes: float | None = None
    insert_per_s: float | None = None
    hot_share: float | None = None
    writes: Sequence[Write] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """One query under one index set with one class of parameters; `failure` says why there are no figures.

    below_floor: the client's time is within that of a query with nothing to do, so that it says little.
    """

    query: str
    parameter_class: str = _key("class")
    index_set: str = _key("set")
    params: Mapping[str, Any] = field(default_factory=dict)
    rows: int | None = None
    buffers: float | None = None
    median_ms: float | None = None
    p95_ms: float | None = None
    plan: str | None = None
    same_rows: bool | None = None
    undecided: str | None = None
    failure: str | None = None
    stopped: bool = False
    below_floor: bool = False

    @property
    def name(self) -> str:
        return f"{self.query} [{self.parameter_class}]"


@dataclass(frozen=True, slots=True)
class Matrix:
    profile: str = ""
    queries: Sequence[Query] = ()
    classes: Sequence[ParameterClass] = ()
    sets: Sequence[IndexSet] = ()
    cells: Sequence[Cell] = ()
    ties: Sequence[str] = ()
    generic_plans: Sequence[str] = ()
    notes: Sequence[str] = ()
    caveats: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Race:
    """One strategy under so many workers on one server.

    rows: that they claim; `doubles` counts claims that replaced a holder; `safe` is what the strategy says of itself.
    """

    strategy: str
    server: str = ""
    workers: int | None = None
    rows: int | None = _key("conversations", default=None)
    assigned: int | None = None
    doubles: int | None = None
    retries: int | None = None
    deadlocks: int | None = None
    seconds: float | None = None
    per_s: float | None = None
    safe: bool | None = None
    think_ms: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    driver: str | None = None
    times_naive: float | None = None

    @property
    def load(self) -> tuple[str, str | None, float | None]:
        """Races of one load differ in workers and strategy only."""
        return self.server, self.driver, self.think_ms

    @property
    def doubled(self) -> bool:
        return bool(self.doubles)

    @property
    def broken(self) -> bool:
        """It doubled and had not said that it would."""
        return self.doubled and self.safe is not False


@dataclass(frozen=True, slots=True)
class AtlasCell:
    """One way to do one thing at one isolation level: `bad` of `schedules` break it; `safe` is what it claims.

    aborted: schedules in which the server refused a session, deadlocked: for a deadlock.
    """

    family: str
    entry: str
    level: str
    schedules: int = 0
    bad: int = 0
    aborted: int = 0
    deadlocked: int = 0
    safe: bool | None = None
    counterexample: str | None = None
    title: str = ""
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Joined:
    """A document that another command wrote, and the name of its file."""

    source: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """labs and dry_runs: documents that were joined to the record."""

    tool: Tool = Tool()
    started_at: str | None = None
    finished_at: str | None = None
    elapsed_s: float | None = None
    machine: Machine | None = None
    server: Server | None = None
    seed: Seed | None = None
    migration: Migration | None = None
    matrix: Matrix | None = None
    races: Sequence[Race] = ()
    atlas: Sequence[AtlasCell] = ()
    verdict: Verdict = field(default_factory=Verdict)
    labs: Sequence[Joined] = ()
    dry_runs: Sequence[Joined] = ()


def read_run(document: Mapping[str, Any]) -> Run:
    """Return the typed run of a validated document; what this version does not know is left out."""
    parts = {name: part for name, part in document.items() if part != {}}
    if seed := parts.get("seed"):
        rates = {key.removesuffix(_RATE): rate for key, rate in seed.items() if key.endswith(_RATE)}
        parts["seed"] = seed | {"rates": {what: rate for what, rate in rates.items() if rate is not None}}
    migration = parts.get("migration")
    if migration and "statements" in migration:
        parts["migration"] = migration | {"dry_run": migration}
    return read(Run, parts)

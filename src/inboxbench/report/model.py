"""A run as values: what `run.json` says, typed, with every absent part empty and every absent figure None."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# A standstill of the instrument that is shorter is not worth a word.
NOTICED_MS = 50.0


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
    profile: str = ""
    seed: int | str | None = None
    rows: Mapping[str, int] = field(default_factory=dict)
    elapsed_s: float | None = None
    messages_per_s: float | None = None
    rows_per_s: float | None = None
    bytes: int | None = None
    checksums: Mapping[str, str] = field(default_factory=dict)


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

    parameter_class: str
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
    def name(self) -> str:
        return self.parameter_class

    @property
    def waited_ms(self) -> float | None:
        """The longest wait that was not the instrument's; older records cannot tell the two apart."""
        return self.max_stall_ms if self.max_wait_ms is None else self.max_wait_ms


@dataclass(frozen=True, slots=True)
class Migration:
    """An upgrade. dry_run: its document, when it was observed as a dry run; notes: what no wait must be blamed on."""

    from_revision: str | None = None
    to_revision: str | None = None
    elapsed_s: float | None = None
    revisions: Sequence[Revision] = ()
    traffic: Sequence[Traffic] = ()
    notes: Sequence[str] = ()
    dry_run: Mapping[str, Any] | None = None

    def worst(self, kind: str) -> Traffic | None:
        """The class of this kind (`read` or `write`) that waited longest."""
        waited = [t for t in self.traffic if t.kind == kind and t.waited_ms is not None]
        return max(waited, key=lambda t: t.waited_ms or 0.0, default=None)

    @property
    def standstill(self) -> Traffic | None:
        """The class whose longest stall was the instrument's own for longest."""
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
    """One query under one index set with one class of parameters; `failure` says why there are no figures."""

    query: str
    parameter_class: str
    index_set: str
    params: Mapping[str, Any] = field(default_factory=dict)
    rows: int | None = None
    buffers: float | None = None
    median_ms: float | None = None
    p95_ms: float | None = None
    plan: str | None = None
    same_rows: bool | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Matrix:
    profile: str = ""
    queries: Sequence[Query] = ()
    classes: Sequence[ParameterClass] = ()
    sets: Sequence[IndexSet] = ()
    cells: Sequence[Cell] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Race:
    """One strategy hammered by so many workers on one server.

    `doubles` counts assignments that replaced a holder; `safe` is what the strategy claims of itself.
    """

    strategy: str
    server: str = ""
    workers: int | None = None
    conversations: int | None = None
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
class ParetoRow:
    """A set at the run's mix of requests: reads and milliseconds are geometric means over the queries, of the mean and
    of the worst class of parameters; costs are pages of a mean read, write and request."""

    index_set: str
    reads_mean: float | None = None
    reads_worst: float | None = None
    ms_mean: float | None = None
    ms_worst: float | None = None
    insert_per_s: float | None = None
    update_per_s: float | None = None
    read_cost: float | None = None
    write_cost: float | None = None
    cost: float | None = None
    lower_bound: bool = False
    dominated_by: str | None = None
    recommended: bool = False


@dataclass(frozen=True, slots=True)
class BreakEven:
    """From so many reads for a write on the `reader` costs less than the `leaner`; `always`: that set at any number."""

    leaner: str
    reader: str
    reads_per_write: float | None = None
    reads_per_write_by_time: float | None = None
    always: str | None = None
    upper_bound: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """labs and dry_runs: documents with their source, as other commands wrote them."""

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
    verdict: Mapping[str, Any] = field(default_factory=dict)
    pareto: Sequence[ParetoRow] = ()
    break_even: Sequence[BreakEven] = ()
    labs: Sequence[Mapping[str, Any]] = ()
    dry_runs: Sequence[Mapping[str, Any]] = ()

    @property
    def mix(self) -> str:
        """The requests that the sets were judged for, in words; empty in the record of an older version."""
        return str((self.verdict.get("mix") or {}).get("text", ""))

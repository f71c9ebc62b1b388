"""What a dry run says under `more`: the schema that rules read, the growth over rows, and what each probe saw.

The fields are named as the keys of the JSON document.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from inboxbench.record import as_json
from inboxbench.sqltree import parse

if TYPE_CHECKING:
    from inboxbench.dryrun.model import ClassSummary, Revision, Statement
    from inboxbench.dryrun.rewrites.change_type import Dependents
    from inboxbench.dryrun.rewrites.partitioned import Partitions


@dataclass(frozen=True, slots=True)
class Schema:
    """What the catalogue says of tables (by schema.name) and of columns (by schema.table.column).

    keys: the columns of each primary key, quoted as they need it, with commas between, "" for a table without one.
    columns: what depends on each column that is given another type. children: partitions and inheriting tables.
    partitions: of each partitioned table. rows: estimates on the copy; production: those that --rows gives.
    enums: the values of each type, by name, before the run.
    """

    keys: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Dependents] = field(default_factory=dict)
    children: tuple[str, ...] = ()
    partitions: Mapping[str, Partitions] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    production: Mapping[str, int] = field(default_factory=dict)
    enums: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inner:
    """A text that ran within a statement, in its functions and triggers, with placeholders for its values. calls: how
    often; rows: that it changed or gave in all.
    """

    sql: str
    calls: int
    rows: int

    @property
    def writes(self) -> bool:
        """Return whether it changes rows."""
        return any(command.writes for command in parse(self.sql).commands)


# Of a comparison, in the order in which they are shown.
FIGURES = {
    "reads_blocked_ms": "reads blocked at a stretch",
    "writes_blocked_ms": "writes blocked at a stretch",
    "queued_ms": "longest wait for a lock of its own",
    "duration_ms": "duration",
    "wal_bytes": "WAL",
    "peak_bytes": "extra disk",
    "rows_locked_at_once": "rows changed at once",
    "read_stalled_ms": "longest wait of a read",
    "write_stalled_ms": "longest wait of a write",
    "requests_failed": "requests that failed",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The rewrite, run on the same rows under the same traffic: figures of the original and of the rewrite.

    titles: what the figures are called, in the order in which they are shown.
    """

    code: str
    original: dict[str, float]
    rewrite: dict[str, float]
    titles: dict[str, str] = field(default_factory=FIGURES.copy)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Something of a table that is not whole after the run. kind: `index`, `constraint`, `trigger`, `rule` or
    `partition`; what: its state as the catalogue has it; before: it was so before the run as well.
    """

    kind: str
    name: str
    table: str
    what: str
    before: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.kind, self.name, self.table)

    @property
    def index(self) -> bool:
        return self.kind == "index"

    @property
    def shown(self) -> str:
        """Return it in words, as the beginning of a sentence."""
        return f"{self.kind} {self.name} of {self.table} {self.what}"

    def marked(self, *, before: bool) -> Unfinished:
        """Return it with the remark whether it was so before the run."""
        return replace(self, before=before)


@dataclass(frozen=True, slots=True)
class Hung:
    """Why the command did not end in its time. what: who waited for whom then, in words; statement: the number of what
    it stood at; own: it waited for another session of the same command, so that no time helps.
    """

    what: str
    statement: int | None = None
    relation: str | None = None
    own: bool = False


@dataclass(frozen=True, slots=True)
class Curve:
    """A cost over rows, start + slope · rows; k is the exponent of a power law through the same points.

    value: at the rows of production; origin: whether that was measured or extrapolated; error: its standard error, of
    the fit where it was measured, of the prediction where it is extrapolated.
    """

    measure: str
    points: tuple[tuple[int, float], ...]
    start: float
    slope: float
    error: float
    k: float
    value: float
    origin: Literal["measured", "extrapolated"]

    @property
    def constant(self) -> bool:
        return self.slope == 0


@dataclass(frozen=True, slots=True)
class Grown:
    """How the costs of a statement grow, its batches taken together, or those of a whole revision where sql is None.

    rows: of `tables` in production; where it worked on none that outlived the migrations, `tables` is empty and the
    rows are those of all.
    """

    revision: str
    sql: str | None
    tables: tuple[str, ...]
    rows: int
    curves: tuple[Curve, ...]

    def curve(self, measure: str) -> Curve:
        return next(curve for curve in self.curves if curve.measure == measure)


@dataclass(frozen=True, slots=True)
class Scales:
    """Growth over several sizes, worst first: the longest lock hold or stall, then the longest duration.

    shares: of the source's rows; rows: those of production by table; fewest: sizes that a fit needs.
    """

    model: Literal["affine"]
    fewest: int
    shares: tuple[float, ...]
    rows: Mapping[str, int]
    rows_from: Literal["--rows", "statistics"]
    statements: tuple[Grown, ...]
    revisions: tuple[Grown, ...]


@dataclass(frozen=True, slots=True)
class Queueing:
    """One migration run that queued behind a transaction, with one lock_timeout or without.

    attempts: how often the command was started; transactions: how many of the other session it met; error: what
    ended it for good, None when it came through. The stalls of `traffic` have no statement numbers.
    """

    lock_timeout_ms: float | None
    attempts: int
    seconds: float
    transactions: int = field(metadata={"json": "turns"})
    error: str | None
    traffic: tuple[ClassSummary, ...] = field(metadata={"json": "felt"})
    worst_ms: float
    worst_class: str | None


@dataclass(frozen=True, slots=True)
class Shuffle:
    """One round of --shuffle-traffic. orders: the tables that each reader takes; cycles: its deadlocks, in words."""

    seed: int
    orders: tuple[tuple[str, ...], ...]
    deadlocks: int
    cycles: tuple[str, ...]
    error: str | None


@dataclass(frozen=True, slots=True)
class Loss:
    """What is not as it was before the way up and back. column is None for the table itself."""

    table: str
    column: str | None
    what: str


@dataclass(frozen=True, slots=True)
class Back:
    """The way back to `target`, as it was measured; error says why it could not be measured."""

    target: str
    error: str | None
    lost: tuple[Loss, ...] = ()
    revisions: tuple[Revision, ...] = ()
    statements: tuple[Statement, ...] = ()
    traffic: tuple[ClassSummary, ...] = ()


@dataclass(frozen=True, slots=True)
class More:
    """Each is None where nothing asked for it."""

    schema: Schema | None = None
    unfinished: tuple[Unfinished, ...] | None = None
    hung: Hung | None = None
    long_reader: tuple[Queueing, ...] | None = None
    old_snapshot: tuple[Queueing, ...] | None = None
    shuffle_traffic: tuple[Shuffle, ...] | None = None
    downgrade: Back | None = None
    scales: Scales | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what there is; the schema's parts stand next to the others."""
        document: dict[str, Any] = {name: value for name, value in as_json(self).items() if value is not None}
        return {**document.pop("schema", {}), **document}

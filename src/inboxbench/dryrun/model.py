"""The values that a dry run consists of: revisions, statements with their locks, what traffic waited for, and findings.

Times are milliseconds since the run's clock began (`*_ms` that name a moment) or lengths (`duration_ms`, `held_ms`).
Everything here was observed on the server unless a field says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from inboxbench.documents import check_schema
from inboxbench.dryrun.more import Comparison, Inner, More
from inboxbench.record import as_json
from inboxbench.sqltree import Parsed, parse
from inboxbench.traffic.latency import Interval

SCHEMA_VERSION = 1

LockMode = Literal[
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
]
# How a lock was seen: by the session's own event trigger, by another session that polls, in the plan that ran
# (which locks what it reads and writes), or by the file that changed (which takes ACCESS EXCLUSIVE).
Seen = Literal["event trigger", "poll", "plan", "file node"]
MODES: tuple[LockMode, ...] = get_args(LockMode)  # weakest first


@dataclass(frozen=True, slots=True)
class Lock:
    """The strongest mode a statement took on one relation. held_ms runs to the end of its transaction.

    relation is schema.name; kind is that of pg_class (table, index, toast, view, materialized view, sequence, type);
    waited_ms is how long the statement itself queued for it. created: its own transaction made the relation, so it is
    in nobody's way; covered: what its index, TOAST table or sequence belongs to is locked against the same people.
    through: number of the last statement of its transaction that began while it was held, its own at least.
    """

    relation: str
    kind: str
    mode: LockMode
    taken_ms: float
    held_ms: float
    waited_ms: float = 0.0
    seen: Seen = "event trigger"
    created: bool = False
    through: int = 0
    covered: bool = False

    @property
    def blocks_reads(self) -> bool:
        """Return whether nobody else may read the relation."""
        return self.mode == "ACCESS EXCLUSIVE"

    @property
    def blocks_writes(self) -> bool:
        """Return whether nobody else may write to the relation."""
        return MODES.index(self.mode) >= MODES.index("SHARE")

    @property
    def of_others(self) -> bool:
        """Return whether it is on a relation that was there before, which others may be using."""
        inner = self.kind == "toast" or self.relation.startswith("pg_toast.")
        return not (inner or self.created or self.covered)

    @property
    def keeps_out(self) -> bool:
        """Return whether those who use such a relation have to wait for it: nobody writes to a view."""
        never_written = self.kind in ("view", "materialized view", "type")
        return self.of_others and (self.blocks_reads if never_written else self.blocks_writes)

    @property
    def titled(self) -> str:
        """Return the relation as a person says it: with its kind, unless it is a table, without the schema public."""
        name = self.relation.removeprefix("public.")
        return name if self.kind == "table" else f"{self.kind} {name}"

    @property
    def kept_out(self) -> str:
        """Return who has to wait for it."""
        if self.kind == "index":
            return f"{'all reads and writes that plan on' if self.blocks_reads else 'writes to'} {self.titled}"
        if self.kind == "sequence":
            return f"{'all uses of' if self.blocks_reads else 'nextval() of'} {self.titled}"
        if self.kind != "table":
            return f"all uses of {self.titled}"
        return f"{'all reads and writes' if self.blocks_reads else 'inserts, updates and deletes'} of {self.titled}"


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A relation whose file was rewritten, also when that happened under a new OID."""

    relation: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Scan:
    """Rows that full scans of a relation read."""

    relation: str
    rows: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """A text that was run, with its place among all statements and the values of its placeholders."""

    number: int
    sql: str
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of the history, or many of a transaction that differ in their values alone.

    number counts from 1; revision is None outside any; line is that of its source file.
    dead_tuples are those it left behind, peak_bytes the extra disk at its highest, temp_bytes temporary files.
    lock_timeout_ms is its session's (0: none; None: not seen, as of what fires no event trigger). values of its
    placeholders by number, as literals: to run it again. They may be anybody's data and stay out of every output.
    stamps: it writes to the version table of the migration tool. sqlstate: of its error, where the server said one.
    times: how many it stands for (`folding.fold`): its text is the first one's, its figures are their sums, and
    `repeats` are all of their texts; the numbers of the others are left out. inner: what its functions and triggers
    ran; rows_at_once: of a CALL or DO that commits inside, the most rows that a transaction of it changed.
    """

    number: int
    revision: str | None
    sql: str
    pid: int
    transaction: int
    started_ms: float
    duration_ms: float
    wal_bytes: int = 0
    locks: tuple[Lock, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    scans: tuple[Scan, ...] = ()
    dead_tuples: int = 0
    peak_bytes: int = 0
    temp_bytes: int = 0
    file: str | None = None
    line: int | None = None
    error: str | None = None
    lock_timeout_ms: float | None = None
    values: dict[str, str] = field(default_factory=dict, metadata={"json": None})
    stamps: bool = field(default=False, metadata={"json": None})
    times: int = 1
    repeats: tuple[Repeat, ...] = field(default=(), metadata={"json": None})
    sqlstate: str | None = field(default=None, metadata={"json": None})
    inner: tuple[Inner, ...] = ()
    rows_at_once: int | None = None

    @property
    def parsed(self) -> Parsed:
        """Return what its text says; texts that are alike are read once."""
        return parse(self.sql)


@dataclass(frozen=True, slots=True)
class Transaction:
    """From the first lock-taking statement to COMMIT or ROLLBACK; a lone statement is one of its own."""

    number: int
    pid: int
    started_ms: float
    finished_ms: float
    outcome: Literal["commit", "rollback"]
    revisions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Revision:
    revision: str
    title: str
    file: str | None
    started_ms: float
    finished_ms: float
    wal_bytes: int = 0
    peak_bytes: int = 0
    invalid_indexes: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Stall:
    """A request that had to wait, and for what: the statement and the lock that stood in its way, when known.

    The longest of `requests` that the same cause held up in one go. queued: the statement did not have that lock
    yet but stood before the request in the queue for it, behind `behind`. Without `held`, no lock was in the way: the
    statement is what ran at that time. still_ms: of it, the clock of the traffic itself stood still so long.
    """

    started_ms: float
    duration_ms: float
    statement: int | None = None
    relation: str | None = None
    wanted: str | None = None
    held: str | None = None
    queued: bool = False
    behind: str | None = None
    requests: int = 1
    still_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Problem:
    """What the server said to `requests` requests, the first at at_ms. state: SQLSTATE, when one was given."""

    state: str | None
    error: str
    requests: int
    at_ms: float


@dataclass(frozen=True, slots=True)
class ClassSummary:
    """What one class of traffic waited for. blocked_ms: all time during which at least one request waited for a lock
    that was held at that moment, by the lock graph; queued_ms: all other time during which a request that a lock held
    up was due and not answered, behind a lock that was not granted yet or behind other requests.

    max_stall_ms: the longest latency as it was measured; still_ms: how much of it the clock of the traffic itself stood
    still. max_wait_ms: the longest latency without such a share, of a request that was due at longest_at_ms. course:
    its latency over the run, in 200 intervals at most.
    """

    name: str = field(metadata={"json": "class"})
    kind: Literal["read", "write"]
    requests: int
    p50_ms: float
    p99_ms: float
    max_stall_ms: float
    blocked_ms: float
    errors: int = 0
    first_error: str | None = None
    deadlocks: int = 0
    deadlock_cycle: str | None = None
    stalls: tuple[Stall, ...] = ()
    course: tuple[Interval, ...] = ()
    problems: tuple[Problem, ...] = ()
    still_ms: float = 0.0
    max_wait_ms: float | None = None
    longest_at_ms: float | None = None
    queued_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Finding:
    """rule is its id (`inboxbench explain RULE`). what: who was blocked and how long, measured; code: to paste; schema:
    that it is about, where tenants (schemas) run the same revision.
    """

    rule: str
    severity: Literal["error", "warning", "note"]
    statement: int
    revision: str | None
    relation: str | None
    what: str
    instead: str
    code: str = ""
    compared: Comparison | None = None
    suppressed: str | None = None
    schema: str | None = None

    @property
    def where(self) -> str:
        """Return `revision …`, with its schema where tenants run the same one; "" for the history as a whole."""
        schema = f" in {self.schema}" if self.schema else ""
        return f"revision {self.revision}{schema}" if self.revision else ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """ships: whether the limits are kept; answer: to "may this ship?"; worst, first: a thing and its remedy."""

    ships: bool
    answer: str
    worst: str
    first: str = ""


@dataclass(frozen=True, slots=True)
class DryRun:
    """A whole run. one_transaction: the history was a single transaction from end to end.

    exit_status is that of the project's own command; error is why the history did not reach its target.
    """

    server: str
    source: str
    command: str
    started: str
    duration_ms: float
    revisions: tuple[Revision, ...]
    statements: tuple[Statement, ...]
    transactions: tuple[Transaction, ...]
    traffic: tuple[ClassSummary, ...] = ()
    findings: tuple[Finding, ...] = ()
    one_transaction: bool = False
    peak_bytes: int = 0
    wal_bytes: int = 0
    invalid_indexes: tuple[str, ...] = ()
    exit_status: int = 0
    error: str | None = None
    notes: tuple[str, ...] = ()
    more: More = field(default_factory=More)
    verdict: Verdict | None = None

    @property
    def statement_count(self) -> int:
        """Return how many statements ran, those that are folded into one counted each."""
        return sum(statement.times for statement in self.statements)

    def to_json(self) -> dict[str, Any]:
        """Return the document of `inboxbench dryrun --format json`."""
        counted = {"statement_count": self.statement_count, "more": self.more.to_json()}
        return {"schema_version": SCHEMA_VERSION, **as_json(self), **counted}


def check_dry_run(document: object, where: str) -> None:
    """Raise UsageError, which begins with `where`, for what is no document of `inboxbench dryrun --format json`."""
    remedy = "name what `inboxbench dryrun --output FILE.json` of this version wrote"
    check_schema(document, where, "inboxbench.dryrun", "dryrun.schema.json", remedy=remedy)

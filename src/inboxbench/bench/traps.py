"""Planner traps: the same question asked two ways, each on rows of its own in a scratch database, which is dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import psycopg

from inboxbench import units
from inboxbench.bench.execute.session import Execution, execute, lab_session
from inboxbench.bench.sets.template import analyse, analyse_all
from inboxbench.database import Connection, scratch_database
from inboxbench.errors import SubjectFailed, ThresholdExceeded, UsageError, unknown
from inboxbench.report.document import Lab
from inboxbench.report.table import Cell, Column, Row, Table, Tone, figures, words
from inboxbench.server import Server, reason
from inboxbench.sqlfile import read_sections
from inboxbench.sqlsheet import Form, Sheet, Titled, read_sheets

_SQL = read_sections(__file__)

SCHEMA_VERSION = 1
TIMEOUT_S = 60.0

Progress = Callable[[int, int, str], None]
_FAILED = ("wrong rows", "failed")
_HARMLESS = ("does not spring", "good plan is not good")
Outcome = Literal["springs", "mended", "does not spring", "good plan is not good", "wrong rows", "failed"]

FORM = Form(
    keys=("title", "ids", "bad", "good", "floor", "most", "rows", "mended", "locale", "why"),
    required=("title", "ids", "rows", "why"),
    sections=("data", "query", "bad setup", "bad query", "good setup", "good query", "truth"),
)


@dataclass(frozen=True)
class Trap(Titled):
    """floor: how many times the good way's pages the bad way reads at least; most: pages of the good way at most;
    bad_plan, good_plan: what stands in the plan; differs: the bad way gives other rows; mended: the major version
    whose planner knows better; c_locale: the bad way is a database made with LC_CTYPE C."""

    floor: float | None
    most: float | None
    differs: bool
    mended: int | None
    c_locale: bool

    @cached_property
    def ids(self) -> tuple[str, ...]:
        return tuple(self.sheet.header["ids"].split())

    def section(self, name: str) -> str:
        """Its SQL; `query` stands in for a way's own query."""
        own = self.sheet.sections.get(name, "")
        return own or (self.sheet.sections.get("query", "") if name.endswith("query") else "")

    def expected(self, way: str) -> str | None:
        return self.sheet.header.get(way)


def trap_of(sheet: Sheet) -> Trap:
    """Raises UsageError naming the file and the key."""
    rows, locale = sheet.header["rows"], sheet.header.get("locale")
    if rows not in ("same", "different"):
        raise UsageError(f"{sheet.path} rows: {rows!r} is neither 'same' nor 'different'")
    if locale not in (None, "C"):
        raise UsageError(f"{sheet.path} locale: {locale!r} is not 'C', the only one that is tried")
    floor, most, mended = sheet.number("floor"), sheet.number("most"), sheet.number("mended")
    if rows == "same" and floor is None:
        raise UsageError(f"{sheet.path} floor: missing; how many times the good way's pages does the bad way read?")
    trap = Trap(sheet, floor, most, rows == "different", int(mended) if mended else None, locale == "C")
    if not all(trap.section(name) for name in ("data", "bad query", "good query")):
        raise UsageError(f"{sheet.path}: needs `--- data` and `--- query` (or `--- bad query` and `--- good query`)")
    if trap.differs and not trap.section("truth"):
        raise UsageError(f"{sheet.path}: rows are to differ, so `--- truth` must say which are right")
    return trap


def read_traps(folder: Path, names: Iterable[str] = ()) -> tuple[Trap, ...]:
    """`bench/traps/*.sql`, or those named. Raises UsageError for an unknown name or a file that is wrong."""
    known = {sheet.name: trap_of(sheet) for sheet in read_sheets(folder, FORM)}
    for name in names:
        if name not in known:
            raise unknown("trap", name, known)
    return tuple(known[name] for name in dict.fromkeys(names)) or tuple(known.values())


@dataclass(frozen=True, slots=True)
class Sprung:
    """Holds what a server did. bad and good are None when it could not be tried, and `failure` says why."""

    trap: Trap
    outcome: Outcome
    bad: Execution | None = None
    good: Execution | None = None
    remark: str = ""

    @property
    def ratio(self) -> float | None:
        """Return buffers of the bad way over those of the good."""
        return self.bad.buffers / max(self.good.buffers, 1) if self.bad and self.good else None

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.trap.name,
            "title": self.trap.title,
            "ids": list(self.trap.ids),
            "why": self.trap.why,
            "outcome": self.outcome,
            "mended": self.trap.mended,
            "remark": self.remark,
            "rows": "different" if self.trap.differs else "same",
            "floor": self.trap.floor,
            "ratio": None if self.ratio is None else round(self.ratio, 2),
            "bad": self.bad.to_json() if self.bad else None,
            "good": self.good.to_json() if self.good else None,
            "bad_query": self.trap.section("bad query"),
            "good_query": self.trap.section("good query"),
        }


def judge(trap: Trap, bad: Execution, good: Execution, truth: object, major: int) -> Sprung:
    """Rows before counters: a fast wrong answer is no good way, and a slow one that is right is no wrong one."""
    right = good.rows if truth is None else truth
    if good.rows != right or (bad.rows != right and not trap.differs):
        way, given = ("good", good) if good.rows != right else ("bad", bad)
        return Sprung(trap, "wrong rows", bad, good, f"the {way} way's {len(given.rows)} rows are not the right ones")
    if trap.most is not None and good.buffers > trap.most:
        return Sprung(trap, "good plan is not good", bad, good, f"{good.buffers:,} buffers, at most {trap.most:,.0f}")
    if remark := _harmless(trap, bad, good):
        mended = trap.mended is not None and major >= trap.mended
        return Sprung(trap, "mended" if mended else "does not spring", bad, good, remark)
    return Sprung(trap, "springs", bad, good)


def _harmless(trap: Trap, bad: Execution, good: Execution) -> str:
    """Return why the trap did not spring; empty when it did."""
    if trap.differs and bad.rows == good.rows:
        return "both ways give the same rows"
    for way, execution in (("bad", bad), ("good", good)):
        wanted = trap.expected(way)
        if wanted and wanted not in execution.plan.line:
            return f"{wanted} is not in the {way} way's plan: {execution.plan.line}"
    ratio = bad.buffers / max(good.buffers, 1)
    if trap.floor is not None and ratio < trap.floor:
        return f"{ratio:,.1f} times the pages, declared at least {trap.floor:,.0f}"
    return ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Holds what a server did with each trap, the widest ratio first."""

    server: str
    sprung: tuple[Sprung, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "server": self.server,
            "traps": [sprung.to_json() for sprung in self.sprung],
        }

    def require(self) -> None:
        """Raises SubjectFailed when a trap could not be tried or answered wrongly, ThresholdExceeded when one is none
        on this server."""
        for kind, error in ((_FAILED, SubjectFailed), (_HARMLESS, ThresholdExceeded)):
            wrong = [sprung for sprung in self.sprung if sprung.outcome in kind]
            if wrong:
                first, more = wrong[0], f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
                raise error(f"trap {first.trap.name!r} {_verb(first)} on {self.server}: {first.remark}{more}")


def _verb(sprung: Sprung) -> str:
    return {"good plan is not good": "has a good plan that is not good", "wrong rows": "gives wrong rows"}.get(
        sprung.outcome, sprung.outcome
    )


def run_traps(server: Server, traps: Sequence[Trap], *, progress: Progress | None = None) -> Catalogue:
    """Never raises for what a trap does: an error is its named outcome."""
    found = []
    for done, trap in enumerate(traps):
        if progress:
            progress(done, len(traps), trap.title)
        found.append(spring(server, trap))
    return Catalogue(server.label, tuple(sorted(found, key=_rank)))


def _rank(sprung: Sprung) -> tuple[bool, float]:
    """Return what went wrong first, then the widest ratio; wrong rows are worse than any number of pages."""
    fine = sprung.outcome in ("springs", "mended")
    return fine, -(float("inf") if sprung.trap.differs else sprung.ratio or 0.0)


def spring(server: Server, trap: Trap) -> Sprung:
    """Set one trap and see."""
    try:
        with _set(server, trap, c_locale=trap.c_locale) as connection:
            bad = _try(connection, trap, "bad")
            if not trap.c_locale:
                good, truth = _try(connection, trap, "good"), _truth(connection, trap)
        if trap.c_locale:
            with _set(server, trap) as connection:
                good, truth = _try(connection, trap, "good"), _truth(connection, trap)
    except psycopg.Error as error:
        return Sprung(trap, "failed", remark=reason(error))
    return judge(trap, bad, good, truth, server.version // 10_000)


@contextmanager
def _set(server: Server, trap: Trap, *, c_locale: bool = False) -> Iterator[Connection]:
    with (
        scratch_database(server, "trap", c_locale=c_locale) as name,
        lab_session(server, name, timeout_s=TIMEOUT_S) as connection,
    ):
        connection.execute(trap.section("data").encode())
        analyse_all(connection)
        yield connection


def _try(connection: Connection, trap: Trap, way: str) -> Execution:
    """Indexes and settings of the way, statistics of index expressions, then its query."""
    if setup := trap.section(f"{way} setup"):
        connection.execute(setup.encode())
        for schema, table in connection.execute(_SQL["unknown"]).fetchall():
            analyse(connection, (schema, table))
    return execute(connection, trap.section(f"{way} query"))


def _truth(connection: Connection, trap: Trap) -> tuple[tuple[Any, ...], ...] | None:
    """The rows that are right, computed without what is tried; None where the good way's are."""
    query = trap.section("truth")
    return tuple(connection.execute(query.encode()).fetchall()) if query else None


def traps_lab(document: Mapping[str, Any], *, linked: bool = False) -> Lab:
    """Return the table and sentences of what `inboxbench bench traps` wrote. linked: each trap's name is a link to the
    heading of that name, in a Markdown document that has one."""
    columns = [*words("trap", "what", "here"), *figures(units.number, "bad", "good"), Column("ratio", units.times)]
    lead = (
        "Buffers are 8 kB pages of one execution, the same on every run of a server. Every trap has its own rows, made "
        "by bench/traps/NAME.sql, which can be run by hand. Other rows: the bad way answers wrongly, however fast."
    )
    table = Table(
        f"planner traps on {document['server']}, the worst first",
        columns,
        [_row(trap, linked=linked) for trap in document["traps"]],
    )
    sentences = []
    for trap in document["traps"]:
        sentences.append(f"{trap['name']}: {trap['why']}")
        if trap["remark"] and trap["outcome"] != "mended":
            sentences.append(f"{trap['name']} {trap['outcome']}: {trap['remark']}")
    return Lab("traps", "Planner traps", lead, [table], sentences)


def _row(trap: Mapping[str, Any], *, linked: bool) -> Row:
    tones: dict[str, Tone] = {"springs": "", "mended": "good"}
    since = f" since {trap['mended']}" if trap["outcome"] == "mended" and trap.get("mended") else ""
    outcome = Cell(f"{trap['outcome']}{since}", tones.get(trap["outcome"], "bad"))
    ratio = Cell(f"{units.times(trap['ratio'])}, other rows") if trap["rows"] == "different" else trap["ratio"]
    bad, good = (trap[way]["buffers"] if trap[way] else None for way in ("bad", "good"))
    name = Cell(trap["name"], anchor=trap["name"]) if linked else trap["name"]
    return Row([name, trap["title"], outcome, bad, good, ratio])

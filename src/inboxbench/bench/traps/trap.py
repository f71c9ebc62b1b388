"""A planner trap as a value: the same question asked two ways, what each is to read, and what came out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from inboxbench.bench.execute.session import Execution
from inboxbench.errors import UsageError, unknown
from inboxbench.sqlsheet import Form, Sheet, read_sheets

Outcome = Literal["springs", "mended", "does not spring", "good plan is not good", "wrong rows", "failed"]

FORM = Form(
    keys=("title", "ids", "bad", "good", "floor", "most", "rows", "mended", "locale", "why"),
    required=("title", "ids", "rows", "why"),
    sections=("data", "query", "bad setup", "bad query", "good setup", "good query", "truth"),
)


@dataclass(frozen=True)
class Trap:
    """floor: how many times the good way's pages the bad way reads at least; most: pages of the good way at most;
    bad_plan, good_plan: what stands in the plan; differs: the bad way gives other rows; mended: the major version
    whose planner knows better; c_locale: the bad way is a database made with LC_CTYPE C."""

    sheet: Sheet
    floor: float | None
    most: float | None
    differs: bool
    mended: int | None
    c_locale: bool

    @property
    def name(self) -> str:
        return self.sheet.name

    @property
    def title(self) -> str:
        return self.sheet.header["title"]

    @property
    def why(self) -> str:
        return self.sheet.header["why"]

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
    """What a server did. bad and good are None when it could not be tried, and `failure` says why."""

    trap: Trap
    outcome: Outcome
    bad: Execution | None = None
    good: Execution | None = None
    remark: str = ""

    @property
    def ratio(self) -> float | None:
        """Buffers of the bad way over those of the good."""
        return self.bad.buffers / max(self.good.buffers, 1) if self.bad and self.good else None

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.trap.name,
            "title": self.trap.title,
            "ids": list(self.trap.ids),
            "why": self.trap.why,
            "outcome": self.outcome,
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
    """Why the trap did not spring; empty when it did."""
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

"""An advice as tables and sentences: the set, what goes, what each query costs, and what was tried and refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from inboxbench import units
from inboxbench.advise.result import LOSES, Advice, Chosen, QueryChange
from inboxbench.bench.verdict.cost import IN_WORDS
from inboxbench.report.document import Lab
from inboxbench.report.table import Cell, Column, Row, Table

_LEAD = (
    "Every candidate was built on a copy, and every query executed under it whose plan it changed. A request's cost is "
    f"{IN_WORDS}, and a page for each 512 bytes of WAL, midway between the mean and the worst class of values."
)
_MOST_REFUSED = 40
_NAMES = 4


def advise_lab(advice: Advice) -> Lab:
    """Return the advice as tables and sentences."""
    remarks = [*advice.caveats, *advice.notes, *(f"not measured: {failure}" for failure in advice.failures)]
    sentences = [headline(advice), *_sentences(advice)]
    return Lab("advise", "Indexes chosen by measuring", _LEAD, list(_tables(advice)), sentences, remarks)


def headline(advice: Advice) -> str:
    """Return the advice in one sentence."""
    before, now = advice.present, advice.advised
    if not advice.changes:
        many = "index" if now.indexes == 1 else "indexes"
        return (
            f"Change nothing: of {advice.tried:,} sets none costs less than the {now.indexes} {many} that the database "
            f"has; a request of the mix ({advice.mix}) costs {units.number(now.cost)} pages."
        )
    steps = [f"build {len(advice.added)}"] if advice.added else []
    steps += [f"drop {len(advice.dropped)}"] if advice.dropped else []
    kept = len(advice.indexes) - len(advice.added)
    steps += [f"keep {kept}"] if kept else []
    change = f" ({now.cost / before.cost - 1:+.0%})".replace("-", "−")
    written = "" if now.wal is None or before.wal is None else (
        f", and a write {units.size(now.wal)} of WAL in place of {units.size(before.wal)}")  # fmt: skip
    return (
        f"{', '.join(steps).capitalize()}: a request of the mix ({advice.mix}) costs {units.number(now.cost)} pages in "
        f"place of {units.number(before.cost)}{change}; indexes take {units.size(now.bytes)} in place of "
        f"{units.size(before.bytes)}{written}."
    )


def _sentences(advice: Advice) -> Iterator[str]:
    if advice.losers:
        for query in advice.losers:
            yield f"{query.name} loses: {_change(query)}."
    elif advice.changes:
        by = f", by pages and by {advice.clock}" if advice.clock else " by pages"
        yield f"No query costs over {LOSES:g} times as much{by}."
    if advice.clock:
        before = sum(query.before_ms or 0.0 for query in advice.queries)
        now = sum(query.now_ms or 0.0 for query in advice.queries)
        yield (
            f"All reading queries once, each class: {units.number(now)} ms in place of {units.number(before)} ms by "
            f"{advice.clock} (the median of three passes, one set after the other)."
        )
    if advice.stopped == "interrupted":
        yield "Interrupted: this is the best set so far; the same command goes on from here."
    elif advice.stopped:
        yield "The time budget is spent: this is the best set so far; the same command goes on from here."
    reused = f", {advice.reused:,} of them by an earlier run" if advice.reused else ""
    yield (
        f"{advice.tried:,} sets were tried{reused}: {advice.built:,} indexes built and {advice.executed:,} statements "
        f"executed in {units.seconds(advice.seconds)}."
    )


def _change(query: QueryChange) -> str:
    pages = f"{units.number(query.before)} → {units.number(query.now)} pages ({units.times(query.ratio)})"
    if query.before_ms is None or query.now_ms is None:
        return pages
    return f"{pages}, {units.number(query.before_ms)} → {units.number(query.now_ms)} ms"


def _tables(advice: Advice) -> Iterator[Table]:
    if advice.indexes:
        columns = [Column("index", words=True, code=True), Column("", words=True), Column("disk"),
                   Column("worth"), Column("used by", words=True), Column("definition", words=True, code=True),
                   Column("why", words=True)]  # fmt: skip
        yield Table(
            "The set, the index that is missed most first", columns, [_index(index) for index in advice.indexes]
        )
    if advice.dropped:
        columns = [Column("index", words=True, code=True), Column("disk"),
                   Column("definition", words=True, code=True), Column("why", words=True)]  # fmt: skip
        rows = [Row([gone.name, units.size(gone.bytes), gone.definition, gone.why]) for gone in advice.dropped]
        yield Table(f"These {len(rows)} can go" if len(rows) > 1 else "This one can go", columns, rows)
    columns = [Column("query", words=True, code=True), Column("share"), Column("pages before"), Column("now"),
               Column("×"), Column("ms before"), Column("now")]  # fmt: skip
    yield Table("Queries, what the mix gains most by first", columns, [_query(query) for query in advice.queries])
    if advice.refused:
        columns = [Column("definition", words=True, code=True), Column("why not", words=True)]
        rows = [Row([refused.definition, refused.why]) for refused in advice.refused]
        yield Table("Tried and refused", columns, rows, most=_MOST_REFUSED)


def _index(index: Chosen) -> Row:
    word = Cell("build", "good") if index.new else Cell("keep", "weak")
    worth = units.DASH if index.worth is None else worth_of(index.worth)
    return Row([index.name, word, units.size(index.bytes), worth, _few(index.used_by), index.definition, index.reason])


def worth_of(share: float) -> str:
    """Return by how much a request costs more without an index.

    >>> worth_of(0.0991), worth_of(64.76)
    ('+9.9%', '66×')
    """
    return f"{1 + share:.0f}×" if share >= 1 else f"{share:+.1%}".replace("-", "−")


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more


def _query(query: QueryChange) -> Row:
    ratio = Cell(units.times(query.ratio), "bad" if query.loses else "")
    times = [units.number(query.before_ms), units.number(query.now_ms)]
    return Row([query.name, f"{query.share:.1%}", units.number(query.before), units.number(query.now), ratio, *times])

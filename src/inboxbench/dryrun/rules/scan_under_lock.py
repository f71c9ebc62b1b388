"""A statement reads a table from end to end under a lock, in a form that no other rule knows."""

from __future__ import annotations

from collections.abc import Iterator

from inboxbench.dryrun.model import Statement
from inboxbench.dryrun.rules.checks import blocked, head, short, worst_stall
from inboxbench.dryrun.rules.facts import FEW_BYTES, FEW_ROWS, Facts, rewritten_table, rows_read
from inboxbench.dryrun.rules.remedies import of_scan
from inboxbench.dryrun.rules.rule import Hit, Rule
from inboxbench.sqltree.commands import Command

_OTHERS = ("set not null", "alter column type", "add column", "validate constraint")
_CONSTRAINTS = ("check", "foreign key", "unique", "primary key", "exclude", "not null")


def _check(facts: Facts) -> Iterator[Hit]:
    for statement in facts.run.statements:
        if (
            statement.error
            or statement.times > 1
            or rewritten_table(statement)
            or not any(map(_is_other, statement.parsed.commands))
        ):
            continue
        forces = [force for force in facts.in_force(statement) if force.lock.blocks_writes]
        table, work = _work(statement, {force.lock.relation for force in forces})
        if table:
            kept = " and ".join(blocked(force) for force in forces)
            what = f"{head(statement)} {work} and blocked {kept}.{worst_stall(facts, statement)}"
            yield Hit(statement, table, what, instead=of_scan(statement))


def _is_other(command: Command) -> bool:
    """Return whether it is no query, and of a form that other rules leave out."""
    if command.writes or command.controls or command.kind in ("select", "create index", "vacuum", "cluster"):
        return False
    constrains = command.kind == "alter table" and command.constrains(*_CONSTRAINTS)
    return not (constrains or command.does(*_OTHERS))


def _work(statement: Statement, tables: set[str]) -> tuple[str, str]:
    """Return the locked table that it worked on and what it did, the longer the more rows there are; "" for none."""
    read = {table: rows for table in tables if (rows := rows_read(statement, table)) >= FEW_ROWS}
    if read:
        table = max(read, key=lambda name: read[name])
        return table, f"read {read[table]:,} rows of {short(table)}"
    indexes = [rewrite for rewrite in statement.rewrites if rewrite.relation not in tables]
    largest = max(indexes, key=lambda rewrite: rewrite.bytes, default=None)
    if not (largest and tables and largest.bytes >= FEW_BYTES and statement.parsed.has("reindex")):
        return "", ""
    return min(tables), f"built {short(largest.relation)} again"


RULE = Rule(
    id="scan-under-lock",
    group="lock",
    severity="error",
    condition="a statement read a table of some size from end to end, or built its indexes again, under a lock of its "
    "own that others needed, and no other rule speaks of it: ATTACH PARTITION, PARTITION OF with a filled default "
    "partition, REINDEX",
    effect="whoever the lock is in the way of waits the longer the more rows there are",
    remedy="have the rows checked beforehand under a weaker lock (a CHECK that is NOT VALID, then VALIDATE), or use "
    "the form that is CONCURRENTLY.",
    bad="CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');",
    good="ALTER TABLE events_default ADD CONSTRAINT not_2026\n"
    "    CHECK (at < '2026-01-01' OR at >= '2027-01-01') NOT VALID;\n"
    "-- next transaction:\nALTER TABLE events_default VALIDATE CONSTRAINT not_2026;\n"
    "CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');",
    check=_check,
)

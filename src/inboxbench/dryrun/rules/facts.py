"""What a run showed, arranged for rules: which lock was in force while which statement worked, and whom it blocked."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from string import ascii_letters

from inboxbench.dryrun.model import DryRun, Lock, Stall, Statement
from inboxbench.dryrun.more import Schema
from inboxbench.dryrun.rewrites.catalogue import proposal
from inboxbench.dryrun.rewrites.change_type import Dependents
from inboxbench.dryrun.rewrites.enum_values import added_values
from inboxbench.dryrun.rewrites.operation import read_operation
from inboxbench.dryrun.rewrites.partitioned import Partitions
from inboxbench.dryrun.rewrites.steps import Step, Steps
from inboxbench.dryrun.row_work import changes_within, rows_changed
from inboxbench.dryrun.tools.base import Tool
from inboxbench.sqltree.commands import Action, Setting
from inboxbench.sqltree.tokens import name_parts, unquoted

# Less than this many rows is no work that grows with the table: it takes about a millisecond.
FEW_ROWS = 1_000
FEW_BYTES = 16 * 8192  # of a file: about as much
LONG_MS = 1_000.0  # people notice a lock that is held so long
_IN_BLOCK = re.compile(r"\bcannot (run inside|be executed from) a transaction block")


_ASKING = ("select", "show", "set")
_MANY = """# The revision sends {times:,} of these in one transaction. Send them from a revision of its own, after the
# one that takes the lock, and commit after every few thousand of them."""


@dataclass(frozen=True, slots=True)
class InForce:
    """A lock on a relation that was there before, with the statement that took it."""

    lock: Lock
    owner: Statement


@dataclass(frozen=True)
class Facts:
    """One run, ready to be asked."""

    run: DryRun
    tool: Tool

    @cached_property
    def _by_transaction(self) -> dict[int, list[Statement]]:
        groups: dict[int, list[Statement]] = {}
        for statement in self.run.statements:
            groups.setdefault(statement.transaction, []).append(statement)
        return groups

    @cached_property
    def transactions(self) -> dict[int, int]:
        """Return the transaction of each statement, by their numbers."""
        return {statement.number: statement.transaction for statement in self.run.statements}

    def in_force(self, statement: Statement) -> list[InForce]:
        """Locks of its transaction on tables while it ran, that block reads or writes; its own included."""
        mine = self._keeping[statement.transaction]
        begun = mine[: bisect_right(mine, statement.number, key=lambda force: force.owner.number)]
        standing = [force for force in begun if _still(force, statement)]
        standing.sort(key=lambda force: force.lock.blocks_reads)
        return list({force.lock.relation: force for force in standing}.values())

    def on(self, statement: Statement, relation: str) -> InForce | None:
        """Return the strongest lock in force on `relation` while the statement ran, if it blocks anybody."""
        return next((force for force in self.in_force(statement) if force.lock.relation == relation), None)

    def own(self, statement: Statement) -> list[InForce]:
        """Return the locks on tables that the statement took itself, and that block reads or writes."""
        return [InForce(lock, statement) for lock in statement.locks if lock.keeps_out]

    @cached_property
    def _keeping(self) -> dict[int, list[InForce]]:
        """Return what each transaction locked in others' way, in its order: a history of a million statements locks few
        tables.
        """
        keeping: dict[int, list[InForce]] = defaultdict(list)
        for statement in self.run.statements:
            keeping[statement.transaction] += self.own(statement)
        return keeping

    def earlier(self, statement: Statement) -> list[Statement]:
        """Of the same transaction, before it."""
        mine = self._by_transaction[statement.transaction]
        return mine[: bisect_left(mine, statement.number, key=lambda earlier: earlier.number)]

    @cached_property
    def _stalls(self) -> dict[int | None, list[tuple[str, Stall]]]:
        groups: dict[int | None, list[tuple[str, Stall]]] = {}
        for traffic in self.run.traffic:
            for stall in traffic.stalls:
                groups.setdefault(stall.statement, []).append((traffic.name, stall))
        return groups

    def stalls(self, statement: Statement) -> list[tuple[str, Stall]]:
        """Classes of traffic that it held up."""
        return self._stalls.get(statement.number, [])

    def worst_stall(self, *statements: Statement) -> tuple[str, Stall] | None:
        """Return the longest wait for a lock of theirs; who was slow while they ran waited for none."""
        pairs = [pair for statement in statements for pair in self.stalls(statement) if pair[1].wanted]
        return max(pairs, key=lambda pair: pair[1].duration_ms, default=None)

    def key(self, statement: Statement) -> str | None:
        """Columns of the primary key of the table that the statement names, with commas; "" if it has none. None where
        the run does not know the table: one that the migration made and dropped again. `id` in a run that knows none.
        """
        keys = self._schema.keys
        return keys.get(self._table(statement) or "") if keys else "id"

    def dependents(self, statement: Statement) -> Dependents | None:
        """Of the column that it gives another type; None where the run does not know it: a new one."""
        operation = read_operation(statement.sql)
        column = operation.columns[0] if operation and operation.columns else None
        return self._schema.columns.get(f"{self._table(statement)}.{column}")

    def proposal(self, statement: Statement) -> str:
        """Code to paste instead of it."""
        if statement.times > 1:
            return _MANY.format(times=statement.times)
        key, has = self.key(statement), self.dependents(statement)
        return proposal(statement.sql, key, has, self.render, self._partitions(statement))

    def render(self, *steps: Step) -> str:
        """Steps as code for the run's migration tool."""
        return self.tool.render(steps)

    def child(self, relation: str) -> bool:
        """Return whether it is a partition of another table, or inherits from it."""
        return relation in self._schema.children

    def rows(self, relation: str) -> int:
        """Return about how many rows it has: in production where that is known, else on the copy; 0 where unknown."""
        return self._schema.production.get(relation) or self._schema.rows.get(relation, 0)

    def expected_ms(self, force: InForce) -> float:
        """Return how long the lock is held with the rows of production: work over rows takes the longer."""
        held, here = force.lock.held_ms, self._schema.rows.get(force.lock.relation, 0)
        grows = any(map(is_work, self._during(force)))
        return held * self.rows(force.lock.relation) / here if here and grows else held

    def _during(self, force: InForce) -> list[Statement]:
        mine = self._by_transaction[force.owner.transaction]
        return mine[bisect_left(mine, force.owner.number, key=lambda statement: statement.number) :]

    def partitioned(self, table: str, statement: Statement) -> bool:
        """Return whether it is partitioned, or the statement names a table that is and has locked this one with it."""
        named = self._table(statement)
        return table in self._schema.partitions or (named is not None and named in self._schema.partitions)

    def _partitions(self, statement: Statement) -> Partitions | None:
        """Return those of its table that it has locked; None where the table is not partitioned."""
        every = self._schema.partitions.get(self._table(statement) or "")
        locked = {lock.relation for lock in statement.locks}
        if every is None:
            return None
        names = (name for name in every.names if ".".join(map(unquoted, name_parts(name))) in locked)
        return replace(every, names=tuple(names))

    def added_values(self, statement: Statement) -> Steps | None:
        """Return the steps that add values to an enum, where all that its revision does is to exchange the type."""
        mine = (other for other in self._of_revision[statement.revision] if not other.stamps)
        texts = [other.sql for other in mine if not all(command.kind in _ASKING for command in other.parsed.commands)]
        return added_values(texts, statement.sql, self._schema.enums)

    @cached_property
    def _of_revision(self) -> dict[str | None, list[Statement]]:
        groups: dict[str | None, list[Statement]] = defaultdict(list)
        for statement in self.run.statements:
            groups[statement.revision].append(statement)
        return groups

    def refused_nulls(self, statement: Statement) -> str:
        """Return what a request was answered that gave no value for a column that the statement makes NOT NULL."""
        command = statement.parsed.only
        actions = command.actions if command else ()
        names = [action.name for action in actions if action.name and _requires(action)]
        problems = (problem for summary in self.run.traffic for problem in summary.problems if problem.state == "23502")
        return next((problem.error for problem in problems for name in names if f'"{name}"' in problem.error), "")

    @property
    def _schema(self) -> Schema:
        return self.run.more.schema or Schema()

    def _table(self, statement: Statement) -> str | None:
        """That the statement names, as schema.name."""
        operation = read_operation(statement.sql)
        name = ".".join(filter(None, (operation.schema, operation.relation))) if operation else ""
        touched = [*(lock.relation for lock in statement.locks), *(scan.relation for scan in statement.scans)]
        keys = self._schema.keys
        fitting = (table for table in touched if table in keys and name in (table, table.partition(".")[2]))
        return next(fitting, None) or self._by_name(name)

    def _by_name(self, name: str) -> str | None:
        """Return the only table of that name, of a statement that failed before it locked any."""
        same = [table for table in self._schema.keys if name in (table, table.partition(".")[2])]
        return same[0] if len(same) == 1 and name else None

    @cached_property
    def _timeouts(self) -> dict[int, list[tuple[Statement, Setting]]]:
        """Return the statements that set lock_timeout, by session; every short step of a long history may be one."""
        timeouts: dict[int, list[tuple[Statement, Setting]]] = defaultdict(list)
        for statement in self.run.statements:
            if "lock_timeout" not in statement.sql.lower():
                continue
            settings = (setting for command in statement.parsed.commands for setting in command.settings)
            timeouts[statement.pid] += [(statement, setting) for setting in settings if setting.name == "lock_timeout"]
        return timeouts

    def guarded(self, statement: Statement) -> bool:
        """Return whether a lock_timeout was in force for it. What fires no event trigger did not say: there it is what
        its session had set, and LOCAL ends with its transaction; where it set none, what role or database gave it,
        which other statements of the session show.
        """
        if statement.lock_timeout_ms is not None:
            return statement.lock_timeout_ms > 0
        timeouts = self._timeouts.get(statement.pid, [])
        before = reversed(timeouts[: bisect_left(timeouts, statement.number, key=lambda pair: pair[0].number)])
        lasting = (setting for by, setting in before if by.transaction == statement.transaction or not setting.local)
        last = next(lasting, None)
        if last is None and not timeouts:
            return self._given.get(statement.pid, 0.0) > 0
        return last is not None and not _is_none(last)

    @cached_property
    def _given(self) -> dict[int, float]:
        """Return the lock_timeout (ms) that each session was seen with first."""
        seen = [(statement.pid, statement.lock_timeout_ms) for statement in reversed(self.run.statements)]
        return {pid: timeout for pid, timeout in seen if timeout is not None}


def _requires(action: Action) -> bool:
    new = action.kind == "add column" and action.column is not None and action.column.has("not null")
    return new or action.kind == "set not null"


def _is_none(setting: Setting) -> bool:
    """Return whether it sets no timeout: its default, or nothing of any unit."""
    return setting.value is None or setting.value.rstrip(f"{ascii_letters} ").strip("0.") == ""


def _still(force: InForce, statement: Statement) -> bool:
    return force.owner is statement or force.lock.taken_ms + force.lock.held_ms > statement.started_ms


def rows_read(statement: Statement, relation: str | None = None) -> int:
    """By full scans, of one relation or of all."""
    return sum(scan.rows for scan in statement.scans if relation in (None, scan.relation))


def is_work(statement: Statement) -> bool:
    """Return whether it did what takes the longer the larger the table is; what it rewrote it has read as well."""
    return max(rows_read(statement), rows_changed(statement), statement.times) >= FEW_ROWS


def rewritten_table(statement: Statement) -> str | None:
    """The table whose rows were all rewritten; TRUNCATE writes none, and what is new has nobody who waits."""
    locked = {lock.relation for lock in statement.locks if lock.of_others} | {s.relation for s in statement.scans}
    locked -= {lock.relation for lock in statement.locks if lock.kind != "table"}
    names = (rewrite.relation for rewrite in statement.rewrites if rewrite.relation in locked)
    sizes = {rewrite.relation: rewrite.bytes for rewrite in statement.rewrites}
    return next((name for name in names if _is_filled(statement, name, sizes[name])), None)


def _is_filled(statement: Statement, table: str, size: int) -> bool:
    """By its rows, else by the bytes of the new file: what fires no event trigger may leave the rows unknown."""
    return rows_read(statement, table) >= FEW_ROWS or (not rows_read(statement, table) and size >= FEW_BYTES)


def held_by_others(facts: Facts, statement: Statement) -> list[InForce]:
    """Locks in others' way while it ran that earlier statements of its transaction had taken."""
    return [force for force in facts.in_force(statement) if force.owner is not statement]


def held_meanwhile(facts: Facts, statement: Statement) -> list[InForce]:
    """Return the same, or what code that it calls has locked itself before it changed rows."""
    own = facts.own(statement) if changes_within(statement) and statement.rows_at_once is None else []
    return held_by_others(facts, statement) or own


def refused_in_transaction(statement: Statement) -> bool:
    """Return whether it failed because it is a statement that no transaction block may contain."""
    return bool(statement.error and _IN_BLOCK.search(statement.error))

"""A rewrite that is run: the original and what its finding proposes instead, on two copies of the same rows.

What is proposed depends on what the rule replaces, and on what the catalogue says of the tables. Both are run in a
session like that of the original: with the search_path, the role and the like that it had set by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg

from inboxbench.database import Connection, connect
from inboxbench.database_copy import cloned
from inboxbench.dryrun.folding import unfolded
from inboxbench.dryrun.model import DryRun, Finding, Statement
from inboxbench.dryrun.observe.lock_attribution import conflict
from inboxbench.dryrun.probes.blockers import Blocker
from inboxbench.dryrun.rewrites.catalogue import rewrite, with_references
from inboxbench.dryrun.rewrites.in_revision import RevisionTrial
from inboxbench.dryrun.rewrites.operation import read_operation
from inboxbench.dryrun.rewrites.side_by_side import LATE, Trial, compare, run_step
from inboxbench.dryrun.rewrites.steps import Step, Steps
from inboxbench.dryrun.rules import RULES
from inboxbench.dryrun.rules.checks import head_of
from inboxbench.dryrun.rules.facts import Facts, is_work
from inboxbench.dryrun.run import Say, silent
from inboxbench.dryrun.schema import dependents, partitions, primary_key
from inboxbench.dryrun.tools.base import Tool
from inboxbench.dryrun.under_traffic import Load, LoadOf, no_load
from inboxbench.errors import InboxbenchError
from inboxbench.server import Server
from inboxbench.sqltree.commands import Setting
from inboxbench.sqltree.tokens import flat, inlined, placeholders, scan

At = Callable[[str], AbstractContextManager[str]]
_NO_VALUES = "a statement of it has values ($1) that the log does not show, so it cannot be run again"
_MANY = "it is about many statements that differ in their values alone, which are better written as one"
_IN_THE_WAY = "{mark} Another way in steps is known and does not hold within this revision: {why}."
_READER, _WRITER = "ACCESS SHARE", "ROW EXCLUSIVE"
_SHORTEST_S, _LONGEST_S = 0.5, 3.0  # that a blocker keeps its lock
# What has a meaning only in one transaction with the rest of it.
_TOGETHER = ("lock", "savepoint", "release", "rollback", "rollback to", "declare cursor", "fetch", "set constraints",
             "set transaction")  # fmt: skip
# Not those that end a statement: a comparison has a limit of its own.
_NOT_KEPT = ("session_authorization", "…")


def with_rewrites(
    run: DryRun,
    server: Server,
    at: At,
    tool: Tool,
    load: LoadOf = no_load,
    *,
    limit_s: float | None = None,
    say: Say = silent,
) -> DryRun:
    """Findings with both measurements, where a rewrite is known and could be run.

    at: gives a database that nobody is connected to, in the state before a revision; it is copied. tool: whose
    revisions the code is written for. load: the requests for such a database, under which both are run. limit_s: for
    each of them to end, else the tool's own.
    """
    own = tuple(statement for statement in run.statements if not statement.stamps)
    known = replace(run, statements=own)  # what the revisions do themselves
    bench = _Bench(server, known, tool, load, limit_s or tool.timeout_s)
    findings, count = list(run.findings), len(run.findings)
    for revision, places in bench.worth_trying().items():
        try:
            with at(revision) as database:
                trial = RevisionTrial(server, database, tool, revision)
                for place in places:
                    say(f"comparing {place + 1} of {count}: {findings[place].rule} in revision {revision}")
                    findings[place] = bench.compared(findings[place], trial)
        except (InboxbenchError, psycopg.Error) as problem:  # no room, a server that died: the run is worth more
            bench.notes[f"rewrites were not run: {str(problem).partition(chr(10))[0]}"] = None
    return replace(run, findings=tuple(findings), notes=(*run.notes, *bench.notes))


@dataclass(frozen=True, slots=True)
class _Bench:
    """What all comparisons of a run share; notes: why some of them were not made."""

    server: Server
    run: DryRun
    tool: Tool
    load: LoadOf
    limit_s: float
    notes: dict[str, None] = field(default_factory=dict)

    def worth_trying(self) -> dict[str, list[int]]:
        """Return the places of the findings that can be compared, by revision: each state is made once."""
        places: dict[str, list[int]] = {}
        for place, finding in enumerate(self.run.findings):
            statements = _concerned(self.run, finding, self._cure(finding))
            if not statements or finding.suppressed or finding.revision is None:
                continue
            before = _before(self.run, statements[0])
            if any(statement.times > 1 for statement in statements):
                self.notes[_not_compared(finding, _MANY)] = None
            elif any(map(_lacks_values, (*statements, *before))):
                self.notes[_not_compared(finding, _NO_VALUES)] = None
            else:
                places.setdefault(finding.revision, []).append(place)
        return places

    def compared(self, finding: Finding, trial: RevisionTrial) -> Finding:
        """Return the finding with both measurements and code that holds in its revision, as far as that can be had."""
        cure = self._cure(finding)
        statements = _concerned(self.run, finding, cure)
        try:
            with cloned(self.server, trial.database) as database:
                tried = _tried(
                    self.server, database, self.run, finding, statements, load=self.load(database), tool=self.tool,
                    limit_s=self.limit_s, cure=cure,
                )  # fmt: skip
            return self._held(tried, statements, trial) if tried.compared else tried
        except psycopg.Error as problem:
            hidden = any(statement.values for statement in (*statements, *_before(self.run, statements[0])))
            self.notes[_why_not_compared(finding, problem, hidden=hidden)] = None
            return finding

    def _held(self, finding: Finding, statements: Sequence[Statement], trial: RevisionTrial) -> Finding:
        """Return it without its code where that does not hold in place of the statement, or of the whole revision."""
        last = statements[-1]
        whole = len(statements) > 1
        every = [statement for statement in self.run.statements if statement.revision == finding.revision]
        if not (last.file and last.line) or (whole and len(statements) < len(every)):
            return finding
        why = trial.obstacle(Path(last.file), last.line, finding.code, whole=whole)
        if not why:
            return finding
        self.notes[_not_compared(finding, f"pasted in its revision, it does not hold: {why}")] = None
        return replace(
            finding, code=_IN_THE_WAY.format(mark="--" if self.tool.name == "SQL" else "#", why=why), compared=None
        )

    def _cure(self, finding: Finding) -> Steps | None:
        """Return the steps that take the place of the whole revision, where the field knows a better way."""
        statement = next((item for item in self.run.statements if item.number == finding.statement), None)
        return Facts(self.run, self.tool).added_values(statement) if statement else None


def _tried(
    server: Server,
    database: str,
    run: DryRun,
    finding: Finding,
    statements: Sequence[Statement],
    *,
    load: Load,
    limit_s: float,
    tool: Tool,
    cure: Steps | None = None,
) -> Finding:
    """As it was where the rewrite is unknown. Raises psycopg.Error with the step that failed as its note."""
    session = _session_of(run, statements[0])
    _replay(server, database, run, statements[0], session)
    instead = [(statements[-1], cure)] if cure else _steps_instead(server, database, finding, statements, session)
    waits = RULES[finding.rule].replaces == "wait"
    blocker = _blocker(statements[-1]) if waits else None
    if instead is None or (waits and blocker is None):
        return finding
    original = tuple(Step(statement.sql, values=statement.values) for statement in statements)
    steps = tuple(replace(step, values=statement.values) for statement, mine in instead for step in mine)
    trial = Trial(original, steps, blocker, limit_s, session, tool.render(steps))
    compared = compare(server, database, trial, load)
    return replace(finding, code=compared.code, compared=compared)


def _blocker(statement: Statement) -> Blocker | None:
    """Somebody who has a lock that it waits for, about as long as it did wait.

    None where it waited for an index or a TOAST table, which nobody can lock by name.
    """
    tables = (lock for lock in statement.locks if lock.kind == "table" and lock.waited_ms)
    lock = max(tables, key=lambda lock: lock.waited_ms, default=None)
    if lock is None:
        return None
    mode = _READER if conflict(_READER, lock.mode) else _WRITER
    return Blocker(lock.relation, mode, min(max(lock.waited_ms / 1000, _SHORTEST_S), _LONGEST_S))


def _why_not_compared(finding: Finding, problem: psycopg.Error, *, hidden: bool) -> str:
    """Return why a finding has no comparison: the step that failed, and the server's words unless these could show
    values.
    """
    step = f" ({head_of(problem.__notes__[0])})" if getattr(problem, "__notes__", None) else ""
    reason = f"{type(problem).__name__} ({problem.sqlstate})" if hidden else str(problem).strip().partition("\n")[0]
    reason = reason.replace("canceling statement due to user request", LATE)
    return _not_compared(finding, f"a step failed{step}: {reason}")


def _not_compared(finding: Finding, why: str) -> str:
    return f"{finding.rule} in revision {finding.revision} is not compared with its rewrite: {why}"


def _concerned(run: DryRun, finding: Finding, cure: Steps | None = None) -> list[Statement]:
    """Statements to run again as one transaction. cure: steps that take the place of all of it."""
    statement = next((statement for statement in run.statements if statement.number == finding.statement), None)
    if statement is None or statement.error:
        return []
    mine = [statement]
    replaces = RULES[finding.rule].replaces
    if cure or replaces == "transaction":
        mine = [other for other in run.statements if other.transaction == statement.transaction]
        mine = [other for other in mine if other.revision == statement.revision and not other.error]
    if replaces == "statement and column":
        earlier = [other for other in _before(run, statement) if other.transaction == statement.transaction]
        if inline := with_references([other.sql for other in earlier], statement.sql):
            mine = [*earlier[inline[0] :], statement]
    return mine


def _replay(server: Server, database: str, run: DryRun, first: Statement, session: Steps) -> None:
    """What the revision had done before the statement."""
    with _connected(server, database, session) as connection:
        for repeat in unfolded(_before(run, first)):
            run_step(connection, repeat.sql, repeat.values)


def _before(run: DryRun, first: Statement) -> list[Statement]:
    """Statements of its revision that may have changed something; a SELECT that locks or writes nothing has not."""
    mine = (statement for statement in run.statements if statement.revision == first.revision)
    earlier = (statement for statement in mine if statement.number < first.number)
    return [statement for statement in earlier if not statement.error and not _only_reads(statement)]


def _only_reads(statement: Statement) -> bool:
    commands = statement.parsed.commands
    reads = bool(commands) and all(command.kind in ("select", "show") for command in commands)
    return reads and not statement.wal_bytes and all(lock.mode == "ACCESS SHARE" for lock in statement.locks)


def _lacks_values(statement: Statement) -> bool:
    """Return whether it has placeholders that nobody knows the values of."""
    return any(placeholders(inlined(repeat.sql, repeat.values)) for repeat in unfolded([statement]))


def _steps_instead(
    server: Server, database: str, finding: Finding, statements: Sequence[Statement], session: Steps
) -> list[tuple[Statement, Steps]] | None:
    """Return the steps, each with the statement whose values they need; None where no rewrite is known."""
    last, replaces = statements[-1], RULES[finding.rule].replaces
    if replaces == "wait":
        return [(last, (Step(last.parsed.bare, retry=True),))]
    if len(statements) > 1 and replaces == "statement and column":
        inline = with_references([statement.sql for statement in statements[:-1]], last.sql)
        between = [(statement, (Step(statement.sql),)) for statement in statements[1:-1]]
        return [*between, (last, inline[1] if inline else ())]
    with _connected(server, database, session) as connection:
        if replaces != "transaction":
            rewritten = _rewritten(connection, last.sql)
            return None if rewritten is None else [(last, rewritten)]
        if any(map(_belongs_together, statements)):
            return None
        return [(statement, _alone(connection, statement)) for statement in statements] + [(last, _reset(statements))]


def _belongs_together(statement: Statement) -> bool:
    """Return whether it means something else in a transaction of its own; so may what cannot be read."""
    parsed = statement.parsed
    calls = (command for command in parsed.commands if command.kind != "set")
    local = (setting.local for command in calls for setting in command.settings)
    return (
        parsed.problem is not None
        or parsed.has(*_TOGETHER)
        or any(command.on_commit for command in parsed.commands)
        or any(local)
        or parsed.references.locks_rows
        or any("_xact_" in name for name in parsed.references.functions)
    )


def _alone(connection: Connection, statement: Statement) -> Steps:
    """Return the steps of a statement whose transaction is split: the rewrite of what did work, else itself."""
    text = statement.parsed.bare
    if _local_setting(statement):
        return (Step(_without_local(text), alone=True),)
    worth = is_work(statement) or statement.parsed.has("drop index")
    return (_rewritten(connection, statement.sql) if worth else None) or (Step(text, alone=True),)


def _local_setting(statement: Statement) -> Setting | None:
    """Return what SET LOCAL sets."""
    command = statement.parsed.only
    settings = command.settings if command and command.kind == "set" else ()
    return next((setting for setting in settings if setting.local), None)


def _without_local(text: str) -> str:
    """SET LOCAL as SET."""
    return flat([token for place, token in enumerate(scan(text)) if not (place == 1 and token.means("local"))])


def _reset(statements: Sequence[Statement]) -> Steps:
    """Return what was set for the transaction alone."""
    names = [setting.name for statement in statements if (setting := _local_setting(statement))]
    return tuple(Step(f"RESET {name}", alone=True) for name in dict.fromkeys(names))


def _rewritten(connection: Connection, text: str) -> Steps | None:
    """By what the catalogue says of its table."""
    change = read_operation(text)
    if change is None:
        return None
    hung = dependents(connection, change.table, change.column) if change.kind == "type" else None
    parts = next(iter(partitions(connection, change.table).values()), None)
    return rewrite(text, primary_key(connection, change.table), hung, parts)


def _session_of(run: DryRun, first: Statement) -> Steps:
    """Return what its session had set by then and still has, but for what ends a statement: a search_path, a role."""
    mine = (statement for statement in run.statements if statement.pid == first.pid and not statement.error)
    earlier = (statement for statement in mine if statement.number < first.number)
    kept = [statement for statement in earlier if _keeps(statement, first) and not _lacks_values(statement)]
    return tuple(Step(_without_local(statement.parsed.bare), values=statement.values) for statement in kept)


def _keeps(statement: Statement, first: Statement) -> bool:
    """Return whether it sets what is still set when `first` runs; a set_config() of a transaction alone is left out."""
    command = statement.parsed.only
    return command is not None and bool(command.settings) and all(
        not setting.name.endswith("_timeout") and setting.name not in _NOT_KEPT
        and (not setting.local or (command.kind == "set" and statement.transaction == first.transaction))
        for setting in command.settings
    )  # fmt: skip


@contextmanager
def _connected(server: Server, database: str, session: Steps) -> Iterator[Connection]:
    """With all of it set."""
    with connect(server.conninfo(database)) as connection:
        for setting in session:
            run_step(connection, setting.sql, setting.values)
        yield connection

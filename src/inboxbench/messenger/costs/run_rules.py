"""Measures every rule with every alternative, each on a clone of one office."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import psycopg

from inboxbench.database import connect, scratch_database
from inboxbench.disturbance import Watch, undisturbed, watching
from inboxbench.errors import SubjectFailed, UsageError, unknown
from inboxbench.messenger.costs.measure import CONVERSATIONS, measure, open_rules_office
from inboxbench.messenger.costs.rules import Alternative, Rule, read_rules
from inboxbench.project import Project, find_project
from inboxbench.race.atlas import find_families
from inboxbench.server import Server, reason

# Executions measured, where one does one thing: all of the office's conversations but those that warm up.
EXECUTIONS = 200


def find_rules(names: Iterable[str] = (), project: Project | None = None) -> tuple[Rule, ...]:
    """Return the project's rules by name, all for no name. Raises UsageError naming the nearest known."""
    rules = read_rules(project or find_project())
    for name in names:
        if name not in rules:
            raise unknown("rule", name, rules)
    return tuple(rules[name] for name in names) or tuple(rules.values())


@dataclass(frozen=True, slots=True)
class CostRow:
    """Holds what one unit of a rule costs this way. atlas: where it is explored; safe: whether it holds at READ
    COMMITTED there, None where nothing races or nothing explores it; disturbed: as of Cost."""

    rule: str
    alternative: str
    ours: bool
    atlas: str | None
    safe: bool | None
    statements: float
    buffers: float
    wal_bytes: float
    ms: float
    disturbed: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "disturbed" or value}


def holds(atlas: tuple[str, str] | None) -> bool | None:
    """Return whether an entry of the atlas is safe at READ COMMITTED, as it claims and the atlas' tests check."""
    if atlas is None:
        return None
    (family,) = find_families(find_project(), [atlas[0]])
    return next("rc" in entry.safe for entry in family.entries if entry.name == atlas[1])


def run_costs(
    server: Server,
    *,
    rules: Sequence[Rule] | None = None,
    executions: int = EXECUTIONS,
    project: Project | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[CostRow]:
    """Measure every alternative of `rules` (None: all), in databases that are dropped. `progress` gets a line each.

    Raises UsageError for a number of executions that the office has not enough conversations for.
    """
    if not 1 <= executions <= EXECUTIONS:
        raise UsageError(
            f"executions: {executions} is outside 1 … {EXECUTIONS}; the office has {CONVERSATIONS} conversations"
        )
    project = project or find_project()
    chosen = find_rules((), project) if rules is None else rules
    announce = progress or (lambda _line: None)
    with open_rules_office(server, project) as office, watching(server, announce) as watch:
        return list(_rows(server, office, chosen, executions, progress=announce, watch=watch))


def _rows(
    server: Server,
    office: str,
    rules: Sequence[Rule],
    executions: int,
    *,
    progress: Callable[[str], None],
    watch: Watch,
) -> Iterator[CostRow]:
    for rule in rules:
        for alternative in rule.alternatives:
            progress(f"{rule.title}: {alternative.meaning}")
            measured = partial(_row, server, office, rule, alternative, executions, watch=watch)
            yield undisturbed(watch, measured)


def _row(
    server: Server, office: str, rule: Rule, alternative: Alternative, executions: int, *, watch: Watch
) -> CostRow:
    with scratch_database(server, "costs", office) as name:
        conninfo = server.conninfo(name)
        with closing(connect(conninfo)) as builder:
            builder.execute(alternative.setup.encode())
            builder.execute("VACUUM (ANALYZE)")
        try:
            units = alternative.units
            cost = measure(conninfo, alternative.act, max(executions // units, 1), units, watch=watch)
        except psycopg.Error as error:
            raise SubjectFailed(f"rule {rule.name!r}, {alternative.name!r}: {reason(error)}") from None
    atlas = " / ".join(alternative.atlas) if alternative.atlas else None
    return CostRow(
        rule=rule.name,
        alternative=alternative.name,
        ours=alternative.ours,
        atlas=atlas,
        safe=holds(alternative.atlas),
        statements=cost.statements,
        buffers=cost.buffers,
        wal_bytes=cost.wal_bytes,
        ms=cost.ms,
        disturbed=cost.disturbed,
    )

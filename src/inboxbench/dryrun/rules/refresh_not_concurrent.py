"""A materialized view is computed while nobody can read it."""

from __future__ import annotations

from collections.abc import Iterator

from inboxbench.dryrun.model import Statement
from inboxbench.dryrun.rewrites.steps import Step
from inboxbench.dryrun.rules.checks import blocked, head, worst_stall
from inboxbench.dryrun.rules.facts import FEW_ROWS, Facts, rows_read
from inboxbench.dryrun.rules.rule import Hit, Rule
from inboxbench.sqltree.tokens import quoted


def _check(facts: Facts) -> Iterator[Hit]:
    for statement in facts.run.statements:
        force = next((force for force in facts.own(statement) if force.lock.kind == "materialized view"), None)
        if force is None or statement.error or not _refreshes(statement) or rows_read(statement) < FEW_ROWS:
            continue
        name = ".".join(quoted(part) for part in force.lock.relation.removeprefix("public.").split(".", 1))
        code = facts.render(Step(f"REFRESH MATERIALIZED VIEW CONCURRENTLY {name}", alone=True))
        what = f"{head(statement)} blocked {blocked(force)}.{worst_stall(facts, statement)}"
        yield Hit(statement, force.lock.relation, what, code)


def _refreshes(statement: Statement) -> bool:
    return any(command.kind == "refresh mat view" and not command.concurrently for command in statement.parsed.commands)


RULE = Rule(
    id="refresh-not-concurrent",
    group="lock",
    severity="warning",
    condition="a materialized view was refreshed, without CONCURRENTLY, from 1,000 rows or more",
    effect="whoever reads the view waits until COMMIT: ACCESS EXCLUSIVE",
    remedy="refresh it CONCURRENTLY, in a transaction of its own; it needs a unique index over all its rows.",
    bad="REFRESH MATERIALIZED VIEW sales;",
    good="CREATE UNIQUE INDEX CONCURRENTLY sales_day ON sales (day);  -- once\n"
    "REFRESH MATERIALIZED VIEW CONCURRENTLY sales;",
    check=_check,
)

"""All revisions run as a single transaction."""

from __future__ import annotations

from collections.abc import Iterator

from inboxbench.dryrun.rules.checks import blocked, head
from inboxbench.dryrun.rules.facts import LONG_MS, Facts, is_work
from inboxbench.dryrun.rules.rule import Hit, Rule

_PER_MIGRATION = """# env.py
context.configure(connection=connection, target_metadata=target_metadata, transaction_per_migration=True)"""


def _check(facts: Facts) -> Iterator[Hit]:
    if not facts.run.one_transaction:
        return
    statements = facts.run.statements
    forces = [force for statement in statements for force in facts.own(statement)]
    worst = max(forces, key=lambda force: force.lock.held_ms, default=None)
    if worst is None or not (worst.lock.held_ms >= LONG_MS or any(map(is_work, statements))):
        return
    what = (
        f"all {len(facts.run.revisions)} revisions ran in one transaction: no lock was let go before the last of them, "
        f"and {head(worst.owner)} blocked {blocked(worst)}."
    )
    yield Hit(worst.owner, worst.lock.relation, what, _PER_MIGRATION)


RULE = Rule(
    id="one-transaction",
    group="transaction",
    severity="error",
    condition="the history ran as a single transaction and did work that takes the longer the larger the tables are, "
    "or kept a lock for a second",
    effect="every lock of every revision is held until the last one is done",
    remedy="have Alembic commit after each revision.",
    bad="context.configure(connection=connection)",
    good="context.configure(connection=connection, transaction_per_migration=True)",
    check=_check,
    replaces="transaction",
)

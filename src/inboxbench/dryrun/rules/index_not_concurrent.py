"""An index is built while nobody may write to its table."""

from __future__ import annotations

from inboxbench.dryrun.rules.checks import scanning
from inboxbench.dryrun.rules.rule import Rule
from inboxbench.sqltree.commands import Command


def _builds_index(command: Command) -> bool:
    return command.kind == "create index" and not command.concurrently


RULE = Rule(
    id="index-not-concurrent",
    group="lock",
    severity="error",
    condition="CREATE INDEX read a table of some size under SHARE",
    effect="inserts, updates and deletes wait until COMMIT; reads go on",
    remedy="build it CONCURRENTLY, outside of the transaction; a partitioned table does not take that: ON ONLY the "
    "parent, then CONCURRENTLY on each partition, then ATTACH.",
    bad="CREATE INDEX ix ON orders (customer_id);",
    good="with op.get_context().autocommit_block():\n    op.create_index(…, postgresql_concurrently=True)",
    check=scanning(_builds_index, "built an index from"),
    squawk=("require-concurrent-index-creation",),
)

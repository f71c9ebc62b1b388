"""Every row of a table is rewritten, under a lock that others need."""

from __future__ import annotations

from inboxbench.dryrun.rules.checks import rewriting
from inboxbench.dryrun.rules.rule import Rule

RULE = Rule(
    id="table-rewrite",
    group="lock",
    severity="error",
    condition="a statement rewrote every row of a table, under a lock that others needed",
    effect="reads and writes of the table wait until COMMIT; WAL and disk grow by the table's size",
    remedy="expand and contract: a second column, kept alike by a trigger and filled in batches, that takes over "
    "NOT NULL, default, keys and indexes of the first; then swap the names, and drop the first in a later release.",
    bad="ALTER TABLE orders ALTER COLUMN quantity TYPE bigint;",
    good="ALTER TABLE orders ADD COLUMN quantity_new bigint;  -- trigger, batches, then rename",
    check=rewriting(with_default=False),
    squawk=("changing-column-type", "ban-truncate-cascade"),
)

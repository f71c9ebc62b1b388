"""A new column has a default that differs from row to row."""

from __future__ import annotations

from inboxbench.dryrun.rules.checks import rewriting
from inboxbench.dryrun.rules.rule import Rule

RULE = Rule(
    id="volatile-default",
    group="lock",
    severity="error",
    condition="ADD COLUMN with a default that differs from row to row, so that every row was rewritten",
    effect="reads and writes of the table wait until COMMIT",
    remedy="add the column without default, set the default for new rows, and fill the old ones in batches.",
    bad="ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid();",
    good="ALTER TABLE orders ADD COLUMN token uuid;\n"
    "ALTER TABLE orders ALTER COLUMN token SET DEFAULT gen_random_uuid();\n-- then UPDATE in batches",
    check=rewriting(with_default=True),
    squawk=("adding-field-with-default",),
)

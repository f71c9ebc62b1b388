"""SET NOT NULL reads a whole table."""

from __future__ import annotations

from inboxbench.dryrun.rules.checks import scanning
from inboxbench.dryrun.rules.rule import Rule

RULE = Rule(
    id="not-null-scan",
    group="lock",
    severity="error",
    condition="SET NOT NULL read the whole table, because no valid CHECK (column IS NOT NULL) spared it that",
    effect="reads and writes wait until COMMIT: ACCESS EXCLUSIVE",
    remedy="add CHECK (… IS NOT NULL) NOT VALID, VALIDATE, SET NOT NULL (it reads nothing then), drop it again.",
    bad="ALTER TABLE orders ALTER COLUMN note SET NOT NULL;",
    good="ALTER TABLE orders ADD CONSTRAINT note_present CHECK (note IS NOT NULL) NOT VALID;\n-- next transaction:\n"
    "ALTER TABLE orders VALIDATE CONSTRAINT note_present;\nALTER TABLE orders ALTER COLUMN note SET NOT NULL;\n"
    "ALTER TABLE orders DROP CONSTRAINT note_present;",
    check=scanning(lambda command: command.does("set not null"), "looked for empty values in"),
    squawk=("adding-not-nullable-field",),
)

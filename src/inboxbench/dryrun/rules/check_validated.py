"""A CHECK is added and checked in one statement."""

from __future__ import annotations

from inboxbench.dryrun.rules.checks import adds_constraint, scanning
from inboxbench.dryrun.rules.rule import Rule
from inboxbench.sqltree.commands import Command


def _adds_check(command: Command) -> bool:
    """Return whether it gives a table a CHECK, or a column as it is added, whose rows are read for it as well."""
    return adds_constraint("check")(command) or (command.does("add column") and command.constrains("check"))


RULE = Rule(
    id="check-validated",
    group="lock",
    severity="error",
    condition="a CHECK was added and checked in one statement",
    effect="reads as well as writes wait until COMMIT: ACCESS EXCLUSIVE",
    remedy="add it NOT VALID, and VALIDATE it in a transaction of its own, which lets reads and writes pass.",
    bad="ALTER TABLE orders ADD CONSTRAINT ck CHECK (quantity > 0);",
    good="ALTER TABLE orders ADD CONSTRAINT ck CHECK (quantity > 0) NOT VALID;\n-- next transaction:\n"
    "ALTER TABLE orders VALIDATE CONSTRAINT ck;",
    check=scanning(_adds_check, "checked"),
    squawk=("constraint-missing-not-valid",),
)

"""A constraint builds its index while nobody may use its table."""

from __future__ import annotations

from inboxbench.dryrun.rules.checks import scanning
from inboxbench.dryrun.rules.rule import Rule
from inboxbench.sqltree.commands import Command


def _builds_index(command: Command) -> bool:
    return command.kind == "alter table" and command.constrains("unique", "primary key", "exclude")


RULE = Rule(
    id="unique-built",
    group="lock",
    severity="error",
    condition="a UNIQUE, PRIMARY KEY or EXCLUDE constraint built its index under ACCESS EXCLUSIVE",
    effect="reads and writes wait until COMMIT",
    remedy="build the unique index CONCURRENTLY, then ADD CONSTRAINT … USING INDEX, which is instant.",
    bad="ALTER TABLE customers ADD CONSTRAINT uq UNIQUE (email);",
    good="CREATE UNIQUE INDEX CONCURRENTLY uq ON customers (email);\n"
    "ALTER TABLE customers ADD CONSTRAINT uq UNIQUE USING INDEX uq;",
    check=scanning(_builds_index, "built an index from"),
    squawk=("disallowed-unique-constraint",),
)

"""A foreign key is added and checked in one statement."""

from __future__ import annotations

from inboxbench.dryrun.rules.checks import adds_constraint, scanning
from inboxbench.dryrun.rules.rule import Rule

RULE = Rule(
    id="foreign-key-validated",
    group="lock",
    severity="error",
    condition="a foreign key was added and checked in one statement",
    effect="writes of both tables wait until COMMIT: SHARE ROW EXCLUSIVE on the child and on the parent",
    remedy="add it NOT VALID, and VALIDATE it in a transaction of its own, which lets reads and writes pass. A new "
    "column is better off with REFERENCES inline: it is empty, so there is nothing to check.",
    bad="ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (customer_id) REFERENCES customers;",
    good="ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (customer_id) REFERENCES customers NOT VALID;\n"
    "-- next transaction:\nALTER TABLE orders VALIDATE CONSTRAINT fk;",
    check=scanning(adds_constraint("foreign key"), "checked"),
    squawk=("adding-foreign-key-constraint", "constraint-missing-not-valid"),
    replaces="statement and column",
)

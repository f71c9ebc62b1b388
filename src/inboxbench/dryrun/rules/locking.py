"""Rules about one statement that works while its lock is in everybody's way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from inboxbench import units
from inboxbench.dryrun.model import Statement
from inboxbench.dryrun.rewrites.catalogue import with_references
from inboxbench.dryrun.rewrites.operation import flat
from inboxbench.dryrun.rewrites.steps import as_code
from inboxbench.dryrun.rules.facts import FEW_ROWS, Facts, InForce, rewritten_table, rows_read
from inboxbench.dryrun.rules.messages import blocked, felt, head, short
from inboxbench.dryrun.rules.rule import Hit, Rule


def _code(facts: Facts, statement: Statement) -> str:
    inline = with_references(
        [one.sql for one in facts.earlier(statement) if one.revision == statement.revision], statement.sql
    )
    return as_code(inline[1]) if inline else facts.proposal(statement)


def _rewrites(volatile: bool) -> Callable[[Facts], Iterator[Hit]]:
    def check(facts: Facts) -> Iterator[Hit]:
        for one in facts.run.statements:
            table = rewritten_table(one)
            force = facts.on(one, table) if table else None
            if table is None or force is None or (_kind(one) == "volatile") is not volatile:
                continue
            rewritten = units.size(sum(rewrite.bytes for rewrite in one.rewrites))
            what = (
                f"{head(one)} wrote every row of {short(table)} anew ({rewritten}, {units.size(one.wal_bytes)} of WAL, "
                f"{units.size(one.peak_bytes)} of extra disk) and blocked {blocked(force)}.{felt(facts, one)}"
            )
            yield Hit(one, table, what, _code(facts, one))

    return check


def _kind(statement: Statement) -> str:
    return (
        "volatile"
        if re.match(r"ALTER TABLE .* ADD (COLUMN )?.* DEFAULT ", flat(statement.sql), re.I | re.S)
        else "other"
    )


def _scanning(pattern: str, doing: str) -> Callable[[Facts], Iterator[Hit]]:
    """Statements of a form that read a whole table while a lock on it, or on its partner, was in the way."""
    form = re.compile(pattern, re.IGNORECASE | re.DOTALL)

    def check(facts: Facts) -> Iterator[Hit]:
        for one in facts.run.statements:
            if not form.match(flat(one.sql)) or one.rewrites or one.error:
                continue
            forces = [force for force in facts.in_force(one) if rows_read(one, force.lock.relation) >= FEW_ROWS]
            if forces:
                yield _scanned(facts, one, forces, doing)

    return check


def _scanned(facts: Facts, one: Statement, forces: list[InForce], doing: str) -> Hit:
    first = max(forces, key=lambda force: rows_read(one, force.lock.relation))
    table = first.lock.relation
    ways = " and ".join(blocked(force) for force in forces)
    rows = rows_read(one, table)
    what = f"{head(one)} {doing} {rows:,} rows of {short(table)} and blocked {ways}.{felt(facts, one)}"
    return Hit(one, table, what, _code(facts, one))


TABLE_REWRITE = Rule(
    id="table-rewrite",
    severity="error",
    condition="a statement wrote every row of a table anew, under a lock that others needed",
    effect="reads and writes of the table wait until COMMIT; WAL and disk grow by the table's size",
    workaround="expand and contract: a second column, kept alike by a trigger and filled in batches, that takes over "
    "NOT NULL, default, keys and indexes of the first; then swap the names, and drop the first in a later release.",
    bad="ALTER TABLE orders ALTER COLUMN quantity TYPE bigint;",
    good="ALTER TABLE orders ADD COLUMN quantity_new bigint;  -- trigger, batches, then rename",
    check=_rewrites(volatile=False),
    squawk=("changing-column-type", "ban-truncate-cascade"),
)
VOLATILE_DEFAULT = Rule(
    id="volatile-default",
    severity="error",
    condition="ADD COLUMN with a default that differs from row to row, so that every row was written anew",
    effect="reads and writes of the table wait until COMMIT",
    workaround="add the column without default, set the default for new rows, and fill the old ones in batches.",
    bad="ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid();",
    good="ALTER TABLE orders ADD COLUMN token uuid;\n"
    "ALTER TABLE orders ALTER COLUMN token SET DEFAULT gen_random_uuid();\n-- then UPDATE in batches",
    check=_rewrites(volatile=True),
    squawk=("adding-field-with-default",),
)
INDEX_BUILD = Rule(
    id="index-not-concurrent",
    severity="error",
    condition="CREATE INDEX read a table of some size under SHARE",
    effect="inserts, updates and deletes wait until COMMIT; reads go on",
    workaround="build it CONCURRENTLY, outside of the transaction.",
    bad="CREATE INDEX ix ON orders (customer_id);",
    good="with op.get_context().autocommit_block():\n    op.create_index(…, postgresql_concurrently=True)",
    check=_scanning(r"CREATE (UNIQUE )?INDEX (?!CONCURRENTLY)", "built an index from"),
    squawk=("require-concurrent-index-creation",),
)
FOREIGN_KEY = Rule(
    id="foreign-key-validated",
    severity="error",
    condition="a foreign key was added and checked in one statement",
    effect="writes of both tables wait until COMMIT: SHARE ROW EXCLUSIVE on the child and on the parent",
    workaround="add it NOT VALID, and VALIDATE it in a transaction of its own, which lets reads and writes pass. A new "
    "column is better off with REFERENCES inline: it is empty, so there is nothing to check.",
    bad="ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (customer_id) REFERENCES customers;",
    good="ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (customer_id) REFERENCES customers NOT VALID;\n"
    "-- next transaction:\nALTER TABLE orders VALIDATE CONSTRAINT fk;",
    check=_scanning(r"ALTER TABLE .* FOREIGN KEY ?\(", "checked"),
    squawk=("adding-foreign-key-constraint", "constraint-missing-not-valid"),
)
CHECK = Rule(
    id="check-validated",
    severity="error",
    condition="a CHECK was added and checked in one statement",
    effect="reads as well as writes wait until COMMIT: ACCESS EXCLUSIVE",
    workaround="add it NOT VALID, and VALIDATE it in a transaction of its own, which lets reads and writes pass.",
    bad="ALTER TABLE orders ADD CONSTRAINT ck CHECK (quantity > 0);",
    good="ALTER TABLE orders ADD CONSTRAINT ck CHECK (quantity > 0) NOT VALID;\n-- next transaction:\n"
    "ALTER TABLE orders VALIDATE CONSTRAINT ck;",
    check=_scanning(r"ALTER TABLE .* ADD (CONSTRAINT \S+ )?CHECK ?\(", "checked"),
    squawk=("constraint-missing-not-valid",),
)
NOT_NULL = Rule(
    id="not-null-scan",
    severity="error",
    condition="SET NOT NULL read the whole table, because no valid CHECK (column IS NOT NULL) spared it that",
    effect="reads and writes wait until COMMIT: ACCESS EXCLUSIVE",
    workaround="add CHECK (… IS NOT NULL) NOT VALID, VALIDATE, SET NOT NULL (it reads nothing then), drop it again.",
    bad="ALTER TABLE orders ALTER COLUMN note SET NOT NULL;",
    good="ALTER TABLE orders ADD CONSTRAINT note_present CHECK (note IS NOT NULL) NOT VALID;\n-- next transaction:\n"
    "ALTER TABLE orders VALIDATE CONSTRAINT note_present;\nALTER TABLE orders ALTER COLUMN note SET NOT NULL;\n"
    "ALTER TABLE orders DROP CONSTRAINT note_present;",
    check=_scanning(r"ALTER TABLE .* SET NOT NULL", "looked for empty values in"),
    squawk=("adding-not-nullable-field",),
)
UNIQUE = Rule(
    id="unique-built",
    severity="error",
    condition="a UNIQUE, PRIMARY KEY or EXCLUDE constraint built its index under ACCESS EXCLUSIVE",
    effect="reads and writes wait until COMMIT",
    workaround="build the unique index CONCURRENTLY, then ADD CONSTRAINT … USING INDEX, which is instant.",
    bad="ALTER TABLE customers ADD CONSTRAINT uq UNIQUE (email);",
    good="CREATE UNIQUE INDEX CONCURRENTLY uq ON customers (email);\n"
    "ALTER TABLE customers ADD CONSTRAINT uq UNIQUE USING INDEX uq;",
    check=_scanning(r"ALTER TABLE .* (UNIQUE|PRIMARY KEY|EXCLUDE)\b", "built an index from"),
    squawk=("disallowed-unique-constraint",),
)
RULES = (TABLE_REWRITE, VOLATILE_DEFAULT, INDEX_BUILD, FOREIGN_KEY, CHECK, NOT_NULL, UNIQUE)

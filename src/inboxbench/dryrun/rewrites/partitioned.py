"""Rewrites on a partitioned table, where CONCURRENTLY, USING INDEX and the like are impossible as they stand."""

from __future__ import annotations

from dataclasses import dataclass

from inboxbench.dryrun.rewrites.operation import Operation
from inboxbench.dryrun.rewrites.steps import Step, Steps, made_name
from inboxbench.sqltree.tokens import name_parts, quoted


@dataclass(frozen=True, slots=True)
class Partitions:
    """Of a partitioned table: the names of its partitions, quoted as they need it, with their schema.

    nested: whether one of them is partitioned itself.
    """

    names: tuple[str, ...] = ()
    nested: bool = False


def obstacle(change: Operation, partitions: Partitions) -> str:
    """Return why a rewrite does not work on the partitioned table; "" where it does."""
    if change.kind in ("unique", "drop index"):
        return (
            f"on a partitioned table the steps for a {change.kind} are not known: an index cannot be used or dropped so"
        )
    if change.kind == "foreign key":
        return "before PostgreSQL 18 a partitioned table takes no foreign key that is NOT VALID"
    if change.kind == "create index" and partitions.nested:
        return "a partition is partitioned itself: go through each level from the leaves up"
    return ""


def create_index(change: Operation, partitions: Partitions) -> Steps:
    """On the parent alone, which is instant; concurrently on each partition; then each is attached to the parent's."""
    unique, exists = "UNIQUE " if change.unique else "", "IF NOT EXISTS " if change.exists else ""
    home = change.table.rpartition(".")[0] if change.schema else ""
    parent = f"{home}.{change.name}" if home else change.name
    steps = [Step(f"CREATE {unique}INDEX {exists}{change.name} ON ONLY {change.table} {change.rest}", alone=True)]
    for partition in partitions.names:
        schema, _ = name_parts(partition)
        name = quoted(made_name(partition, change.name, "idx"))
        steps.append(Step(f"CREATE {unique}INDEX CONCURRENTLY {exists}{name} ON {partition} {change.rest}", alone=True))
        steps.append(Step(f"ALTER INDEX {parent} ATTACH PARTITION {schema}.{name}", alone=True))
    return tuple(steps)

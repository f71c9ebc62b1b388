"""How many rows a statement without a plan read by full scans: no more than it alone can have.

The server counts rows by table for all sessions together, and each of them reports late. What its own session read is
known from its event triggers; what its parallel workers read is bounded by the rows of the table and by how often the
command goes through them; where it does nothing else, they have read the rest. A command without events is counted by
these two alone, which the command leaves in the catalogue itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from inboxbench.dryrun.observe.log_statements import Draft
from inboxbench.dryrun.observe.sampler import Catalogue, Relation

_BUILT_BY_KEY = ("unique", "primary key", "exclude")


def counted_scans(draft: Draft, rebuilt: Counter[int]) -> dict[int, int]:
    """Return the rows that its session read between its events, by OID of the table, and those of its workers.

    rebuilt: how many indexes of each table it wrote again.
    """
    if len(draft.events) < 2:
        return {}
    first, last = draft.events[0].counted, draft.events[-1].counted
    rows_read = {}
    for oid, (own, _, everyone, rows) in last.items():
        own_before, _, everyone_before, rows_before = first.get(oid, (0, 0, 0, 0))
        if own > own_before:
            mine, others = own - own_before, max(everyone - everyone_before, 0)
            most = (max(rows, rows_before) or mine) * _times(draft, rebuilt[oid])
            by_workers = most if _only_builds(draft) else mine + others
            rows_read[oid] = max(mine, min(by_workers, most))
    return rows_read


def _only_builds(draft: Draft) -> bool:
    """Return whether it goes through whole tables and nothing else, so that its workers have read what it has not."""
    commands = draft.parsed.commands
    return all(command.kind in ("create index", "reindex") and not command.concurrently for command in commands)


def _times(draft: Draft, rebuilt: int) -> int:
    """Return how often a command may go through a table with workers: to build an index, twice if CONCURRENTLY; 0 for
    one that has no workers.
    """
    commands = draft.parsed.commands
    if any(command.kind == "create index" for command in commands):
        return 2 if any(command.concurrently for command in commands) else 1
    if any(command.kind == "reindex" for command in commands):
        return max(rebuilt, 1) * (2 if any(command.concurrently for command in commands) else 1)
    built = sum(command.constrains(kind) for command in commands for kind in _BUILT_BY_KEY)
    return built + rebuilt + 1 if built or rebuilt else 0


def silent_scans(draft: Draft, rewritten: Iterable[str], after: Catalogue) -> dict[str, int]:
    """Return the rows that VACUUM FULL, CLUSTER or REINDEX read, by schema.name of the table.

    rewritten: relations that it gave a new file; after: the catalogue with the number of rows that it counted.
    """
    names = {relation.full_name: relation for relation in after.relations.values()}
    again = [names[name] for name in rewritten if name in names]
    rebuilt = indexes_by_table(again)
    tables = {after.relations[oid] for oid in rebuilt if oid in after.relations}
    tables |= {relation for relation in again if relation.kind in "rm"}
    commands = draft.parsed.commands
    first = int(any(command.full for command in commands))  # CLUSTER goes by the index, or sorts
    twice = 2 if any(command.kind == "reindex" and command.concurrently for command in commands) else 1
    rows = {
        table.full_name: table.rows * (first + rebuilt[table.oid]) * twice for table in tables if table.kind in "rm"
    }
    return {name: count for name, count in rows.items() if count > 0}


def indexes_by_table(relations: Iterable[Relation]) -> Counter[int]:
    """Count the indexes among them by the OID of their table."""
    return Counter(relation.table for relation in relations if relation.kind == "i")

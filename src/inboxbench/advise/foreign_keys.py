"""Finds the indexes that foreign keys need: a delete from the table referred to looks for the rows that refer to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from inboxbench.advise.model import Candidate
from inboxbench.advise.tables import Facts, ForeignKey
from inboxbench.sqltree import parse
from inboxbench.workload.columns import spelled


def foreign_key_candidates(queries: Mapping[str, str], facts: Facts) -> Iterator[Candidate]:
    """Yield an index for each foreign key to a table that queries, texts by name, delete rows of."""
    deleted: dict[str, list[str]] = {}
    for name, text in queries.items():
        for command in parse(text).commands:
            if command.kind in ("delete", "merge") and command.target:
                target = facts.table(spelled(command.target))
                deleted.setdefault(target.name if target else "", []).append(name)
    for key in facts.foreign_keys:
        target, table = facts.table(key.target), facts.table(key.table)
        if target is None or table is None or any(rule[: len(key.columns)] == key.columns for rule in table.rules):
            continue
        if asked := deleted.get(target.name):
            yield Candidate(table.name, key.columns, asked_by=tuple(asked), width=16,
                            reason=f"what a foreign key to {target.name} looks up when a row goes there")  # fmt: skip


def only_served_by(candidates: Sequence[Candidate], chosen: Sequence[Candidate], facts: Facts) -> list[Candidate]:
    """Return of the indexes that a database has the narrowest one for each foreign key that no chosen index serves.

    A workload shows few deletes, so that no query may ask for them; without any of them each delete from the table that
    is referred to would read the whole of the other one.
    """
    needed: dict[str, Candidate] = {}
    for key in facts.foreign_keys:
        table = facts.table(key.table)
        if table is None or any(set(rule[: len(key.columns)]) == set(key.columns) for rule in table.rules):
            continue
        if not any(_serves(candidate, key) for candidate in (*chosen, *needed.values())):
            serving = [candidate for candidate in candidates if _serves(candidate, key)]
            if serving:
                narrowest = min(serving, key=lambda candidate: (len(candidate.keys), candidate.name))
                needed[narrowest.name] = narrowest
    return list(needed.values())


def _serves(candidate: Candidate, key: ForeignKey) -> bool:
    """Return whether rows of one value of the key are found by the index, whatever else they hold."""
    first = {part.partition(" ")[0] for part in candidate.keys[: len(key.columns)]}
    given = {"", *(f"{column} IS NOT NULL" for column in key.columns)}
    fits = candidate.method == "btree" and candidate.where.strip("()") in given
    return candidate.table == key.table and fits and first == set(key.columns)

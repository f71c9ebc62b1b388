"""Revisions of a tool that nobody knows: one for each top-level transaction, named by its first statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from inboxbench.dryrun.model import Revision, Statement, Transaction
from inboxbench.dryrun.observe.samples import Samples
from inboxbench.sqltree.tokens import folded, in_a_line

_LONGEST = 60
# What reads, or sets the session up, and changes nothing of the database.
_LOOKS = {"select", "set", "reset", "show", "explain", "fetch", "declare cursor", "close", "listen", "prepare",
          "deallocate", "discard", "execute"}  # fmt: skip


def by_transaction(
    statements: Sequence[Statement], transactions: Sequence[Transaction], samples: Samples, epoch_ms: float
) -> tuple[list[Statement], list[Revision]]:
    """Return the statements with the transactions that they ran in as revisions, and these. epoch_ms: Unix, of ms 0.

    Statements by themselves that follow each other and differ in their values alone are one revision; what only looks
    is in none.
    """
    ends = {transaction.number: transaction.finished_ms for transaction in transactions}
    placed: dict[int, Statement] = {statement.number: statement for statement in statements}
    revisions: list[Revision] = []
    for group in _groups(statements):
        work = [statement for statement in group if changes(statement)]
        if not work:
            continue
        title = in_a_line(work[0].parsed.flat, _LONGEST)
        name = f"{len(revisions) + 1}: {title}"
        placed |= {statement.number: replace(statement, revision=name) for statement in group}
        revisions.append(_revision(name, group, samples, epoch_ms, ends))
    return list(placed.values()), revisions


def _groups(statements: Sequence[Statement]) -> Iterator[list[Statement]]:
    """Yield the statements of each transaction, by its beginning; equal ones that each ran alone together."""
    mine: dict[int, list[Statement]] = {}
    for statement in statements:
        mine.setdefault(statement.transaction, []).append(statement)

    def kind(group: list[Statement]) -> tuple[int, str]:
        alone = len(group) == 1 and group[0].parsed.has("insert", "update", "delete", "select")
        return (0, folded(group[0].sql)) if alone else (group[0].number, "")

    for _, groups in groupby(mine.values(), key=kind):
        yield [statement for group in groups for statement in group]


def changes(statement: Statement) -> bool:
    """Return whether it did, or tried, more than to look."""
    commands = statement.parsed.commands
    looks = bool(commands) and all(command.kind in _LOOKS and not command.writes for command in commands)
    touched = any(lock.blocks_writes for lock in statement.locks) or statement.rewrites or statement.error
    return bool(touched) or not looks


def _revision(
    name: str, group: Sequence[Statement], samples: Samples, epoch_ms: float, ends: dict[int, float]
) -> Revision:
    begin = group[0].started_ms
    end = max(max(item.started_ms + item.duration_ms, ends.get(item.transaction, 0.0)) for item in group)
    moments = epoch_ms + begin, epoch_ms + end
    errors = [statement.error for statement in group if statement.error]
    return Revision(
        name, "", None, begin, end, samples.wal_between(*moments), samples.peak_between(*moments),
        error=errors[-1] if errors else None,
    )  # fmt: skip

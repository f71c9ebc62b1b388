"""Work that nobody does because the one who took it died (A1, P1.2): a death is one more choice at every step."""

from __future__ import annotations

from collections.abc import Sequence

from inboxbench.database import Connection
from inboxbench.race.atlas.family import ALL, Entry, Family, changed, twice, value
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.schedule import Outcome
from inboxbench.race.explore.session import SessionFunction

# A lease counts claims: whoever claims last holds the highest. NULL: a claim that nobody may ever take away.
_SETUP = """
    CREATE TABLE race_work (id int PRIMARY KEY, state text NOT NULL, lease int, claims int NOT NULL DEFAULT 0,
                            done int NOT NULL DEFAULT 0);
    INSERT INTO race_work VALUES (1, 'new');
"""
_RESET = "UPDATE race_work SET state = 'new', lease = NULL, claims = 0, done = 0"
_FREE = "SELECT id FROM race_work WHERE {which} LIMIT 1 FOR UPDATE SKIP LOCKED"
_NEW, _NEW_OR_OVER = "state = 'new'", "state = 'new' OR state = 'taken' AND lease IS NOT NULL"
_DONE = "UPDATE race_work SET state = 'done', done = done + 1 WHERE id = 1"


def _done_or_to_be_had(referee: Connection, _outcomes: Sequence[Outcome]) -> list[str]:
    """All sessions are over: what is taken now stays so, unless its lease ends."""
    lost = value(referee, "SELECT true FROM race_work WHERE state = 'taken' AND lease IS NULL")
    done = value(referee, "SELECT done FROM race_work")
    return (["taken by somebody who is gone, and never done"] if lost else []) + (
        [f"done {done} times"] if done > 1 else []
    )


def _each_statement_commits(connection: GatedConnection) -> None:
    with connection.ungated():
        connection.autocommit = True


def _claim_then_work(connection: GatedConnection, _session: int) -> bool:
    """The claim is committed before the work is done, so that no transaction is open meanwhile."""
    _each_statement_commits(connection)
    free = _FREE.format(which=_NEW)
    return changed(connection, f"UPDATE race_work SET state = 'taken' WHERE id = ({free})") and changed(
        connection, _DONE
    )


def _work_in_transaction(connection: GatedConnection, _session: int) -> bool:
    return value(connection, _FREE.format(which=_NEW)) is not None and changed(connection, _DONE)


def _leased(fence: str) -> SessionFunction:
    """Any lease may be over by now, as that of a worker who is slow: the worst case, always."""

    def work(connection: GatedConnection, _session: int) -> bool:
        _each_statement_commits(connection)
        free = _FREE.format(which=_NEW_OR_OVER)
        lease = value(
            connection,
            f"UPDATE race_work SET state = 'taken', claims = claims + 1, lease = claims + 1 WHERE id = ({free})"
            " RETURNING lease",
        )
        return lease is not None and changed(connection, _DONE + fence.format(lease=lease))

    return work


LOSING = Family(
    "work lost",
    "two workers, one piece of work, and either may die",
    ("A1", "P1.2"),
    _SETUP,
    _RESET,
    _done_or_to_be_had,
    (
        Entry("claim-then-work", "commit the claim, then do the work", twice(_claim_then_work), (), deaths=1),
        Entry(
            "work-in-transaction",
            "hold the claim open until the work is done",
            twice(_work_in_transaction),
            ALL,
            "claim-then-work",
            deaths=1,
        ),
        Entry("lease", "commit the claim with a lease; done by whoever", twice(_leased("")), (), deaths=1),
        Entry(
            "lease-fenced",
            "the same, and only the holder of the last lease may finish",
            twice(_leased(" AND lease = {lease} AND state = 'taken'")),
            ALL,
            "lease",
            deaths=1,
        ),
    ),
)

"""A team is changed while an agent of both teams takes the conversation (A1): Chatwoot's #15275."""

from __future__ import annotations

from inboxbench.race.atlas.family import ALL, Entry, Family, changed
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.serial_equivalence import SerialEquivalence
from inboxbench.race.explore.session import SessionFunction

ANN, OTHER_TEAM = 10, 2

_SETUP = """
    CREATE TABLE race_teamed (id int PRIMARY KEY, team int NOT NULL, holder int);
    INSERT INTO race_teamed VALUES (1, 1, NULL);
    CREATE TABLE race_team_member (team int NOT NULL, agent int NOT NULL);
    INSERT INTO race_team_member VALUES (1, 10), (2, 10), (1, 20);
"""
_RESET = "UPDATE race_teamed SET team = 1, holder = NULL"


def _take(connection: GatedConnection, _session: int) -> bool:
    return changed(connection, "UPDATE race_teamed SET holder = %s WHERE id = 1 AND holder IS NULL", ANN)


_LOCK = "SELECT FROM race_teamed WHERE id = 1 FOR UPDATE"


def _whole_row(lock: str = "", before: str | None = None) -> SessionFunction:
    """As an object that is loaded, changed and saved: what was read of the holder is written again.

    `lock` in the reading statement itself is not enough: after its wait the server looks at the locked row again, but
    joins it to what the other tables held before.
    """

    def change(connection: GatedConnection, _session: int) -> None:
        if before:
            connection.execute(before.encode())
        row = connection.execute(
            "SELECT holder FROM race_teamed LEFT JOIN race_team_member m ON m.agent = holder AND m.team = %s"
            f" WHERE id = 1 AND (holder IS NULL OR m.agent IS NOT NULL){lock}",
            (OTHER_TEAM,),
        ).fetchone()
        holder = row[0] if row else None
        connection.execute("UPDATE race_teamed SET team = %s, holder = %s WHERE id = 1", (OTHER_TEAM, holder))

    return change


def _own_column(connection: GatedConnection, _session: int) -> None:
    """The holder leaves only if the statement itself finds that they are not in the team."""
    connection.execute(
        "UPDATE race_teamed SET team = %(team)s, holder ="
        " (SELECT agent FROM race_team_member WHERE team = %(team)s AND agent = holder) WHERE id = 1",
        {"team": OTHER_TEAM},
    )


TEAMS = Family(
    "team",
    "a conversation changes its team while an agent of both takes it",
    ("A1",),
    _SETUP,
    _RESET,
    SerialEquivalence(("race_teamed",)),
    (
        Entry("whole-row", "read the row, write all of it back", (_whole_row(), _take), ("rr", "ser")),
        Entry(
            "whole-row-locked-join",
            "the same, read FOR UPDATE with a join",
            (_whole_row(" FOR UPDATE OF race_teamed"), _take),
            ("rr", "ser"),
        ),
        Entry(
            "whole-row-locked",
            "lock the row, then read it, write all of it back",
            (_whole_row(before=_LOCK), _take),
            ALL,
            "whole-row",
        ),
        Entry("own-column", "let the UPDATE itself look at the holder", (_own_column, _take), ALL, "whole-row"),
    ),
)

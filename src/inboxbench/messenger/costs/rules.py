"""The messenger's rules and the other ways to keep them, each rule a file, `bench/costs/NAME.sql`.

    -- title: an agent opens a conversation
    -- unit: look
    -- ids: C6

    --- way on-demand
    -- meaning: the time of the look is written
    -- ours: yes
    --- act
    UPDATE conversations SET agent_last_seen_at = clock_timestamp() WHERE id = :conversation;

What a way does is the steps of `before`, then what its key `call` names in CALLS or `strategy` in bench/strategies,
then the steps of `act` (see `race.steps`). They may use `:number` (of the execution), `:conversation`, `:body`, `:page`
(a list of 25 conversations), and `:new_key` and `:old_key`, keys of an outside message that is not there, or is.
`setup` makes the office fit the way, after that of the rule. `atlas` names the family and entry that explore it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from psycopg import errors

from inboxbench.database import Connection
from inboxbench.errors import UsageError, unknown
from inboxbench.messenger.app import assignment, handover
from inboxbench.messenger.app.activity import record
from inboxbench.messenger.app.automatic import assign_next
from inboxbench.messenger.app.lifecycle import change_status, mute, reopen_due
from inboxbench.messenger.app.message import Actor, incoming
from inboxbench.messenger.app.page import unread_of_page
from inboxbench.messenger.app.posting import Clocks, post
from inboxbench.messenger.costs.measure import AGENT, CONVERSATIONS, CUSTOMER, INBOX, Act, conversation_of
from inboxbench.project import Project
from inboxbench.race.steps import parse_steps, run_steps
from inboxbench.race.strategy import find_strategies
from inboxbench.sqlsheet import Form, Sheet, read_sheets

_FORM = Form(
    keys=("title", "unit", "ids"),
    required=("title", "unit", "ids"),
    sections=("setup",),
    ways=Form(
        keys=("meaning", "atlas", "ours", "call", "strategy", "units"),
        required=("meaning",),
        sections=("setup", "before", "act"),
    ),
)
_PAGE, _BATCH, _LIMIT = 25, 10, 100
_ANN = Actor("user", AGENT)
Values = Mapping[str, Any]
Call = Callable[[Connection, Values], object]


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to keep a rule. ours: what the messenger does. atlas: the (family, entry) that explores it, if any does.

    setup: SQL that makes the office fit this alternative. units: what one execution does at once, to divide by.
    """

    name: str
    meaning: str
    act: Act
    atlas: tuple[str, str] | None = None
    ours: bool = False
    setup: str = ""
    units: int = 1


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule with its alternatives. ids: of the requirements it keeps; unit: what a cost is of."""

    name: str
    title: str
    unit: str
    ids: tuple[str, ...]
    alternatives: tuple[Alternative, ...]


def values_of(number: int) -> dict[str, Any]:
    """Return what the steps of an execution may use."""
    first = number * _PAGE % CONVERSATIONS + 1
    return {
        "number": number,
        "conversation": conversation_of(number),
        "body": f"question number {number}",
        "page": list(range(first, first + _PAGE)),
        "new_key": f"new {number}",
        "old_key": f"key {number}",
    }


def _post(connection: Connection, values: Values, *, clocks: Clocks = "trigger") -> None:
    post(connection, incoming(values["conversation"], CUSTOMER, values["body"]), clocks=clocks)


def _post_to_first(connection: Connection, values: Values) -> None:
    post(connection, incoming(1, CUSTOMER, values["body"]))


def _deliver(connection: Connection, values: Values, *, key: str) -> None:
    post(connection, incoming(values["conversation"], CUSTOMER, "delivered", source_id=values[key]))


_INSERT = """
    INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, message_type, body,
                          source_id)
    VALUES (1, 1, %s, 'contact', 1, 'incoming', 0, 'delivered', %s)
"""


def _deliver_and_catch(connection: Connection, values: Values, *, key: str) -> None:
    connection.execute("SAVEPOINT delivery")
    try:
        connection.execute(_INSERT, (values["conversation"], values[key]))
    except errors.UniqueViolation:
        connection.execute("ROLLBACK TO SAVEPOINT delivery")
        connection.execute("SELECT id FROM messages WHERE inbox_id = 1 AND source_id = %s", (values[key],))


def _lock_then_assign(connection: Connection, values: Values) -> None:
    talk = values["conversation"]
    row = connection.execute("SELECT assignee_id FROM conversations WHERE id = %s FOR UPDATE", (talk,)).fetchone()
    if row is not None and row[0] is None:
        assignment.overwrite_assignee(connection, talk, AGENT)
        record(connection, [talk], handover.assigned(AGENT, _ANN))


_DUE = """
    SELECT id FROM conversations WHERE status = 'snoozed' AND snoozed_until <= now() ORDER BY snoozed_until LIMIT %s
"""


def _reopen_ten_each(connection: Connection, _values: Values) -> None:
    for (talk,) in connection.execute(_DUE, (_BATCH,)).fetchall():
        change_status(connection, talk, "open", Actor("bot"), expected="snoozed")


CALLS: Mapping[str, Call] = {
    "post": _post,
    "post_and_move_clocks": partial(_post, clocks="application"),
    "post_to_first": _post_to_first,
    "deliver": partial(_deliver, key="new_key"),
    "redeliver": partial(_deliver, key="old_key"),
    "deliver_and_catch": partial(_deliver_and_catch, key="new_key"),
    "redeliver_and_catch": partial(_deliver_and_catch, key="old_key"),
    "count_page": lambda connection, values: unread_of_page(connection, values["page"]),
    "assign": lambda connection, values: handover.assign(connection, values["conversation"], AGENT, _ANN),
    "assign_silently": lambda connection, values: assignment.assign(connection, values["conversation"], AGENT),
    "assign_next": lambda connection, _values: assign_next(connection, INBOX, "least_loaded", limit=_LIMIT),
    "lock_then_assign": _lock_then_assign,
    "mute": lambda connection, values: mute(connection, values["conversation"], _ANN),
    "resolve": lambda connection, values: change_status(connection, values["conversation"], "resolved", _ANN),
    "reopen_ten": lambda connection, _values: reopen_due(connection, _BATCH),
    "reopen_ten_each": _reopen_ten_each,
}


def read_rules(project: Project) -> dict[str, Rule]:
    """Return the rules of `bench/costs/*.sql` by name. Raises UsageError naming the file and what is wrong in it."""
    return {sheet.name: _rule(sheet, project) for sheet in read_sheets(project.bench / "costs", _FORM)}


def _rule(sheet: Sheet, project: Project) -> Rule:
    ways = tuple(_alternative(way, sheet.sections.get("setup", ""), project) for way in sheet.ways)
    return Rule(sheet.name, sheet.header["title"], sheet.header["unit"], tuple(sheet.header["ids"].split()), ways)


def _alternative(way: Sheet, setup: str, project: Project) -> Alternative:
    family, slash, entry = way.header.get("atlas", "").partition(" / ")
    return Alternative(
        way.name,
        way.header["meaning"],
        _act(way, project),
        (family, entry) if slash else None,
        way.yes("ours"),
        ";\n".join(filter(None, (setup, way.sections.get("setup")))),
        int(way.number("units", 1) or 1),
    )


def _act(way: Sheet, project: Project) -> Act:
    given = values_of(0)
    before, after = (parse_steps(way.sections.get(name, ""), way.where, given) for name in ("before", "act"))
    call = _call(way, project)
    if not (before or call or after):
        raise UsageError(f"{way.where}: it does nothing; give a section `--- act`, or a key `call` or `strategy`")

    def act(connection: Connection, number: int) -> None:
        values = values_of(number)
        run_steps(connection, before, values)
        if call:
            call(connection, values)
        run_steps(connection, after, values)

    return act


def _call(way: Sheet, project: Project) -> Call | None:
    if name := way.header.get("strategy"):
        (strategy,) = find_strategies(project, [name])
        return lambda connection, _values: strategy.attempt(connection, AGENT, {"inbox": INBOX})
    name = way.header.get("call")
    if name is not None and name not in CALLS:
        raise unknown("call", name, CALLS, where=way.where)
    return CALLS[name] if name else None

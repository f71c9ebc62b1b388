"""`--shuffle-traffic N`: the migrations again and again, while readers take the tables in other orders.

A migration that takes ACCESS EXCLUSIVE on several tables in one transaction (DROP TABLE a, DROP TABLE b) deadlocks
with a reader that takes them the other way round. A quiet rehearsal never sees it, and traffic of one order only by
luck.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from psycopg import sql

from inboxbench.database import connect
from inboxbench.database_copy import cloned
from inboxbench.dryrun.more import Shuffle
from inboxbench.dryrun.tools.base import Tool
from inboxbench.dryrun.under_traffic import Load, run_live
from inboxbench.server import Server
from inboxbench.traffic.request import RequestClass
from inboxbench.traffic.tables import Table, read_tables

WALKS = 6
_LENGTH = 3
_PAUSE_S = 0.02  # between two tables of a walk, as of an application that thinks: so long it holds the first
_MOST_TABLES = 40


def walks(tables: Sequence[Table], seed: int) -> tuple[RequestClass, ...]:
    """Readers of three tables each, in an order of their own, and of the same three the other way round."""
    random, made = Random(seed), []
    for _ in range(WALKS // 2):
        order = random.sample(list(tables), min(_LENGTH, len(tables)))
        made += [_walk(order), _walk(order[::-1])]
    return tuple({item.name: item for item in made}.values())


def _walk(order: Sequence[Table]) -> RequestClass:
    name = "read " + ", ".join(table.title for table in order)
    statements = tuple(
        sql.SQL("SELECT FROM {} LIMIT 1").format(
            sql.Identifier(table.schema.replace("%", "%%"), table.name.replace("%", "%%"))
        )
        for table in order
    )
    return RequestClass(
        name, "read", 1, statements, _nothing, pause_s=_PAUSE_S, tables=tuple(table.full_name for table in order)
    )


def _nothing(_random: Random) -> Mapping[str, Any]:
    return {}


def search_deadlocks(
    server: Server, template: str, tool: Tool, rounds: int, *, rate: float, target: str = "head"
) -> tuple[Shuffle, ...]:
    """`rounds` runs, each on a copy of `template`, to which no session may be connected."""
    with connect(server.conninfo(template)) as connection:
        tables = read_tables(connection)[:_MOST_TABLES]
    if len(tables) < 2:
        return ()
    return tuple(
        _round(server, template, tool, tables, seed=seed, rate=rate, target=target) for seed in range(1, rounds + 1)
    )


def _round(
    server: Server, template: str, tool: Tool, tables: Sequence[Table], *, seed: int, rate: float, target: str
) -> Shuffle:
    classes = walks(tables, seed)
    with cloned(server, template) as copy:
        live = run_live(server, copy, tool, Load(classes, rate, seed=seed), target)
    cycles = dict.fromkeys(one.deadlock_cycle for one in live.felt if one.deadlock_cycle)
    deadlocks = sum(one.deadlocks for one in live.felt)
    return Shuffle(seed, tuple(item.tables for item in classes), deadlocks, tuple(cycles), live.leg.error)

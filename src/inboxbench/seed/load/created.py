"""What a load makes in a database that is somebody's, listed in that database, so that nothing else is ever removed.

The list is a table of its own, written in the transaction that makes the objects and dropped when the load has ended
well. Objects are removed without CASCADE: what others made meanwhile stays, and so does what theirs depends on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from inboxbench.database import Connection
from inboxbench.owner import Owner, this_process

_PATIENCE = "60s"  # for the locks of sessions of ours that are being ended
_MARK = "inboxbench load: "
# Whatever a schema file can make that is no part of something else. Kinds of pg_class that are: indexes, toast tables.
_CATALOGS = (
    "namespace", "extension", "class", "proc", "type", "collation", "operator", "opclass", "opfamily", "cast",
    "conversion", "ts_config", "ts_dict", "ts_parser", "ts_template", "language", "foreign_data_wrapper",
    "foreign_server", "event_trigger", "publication", "subscription",
)  # fmt: skip
_OBJECTS = " UNION ALL ".join(
    f"SELECT 'pg_{name}'::regclass::oid AS classid, oid AS objid FROM pg_{name}"  # noqa: S608
    + (" WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')" if name == "class" else "")
    for name in _CATALOGS
)
# On a table, and gone with it: what others put there keeps the table.
_ATTACHED = """
    SELECT DISTINCT classid, objid FROM pg_depend
    WHERE refclassid = 'pg_class'::regclass AND refobjid = ANY (%s::oid[]) AND deptype = 'a' AND (
        classid IN ('pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_rewrite'::regclass)
        OR classid = 'pg_class'::regclass AND objid IN (SELECT oid FROM pg_class WHERE relkind = 'S')
    )
    UNION ALL SELECT 'pg_class'::regclass, inhrelid FROM pg_inherits WHERE inhparent = ANY (%s::oid[])
    UNION ALL SELECT 'pg_class'::regclass, indexrelid
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = ANY (%s::oid[]) AND NOT EXISTS (
        SELECT FROM inboxbench_loading WHERE objid = indrelid AND name = relname
    )
"""
_PLAN = """
    INSERT INTO inboxbench_loading (classid, objid, attached, name)
    VALUES ('pg_class'::regclass, %s::regclass, true, %s)
"""
# Parts of another object go with it.
_WHOLE = """
    SELECT classid, objid FROM unnest(%s::oid[], %s::oid[]) AS o (classid, objid)
    WHERE NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = o.classid AND d.objid = o.objid AND d.deptype IN ('i', 'e', 'a', 'P')
    )
"""
_KEYS_BETWEEN = """
    SELECT conrelid::regclass::text, quote_ident(conname) FROM pg_constraint
    WHERE contype = 'f' AND conrelid = ANY (%s::regclass[]) AND confrelid = ANY (%s::regclass[])
"""
_NAME = "SELECT type, identity FROM pg_identify_object(%s::oid, %s::oid, 0)"

_Object = tuple[int, int]


def _comment(connection: Connection) -> str:
    row = connection.execute("SELECT obj_description(to_regclass('inboxbench_loading'), 'pg_class')").fetchone()
    return str(row[0]) if row else ""


def is_listing(connection: Connection) -> bool:
    """Whether the list of a load is in this database; a table of that name that is somebody's does not count."""
    return _comment(connection).startswith(_MARK)


def list_owner(connection: Connection) -> tuple[Owner | None, int]:
    """Return the process whose load the list in this database is of (None: not known), and when it began (Unix
    seconds)."""
    try:
        facts = json.loads(_comment(connection).removeprefix(_MARK))
        return Owner.from_json(facts.get("owner")), int(facts["created"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, int(time.time())


@contextmanager
def listed(connection: Connection, *, begin: bool = False) -> Iterator[None]:
    """Add what the block makes through `connection` to the list, in one transaction with it.

    begin: make the list. Without, nothing happens where there is none: the load has a database of its own.
    """
    if not begin and not is_listing(connection):
        yield
        return
    with connection.transaction():
        # What others commit in the meantime is not seen, and so is not taken for ours.
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        if begin:
            _make_list(connection)
        before = _objects(connection)
        yield
        made = _whole(connection, [found for found in _objects(connection) if found not in before])
        attached = _attached(connection, made)
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO inboxbench_loading (classid, objid, attached) VALUES (%s, %s, %s)",
                [(*found, False) for found in made] + [(*found, True) for found in attached],
            )


def _make_list(connection: Connection) -> None:
    connection.execute(
        "CREATE TABLE inboxbench_loading (number serial, classid oid, objid oid, attached bool, name text)"
    )
    facts = {"owner": this_process().to_json(), "created": int(time.time())}
    text = sql.Literal(_MARK + json.dumps(facts))
    connection.execute(sql.SQL("COMMENT ON TABLE inboxbench_loading IS {}").format(text))


def plan_indexes(connection: Connection, indexes: Iterable[tuple[str, str]]) -> None:
    """Note the indexes that the load will build, by table and name: another one on the same table is somebody's."""
    if is_listing(connection):
        with connection.cursor() as cursor:
            cursor.executemany(_PLAN, list(indexes))


def _objects(connection: Connection) -> dict[_Object, None]:
    return dict.fromkeys((int(row[0]), int(row[1])) for row in connection.execute(_OBJECTS.encode()))


def _whole(connection: Connection, objects: Sequence[_Object]) -> list[_Object]:
    """Those that are no part of another one, oldest first."""
    rows = connection.execute(_WHOLE, ([found[0] for found in objects], [found[1] for found in objects]))
    return sorted(((int(row[0]), int(row[1])) for row in rows), key=lambda found: found[1])


def _attached(connection: Connection, objects: Sequence[_Object]) -> list[_Object]:
    tables = [objid for _, objid in objects]
    return [(int(row[0]), int(row[1])) for row in connection.execute(_ATTACHED, (tables, tables, tables))]


def forget(connection: Connection) -> None:
    """Drop the list: what is on it stays."""
    if is_listing(connection):
        connection.execute("DROP TABLE inboxbench_loading")


def remove_listed(connection: Connection) -> list[str]:
    """Remove what is on the list; returns a line for each object that has to stay, and why.

    What stays is still on the list, for the next one to try, and to say whose it is; else the list goes, too.
    """
    if not is_listing(connection):
        return []
    rows = connection.execute("SELECT classid, objid, attached FROM inboxbench_loading ORDER BY number DESC").fetchall()
    known = {(int(classid), int(objid)) for classid, objid, _ in rows}
    with connection.transaction():
        connection.execute("SELECT set_config('lock_timeout', %s, true)", (_PATIENCE,))
        kept = _removed(connection, [(int(row[0]), int(row[1])) for row in rows if not row[2]], known)
        if kept:
            connection.execute(
                "DELETE FROM inboxbench_loading WHERE NOT attached AND objid <> ALL (%s::oid[])",
                ([objid for _classid, objid in kept],),
            )
        else:
            connection.execute("DROP TABLE inboxbench_loading")
        return list(kept.values())


def _removed(connection: Connection, objects: Sequence[_Object], known: set[_Object]) -> dict[_Object, str]:
    """Round after round, as long as something goes: what one needs may be gone by then."""
    kept = {}
    free = []
    for found in objects:
        if strangers := [other for other in _attached(connection, [found]) if other not in known]:
            kept[found] = f"{_shown(connection, found)} has {_shown(connection, strangers[0])}, which is somebody's"
        else:
            free.append(found)
    _drop_tables(connection, free)
    left = free
    while left:
        problems = {found: problem for found in left if (problem := _drop(connection, found))}
        if len(problems) == len(left):
            kept |= problems
            break
        left = list(problems)
    return kept


def _identity(connection: Connection, found: _Object) -> tuple[str, str] | None:
    """Kind and name as DROP takes them; None for what is gone."""
    row: tuple[Any, ...] | None = connection.execute(_NAME, found).fetchone()
    if row is None or row[1] is None:
        return None
    return ("TYPE" if row[0] == "composite type" else str(row[0]).upper()), str(row[1])


def _shown(connection: Connection, found: _Object) -> str:
    kind, name = _identity(connection, found) or ("object", str(found[1]))
    return f"{kind.lower()} {name}"


def _drop_tables(connection: Connection, objects: Sequence[_Object]) -> None:
    """All at once where that can be: they may refer to each other. Else their own foreign keys go first."""
    identities = [identity for found in objects if (identity := _identity(connection, found))]
    tables = [name for kind, name in identities if kind == "TABLE"]
    if not tables:
        return
    try:
        with connection.transaction():
            connection.execute(f"DROP TABLE {', '.join(tables)}".encode())
    except psycopg.errors.DependentObjectsStillExist:
        keys = connection.execute(_KEYS_BETWEEN, (tables, tables)).fetchall()
        for table, key in keys:
            connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {key}".encode())


def _drop(connection: Connection, found: _Object) -> str:
    """Why it cannot be dropped; empty when it is gone."""
    identity = _identity(connection, found)
    if identity is None:
        return ""
    try:
        with connection.transaction():
            connection.execute("DROP {} {}".format(*identity).encode())
    except (psycopg.errors.DependentObjectsStillExist, psycopg.errors.LockNotAvailable) as error:
        detail = (error.diag.message_detail or str(error)).splitlines()[0]
        return f"{identity[0].lower()} {identity[1]} stays: {detail}"
    return ""

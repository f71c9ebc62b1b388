"""Settings that decide what a query or a migration meets: read at a source, written to its copy, overridden there.

What a session of the connecting role has at the source counts, whether the server, the database, the role or the
connection string set it; the copy gets the same as settings of the database (ALTER DATABASE … SET).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import psycopg

from inboxbench.database import Connection, connect, first_row, set_on_database
from inboxbench.errors import UsageError
from inboxbench.server import Server, reason

# Custom setting of a database: the names that --set gave it, with commas between. No session forces those.
CHOSEN = "inboxbench.chosen"
# Settings that a measurement forces unless its database has a value of its own, which a copy of a URL always has.
OWN_FIRST = ("effective_cache_size", "work_mem")
_NAMES = (
    *OWN_FIRST,
    *("hash_mem_multiplier", "max_parallel_workers_per_gather", "synchronize_seqscans", "gin_fuzzy_search_limit"),
    *("DateStyle", "IntervalStyle", "TimeZone", "search_path", "array_nulls", "bytea_output", "xmloption"),
    *("default_text_search_config", "extra_float_digits", "standard_conforming_strings", "backslash_quote"),
    *("transform_null_equals", "row_security", "default_transaction_isolation", "check_function_bodies"),
    *("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"),
)
# The planner's costs and switches, JIT, default_statistics_target and plan_cache_mode are the category Query Tuning.
_EFFECTIVE = """
    SELECT name, current_setting(name) FROM pg_settings
    WHERE context = 'user' AND (name = ANY (%s) OR category LIKE 'Query Tuning%%')
"""
# Placeholders of the application and of extensions are in no view; those of programs that trace or log stay behind.
_CUSTOM = """
    SELECT split_part(entry, '=', 1), substr(entry, strpos(entry, '=') + 1)
    FROM pg_db_role_setting AS s, unnest(s.setconfig) AS entry
    WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
      AND s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = current_user))
      AND split_part(entry, '=', 1) LIKE '%.%'
      AND split_part(entry, '.', 1) NOT IN ('auto_explain', 'pg_stat_statements', 'pgaudit', 'inboxbench')
    ORDER BY s.setdatabase <> 0, s.setrole <> 0
"""
_FORCED = """
    SELECT name FROM pg_settings
    WHERE name = ANY (%s) AND NOT name = ANY (string_to_array(coalesce(current_setting(%s, true), ''), ','))
      AND NOT (name = ANY (%s) AND source IN ('database', 'database user'))
"""
# What takes nothing from a query that is answered: it may not write, and not run for ever.
_HARMLESS = (("default_transaction_read_only", "off"), ("statement_timeout", "0"))


def read_settings(connection: Connection) -> dict[str, str]:
    """Return the settings that decide plans and results, as a session of this role has them in this database."""
    return dict(connection.execute(_EFFECTIVE, (list(_NAMES),)).fetchall()) | dict(connection.execute(_CUSTOM))


def take_over(server: Server, database: str, settings: Mapping[str, str]) -> Iterator[str]:
    """Give `database`, a copy, the settings of its source where its own differ; yield a remark on each that failed."""
    with psycopg.connect(server.conninfo(database), autocommit=True) as connection:  # as an application connects
        ours = read_settings(connection)
    with connect(server.conninfo(database)) as connection:
        for name, value in settings.items():
            if ours.get(name) == value and name not in OWN_FIRST:
                continue
            if name not in ours and "." not in name:
                continue  # this server is newer and has it no more
            try:
                set_on_database(connection, database, name, value)
            except psycopg.Error as error:
                yield f"the setting {name} of the source stays behind: {reason(error)}"


def override(server: Server, database: str, settings: Mapping[str, str], where: str = "--set") -> None:
    """Set what `--set NAME=VALUE` gave in `database`, one of ours, so that no session forces another value.

    where: what else gave them, with which a message begins. Raises UsageError for a setting that the server does not
    have, or that no session can set.
    """
    if not settings:
        return
    with connect(server.conninfo(database)) as connection:
        for name, value in settings.items():
            try:
                set_on_database(connection, database, name, value)
            except psycopg.Error as error:
                raise UsageError(f"{where} {name}={value}: {reason(error)}") from None
        before = first_row(connection, "SELECT coalesce(current_setting(%s, true), '')", (CHOSEN,))[0].split(",")
        names = dict.fromkeys([*filter(None, before), *(name.lower() for name in settings)])
        set_on_database(connection, database, CHOSEN, ",".join(names))


def forced(connection: Connection, wanted: Mapping[str, str]) -> dict[str, str]:
    """Return those of `wanted` that a measuring session forces: not what --set chose, nor what the database has of
    `OWN_FIRST`."""
    rows = connection.execute(_FORCED, ([name.lower() for name in wanted], CHOSEN, list(OWN_FIRST)))
    names = {name for (name,) in rows}
    return {name: value for name, value in wanted.items() if name in names}


def replaced(server: Server, database: str, wanted: Mapping[str, str]) -> list[str]:
    """Say in one line which of `wanted` a measuring session forces on `database`, and the values that it replaces."""
    with psycopg.connect(server.conninfo(database), autocommit=True) as connection:
        forced_here = forced(connection, wanted)
        before = {name: first_row(connection, "SELECT current_setting(%s)", (name,))[0] for name in forced_here}
    changes = [
        f"{name} = {value} (was {before[name]})"
        for name, value in forced_here.items()
        if before[name] != value and (name, before[name]) not in _HARMLESS
    ]
    if not changes:
        return []
    return [f"settings forced so that counters repeat: {', '.join(changes)}; --set NAME=VALUE overrides"]

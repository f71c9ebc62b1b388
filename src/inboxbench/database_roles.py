"""Roles: those of a source on the server of its copy, with what they own and may do; and who a measurement acts as.

Whom a row security policy binds depends on attributes, memberships, ownership and privileges, so a copy needs all of
them. A role that the server lacks is made under its own name, as policies and functions name it; it cannot log in,
carries our mark and the process that made it, and is removed with the last copy that needs it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from inboxbench.database import Connection, connect, with_names
from inboxbench.errors import UsageError
from inboxbench.owner import Owner, this_process
from inboxbench.server import Server, reason
from inboxbench.sqlfile import read_sections

_SQL = read_sections(__file__)
_MARK = "inboxbench role: "
# Kept in common by whoever uses a role of ours; it is removed by who can have it alone.
_IN_USE = "hashtextextended('inboxbench role ' || %s, 0)"
_MARKED = "SELECT rolname::text, shobj_description(oid, 'pg_authid'), rolsuper OR rolbypassrls FROM pg_roles"
_MAY = """
    SELECT rolsuper OR rolbypassrls, pg_has_role(current_user, oid, 'MEMBER') FROM pg_roles WHERE rolname = %s
"""
_SCHEMAS = """
    SELECT nspname FROM pg_namespace
    WHERE NOT starts_with(nspname::text, 'pg_') AND nspname <> 'information_schema' ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Role:
    """A role; superuser and bypasses: policies do not bind it."""

    name: str
    superuser: bool = False
    bypasses: bool = False
    inherits: bool = True

    @property
    def unbound(self) -> bool:
        return self.superuser or self.bypasses


@dataclass(frozen=True, slots=True)
class Roles:
    """The roles of a database. memberships: (group, member, whether its privileges are inherited); statements: who
    owns what and may do what, to be executed in a copy; wanted: whom queries are to be executed as."""

    roles: Sequence[Role] = ()
    memberships: Sequence[tuple[str, str, bool]] = ()
    statements: Sequence[str] = ()
    wanted: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Brought:
    """missing: roles that could not be made on a server; freed: those that policies bind at the source alone."""

    missing: Sequence[str] = ()
    freed: Sequence[str] = ()

    def remarks(self) -> Iterator[str]:
        if self.freed:
            yield f"row security binds role {self.freed[0]} at the source and not here, where it may read every row"


def read_roles(source: Connection, wanted: Sequence[str] = ()) -> Roles:
    """Return the roles of the database behind `source`, `wanted` among them. Raises UsageError when it lacks one."""
    roles = [Role(*row) for row in source.execute(_SQL["roles"], {"wanted": list(wanted)})]
    names = [role.name for role in roles]
    if missing := [name for name in wanted if name not in names and not name.startswith("pg_")]:
        raise UsageError(
            f"role {missing[0]}: the source has no such role; name the one that the application logs in as"
        )
    with source.transaction():
        source.execute("SET LOCAL search_path = ''")  # so that every name comes with its schema
        statements = [
            *(text for (text,) in source.execute(_SQL["owners"], {"roles": names})),
            *(text for (text,) in source.execute(_SQL["grants"], {"roles": names})),
        ]
    return Roles(roles, source.execute(_SQL["memberships"], (names,)).fetchall(), statements, wanted)


def settings_of(source: Connection, role: str) -> dict[str, str]:
    """Return the settings that the database and the role itself give a session of `role`."""
    return dict(source.execute(_SQL["settings"], (role,)).fetchall())


@contextmanager
def brought(server: Server, roles: Roles) -> Iterator[Brought]:
    """Make the roles that the server lacks, for the block.

    Databases that need them must be gone at the end of the block.
    """
    with connect(server.conninfo()) as connection:
        for role in roles.roles:
            connection.execute(f"SELECT pg_advisory_lock_shared({_IN_USE})".encode(), (role.name,))
        before = {name: (comment, unbound) for name, comment, unbound in connection.execute(_MARKED)}
        theirs = {name for name, (comment, _unbound) in before.items() if not str(comment).startswith(_MARK)}
        missing = [role.name for role in roles.roles if role.name not in before and not _made(connection, server, role)]
        freed = [role.name for role in roles.roles if role.name in theirs and before[role.name][1] and not role.unbound]
        try:
            _join(connection, roles, theirs)
            yield Brought(missing, freed)
        finally:
            for role in roles.roles:
                connection.execute(f"SELECT pg_advisory_unlock_shared({_IN_USE})".encode(), (role.name,))
                _remove(connection, role.name)


def _made(connection: Connection, server: Server, role: Role) -> bool:
    """Make the role, marked; whether the server let us. None of ours is a superuser on a server of somebody else's."""
    words = ["SUPERUSER"] if role.superuser and server.owned else ["BYPASSRLS"] if role.unbound else []
    words += [] if role.inherits else ["NOINHERIT"]
    mark = sql.Literal(_MARK + json.dumps(this_process().to_json(), sort_keys=True))
    try:
        with connection.transaction():
            connection.execute(
                with_names("CREATE ROLE {} NOLOGIN {}", role.name, sql.SQL(" ").join(map(sql.SQL, words)))
            )
            connection.execute(with_names("COMMENT ON ROLE {} IS {}", role.name, mark))
    except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        return True  # another command has just made it
    except psycopg.Error:
        return False
    return True


def _join(connection: Connection, roles: Roles, theirs: Collection[str]) -> None:
    """Make members of roles that are ours; what was there before is not changed."""
    for group, member, inherits in roles.memberships:
        if member in theirs:
            continue
        grant = with_names("GRANT {} TO {}", group, member)
        if not inherits:
            grant += sql.SQL(" WITH INHERIT FALSE")
        try:
            connection.execute(grant)
        except psycopg.Error:
            continue  # a predefined role that an older server lacks, or a server that does not let us


def _remove(connection: Connection, name: str) -> None:
    """Drop a role of ours, unless another command uses it or something still belongs to it."""
    if not connection.execute(f"SELECT pg_try_advisory_lock({_IN_USE})".encode(), (name,)).fetchall()[0][0]:
        return
    try:
        marked = connection.execute(_MARKED + " WHERE rolname = %s", (name,)).fetchone()
        if marked and str(marked[1]).startswith(_MARK):
            connection.execute(with_names("DROP ROLE {}", name))
    except psycopg.errors.DependentObjectsStillExist:
        pass  # its database is removed with the next command's, and the role then
    finally:
        connection.execute(f"SELECT pg_advisory_unlock({_IN_USE})".encode(), (name,))


def remove_left_roles(server: Server) -> list[str]:
    """Remove roles of ours whose process is gone, once their databases are; return their names."""
    removed = []
    with connect(server.conninfo()) as connection:
        for name, comment, _unbound in connection.execute(_MARKED).fetchall():
            if not str(comment).startswith(_MARK):
                continue
            owner = Owner.from_json(_parsed(str(comment).removeprefix(_MARK)))
            if owner is not None and owner.state == "gone":
                _remove(connection, name)
                removed.append(name)
    return removed


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def hand_over(server: Server, database: str, roles: Roles) -> Iterator[str]:
    """Give `database`, a copy, owners and privileges as they are at the source; yield a remark on what stays behind.

    Only a superuser can. Elsewhere the roles that queries are executed as get every privilege.
    """
    with connect(server.conninfo(database)) as connection:
        if connection.info.parameter_status("is_superuser") != "on":
            for role in roles.wanted:
                grant_all(connection, role)
                yield f"the copy comes without privileges: {role} has all of them in it"
            return
        try:
            connection.execute("; ".join(roles.statements).encode())
        except psycopg.Error:
            failed = [said for text in roles.statements if (said := _failure(connection, text))]
            if failed:
                yield f"owners and privileges stay behind in {len(failed)} cases, the first: {failed[0]}"


def _failure(connection: Connection, statement: str) -> str | None:
    try:
        connection.execute(statement.encode())
    except psycopg.Error as error:
        return reason(error)
    return None


def grant_all(connection: Connection, role: str) -> None:
    """Give `role` every privilege in a database of ours; policies bind it all the same."""
    for (schema,) in connection.execute(_SCHEMAS).fetchall():
        for what in ("USAGE ON SCHEMA {}", "ALL ON ALL TABLES IN SCHEMA {}", "ALL ON ALL SEQUENCES IN SCHEMA {}"):
            connection.execute(sql.SQL("GRANT " + what + " TO {}").format(sql.Identifier(schema), sql.Identifier(role)))


def check_role(server: Server, role: str | None) -> str:
    """Return whom counters are measured as, in words. Raises UsageError for a role that cannot be taken on."""
    with connect(server.conninfo()) as connection:
        user = connection.info.user
        row = connection.execute(_MAY, (role or user,)).fetchone()
    if row is None:
        raise UsageError(
            f"--role {role}: there is no such role on {server.label}; let a migration create it, or name a server that "
            "has it with --server"
        )
    if not row[1]:
        raise UsageError(f"--role {role}: {user} is no member of it on {server.label}; GRANT {role} TO {user} there")
    return f"measured as role {role or user}" + (", whom no row security policy binds" if row[0] else "")


def policies_remark(connection: Connection, role: str | None) -> str | None:
    """Say which row security policies do not bind whom queries are executed as; None where all do, or there are none.

    role: None for the connection's own user.
    """
    with connection.transaction(force_rollback=True):
        if role:
            connection.execute("SELECT set_config('role', %s, true)", (role,))
        rows = connection.execute(_SQL["unbound"]).fetchall()
    if not rows:
        return None
    tables = f"{rows[0][0]} and {len(rows) - 1} more tables" if len(rows) > 1 else str(rows[0][0])
    if role:
        why = "it is a superuser or has BYPASSRLS" if rows[0][1] else "it owns them, or is a member of their owner"
        return f"row security of {tables} does not bind role {role}: {why}, so every row is read"
    return (
        f"row security: the policies of {tables} do not bind {connection.info.user}, whom everything is measured as; "
        "what the application reads, and by which plan, shows --role NAME (or `-- role: NAME` in a query)"
    )

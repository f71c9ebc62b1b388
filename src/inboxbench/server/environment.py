"""The variables of libpq (PGHOST, PGSERVICE, PGOPTIONS …): for somebody's URL as psql reads them, and for nothing else.

They are set aside when a command begins, so that no connection to a server of ours and no program that is started sees
them. A user's URL is completed with them, so that it leads where it leads with psql.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo

from inboxbench.credentials import remember

# PGSERVICEFILE, PGSYSCONFDIR and PGLOCALEDIR say where files lie and reach nothing on their own: they stay.
LIBPQ = frozenset({
    "PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGPASSFILE", "PGSERVICE", "PGOPTIONS",
    "PGAPPNAME", "PGCLIENTENCODING", "PGCONNECT_TIMEOUT", "PGTARGETSESSIONATTRS", "PGLOADBALANCEHOSTS", "PGREQUIREAUTH",
    "PGCHANNELBINDING", "PGREQUIREPEER", "PGREQUIRESSL", "PGSSLMODE", "PGSSLNEGOTIATION", "PGSSLCOMPRESSION",
    "PGSSLCERT", "PGSSLKEY", "PGSSLCERTMODE", "PGSSLROOTCERT", "PGSSLCRL", "PGSSLCRLDIR", "PGSSLSNI",
    "PGSSLKEYLOGFILE", "PGSSLMINPROTOCOLVERSION", "PGSSLMAXPROTOCOLVERSION", "PGMINPROTOCOLVERSION",
    "PGMAXPROTOCOLVERSION", "PGGSSENCMODE", "PGGSSDELEGATION", "PGGSSLIB", "PGKRBSRVNAME", "PGREALM", "PGTZ",
    "PGDATESTYLE", "PGGEQO", "PGDATA", "PGCTLTIMEOUT",
})  # fmt: skip
_SESSION = {"PGTZ": "timezone", "PGDATESTYLE": "datestyle", "PGGEQO": "geqo"}
# What a connection to a server of ours states, so that no variable can say otherwise. All are older than PostgreSQL 15.
_STATED = {
    "hostaddr": "", "password": "", "passfile": f"{os.devnull}/none", "options": "", "sslmode": "disable",
    "gssencmode": "disable", "channel_binding": "disable", "target_session_attrs": "any", "client_encoding": "UTF8",
    "application_name": "inboxbench", "requirepeer": "",
}  # fmt: skip
_set_aside: dict[str, str] = {}


def set_aside() -> None:
    """Take libpq's variables out of this process's environment, and keep them for the URLs of users."""
    _set_aside.update({name: os.environ.pop(name) for name in LIBPQ & os.environ.keys()})


@contextmanager
def aside() -> Iterator[None]:
    """Set libpq's variables aside during the block: in a process of somebody's own, who needs them afterwards.

    A connection string cannot gainsay each of them: PGSERVICE names a file that has to exist, PGTZ is sent after it.
    """
    before, taken = dict(_set_aside), {name: os.environ.pop(name) for name in LIBPQ & os.environ.keys()}
    _set_aside.update(taken)
    try:
        yield
    finally:
        _set_aside.clear()
        _set_aside.update(before)
        os.environ.update(taken)


def without_libpq() -> dict[str, str]:
    """Return the environment for a program that is started: without libpq's variables."""
    return {name: value for name, value in os.environ.items() if name not in LIBPQ}


def stated(conninfo: str) -> str:
    """Return the connection string of a server of ours with everything in it that a variable could say."""
    return make_conninfo("", **(_STATED | conninfo_to_dict(conninfo)))


def completed(conninfo: str) -> str:
    """Return the connection string of somebody's server with what psql would read from the environment.

    What it states itself comes first, then its service, then the variables. Raises psycopg.ProgrammingError for one
    that cannot be read.
    """
    parts = {key: value for key, value in conninfo_to_dict(conninfo).items() if value is not None}
    variables = {name: value for name, value in (os.environ | _set_aside).items() if name in LIBPQ}
    if "service" in parts or "PGSERVICE" in variables:
        parts["service"] = variables["PGSERVICE"] = str(parts.get("service") or variables["PGSERVICE"])
    own = _defaults({})
    given = {key: value for key, value in _defaults(variables).items() if own.get(key) != value}
    merged = given | parts
    session = {setting: variables[name] for name, setting in _SESSION.items() if variables.get(name)}
    if session:
        words = [f"-c {setting}={value.replace(' ', chr(92) + ' ')}" for setting, value in session.items()]
        merged["options"] = " ".join([*words, str(merged.get("options") or "")]).strip()
    result = make_conninfo("", **merged)
    remember(result)
    return result


def _defaults(variables: Mapping[str, str]) -> dict[str, str]:
    with _environment(variables):
        return {option.keyword.decode(): option.val.decode() for option in Conninfo.get_defaults() if option.val}


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Have just these of libpq's variables during the block."""
    before = {name: os.environ.pop(name) for name in LIBPQ & os.environ.keys()}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]
        os.environ.update(before)

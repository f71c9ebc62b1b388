"""Django's connections inside a session of the explorer: each session sees its own, wherever Django asks for one."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import greenlet
from django.conf import settings
from django.db import connections
from django.db.utils import load_backend
from psycopg.adapt import AdaptersMap

from inboxbench.errors import SubjectFailed
from inboxbench.race.explore.gated_connection import GatedConnection, MisuseError

_POSTGRES = "django.db.backends.postgresql"
# What a project says about how it talks to the server; where the server is, is not its business here.
_KEPT_OPTIONS = ("server_side_binding", "assume_role")


def wrapped(connection: GatedConnection, alias: str) -> Any:
    """Make `connection` what `connections[alias]` is in this session, until it ends; return Django's wrapper of it.

    Raises SubjectFailed where Django has no settings.
    """
    if not settings.configured:
        raise SubjectFailed(
            "Django has no settings: set DJANGO_SETTINGS_MODULE and call django.setup() in the module of the function"
        )
    if not isinstance(connections._connections, _PerSession):
        connections._connections = _PerSession(connections._connections)
    wrapper = _wrapper_class(alias)(connection, alias)
    with connection.ungated():
        wrapper.connect()
    connection.own_settings = ("TimeZone",)
    connections._connections.open(connection, alias, wrapper)
    return wrapper


def _wrapper_class(alias: str) -> Any:
    """Return the wrapper of the project's engine, or of Django's own one where that is for another database."""
    engine = connections.settings[alias]["ENGINE"] if alias in connections.settings else _POSTGRES
    backend = load_backend(engine).DatabaseWrapper
    if backend.vendor != "postgresql":
        backend = load_backend(_POSTGRES).DatabaseWrapper

    class Wrapper(backend):  # type: ignore[misc, valid-type]
        """Gets its connection from the explorer instead of opening one, and is otherwise the project's own."""

        def __init__(self, connection: GatedConnection, alias: str) -> None:
            known = dict(connections.settings.get(alias) or connections.settings["default"])
            options = {key: value for key, value in known.get("OPTIONS", {}).items() if key in _KEPT_OPTIONS}
            super().__init__({**known, "NAME": connection.info.dbname, "OPTIONS": options}, alias)
            self._given = connection

        def get_new_connection(self, conn_params: dict[str, Any]) -> GatedConnection:
            if self._given.closed:
                self._given.misuse = "closed Django's connection and went on; a session has one connection"
                raise MisuseError
            self._given._adapters = AdaptersMap(conn_params["context"])
            self._given.prepare_threshold = conn_params["prepare_threshold"]
            self._given.cursor_factory = conn_params["cursor_factory"]
            return self._given

    return Wrapper


class _PerSession:
    """Stands for Django's storage of connections: in a session its own ones, elsewhere those of before."""

    def __init__(self, before: Any) -> None:
        self.__dict__["_before"] = before
        self.__dict__["_sessions"] = WeakKeyDictionary()

    def open(self, connection: GatedConnection, alias: str, wrapper: Any) -> None:
        """Show `wrapper` to this session."""
        _, wrappers = self._sessions.setdefault(greenlet.getcurrent(), (connection, {}))
        wrappers[alias] = wrapper

    def __getattr__(self, alias: str) -> Any:
        session = self._sessions.get(greenlet.getcurrent())
        if session is None:
            return getattr(self._before, alias)
        connection, wrappers = session
        if alias in wrappers:
            return wrappers[alias]
        if alias in connections.settings:
            connection.misuse = (
                f"used Django's connection {alias!r}, which is none of the session's: django_of names its own"
            )
            raise MisuseError
        raise AttributeError(alias)

    def __setattr__(self, alias: str, wrapper: Any) -> None:
        setattr(self._before, alias, wrapper)

    def __delattr__(self, alias: str) -> None:
        delattr(self._before, alias)

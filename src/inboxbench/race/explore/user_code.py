"""A user's own code: the function that a session runs, and the SQL scripts that build and put back its rows."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from inboxbench.database import Connection
from inboxbench.database_marks import EMPTY
from inboxbench.errors import UsageError, unknown
from inboxbench.files import read_text
from inboxbench.race.explore.coroutines import run_coroutine
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import Reset, SessionFunction
from inboxbench.server import reason


def load_function(target: str) -> SessionFunction:
    """Return the function of `package.module:name`, found from the working directory too.

    Raises UsageError when it cannot be imported or does not take a connection (and a session number, if it likes).
    """
    module_name, _, name = target.partition(":")
    if not module_name or not name:
        raise UsageError(f"{target!r}: expected MODULE:FUNCTION, such as myapp.assign:claim")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise UsageError(f"{target!r}: cannot import {module_name}: {type(error).__name__}: {error}") from error
    function = getattr(module, name, None)
    if not callable(function):
        names = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        raise unknown("function", name, names, where=module_name)
    return adapt(function, target)


def adapt(function: Callable[..., Any], target: str = "") -> SessionFunction:
    """Return `function(connection)` or `function(connection, session)` as a session. Raises UsageError for another."""
    target = target or getattr(function, "__qualname__", repr(function))
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # it is written in C
        raise UsageError(f"{target} does not say what it takes; name a function written in Python") from None
    wanted = [p for p in parameters if p.kind in positional]
    required = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if not wanted or len(required) > 2 or any(p.kind is p.KEYWORD_ONLY for p in required):
        raise UsageError(
            f"{target} must take a connection, and may take a session number after it: (connection, session)"
        )
    takes_session = len(wanted) > 1

    if inspect.iscoroutinefunction(function):

        def awaited(connection: GatedConnection, number: int) -> Any:
            return run_coroutine(function, connection, *([number] if takes_session else []))

        return awaited

    def session(connection: GatedConnection, number: int) -> Any:
        return function(connection, number) if takes_session else function(connection)

    return session


@dataclass(frozen=True, slots=True)
class Script:
    """A SQL script of the user's. name: what messages call it, a path for one that was read from a file."""

    text: str
    name: str

    @classmethod
    def read(cls, path: Path) -> Script:
        return cls(read_text(path), str(path))

    def run(self, connection: Connection, *, before: str = "") -> None:
        """Execute `before` and the script as one transaction. Raises UsageError naming the script and the line."""
        try:
            connection.execute((before + self.text).encode())
        except psycopg.Error as error:
            position = error.diag.statement_position
            line = f" line {self._line(int(position) - len(before))}" if position else ""
            raise UsageError(f"{self.name}{line}: {reason(error)}") from None

    def _line(self, position: int) -> int:
        return self.text.count("\n", 0, max(0, position - 1)) + 1


def reset_by(script: Script) -> Reset:
    """Return a reset that executes a script."""
    return script.run


def rebuild_by(setup: Script) -> Reset:
    """Return a reset that drops everything and builds it again: right for any setup, and slow."""
    return lambda control: setup.run(control, before=EMPTY)

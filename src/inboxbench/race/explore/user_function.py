"""Somebody else's function, made fit for the explorer."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inboxbench.errors import UsageError, unknown
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.session import SessionFunction


def load_function(target: str) -> SessionFunction:
    """The function of `package.module:name`, found from the working directory too.

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
    except Exception as error:
        raise UsageError(f"{target!r}: cannot import {module_name}: {type(error).__name__}: {error}") from error
    function = getattr(module, name, None)
    if not callable(function):
        names = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        raise unknown("function", name, names, where=module_name)
    return adapt(function, target)


def adapt(function: Callable[..., Any], target: str = "") -> SessionFunction:
    """`function(connection)` or `function(connection, session)` as a session of the explorer."""
    target = target or getattr(function, "__qualname__", repr(function))
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    wanted = [p for p in parameters if p.kind in positional]
    required = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if inspect.iscoroutinefunction(function):
        raise UsageError(f"{target} is a coroutine function; the explorer drives ordinary functions")
    if not wanted or len(required) > 2 or any(p.kind is p.KEYWORD_ONLY for p in required):
        raise UsageError(
            f"{target} must take a connection, and may take a session number after it: (connection, session)"
        )
    takes_session = len(wanted) > 1

    def session(connection: GatedConnection, number: int) -> Any:
        return function(connection, number) if takes_session else function(connection)

    return session

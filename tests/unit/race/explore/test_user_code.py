from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from inboxbench.errors import UsageError
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.user_code import adapt, load_function

NOBODY = cast(GatedConnection, None)


def test_a_function_gets_the_session_number_if_it_asks() -> None:
    assert adapt(lambda _connection, session: session)(NOBODY, 3) == 3
    assert adapt(lambda _connection: "alone")(NOBODY, 3) == "alone"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: None, "must take a connection"),
        (lambda _a, _b, _c: None, "must take a connection"),
        (lambda _a, *, _b: None, "must take a connection"),
        (int, "does not say what it takes"),
    ],
)
def test_what_cannot_be_called_is_refused(function: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        adapt(function)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("claim", "expected MODULE:FUNCTION"),
        ("no_such_module_here:claim", "cannot import no_such_module_here: ModuleNotFoundError"),
        ("mine:clam", "unknown function 'clam'; did you mean 'claim'"),
    ],
)
def test_a_target_that_is_not_there(target: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text("def claim(connection): return 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match=message):
        load_function(target)


def test_a_target_is_found_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs.py").write_text("def claim(connection, session): return session * 2\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert load_function("theirs:claim")(NOBODY, 4) == 8

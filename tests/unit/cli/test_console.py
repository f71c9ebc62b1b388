"""Text of a database moves no cursor: every command prints on this console."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from inboxbench.cli.console import SafeConsole, escaped
from inboxbench.cli.output import as_text, results_console
from inboxbench.cli.progress import progress_console

HOSTILE = ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\u202egnp", "a\rb", "\x00", "\x7f", "\u2066x\u2069", "\ud800"]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_database_is_named_steers_no_terminal(text: str) -> None:
    table = Table("name")
    table.add_row(Text(text))

    def show(console: Console) -> None:
        console.print(text, markup=False)
        console.print(table)

    printed = as_text(show)
    printed.encode()
    assert not [letter for letter in printed if not letter.isprintable() and letter != "\n"]


@given(st.text())
def test_nothing_is_lost_and_plain_text_is_as_it_was(text: str) -> None:
    shown = escaped(text)
    assert shown == escaped(shown)
    assert (shown == text) or "\\" in shown


def test_words_of_every_script_stay() -> None:
    words = "Ünïcode поиск می\u200cخواهم 👩\u200d👧 1\u202f000\u00a0MB"
    assert escaped(words) == words


def test_colours_and_bars_of_our_own_stay() -> None:
    file = io.StringIO()
    console = SafeConsole(file=file, force_terminal=True, color_system="standard")
    console.print("[red]bad[/red]")
    with Progress(console=console, transient=True) as bar:
        bar.add_task("x", total=1)
    assert "\x1b[31mbad" in file.getvalue()
    assert "\\x1b" not in file.getvalue()


def test_every_console_is_one() -> None:
    assert isinstance(results_console(), SafeConsole)
    assert isinstance(progress_console, SafeConsole)

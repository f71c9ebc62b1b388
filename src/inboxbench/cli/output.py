"""Where a command's result goes and in which form: one set of options, one rule, one writer for all commands.

The options are `--format` and `--output FILE`. What is printed has the form that --format names, else text. FILE has
the form that its suffix names (.json, .md, .html, .sarif), else that of --format, else text for .txt, else the
command's own default, which is JSON unless its help says otherwise.
"""

from __future__ import annotations

import datetime as dt
import functools
import io
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from inboxbench import __version__
from inboxbench.cli.console import SafeConsole
from inboxbench.credentials import masked_arguments
from inboxbench.errors import UsageError
from inboxbench.files import check_folder, check_writable, write_text
from inboxbench.machine import describe_machine

R = TypeVar("R")
_SUFFIXES = {".json": "json", ".md": "markdown", ".html": "html", ".sarif": "sarif"}
_SOURCES = {".sql", ".toml", ".py", ".rb", ".spec", ".csv"}  # of files that commands read in folders
_WIDTH = 120


class _Results(SafeConsole):
    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 - rich calls this where it catches the error, and would end the program with 1


def results_console() -> Console:
    """Return a console on stdout, at least 120 columns wide where it is no terminal, so that tables survive a pipe."""
    console = _Results()
    return console if console.is_terminal else _Results(width=max(console.width, _WIDTH))


@dataclass(frozen=True, slots=True)
class Output:
    """What --format and --output ask for.

    form: of what is printed. file: where the result is written as well. file_form: of that file.
    """

    form: str = "text"
    file: Path | None = None
    file_form: str = "json"

    @classmethod
    def asked(cls, form: str | None, file: Path | None, forms: Sequence[str], default: str) -> Output:
        """Apply the rule of this module. Raises UsageError for a file that cannot be written in that form."""
        if file is None:
            return cls(form or "text")
        suffix = file.suffix.lower()
        named = _SUFFIXES.get(suffix) or form or ("text" if suffix == ".txt" else default)
        if named not in forms:
            raise UsageError(
                f"--output {file}: this command writes {', '.join(forms[:-1])} or {forms[-1]}, not {named}; "
                "name a file with another suffix"
            )
        return cls(form or "text", file, named)

    def hand_over(self, document: object, *, text: Callable[[Console], None], **writers: Callable[[], str]) -> None:
        """Print the result, and write it to the file if one was named.

        document: what `json.dumps` takes. text: prints the result on a console. writers: the text of every other form
        by its name, such as `markdown`. Raises UsageError when the file cannot be written.
        """
        writers = {"json": lambda: json.dumps(document, ensure_ascii=False, indent=1), **writers}

        def rendered(form: str) -> str:
            return writers[form]().rstrip("\n") + "\n" if form in writers else as_text(text)

        if self.file is not None:
            write_text(self.file, rendered(self.file_form), option="--output")
        if self.form in writers:
            click.echo(rendered(self.form), nl=False)
        else:
            text(results_console())


class OutputFile(click.Path):
    """The type of an option that names a file to write: that it can be written is checked before the command begins.

    append: what is there stays, and more is added to it. Raises UsageError.
    """

    def __init__(self, *, append: bool = False) -> None:
        super().__init__(path_type=Path)
        self.name = "file"
        self.append = append

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        check_writable(path, _option(param), append=self.append)
        return path


class OutputFolder(click.Path):
    """The type of an option that names a folder to write into, made where it is not there. Raises UsageError."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)
        self.name = "directory"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        check_folder(path, _option(param))
        return path


def _option(parameter: click.Parameter | None) -> str:
    if parameter is None:
        return "--output"
    return parameter.opts[0] if isinstance(parameter, click.Option) else str(parameter.name).upper()


def check_outputs() -> None:
    """Raise UsageError where the command that runs would write over what it reads, or write two things to one file."""
    context = click.get_current_context()
    given = [
        (option, value) for option in context.command.params for value in _paths(context.params.get(option.name or ""))
    ]
    inputs = [(option, path) for option, path in given if not isinstance(option.type, OutputFile)]
    written: dict[Path, click.Parameter] = {}
    for option, path in given:
        if not isinstance(option.type, OutputFile) or (path.exists() and not path.is_file()):
            continue  # a pipe or /dev/stdout takes what it is given
        what = f"{_option(option)} {path}"
        for other, source in inputs:
            if _is_read(path, source):
                raise UsageError(f"{what}: is read by {_option(other)}, and would be lost; name another file")
        first = written.setdefault(path.resolve(), option)
        if first is not option:
            raise UsageError(f"{what}: is written by {_option(first)}, too; name another file")


def _paths(value: object) -> list[Path]:
    """Return the value of an option as paths: those of a string, where something of that name is there."""
    values = value if isinstance(value, tuple) else (value,)
    return [Path(item) for item in values if isinstance(item, Path) or (isinstance(item, str) and _is_there(item))]


def _is_there(name: str) -> bool:
    try:
        return bool(name) and Path(name).exists()
    except (OSError, ValueError):  # too long for a name, or a NUL
        return False


def _is_read(path: Path, source: Path) -> bool:
    """Whether writing `path` would take away what `source` is, or holds: queries, sets, scripts."""
    if not path.exists() or not source.exists():
        return False
    inside = source.is_dir() and path.suffix in _SOURCES and path.resolve().is_relative_to(source.resolve())
    return inside or path.samefile(source)


def as_text(show: Callable[[Console], None]) -> str:
    """Return what `show` prints, without colours."""
    file = io.StringIO()
    show(SafeConsole(file=file, width=_WIDTH))
    return file.getvalue()


def output_options(
    *more: str, default: str = "json", what: str = "the result"
) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Give a click command --format and --output, and the keyword `output`, an Output.

    more: the forms beside text and JSON, such as "markdown". default: the form of a file whose suffix names none.
    what: what the file holds, for the help. That the file can be written is checked before the command begins.
    """
    forms = ("text", "json", *more)

    def decorate(command: Callable[..., R]) -> Callable[..., R]:
        @click.option("--format", "form", type=click.Choice(forms), help="form of what is printed (default: text)")
        @click.option(
            "--output",
            type=OutputFile(),
            help=f"write {what} to this file as well, in the form that its suffix names ({_suffixes(forms)})",
        )
        @functools.wraps(command)
        def wrapped(*args: Any, form: str | None, output: Path | None, **kwargs: Any) -> R:
            check_outputs()
            return command(*args, output=Output.asked(form, output, forms, default), **kwargs)

        return wrapped

    return decorate


def _suffixes(forms: Iterable[str]) -> str:
    known = [suffix for suffix, form in _SUFFIXES.items() if form in forms]
    return ", ".join([*known, ".txt"])


def heading(title: str, server: str, begun: dt.datetime) -> list[str]:
    """Return a result page's first lines in Markdown: command, date, machine with its load, server."""
    machine = describe_machine()
    load = f"; load {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else ""
    return [
        f"# {title}",
        "",
        f"- Command: `inboxbench {shlex.join(masked_arguments(sys.argv[1:]))}`",
        f"- Date: {begun:%Y-%m-%d %H:%M} UTC, inboxbench {__version__}",
        f"- Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GiB, {machine['os']}{load}",
        f"- Server: {server}",
        "",
    ]

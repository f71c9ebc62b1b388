"""Statements from a folder of plain .sql files, as an application keeps them; their constants stay as they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from inboxbench.errors import UsageError
from inboxbench.files import read_text
from inboxbench.sqlfile import blanked, numbered, parameters
from inboxbench.sqltree import parse
from inboxbench.sqltree.tokens import placeholders
from inboxbench.workload.model import Recorded

_PERCENT = re.compile(r"%\((\w+)\)s|%s|%%")


def read_files(folder: Path) -> list[Recorded]:
    """Return every statement of the folder's .sql files, named after its file (and its place, where there are several).

    Placeholders may be $1, :name, %s or %(name)s. Raises UsageError naming the folder or the file.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: is no folder")
    paths = sorted(folder.rglob("*.sql"))
    if not paths:
        raise UsageError(f"{folder}: holds no .sql file")
    return [statement for path in paths for statement in _statements(path, folder)]


def _statements(path: Path, folder: Path) -> Iterator[Recorded]:
    text = _with_numbers(read_text(path))
    parsed = parse(text)
    stem = re.sub(r"\W+", "_", "_".join(path.relative_to(folder).with_suffix("").parts)).lower().strip("_") or "query"
    if parsed.problem:
        raise UsageError(f"{path}: {parsed.problem.splitlines()[0]}")
    for place, command in enumerate(parsed.commands, 1):
        name = stem if len(parsed.commands) == 1 else f"{stem}_{place}"
        yield Recorded(text[command.start : command.end].strip(), name=name)


def _with_numbers(text: str) -> str:
    """Return the text with $n for what clients write in other ways."""
    if _PERCENT.search(text) and parse(text).problem:
        names: dict[str, str] = {}

        def number(found: re.Match[str]) -> str:
            if found[0] == "%%":
                return "%"
            key = found[1] or f" {found.start()}"
            return names.setdefault(key, f"${len(names) + 1}")

        return _PERCENT.sub(number, text)
    if names_used := parameters(text):
        if placeholders(blanked(text)) != ["1"]:
            return text
        return numbered(text, names_used)
    return text

"""Statements from a folder of plain .sql files, as an application keeps them; their constants stay as they are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from inboxbench.errors import UsageError
from inboxbench.files import read_text
from inboxbench.sqlfile import blanked, numbered, parameters, split_header
from inboxbench.sqltree import parse
from inboxbench.sqltree.tokens import Token, placeholders, scan, split
from inboxbench.workload.model import Header, Recorded

_PERCENT = re.compile(r"%\((\w+)\)s|%s|%%")
_KEPT = ("title", "family", "ids", "order", "writes", "role", "set")


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


def untyped(folder: Path) -> dict[Path, Recorded]:
    """Return the statements of the folder's own .sql files, one a file, in which a parameter lacks its type, or its
    value and a class that gives one, or is written as only clients read it (%s).

    A file that cannot be read is none of them. Raises UsageError for a parameter without a value beside one that has
    one.
    """
    found: dict[Path, Recorded] = {}
    for path in sorted(folder.glob("*.sql")):
        try:
            source = read_text(path)
            header, _ = split_header(path, source, strict=False)
            (statement,) = _statements(path, folder)
        except (UsageError, ValueError):
            continue
        numbers = [int(number) for number in placeholders(statement.text)]
        said = set(statement.header.types) & set(statement.header.values)
        if "classes" in header or (
            said.issuperset(numbers) and not (_PERCENT.search(source) and parse(source).problem)
        ):
            continue
        _check_values(path, header.get("params", ""), numbers, statement.header)
        found[path] = statement
    return found


def _check_values(path: Path, declared: str, numbers: Sequence[int], header: Header) -> None:
    count = len(_declared(path, declared))
    if declared and count != len(numbers):
        raise UsageError(
            f"{path} params: the statement has {len(numbers)} parameters and the header declares {count}; declare all "
            "of them, or none"
        )
    if header.values and any(number not in header.values for number in numbers):
        raise UsageError(
            f"{path} params: only some have a value; give each one (`name = value`), or none, and they are drawn"
        )


def _statements(path: Path, folder: Path) -> Iterator[Recorded]:
    header, below = split_header(path, read_text(path), strict=False)
    text, names = _with_numbers(below)
    parsed = parse(text)
    stem = re.sub(r"\W+", "_", "_".join(path.relative_to(folder).with_suffix("").parts)).lower().strip("_") or "query"
    if parsed.problem:
        raise UsageError(f"{path}: {parsed.problem.splitlines()[0]}")
    said = _header(path, header, names) if len(parsed.commands) == 1 else Header()
    for place, command in enumerate(parsed.commands, 1):
        name = stem if len(parsed.commands) == 1 else f"{stem}_{place}"
        yield Recorded(text[command.start : command.end].strip(), name=name, header=said)


def _header(path: Path, keys: Mapping[str, str], names: Sequence[str]) -> Header:
    """Return what is kept of a file's header. names: of the parameters in the order of their numbers, where they have
    any; else those that are declared are $1, $2 … in this order."""
    types: dict[int, str] = {}
    values: dict[int, str] = {}
    declared = keys.get("params", "")
    for place, (name, kind, value) in enumerate(_declared(path, declared), 1):
        number = place if not names else names.index(name) + 1 if name in names else 0
        types |= {number: kind} if kind else {}
        values |= {number: value} if value else {}
    return Header(tuple(f"-- {key}: {keys[key]}" for key in _KEPT if key in keys), types, values)


def _declared(path: Path, text: str) -> list[tuple[str, str, str]]:
    """Return name, type and value of each parameter, "" for what is not said. Raises UsageError naming the file."""
    found: list[tuple[str, str, str]] = []
    for item in filter(None, split(scan(text), ",")):
        words, *value = split(item, "=")
        behind = item[len(words) + 1 :]
        if not words or bool(value) != bool(behind):
            raise UsageError(f"{path} params: {_cut(text, item)!r} is not `name`, `name type` or `name type = value`")
        found.append((words[0].text, _cut(text, words[1:]), _cut(text, behind)))
    return found


def _cut(text: str, tokens: Sequence[Token]) -> str:
    return text[tokens[0].start : tokens[-1].end] if tokens else ""


def _with_numbers(text: str) -> tuple[str, list[str]]:
    """Return the text with $n for what clients write in other ways, and the names that stood there, where they did."""
    if _PERCENT.search(text) and parse(text).problem:
        names: dict[str, str] = {}

        def number(found: re.Match[str]) -> str:
            if found[0] == "%%":
                return "%"
            key = found[1] or f" {found.start()}"
            return names.setdefault(key, f"${len(names) + 1}")

        text = _PERCENT.sub(number, text)
        return text, [] if any(name.startswith(" ") for name in names) else list(names)
    if names_used := parameters(text):
        if placeholders(blanked(text)) != ["1"]:
            return text, []
        return numbered(text, names_used), list(names_used)
    return text, []

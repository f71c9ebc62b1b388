"""Statements with their values from a server's log: as text, CSV (csvlog) or JSON (jsonlog).

Needed is `log_min_duration_statement` (or auto_explain, whose statements count only where there are no others, for
both settings together write each statement twice). Messages must be in English, as `lc_messages = 'C'` writes them.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

from inboxbench.errors import UsageError
from inboxbench.files import read_lines
from inboxbench.workload.model import Recorded, Values

_ENTRY = re.compile(
    r"(?:^|\s)(LOG|DETAIL|ERROR|FATAL|PANIC|WARNING|NOTICE|INFO|HINT|CONTEXT|STATEMENT|QUERY|DEBUG\d?):  ?"
)
_DURATION = re.compile(r"duration: ([\d.]+) ms  (statement|execute [^:]*|plan|parse [^:]*|bind [^:]*): ?(.*)", re.S)
_PLAIN = re.compile(r"(statement|execute [^:]*): (.*)", re.S)
_VALUE = re.compile(r"\$(\d+) = (?:NULL|'((?:[^']|'')*)')")
_PLAN_LINE = re.compile(r"^\s*\S.*\(cost=", re.M)
_PARAMETERS = re.compile(r"^Query Parameters: (.*)$", re.M)
_CSV_LINE = re.compile(r"\d{4}-\d\d-\d\d [\d:.]+ [^,\s]+,")  # a zone, and no more, before the first comma
_HEAD = 1000  # lines of which one shows the form
_CSV_MESSAGE, _CSV_DETAIL, _CSV_FIELDS = 13, 14, 22
_STAMP = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{3,6})?")
_EPOCH = re.compile(r"(?<![\d.])\d{10}\.\d{3}(?![\d.])")
_LONGEST = 64 * 1024 * 1024  # characters of one field


@dataclass(frozen=True, slots=True)
class _Message:
    text: str
    detail: str = ""
    stamp: str = ""


def read_log(path: Path) -> list[Recorded]:
    """Return the statements of a log file, one a call. Raises UsageError naming the file that has none."""
    limit = csv.field_size_limit(_LONGEST)
    try:
        found = list(_statements(_entries(read_lines(path, errors="replace"))))
    except csv.Error as error:
        raise UsageError(f"{path}: no csvlog: {error}") from None
    finally:
        csv.field_size_limit(limit)
    planned = [statement for statement, by_plan in found if by_plan]
    sent = [statement for statement, by_plan in found if not by_plan]
    if not found:
        raise UsageError(f"{path}: holds no statement; set log_min_duration_statement = 0, lc_messages = 'C'")
    return sent or planned


def _entries(lines: Iterable[str]) -> Iterator[_Message]:
    """Yield the messages of a log in any form. A file may begin amid a message, as the end of a longer one does."""
    whole = iter(lines)
    head = list(islice(whole, _HEAD))
    form, begin = next(
        ((form, place) for place, line in enumerate(head) if (form := _form(line)) is not None), ("text", 0)
    )
    rest = chain(head[begin:], whole)
    if form == "json":
        yield from _of_json(rest)
    elif form == "text":
        yield from _of_text(rest)
    else:
        for row in csv.reader(rest):
            if len(row) >= _CSV_FIELDS:
                yield _Message(row[_CSV_MESSAGE], row[_CSV_DETAIL], row[0])


def _form(line: str) -> str | None:
    """Return the form of a log that has this line where a message may begin, None where that cannot be seen from it."""
    if line.startswith("{"):
        return "json"
    if _CSV_LINE.match(line):
        return "csv"
    return "text" if not line.startswith("\t") and _ENTRY.search(line) else None


def _of_json(lines: Iterable[str]) -> Iterator[_Message]:
    for line in lines:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue  # a line that was cut when the file was rotated
        if isinstance(entry, dict):
            yield _Message(*(str(entry.get(key) or "") for key in ("message", "detail", "timestamp")))


def _of_text(lines: Iterable[str]) -> Iterator[_Message]:
    """Join a line that has a level with those below it that begin with a tab, and DETAIL with its message."""
    last = _Message("")
    level, parts = "", list[str]()
    for line in chain(lines, ["LOG:  "]):
        entry = None if line.startswith("\t") else _ENTRY.search(line)
        if entry is None:
            parts.append(line[1:] if line.startswith("\t") else line)
            continue
        if level == "LOG":
            last = replace(last, text="".join(parts))
        elif level == "DETAIL":
            yield replace(last, detail="".join(parts))
            last = _Message("")
        if entry[1] == "LOG":
            yield last
            last = _Message("", stamp=line[: entry.start()])
        level, parts = entry[1], [line[entry.end() :]]


def _statements(entries: Iterable[_Message]) -> Iterator[tuple[Recorded, bool]]:
    """Yield each statement, and whether auto_explain wrote it."""
    for message in entries:
        timed = _DURATION.match(message.text)
        if timed is None:
            plain = _PLAIN.match(message.text)
            if plain:
                yield _recorded(plain[2], 0.0, message), False
        elif timed[2] == "plan":
            text, values = _planned(timed[3])
            if text:
                yield _recorded(text, float(timed[1]), replace(message, detail=values)), True
        elif timed[2].startswith(("statement", "execute")):
            yield _recorded(timed[3], float(timed[1]), message), False


def _recorded(text: str, ms: float, message: _Message) -> Recorded:
    sample: Values = {
        int(number): value.replace("''", "'") if quoted else None
        for number, value, quoted in (
            (found[1], found[2] or "", found[2] is not None) for found in _VALUE.finditer(message.detail)
        )
    }
    return Recorded(text.strip(), 1, ms, 0, (sample,) if sample else (), at=_seconds(message.stamp))


def _seconds(stamp: str) -> float | None:
    """Return the moment that a line begins with, as `%m`, `%t` or `%n` write it; zones are not looked at, for what
    counts is how long a log is.

    >>> _seconds("2026-11-30 10:00:00.500 UTC [7] ") - _seconds("2026-11-30 09:59:59 UTC [7] ")
    1.5
    """
    if epoch := _EPOCH.search(stamp):
        return float(epoch[0])
    found = _STAMP.search(stamp)
    try:
        return (
            dt.datetime.fromisoformat(found[0].replace("T", " ")).replace(tzinfo=dt.UTC).timestamp() if found else None
        )
    except ValueError:  # a month of 13
        return None


def _planned(text: str) -> tuple[str, str]:
    """Return the statement of an entry of auto_explain, and its values."""
    if text.lstrip().startswith("{"):
        try:
            entry = json.loads(text)
        except ValueError:
            return "", ""
        return str(entry.get("Query Text", "")), str(entry.get("Query Parameters", ""))
    body = text.lstrip().removeprefix("Query Text: ")
    plan = _PLAN_LINE.search(body)
    body = body[: plan.start()] if plan else body
    values = _PARAMETERS.search(body)
    return (body[: values.start()], values[1]) if values else (body, "")

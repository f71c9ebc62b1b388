"""Revision files of any tool: where they lie, in which order they come, and which line of one sent a statement."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from inboxbench.dryrun.tools.formats import FORMATS, Format
from inboxbench.migrate.history import History, Revision
from inboxbench.sqltree import parse

_SKIPPED = {".git", ".hg", "node_modules", "__pycache__", ".tox", ".mypy_cache", "vendor", "target", "dist"}
_MOST_FILES = 50_000
_LONGEST_FILE = 1_000_000  # bytes of a revision file that is read
_NAMES = re.compile(r"[a-z0-9_]+")
_IGNORE = re.compile(r"(?:--|#|//)\s*inboxbench:\s*ignore\s+([\w-]+)[ \t]*(.*)")
_COMMENT = ("--", "#", "//", "*", "/*")
# What a line of another language must say to have become a statement of this kind.
_SAYS = (
    ("create index", ("index", "unique", "reference")),
    ("drop index", ("index",)),
    ("create table", ("table", "model")),
    ("drop table", ("drop", "table")),
    ("rename", ("rename",)),
    ("alter table", ("column", "constraint", "foreign", "reference", "null", "check", "unique", "alter", "add", "drop",
                     "remove", "change", "rename", "type", "default", "validate")),
    ("create enum", ("type", "enum")),
    ("alter enum", ("type", "enum")),
)  # fmt: skip


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key by which `2_b` comes before `10_a`.

    >>> sorted(["V10__a.sql", "V2__b.sql", "V2.1__c.sql"], key=natural)
    ['V2__b.sql', 'V2.1__c.sql', 'V10__a.sql']
    """
    parts = re.findall(r"\d+|[^\d]+", text.replace("__", "\x00"))
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part.lower()) for part in parts)


def chained(revisions: Iterable[Revision]) -> History:
    """Return revisions of a line, each after the one before it."""
    scripts: dict[str, Revision] = {}
    before: tuple[str, ...] = ()
    for revision in revisions:
        scripts[revision.revision] = Revision(revision.revision, before, revision.title, revision.path)
        before = (revision.revision,)
    return History(scripts)


def files_below(folders: Iterable[Path]) -> Iterator[Path]:
    """Yield the files below these folders, without those of other people's packages."""
    count = 0
    for folder in folders:
        for place, names, files in os.walk(folder):
            names[:] = sorted(name for name in names if name not in _SKIPPED and not name.startswith((".venv", "venv")))
            for name in sorted(files):
                count += 1
                if count > _MOST_FILES:
                    return
                yield Path(place, name)


def search(folders: Iterable[Path], revisions: Collection[str], formats: Iterable[Format] = FORMATS) -> History:
    """Return the revisions of each folder that holds a file of one of `revisions`, in order, of each tool apart."""
    files = list(files_below(folders))
    merged: dict[str, Revision] = {}
    for known in formats:
        placed: dict[Path, list[Revision]] = {}
        for revision in _journalled(files) if not known.pattern else _named(known, files, revisions):
            placed.setdefault(_home(known, revision.path), []).append(revision)
        homes = [home for home, mine in placed.items() if any(item.revision in revisions for item in mine)]
        mine = [item for home in homes for item in placed[home]]
        merged |= chained(sorted(mine, key=lambda item: natural(item.revision))).scripts
    return History(merged)


def _home(known: Format, path: Path) -> Path:
    return path.parents[1] if "/" in known.pattern and known.table == "_prisma_migrations" else path.parent


def _named(known: Format, files: Iterable[Path], revisions: Collection[str]) -> Iterator[Revision]:
    by_file = {name.split("::")[0].rpartition("/")[2]: name for name in revisions if "::" in name}
    for path in files:
        match = re.search(known.pattern, path.as_posix())
        if match is None:
            continue
        name = match["id"]
        if known.join == "::":  # many changesets are one file
            name = by_file.get(name, "")
        elif "app" in match.groupdict():
            name = f"{match['app']}.{name}"
        elif known.table == "migrations" and known.pattern.endswith("[jt]s$"):
            stamp, _, title = name.partition("-")
            name = title + stamp
        if name:
            yield Revision(name, (), path.stem, path)


def _journalled(files: Iterable[Path]) -> Iterator[Revision]:
    """Yield what Drizzle's journals say: a revision is known by the moment at which it was made."""
    for path in files:
        if path.name != "_journal.json" or path.stat().st_size > _LONGEST_FILE:
            continue
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))["entries"]
            for entry in entries:
                yield Revision(str(entry["when"]), (), entry["tag"], path.parents[1] / f"{entry['tag']}.sql")
        except (ValueError, KeyError, TypeError):
            continue


@lru_cache(64)
def _lines(path: Path) -> tuple[str, ...]:
    try:
        if path.stat().st_size > _LONGEST_FILE:
            return ()
        return tuple(path.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        return ()


def line_of(path: Path, sql: str) -> int | None:
    """Return the line of a file that a statement stands in, as its text or as a call that names what it names."""
    lines, flat = _lines(path), " ".join(parse(sql).bare.split())
    if not lines or not flat:
        return None
    whole, starts = _flattened(path)
    place = whole.find(flat)
    if place >= 0:
        return next(line for start, line in reversed(starts) if start <= place)
    return _by_names(lines, sql) if path.suffix != ".sql" else None


@lru_cache(8)
def _flattened(path: Path) -> tuple[str, list[tuple[int, int]]]:
    """Return the file with single spaces, and where each line begins in it."""
    text, starts = "", []
    for number, line in enumerate(_lines(path), start=1):
        if words := " ".join(line.split()):
            text += " " * bool(text)
            starts.append((len(text), number))
            text += words
    return text, starts


def _by_names(lines: Iterable[str], sql: str) -> int | None:
    command = parse(sql).only
    says = next((words for kind, words in _SAYS if command and command.kind.startswith(kind)), None)
    if command is None or says is None:
        return None
    names = {part for relation in command.relations for part in (relation.name,) if part} | {command.name or ""}
    names |= {column.name for column in command.columns if column.name} | {item.name or "" for item in command.actions}
    wanted = {name.lower() for name in names if name}
    scores = [
        (len(wanted & set(_NAMES.findall(line.lower()))), -number)
        for number, line in enumerate(lines, start=1)
        if any(word in line.lower() for word in says) and not line.lstrip().startswith(_COMMENT)
    ]
    best = max(scores, default=(0, 0))
    return -best[1] if best[0] else None


def suppression(path: Path, line: int, rule: str) -> str | None:
    """Return the reason of `inboxbench: ignore RULE REASON`, in a comment (--, # or //) at a line or above it."""
    lines = _lines(path)
    if line > len(lines):
        return None
    texts = [lines[line - 1]]
    for text in reversed(lines[: line - 1]):
        if not text.lstrip().startswith(_COMMENT):
            break
        texts.append(text)
    marks = (mark for text in texts if (mark := _IGNORE.search(text)))
    return next((mark[2].strip() for mark in marks if mark[1] == rule and mark[2].strip()), None)

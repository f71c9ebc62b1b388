"""Files of plain SQL as revisions: which come in which order, and the statements of each with their lines.

The headers of goose, dbmate, sql-migrate and node-pg-migrate are respected: what leads back is left out, and their
files run in one transaction unless they say otherwise. Any other file runs as psql runs it, statement by statement.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from inboxbench.dryrun.tools.revision_files import files_below, natural
from inboxbench.errors import UsageError
from inboxbench.sqltree import parse
from inboxbench.sqltree.tokens import scan, split

_BACK = re.compile(r"(\.|_)(down|rollback|undo|revert)\.sql$|^U\d[^/]*__|^down\.sql$", re.IGNORECASE)
_PART = re.compile(
    r"^[ \t]*--[ \t]*(?:\+goose|\+migrate|migrate:|rambler)[ \t]*(?P<way>up|down)\b(?P<rest>.*)$"
    r"|^[ \t]*--[ \t]*(?P<words>up|down)[ \t]+migration\b.*$",
    re.IGNORECASE | re.MULTILINE,
)
_NO_TRANSACTION = re.compile(
    r"^\s*--\s*\+goose\s+NO\s+TRANSACTION|transaction:\s*false|\bnotransaction\b", re.IGNORECASE | re.MULTILINE
)
_PSQL = re.compile(r"^[ \t]*(\\[a-zA-Z!?]\w*)", re.MULTILINE)
_COPY = re.compile(r"^[ \t]*(COPY\b[^;]*\bFROM\s+STDIN)\b", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SqlFile:
    """A file that is a revision. whole: it runs in one transaction; steps: (line, statement) in order."""

    name: str
    path: Path
    whole: bool
    steps: tuple[tuple[int, str], ...]


def listed_files(places: Iterable[Path]) -> dict[str, Path]:
    """Return the files by the names of their revisions, folders read in the order of their numbers.

    Raises UsageError for a folder without a file that leads forward.
    """
    paths: list[Path] = []
    for place in places:
        below = [path for path in files_below([place]) if path.suffix == ".sql" and not _BACK.search(path.name)]
        if place.is_dir() and not below:
            raise UsageError(f"--sql {place}: no .sql file that leads forward in this folder")
        key = {path: natural(path.relative_to(place).as_posix()) for path in below}
        paths += sorted(below, key=key.__getitem__) if place.is_dir() else [place]
    times = Counter(map(_short, paths))
    return {_short(path) if times[_short(path)] == 1 else path.as_posix(): path for path in paths}


def _short(path: Path) -> str:
    """Return the name of a file, of `NAME/migration.sql` and `NAME/up.sql` that of the folder."""
    return path.parent.name if path.name in ("migration.sql", "up.sql") else path.name


def read_file(name: str, path: Path, *, back: bool = False) -> SqlFile:
    """Return a file's statements. back: those that undo it.

    Raises UsageError for a file that cannot be read, that only psql can run, or that has no way back.
    """
    path, text = (_way_back(path) or path, "") if back else (path, "")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as UTF-8: {getattr(error, 'strerror', None) or error}") from None
    part, parted = _part(text, back=back)
    if back and not parted and not _BACK.search(path.name):
        raise UsageError(f"{path}: no statements that lead back: write them in {path.stem}.down.sql, or take --to")
    _check_psql(path, part)
    return SqlFile(name, path, parted and not _NO_TRANSACTION.search(text), tuple(_steps(part)))


def _way_back(path: Path) -> Path | None:
    names = [path.name.replace(".up.sql", ".down.sql"), f"{path.stem}.down.sql", f"{path.stem}.rollback.sql"]
    names += ["down.sql"] if path.name in ("migration.sql", "up.sql") else []
    return next((other for name in names if (other := path.with_name(name)) != path and other.is_file()), None)


def _part(text: str, *, back: bool) -> tuple[str, bool]:
    """Return the statements of one direction, the lines of the other left empty; whether the file has such parts."""
    marks = list(_PART.finditer(text))
    if not marks:
        return text, False
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    kept = [" " if character != "\n" else "\n" for character in text]
    for mark, end in zip(marks, ends, strict=True):
        if (str(mark["way"] or mark["words"]).lower() == "down") == back:
            kept[mark.end() : end] = text[mark.end() : end]
    return "".join(kept), True


def _check_psql(path: Path, text: str) -> None:
    """Raise UsageError for what psql alone understands; a line of that form within a literal is no such thing."""
    for pattern in (_PSQL, _COPY):
        for found in pattern.finditer(text):
            before = text[: found.start()]
            if not before.strip() or scan(before, comments=True):
                line = before.count("\n") + 1 + found[0].count("\n", 0, found.start(1) - found.start())
                what = " ".join(found[1].split())
                raise UsageError(
                    f'{path}:{line}: {what} is for psql alone; run it so: --command "psql -X -v ON_ERROR_STOP=1 -f '
                    f'{path.name} {{url}}"'
                )


def _steps(text: str) -> Iterator[tuple[int, str]]:
    parsed = parse(text)
    if parsed.problem is None:
        spans = [(command.start, command.end) for command in parsed.commands]
    else:  # the server will say what is wrong with it, of the statement that it is
        spans = [(part[0].start, part[-1].end) for part in split(scan(text), ";") if part]
        spans = spans or [(0, len(text))]
    for start, end in spans:
        sql = text[start:end].strip()
        if sql:
            yield text.count("\n", 0, start) + 1, sql


def numbered(steps: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield the statements with their lines, those that stand in the file several times behind a comment with it."""
    steps = list(steps)
    times = Counter(" ".join(sql.split()) for _, sql in steps)
    for line, sql in steps:
        yield line, f"/* line {line} */ {sql}" if times[" ".join(sql.split())] > 1 else sql

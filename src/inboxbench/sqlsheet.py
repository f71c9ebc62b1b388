"""SQL of one case as a file that a person reads and runs piece by piece: a header, then SQL under `--- name` lines.

-- title: what is tried
-- why: a sentence that may go on
--   in a line that is indented

--- data
CREATE TABLE …
--- query
SELECT …

A kind of sheet may hold several ways, each under a line `--- way NAME` with a header and sections of its own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from inboxbench.errors import UsageError, unknown
from inboxbench.files import read_text

_KEY = re.compile(r"^-- ([a-z_]+): *(.*)$")
_MORE = re.compile(r"^--   +(\S.*)$")
_SECTION = re.compile(r"^--- ([a-z0-9 ]+?)\s*$")
_WAY = re.compile(r"^--- way (\S+)[ \t]*\n", re.MULTILINE)
# The section of a way that is not named: what stands below its header.
BODY = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """name: of the file without .sql, or of a way; sections hold SQL without a last semicolon; ways: in their order."""

    path: Path
    name: str
    header: Mapping[str, str]
    sections: Mapping[str, str]
    ways: tuple[Sheet, ...] = ()

    @property
    def where(self) -> str:
        """Return the file, and the way in it, for messages."""
        return str(self.path) if self.name == self.path.stem else f"{self.path} way {self.name}"

    def yes(self, key: str) -> bool:
        """Return whether the header says yes. Raises UsageError for anything but yes and no, which is the default."""
        value = self.header.get(key, "no")
        if value not in ("yes", "no"):
            raise UsageError(f"{self.where} {key}: {value!r} is neither 'yes' nor 'no'")
        return value == "yes"

    def number(self, key: str, default: float | None = None) -> float | None:
        """Return a header's figure. Raises UsageError when it is none."""
        text = self.header.get(key)
        try:
            return default if text is None else float(text)
        except ValueError:
            raise UsageError(f"{self.where} {key}: {text!r} is no number; write one such as 20") from None


@dataclass(frozen=True, slots=True)
class Titled:
    """A value that is made of a sheet, and is called by its name and title."""

    sheet: Sheet

    @property
    def name(self) -> str:
        return self.sheet.name

    @property
    def title(self) -> str:
        return self.sheet.header["title"]

    @property
    def why(self) -> str:
        return self.sheet.header["why"]


@dataclass(frozen=True, slots=True)
class Form:
    """Holds what a kind of sheet may hold, and what it must. ways: the form of each of its ways; None: it has none."""

    keys: Collection[str]
    required: Collection[str]
    sections: Collection[str]
    ways: Form | None = None


def parse_sheet(path: Path, text: str, form: Form) -> Sheet:
    """Raises UsageError naming the file and the key or section that is wrong."""
    if form.ways is None:
        return _sheet(path, path.stem, text, form)
    head, *parts = _WAY.split(text)
    texts: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        if name in texts:
            raise UsageError(f"{path}: way {name!r} is given twice; keep one")
        texts[name] = body
    ways = tuple(_sheet(path, name, body, form.ways) for name, body in texts.items())
    return replace(_sheet(path, path.stem, head, form), ways=ways)


def _sheet(path: Path, name: str, text: str, form: Form) -> Sheet:
    where = Sheet(path, name, {}, {}).where
    header: dict[str, str] = {}
    sections: dict[str, list[str]] = {}
    key = section = None
    for line in text.splitlines():
        if match := _SECTION.match(line):
            section = _new(where, "section", match[1], form.sections, sections)
            sections[section] = []
        elif section is not None:
            sections[section].append(line)
        elif match := _KEY.match(line):
            key = _new(where, "key", match[1], form.keys, header)
            header[key] = match[2].strip()
        elif key and (match := _MORE.match(line)):
            header[key] += f" {match[1].strip()}"
        elif BODY in form.sections and line.strip():
            section = BODY
            sections[BODY] = [line]
    for key in form.required:
        if not header.get(key):
            raise UsageError(f"{where} header: key {key!r} is missing; add a line `-- {key}: …`")
    return Sheet(path, name, header, {name: _statement(lines) for name, lines in sections.items()})


def _new(where: str, kind: str, name: str, known: Collection[str], given: Collection[str]) -> str:
    if name not in known:
        raise unknown(kind, name, known, where=where)
    if name in given:
        raise UsageError(f"{where}: {kind} {name!r} is given twice; keep one")
    return name


def _statement(lines: Sequence[str]) -> str:
    return "\n".join(lines).strip().rstrip(";")


def read_sheets(folder: Path, form: Form) -> tuple[Sheet, ...]:
    """Return every `*.sql` of a folder, by name. Raises UsageError when there is none."""
    paths = sorted(folder.glob("*.sql"), key=lambda path: path.stem)
    if not paths:
        raise UsageError(f"{folder} holds no *.sql; this project has no such lab")
    return tuple(parse_sheet(path, read_text(path), form) for path in paths)

"""SQL of one case as a file that a person reads and runs piece by piece: a header, then SQL under `--- name` lines.

-- title: what is tried
-- why: a sentence that may go on
--   in a line that is indented

--- data
CREATE TABLE …
--- query
SELECT …
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inboxbench.errors import UsageError, unknown
from inboxbench.sqlfile import read_text

_KEY = re.compile(r"^-- ([a-z_]+): *(.*)$")
_MORE = re.compile(r"^--   +(\S.*)$")
_SECTION = re.compile(r"^--- ([a-z ]+?)\s*$")


@dataclass(frozen=True, slots=True)
class Sheet:
    """name: of the file without .sql; sections hold SQL without a last semicolon."""

    path: Path
    header: Mapping[str, str]
    sections: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.path.stem

    def number(self, key: str, default: float | None = None) -> float | None:
        """A header's figure. Raises UsageError when it is none."""
        text = self.header.get(key)
        try:
            return default if text is None else float(text)
        except ValueError:
            raise UsageError(f"{self.path} {key}: {text!r} is no number; write one such as 20") from None


@dataclass(frozen=True, slots=True)
class Form:
    """What a kind of sheet may hold, and what it must."""

    keys: Collection[str]
    required: Collection[str]
    sections: Collection[str]


def parse_sheet(path: Path, text: str, form: Form) -> Sheet:
    """Raises UsageError naming the file and the key or section that is wrong."""
    header: dict[str, str] = {}
    sections: dict[str, list[str]] = {}
    key = section = None
    for line in text.splitlines():
        if found := _SECTION.match(line):
            section = _new(path, "section", found[1], form.sections, sections)
            sections[section] = []
        elif section:
            sections[section].append(line)
        elif found := _KEY.match(line):
            key = _new(path, "key", found[1], form.keys, header)
            header[key] = found[2].strip()
        elif key and (found := _MORE.match(line)):
            header[key] += f" {found[1].strip()}"
    for key in form.required:
        if not header.get(key):
            raise UsageError(f"{path} header: key {key!r} is missing; add a line `-- {key}: …`")
    return Sheet(path, header, {name: _statement(lines) for name, lines in sections.items()})


def _new(path: Path, kind: str, name: str, known: Collection[str], given: Collection[str]) -> str:
    if name not in known:
        raise unknown(kind, name, known, where=str(path))
    if name in given:
        raise UsageError(f"{path}: {kind} {name!r} is given twice; keep one")
    return name


def _statement(lines: Sequence[str]) -> str:
    return "\n".join(lines).strip().rstrip(";")


def read_sheets(folder: Path, form: Form) -> tuple[Sheet, ...]:
    """Every `*.sql` of a folder, by name. Raises UsageError when there is none."""
    paths = sorted(folder.glob("*.sql"), key=lambda path: path.stem)
    if not paths:
        raise UsageError(f"{folder} holds no *.sql; this project has no such lab")
    return tuple(parse_sheet(path, read_text(path), form) for path in paths)

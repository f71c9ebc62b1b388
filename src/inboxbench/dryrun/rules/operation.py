"""What a statement asks for, read from its text: only the forms that a rewrite is known for. No guess about others."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from inboxbench.dryrun.trace import bare

Kind = Literal[
    "create index", "drop index", "foreign key", "check", "unique", "not null", "type", "add column", "backfill"
]  # fmt: skip
_ID = r'(?:"(?:[^"]|"")+"|[\w$]+)'
NAME = re.compile(_ID)
_TABLE = rf"(?P<table>{_ID}(?:\.{_ID})?)"
_ALTER = rf"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?{_TABLE} "
_NAMED = rf"ADD (?:CONSTRAINT (?P<name>{_ID}) )?"
_COLUMN = rf"ALTER (?:COLUMN )?(?P<column>{_ID}) "
_FORMS: tuple[tuple[Kind, str], ...] = (
    ("create index", rf"CREATE (?P<unique>UNIQUE )?INDEX (?!CONCURRENTLY)(?P<exists>IF NOT EXISTS )?(?P<name>{_ID}) "
                     rf"ON (?:ONLY )?{_TABLE} (?P<rest>.+)"),
    ("drop index", rf"DROP INDEX (?!CONCURRENTLY)(?P<exists>IF EXISTS )?(?P<name>{_ID}(?:\.{_ID})?)(?: RESTRICT)?"),
    ("foreign key", rf"{_ALTER}{_NAMED}(?P<rest>FOREIGN KEY ?\((?P<column>[^)]+)\) REFERENCES (?!.* NOT VALID).+)"),
    ("check", rf"{_ALTER}{_NAMED}(?P<rest>CHECK ?\((?!.* NOT VALID).+\))"),
    ("unique", rf"{_ALTER}{_NAMED}(?P<rest>UNIQUE ?\((?P<column>[^)]+)\))"),
    ("not null", rf"{_ALTER}{_COLUMN}SET NOT NULL"),
    ("type", rf"{_ALTER}{_COLUMN}(?:SET DATA )?TYPE (?P<type>.+?)(?: USING (?P<using>.+))?"),
    ("add column", rf"{_ALTER}ADD (?:COLUMN )?(?P<exists>IF NOT EXISTS )?(?!CONSTRAINT\b|CHECK\b|FOREIGN\b|UNIQUE\b|"
                   rf"PRIMARY\b|EXCLUDE\b)(?P<column>{_ID}) (?P<rest>.+)"),
    ("backfill", rf"UPDATE (?:ONLY )?{_TABLE} SET (?P<rest>.+?)(?: WHERE (?P<where>.+))?"),  # noqa: S608
)  # fmt: skip
_READ = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _FORMS)


@dataclass(frozen=True, slots=True)
class Operation:
    """Names as they are written, quotes included; rest is the definition as it stands."""

    kind: Kind
    table: str = ""
    name: str = ""
    column: str = ""
    type: str = ""
    using: str = ""
    unique: bool = False
    exists: bool = False
    rest: str = ""
    where: str = ""


def read_operation(sql: str) -> Operation | None:
    """None for what has several actions at once, a comment within, or a form that is not listed.

    >>> read_operation("ALTER TABLE orders ALTER COLUMN note SET NOT NULL").column
    'note'
    """
    text = flat(sql)
    if "--" in text or "/*" in text:
        return None  # on one line, a comment would swallow what comes after it
    if len(actions(text)) > 1 and text.upper().startswith("ALTER TABLE"):
        return None
    for kind, pattern in _READ:
        if found := pattern.fullmatch(text):
            given = {key: value for key, value in found.groupdict().items() if value is not None}
            words: dict[str, Any] = {
                key: value.strip() for key, value in given.items() if key not in ("unique", "exists")
            }
            return replace(Operation(kind, unique="unique" in given, exists="exists" in given), **words)
    return None


def flat(sql: str) -> str:
    """On one line, without comments in front and the semicolon behind.

    >>> flat("-- why\\nSELECT\\n  1;")
    'SELECT 1'
    """
    return " ".join(bare(sql).split())


def unquoted(name: str) -> str:
    """As the catalogue has it.

    >>> unquoted('Orders'), unquoted('"Or""ders"')
    ('orders', 'Or"ders')
    """
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def actions(text: str) -> list[str]:
    """Parts at commas that are in no parentheses and no quotes."""
    parts, depth, quote, begin = [], 0, "", 0
    for place, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in "()":
            depth += 1 if sign == "(" else -1
        elif sign == "," and depth == 0:
            parts.append(text[begin:place].strip())
            begin = place + 1
    return [*parts, text[begin:].strip()]

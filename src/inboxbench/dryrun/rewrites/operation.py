"""What a statement asks for, read from its text: only the forms that a rewrite is known for. No guess about others."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from inboxbench.dryrun.observe.log_statements import bare

Kind = Literal[
    "create index", "drop index", "foreign key", "check", "unique", "not null", "type", "add column", "backfill"
]  # fmt: skip
_ID = r'(?:"(?:[^"]|"")+"|[\w$]+)'
NAME = re.compile(_ID)
_TABLE = rf"(?P<table>{_ID}(?:\.{_ID})?)"
_ALTER = rf"ALTER TABLE (?:IF EXISTS )?{_TABLE} "
_NAMED = rf"ADD (?:CONSTRAINT (?P<name>{_ID}) )?"
_COLUMN = rf"ALTER (?:COLUMN )?(?P<column>{_ID}) "
_FORMS: tuple[tuple[Kind, str], ...] = (
    ("create index", rf"CREATE (?P<unique>UNIQUE )?INDEX (?!CONCURRENTLY)(?P<exists>IF NOT EXISTS )?(?P<name>{_ID}) "
                     rf"ON (?!ONLY ){_TABLE} (?P<rest>.+)"),
    ("drop index", rf"DROP INDEX (?!CONCURRENTLY)(?P<exists>IF EXISTS )?(?P<name>{_ID}(?:\.{_ID})?)(?: RESTRICT)?"),
    ("foreign key", rf"{_ALTER}{_NAMED}(?P<rest>FOREIGN KEY ?\((?P<column>[^)]+)\) REFERENCES (?!.* NOT VALID).+)"),
    ("check", rf"{_ALTER}{_NAMED}(?P<rest>CHECK ?\((?!.* NOT VALID).+\))"),
    ("unique", rf"{_ALTER}{_NAMED}(?P<rest>UNIQUE ?\((?P<column>[^)]+)\))"),
    ("not null", rf"{_ALTER}{_COLUMN}SET NOT NULL"),
    ("type", rf"{_ALTER}{_COLUMN}(?:SET DATA )?TYPE (?P<type>.+?)(?: USING (?P<using>.+))?"),
    ("add column", rf"{_ALTER}ADD (?:COLUMN )?(?P<exists>IF NOT EXISTS )?(?!CONSTRAINT\b|CHECK\b|FOREIGN\b|UNIQUE\b|"
                   rf"PRIMARY\b|EXCLUDE\b)(?P<column>{_ID}) (?P<rest>.+)"),
    ("backfill", rf"UPDATE {_TABLE} SET (?P<rest>.+)"),  # noqa: S608 - its WHERE is found by _backfill
)  # fmt: skip
# ONLY is in none of these forms: what is proposed would reach the children, too.
_READ = tuple((kind, re.compile(pattern, re.IGNORECASE | re.DOTALL)) for kind, pattern in _FORMS)
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$", re.DOTALL)
_ESCAPES = re.compile(r"\bE'(?:[^'\\]|'')*\\", re.IGNORECASE)  # where a quote may be written with a backslash


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
    """None for what has several actions at once, a comment or an escape within, or a form that is not listed.

    >>> read_operation("ALTER TABLE orders ALTER COLUMN note SET NOT NULL").column
    'note'
    """
    text = flat(sql)
    if "--" in text or "/*" in text or _ESCAPES.search(text):
        return None  # on one line, a comment would swallow what comes after it
    if len(actions(text)) > 1 and text.upper().startswith("ALTER TABLE"):
        return None
    for kind, pattern in _READ:
        if found := pattern.fullmatch(text):
            given = {key: value for key, value in found.groupdict().items() if value is not None}
            words: dict[str, Any] = {
                key: value.strip() for key, value in given.items() if key not in ("unique", "exists")
            }
            one = replace(Operation(kind, unique="unique" in given, exists="exists" in given), **words)
            return _backfill(one) if kind == "backfill" else one
    return None


def _backfill(one: Operation) -> Operation | None:
    """With the WHERE that is its own, not one of a query within; None for a join and for what gives rows back."""
    seen = outermost(one.rest)
    if seen is None or re.search(r"\b(FROM|RETURNING)\b", seen, re.IGNORECASE):
        return None
    found = re.search(r" WHERE ", seen, re.IGNORECASE)
    return replace(one, rest=one.rest[: found.start()], where=one.rest[found.end() :]) if found else one


def outermost(text: str) -> str | None:
    """With a dot for every sign within parentheses or quotes; None where these do not match.

    >>> outermost("a = (SELECT 1 WHERE b) WHERE c = ')'")
    'a = ................... WHERE c = ...'
    """
    signs, depth = list(_QUOTED.sub(lambda found: "." * len(found[0]), text)), 0
    for place, sign in enumerate(signs):
        depth += (sign == "(") - (sign == ")")
        if depth < 0 or sign in "'\"":
            return None
        if depth or sign == ")":
            signs[place] = "."
    return "".join(signs) if not depth else None


def flat(sql: str) -> str:
    """On one line but for what is quoted, without comments in front and the semicolon behind.

    >>> flat("-- why\\nSELECT\\n  'a  b';")
    "SELECT 'a  b'"
    """
    text, parts, begin = bare(sql), [], 0
    for found in _QUOTED.finditer(text):
        parts += [re.sub(r"\s+", " ", text[begin : found.start()]), found[0]]
        begin = found.end()
    return "".join([*parts, re.sub(r"\s+", " ", text[begin:])]).strip()


def unquoted(name: str) -> str:
    """As the catalogue has it.

    >>> unquoted('Orders'), unquoted('"Or""ders"')
    ('orders', 'Or"ders')
    """
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def actions(text: str) -> list[str]:
    """Parts at commas that are in no parentheses and no quotes; the whole text where these do not match."""
    parts, begin = [], 0
    for found in re.finditer(",", outermost(text) or ""):
        parts.append(text[begin : found.start()].strip())
        begin = found.end()
    return [*parts, text[begin:].strip()]

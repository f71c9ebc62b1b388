"""Which recorded statements are questions to measure, and which of them are the same one.

Statements are the same by libpg_query's fingerprint: values, the length of an IN list, aliases and the order of the
columns that are selected do not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import postgast
from google.protobuf.message import DecodeError

from inboxbench.errors import shortened
from inboxbench.sqltree import Parsed, parse
from inboxbench.sqltree.commands import Relation
from inboxbench.sqltree.tokens import flat, scan
from inboxbench.workload.model import LeftOut, Recorded, Shape, Values

HIDDEN = "text hidden: grant pg_read_all_stats to the role that reads it"
_MEASURABLE = frozenset({"select", "insert", "update", "delete", "merge"})
_TRANSACTIONS = frozenset({"begin", "start", "commit", "rollback", "savepoint", "release", "rollback to", "prepare",
                           "commit prepared", "rollback prepared"})  # fmt: skip
_SESSION = frozenset({"set", "reset", "show", "discard", "listen", "unlisten", "notify", "deallocate", "set session"})
_SYSTEM = ("pg_catalog", "information_schema", "pg_toast")
_EXAMPLE = 90  # characters
_CUT_AT = frozenset(2**n - 1 for n in range(10, 21))  # bytes, one less than the usual sizes of what holds a text


def shapes_of(recorded: Iterable[Recorded]) -> tuple[list[Shape], list[LeftOut]]:
    """Return the questions, longest total time first, and what is left out, each reason once."""
    shapes: dict[str, Shape] = {}
    rest: dict[str, LeftOut] = {}
    for statement in recorded:
        text, reason = measurable(statement.text)
        if statement.name is None and len(statement.text.encode(errors="replace")) in _CUT_AT:
            reason = "cut at a track_activity_query_size, as its length says: set that higher"
        if reason:
            leave_out(rest, reason, LeftOut(reason, statement.text, statement.ms, statement.calls))
            continue
        text, samples = normalised(text, statement.samples) if statement.name is None else (text, statement.samples)
        key = _fingerprint(text) if statement.name is None else f"{statement.name}.sql"
        counted = (statement.calls, statement.ms, statement.rows)
        shape = Shape(key, text, *counted, samples, statement.name, header=statement.header)
        shapes[key] = shapes[key].merged(shape) if key in shapes else shape
    return sorted(shapes.values(), key=lambda shape: (-shape.ms, -shape.calls, shape.fingerprint)), list(rest.values())


def leave_out(rest: dict[str, LeftOut], reason: str, part: LeftOut) -> None:
    """Count what is left out to what has the same reason; the longest of it is the example, without its values."""
    known = rest.get(reason)
    if known is None:
        rest[reason] = replace(part, reason=reason, example=shortened(_without_values(part.example), _EXAMPLE))
        return
    example = known.example if known.ms >= part.ms else shortened(_without_values(part.example), _EXAMPLE)
    rest[reason] = LeftOut(
        reason,
        example,
        known.ms + part.ms,
        known.calls + part.calls,
        known.statements + part.statements,
        part.query,
    )


def _without_values(text: str) -> str:
    """Return the text on one line with no constant in it; of one that cannot be read, its first word."""
    try:
        return shown(postgast.normalize(text))
    except (postgast.PgQueryError, DecodeError, UnicodeEncodeError):
        first = next(iter(text.split(maxsplit=1)), "")
        return f"{first} …" if first.isalpha() else "…"


def measurable(text: str) -> tuple[str, str | None]:
    """Return the statement to measure (of DECLARE the cursor's query), and why it is left out (None: it is not)."""
    if text.strip() == "<insufficient privilege>":
        return text, HIDDEN
    parsed = parse(text)
    if parsed.only is not None and parsed.only.kind == "declare cursor":
        return measurable(_query_of_cursor(text))
    return parsed.bare, _unfit(parsed)


def _unfit(parsed: Parsed) -> str | None:
    if parsed.problem:
        return f"cut, or no SQL of this parser ({_plain(parsed.problem)})"
    if parsed.only is None:
        return "several statements in one text" if parsed.commands else "empty"
    if parsed.only.kind not in _MEASURABLE:
        return _kind_of(parsed.only.kind)
    relations = parsed.references.relations
    if relations and all(_is_catalogue(relation) for relation in relations):
        return "catalogue queries"
    return "DDL" if _into(parsed.text) else None


def _plain(problem: str) -> str:
    return shortened(problem.splitlines()[0], 60)


def _kind_of(kind: str) -> str:
    if kind in _TRANSACTIONS or kind.startswith("transaction"):
        return "transaction control"
    if kind in _SESSION or kind.startswith("set "):
        return "settings of a session"
    if kind.startswith(("create", "alter", "drop", "truncate", "comment", "grant", "refresh", "reindex", "rename")):
        return "DDL"
    return kind.upper()


def _query_of_cursor(text: str) -> str:
    """Return what stands behind FOR, as it is written."""
    tokens = scan(text)
    start = next(token.end for token in tokens if token.means("for"))
    return text[start:].strip()


def _into(text: str) -> bool:
    return any(raw.stmt.select_stmt.HasField("into_clause") for raw in postgast.parse(text).stmts)


def _is_catalogue(relation: Relation) -> bool:
    return relation.schema in _SYSTEM or (relation.schema is None and relation.name.startswith("pg_"))


def _fingerprint(text: str) -> str:
    try:
        return str(postgast.fingerprint(text).hex)
    except (postgast.PgQueryError, DecodeError):
        return text


def normalised(text: str, samples: Sequence[Values]) -> tuple[str, tuple[Values, ...]]:
    """Return the text with placeholders for its constants, and the samples with the values that stood there."""
    plain: str = postgast.normalize(text)
    if plain == text:
        return text, tuple(samples)
    constants = _constants(text, plain)
    return plain, tuple({**sample, **constants} for sample in samples or ({},))


def _constants(text: str, plain: str) -> dict[int, str | None]:
    """Return the constants that became placeholders, by number, found by walking both texts a token at a time."""
    values: dict[int, str | None] = {}
    before, place = scan(text), 0
    for token in scan(plain):
        if place < len(before) and token.kind == "parameter" and before[place].kind != "parameter":
            sign = "-" if before[place].text == "-" else ""
            place += len(sign)
            if place < len(before):
                found = before[place]
                value = found.content.replace("''", "'") if found.kind == "string" else found.text
                values[int(token.text[1:])] = sign + value
        place += 1
    return values


def shown(text: str) -> str:
    """Return a statement on one line."""
    return flat(scan(text)) or " ".join(text.split())

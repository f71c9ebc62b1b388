"""Types of a statement's placeholders, as the server infers them when it prepares the statement.

pg_stat_statements writes a placeholder for each constant, also where the grammar or the types need the constant itself:
`interval '1 day'` becomes `interval $1`, and `trunc(x, 2) … GROUP BY trunc(x, 2)` two placeholders that need not be
equal. What is known of this kind is repaired; the text that could be prepared is returned.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import psycopg

from inboxbench.database import Connection
from inboxbench.errors import shortened
from inboxbench.server import reason
from inboxbench.sqltree.constants import spelled_constants
from inboxbench.sqltree.parameters import renumbered, same_groups, uses
from inboxbench.sqltree.tokens import Token, placeholders, scan
from inboxbench.workload.columns import castable

_NAME = "inboxbench_import"
_GUESSES = ("integer", "interval", "text", "timestamptz", "numeric", "date", "double precision", "boolean")
_MOST_ROUNDS = 40  # placeholders that are given a type one after the other
_NEAREST = 2  # placeholders that are guessed at a time
_INDETERMINATE = re.compile(r"parameter \$(\d+)")


@dataclass(frozen=True, slots=True)
class Typed:
    """A statement that the server prepares, and the types of $1 …; problem: why it does not (None: it does)."""

    text: str
    types: tuple[str, ...] = ()
    problem: str | None = None


def typed(connection: Connection, text: str, types: Mapping[int, str] | None = None) -> Typed:
    """Return the statement, repaired where need be, with its types. The session must be in no transaction.

    types: of placeholders whose type is known, by number.
    """
    text = _gapless(spelled_constants(text))
    # The server takes substring(x, $1, $2) for the one with a pattern.
    known = {number: "integer" for number, use in uses(text).items() if use.kind == "count"} | dict(types or {})
    error = _try(connection, text, known)
    if isinstance(error, psycopg.errors.GroupingError):
        merged = same_groups(text)
        text = renumbered(text, merged) if merged else text
        error = _try(connection, text, known)
    while isinstance(error, psycopg.errors.IndeterminateDatatype | psycopg.errors.AmbiguousParameter):
        found = _INDETERMINATE.search(str(error))
        if not found or int(found[1]) in known:
            break
        known[int(found[1])] = _elsewhere(connection, text, known, int(found[1])) or "text"
        error = _try(connection, text, known)
    if isinstance(error, psycopg.errors.UndefinedFunction | psycopg.errors.AmbiguousFunction | psycopg.DataError
                  | psycopg.errors.DatatypeMismatch | psycopg.errors.CannotCoerce):  # fmt: skip
        error = _guessed(connection, text, known, error)
    if error is None:
        return Typed(text, _types(connection))
    return Typed(text, (), _problem(error))


def _elsewhere(connection: Connection, text: str, known: Mapping[int, str], number: int) -> str | None:
    """Return the type that a placeholder has where it is not only asked for NULL: `$1 IS NULL OR owner = $1`."""
    tokens = scan(text)
    asked = [token for token, after in pairwise(tokens) if token.kind == "parameter" and after.means("is")]
    counts = Counter(token.text for token in tokens) - Counter(token.text for token in asked)
    without = text
    for token in reversed(asked):
        if counts[token.text]:
            without = f"{without[: token.start]}NULL{without[token.end :]}"
    if without == text or not counts[f"${number}"]:
        return None
    types = dict(known)
    error = _try(connection, without, types)
    while isinstance(error, psycopg.errors.IndeterminateDatatype) and (found := _INDETERMINATE.search(str(error))):
        if int(found[1]) in types:
            return None
        types[int(found[1])] = "text"
        error = _try(connection, without, types)
    return _types(connection)[number - 1] if error is None else None


def _problem(error: psycopg.Error) -> str:
    return shortened(reason(error).splitlines()[0], 120)


def _gapless(text: str) -> str:
    """Return the text with placeholders from $1 on without gaps."""
    return renumbered(text, {})


def _try(connection: Connection, text: str, types: dict[int, str]) -> psycopg.Error | None:
    """Prepare the statement; return the error, None when it is prepared."""
    connection.execute("DEALLOCATE ALL")
    try:
        connection.execute((_head(text, types) + text).encode())
    except psycopg.Error as error:
        return error
    return None


def _head(text: str, types: Mapping[int, str]) -> str:
    kinds = [types.get(number, "unknown") for number in range(1, len(placeholders(text)) + 1)]
    return f"PREPARE {_NAME} ({', '.join(kinds)}) AS " if kinds else f"PREPARE {_NAME} AS "


def _types(connection: Connection) -> tuple[str, ...]:
    row = connection.execute(
        "SELECT array(SELECT format_type(t, NULL) FROM unnest(parameter_types) WITH ORDINALITY u(t, n) ORDER BY n) "
        "FROM pg_prepared_statements WHERE name = %s",
        (_NAME,),
    ).fetchone()
    return tuple(map(castable, row[0])) if row else ()


def _guessed(connection: Connection, text: str, known: dict[int, str], error: psycopg.Error) -> psycopg.Error | None:
    """Give types to placeholders that no column decides until the server has no more to say; return what it still says.

    A type is kept when the next error is at another place: what it was given for is then right.
    """
    free = [number for number in map(int, placeholders(text)) if number not in uses(text)]
    for _ in range(_MOST_ROUNDS):
        step = _step(connection, text, known, free, error)
        if step is None:
            return error
        known |= step[0]
        if step[1] is None:
            return None
        error = step[1]
    return error


def _step(
    connection: Connection, text: str, known: dict[int, str], free: Sequence[int], error: psycopg.Error
) -> tuple[dict[int, str], psycopg.Error | None] | None:
    """Return types with which the error is another one, or none, and that one; None when no type helps."""
    place = _place(error, text, known)
    where = [(abs(token.start - place), int(token.text[1:])) for token in _without_a_type(scan(text))]
    near = [number for number in dict.fromkeys(number for _, number in sorted(where)) if number not in known]
    groups = [near[:_NEAREST], [number for number in near if number in free][:_NEAREST]]
    if not isinstance(error, psycopg.errors.AmbiguousFunction):  # sum(text) is about what CASE gives, not what it asks
        groups.reverse()
    for numbers in groups:
        for guess in _guesses(numbers):
            types = {**known, **guess}
            after = _try(connection, text, types)
            if after is None or _place(after, text, types) != place:
                return guess, after
    return None


def _without_a_type(tokens: Sequence[Token]) -> Iterator[Token]:
    """Yield the placeholders that no cast gives a type."""
    for before, token, after in zip((None, *tokens), tokens, (*tokens[1:], None), strict=False):
        cast = (after and after.text == "::") or (after and before and before.text == "(" and after.means("as"))
        if token.kind == "parameter" and not cast:
            yield token


def _place(error: psycopg.Error, text: str, types: Mapping[int, str]) -> int:
    """Return the character of the text where the error is."""
    return int(error.diag.statement_position or 0) - 1 - len(_head(text, types))


def _guesses(numbers: Sequence[int]) -> Iterator[dict[int, str]]:
    """Yield types for each of the placeholders alone, then for all of them together."""
    yield from ({number: kind} for kind in _GUESSES for number in numbers)
    if len(numbers) > 1:
        yield from (dict(zip(numbers, kinds, strict=True)) for kinds in product(_GUESSES, repeat=len(numbers)))

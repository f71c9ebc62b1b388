"""Expressions in a form in which two that mean the same for rows and plans are the same text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import postgast
from google.protobuf.message import DecodeError, Message

_TEXT = frozenset({"text", "varchar", "bpchar"})


def normal(expression: str, names: Mapping[str, str] | None = None) -> str:
    """Return an expression without parentheses that mean nothing and without casts of constants and between types of
    text, its columns renamed. names: what a column is called instead. A text that is no expression is itself.

    >>> normal("(lower((mail)::text) <> ''::text)", {"mail": "email"})
    "lower(email) <> ''"
    """
    try:
        tree = postgast.parse(f"SELECT {expression}")
        _simplify(tree, names or {})
        text: str = postgast.deparse(tree)
    except (postgast.PgQueryError, DecodeError, UnicodeEncodeError):
        return expression
    return text.removeprefix("SELECT ")


def _simplify(message: Message, names: Mapping[str, str]) -> None:
    for description, value in message.ListFields():
        if description.message_type is None:
            continue
        for below in value if description.is_repeated else (value,):
            _without_casts(below)
            if below.DESCRIPTOR.name == "ColumnRef":
                _rename(below, names)
            _simplify(below, names)


def _without_casts(node: Any) -> None:
    while node.DESCRIPTOR.name == "Node" and node.HasField("type_cast") and _means_nothing(node.type_cast):
        argument = type(node)()
        argument.CopyFrom(node.type_cast.arg)
        node.CopyFrom(argument)


def _means_nothing(cast: Any) -> bool:
    kinds = [name.string.sval for name in cast.type_name.names]
    return cast.arg.HasField("a_const") or (kinds[-1] in _TEXT and kinds[0] in _TEXT | {"pg_catalog"})


def _rename(column: Any, names: Mapping[str, str]) -> None:
    last = column.fields[-1]
    if last.HasField("string") and last.string.sval in names:
        last.string.sval = names[last.string.sval]

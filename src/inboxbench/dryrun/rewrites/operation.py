"""What a statement asks for, and its own words to ask for it in another way, in the forms that a rewrite is known for.

Whether a statement is of such a form is read from its tree; what is to be said again is cut out between its tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from inboxbench.sqltree import parse
from inboxbench.sqltree.commands import Action, Column, Command
from inboxbench.sqltree.tokens import Token, flat, scan, split

Kind = Literal[
    "create index", "drop index", "foreign key", "check", "unique", "not null", "type", "add column", "backfill"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Operation:
    """Texts are as they are written, on one line; schema, relation and columns are spelled as the catalogue has them.

    column: of a key all of them, with commas. rest: the definition as it stands; references: of a foreign key, what
    comes after its columns; type, using, default, where: an expression or a type. assigned: columns of an UPDATE.
    """

    kind: Kind
    table: str = ""
    schema: str | None = None
    relation: str = ""
    name: str = ""
    column: str = ""
    columns: tuple[str, ...] = ()
    type: str = ""
    using: str = ""
    default: str = ""
    references: str = ""
    unique: bool = False
    exists: bool = False
    rest: str = ""
    where: str = ""
    assigned: tuple[str, ...] = ()
    definition: Column | None = None


def read_operation(sql: str) -> Operation | None:
    """Return None for what has several actions at once, a comment or an escape within, or a form that is not listed.

    ONLY is in none of the forms: what is proposed would reach the children, too.

    >>> read_operation("ALTER TABLE orders ALTER COLUMN note SET NOT NULL").column
    'note'
    """
    command = parse(sql).only
    read = _READERS.get(command.kind) if command else None
    if command is None or read is None or command.target is None or command.target.only:
        return None
    tokens = [token for token in scan(sql, comments=True) if command.start <= token.start < command.end]
    if any(token.kind == "comment" or _is_escaped(token) for token in tokens):
        return None
    return read(command, tokens)


def _is_escaped(token: Token) -> bool:
    """E'…\\…': code to paste would have to escape it once more."""
    return token.kind == "string" and token.text[0] in "eE" and "\\" in token.text


def _target(command: Command, tokens: Sequence[Token]) -> tuple[Operation, int, int] | None:
    """Return the table, and between which tokens it stands; None for a name with a database's name in it."""
    target = command.target
    begin = next((place for place, token in enumerate(tokens) if target and token.start == target.start), None)
    if begin is None or target is None:
        return None
    end = begin + (3 if target.schema else 1)
    if tokens[end:] and tokens[end].means("."):
        return None
    table = flat(tokens[begin:end])
    return Operation("backfill", table, target.schema, target.name), begin, end


def _create_index(command: Command, tokens: Sequence[Token]) -> Operation | None:
    target = _target(command, tokens)
    if target is None or command.concurrently or command.name is None:
        return None
    table, begin, end = target
    name, rest = tokens[begin - 2].text, flat(tokens[end:])
    return replace(table, kind="create index", name=name, unique=command.unique, exists=command.exists, rest=rest)


def _drop_index(command: Command, tokens: Sequence[Token]) -> Operation | None:
    if command.concurrently or command.cascade or len(command.relations) > 1:
        return None
    name = [token for token in tokens[4 if command.exists else 2 :] if not token.means("restrict")]
    return Operation("drop index", name=flat(name), exists=command.exists)


def _update(command: Command, tokens: Sequence[Token]) -> Operation | None:
    """With the WHERE that is its own, not one of a query within; None for a join and for what gives rows back."""
    target = _target(command, tokens)
    if target is None or not command.plain:
        return None
    table, _, end = target
    parts = [flat(part) for part in split(tokens[end + 1 :], "where")]
    where = parts[1] if command.where else ""
    return replace(table, kind="backfill", rest=parts[0], where=where, assigned=command.assigned)


def _alter_table(command: Command, tokens: Sequence[Token]) -> Operation | None:
    target = _target(command, tokens)
    read = _ACTIONS.get(command.actions[0].kind) if len(command.actions) == 1 else None
    return read(target[0], command.actions[0], tokens[target[2] :]) if target and read else None


def _constraint(table: Operation, action: Action, tokens: Sequence[Token]) -> Operation | None:
    key = action.constraint
    if key is None or not (key.valid and key.enforced):
        return None
    named = tokens[1].means("constraint")
    name, definition = (tokens[2].text, tokens[3:]) if named else ("", tokens[1:])
    text: dict[str, Any] = {"name": name, "rest": flat(definition)}
    if key.kind == "check":
        return replace(table, kind="check", **text) if definition[-1].means(")") else None
    keys: dict[str, Any] = {"column": _in_parentheses(definition), "columns": key.columns}
    if key.kind == "foreign key":
        place = next(place for place, token in enumerate(definition) if token.means("references"))
        return replace(table, kind="foreign key", **text, **keys, references=flat(definition[place:]))
    if key.kind == "unique" and key.plain:
        return replace(table, kind="unique", **text, **keys)
    return None


def _in_parentheses(tokens: Sequence[Token]) -> str:
    begin = next(place for place, token in enumerate(tokens) if token.means("("))
    end = next(place for place, token in enumerate(tokens) if token.means(")"))
    return flat(tokens[begin + 1 : end])


def _after_column(tokens: Sequence[Token]) -> tuple[Token, Sequence[Token]]:
    """Return the column of ALTER [COLUMN] name, and what comes after it."""
    place = 2 if tokens[1].means("column") else 1
    return tokens[place], tokens[place + 1 :]


def _not_null(table: Operation, _: Action, tokens: Sequence[Token]) -> Operation:
    column, _rest = _after_column(tokens)
    return replace(table, kind="not null", column=column.text, columns=(column.value,))


def _type(table: Operation, _: Action, tokens: Sequence[Token]) -> Operation:
    column, rest = _after_column(tokens)
    place = next(place for place, token in enumerate(rest) if token.means("type"))
    new, *using = (flat(part) for part in split(rest[place + 1 :], "using"))
    return replace(table, kind="type", column=column.text, columns=(column.value,), type=new, using=" ".join(using))


def _add_column(table: Operation, action: Action, tokens: Sequence[Token]) -> Operation | None:
    column = action.column
    if column is None:
        return None
    place = next(place for place, token in enumerate(tokens) if token.start == column.start)
    rest = tokens[place + 1 :]
    starts = [constraint.start for constraint in column.constraints]
    defaults = [constraint.start for constraint in column.constraints if constraint.kind == "default"]
    return replace(
        table,
        kind="add column",
        column=tokens[place].text,
        columns=(column.name,),
        rest=flat(rest),
        definition=column,
        exists=any(token.means("exists") for token in tokens[:place]),
        type=flat(_up_to(rest, starts)),
        default=next((flat(_up_to(_from(rest, start)[1:], starts)) for start in defaults), ""),
    )


def _from(tokens: Sequence[Token], start: int) -> list[Token]:
    return [token for token in tokens if token.start >= start]


def _up_to(tokens: Sequence[Token], starts: Sequence[int]) -> list[Token]:
    """Return the tokens before the first of these places that comes after them."""
    end = min((start for start in starts if tokens and start >= tokens[0].start), default=None)
    return [token for token in tokens if end is None or token.start < end]


_ACTIONS: dict[str, Callable[[Operation, Action, Sequence[Token]], Operation | None]] = {
    "add column": _add_column,
    "add constraint": _constraint,
    "alter column type": _type,
    "set not null": _not_null,
}
_READERS: dict[str, Callable[[Command, Sequence[Token]], Operation | None]] = {
    "alter table": _alter_table,
    "create index": _create_index,
    "drop index": _drop_index,
    "update": _update,
}

"""More values for an enum: ADD VALUE, which writes no row, instead of a new type that every row is rewritten for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from inboxbench.dryrun.rewrites.operation import read_operation
from inboxbench.dryrun.rewrites.steps import Step, Steps
from inboxbench.sqltree import parse
from inboxbench.sqltree.tokens import Token, flat, name_parts, scan, unquoted

REMEDY = (
    "add the values to the type that is there: ALTER TYPE … ADD VALUE rewrites no row and locks no table. It is all "
    "that the revision needs; a value can be used once this is committed."
)


def added_values(texts: Sequence[str], retyping: str, enums: Mapping[str, Sequence[str]]) -> Steps | None:
    """Return the steps that take the place of a whole revision which exchanges an enum for one with more values.

    texts: its statements; retyping: the one that gives a column the new type; enums: the values of each type before
    the revision, by name without schema. None where it does anything else than that, or takes values away.
    """
    change = read_operation(retyping)
    wanted = _last(change.type) if change and change.kind == "type" else None
    made = next((tokens for text in texts if (tokens := _create_enum(text)) and _name(tokens[2:]) == wanted), None)
    if wanted is None or made is None or wanted not in enums or not all(_belongs(text, wanted) for text in texts):
        return None
    written = flat(made[2 : next(place for place, token in enumerate(made) if token.means("as"))])
    before, after = list(enums[wanted]), [token.content.replace("''", "'") for token in made if token.kind == "string"]
    if [value for value in after if value in before] != before or len(after) == len(before):
        return None
    return tuple(_steps(written, before, after))


def _steps(name: str, before: Sequence[str], after: Sequence[str]) -> list[Step]:
    steps = []
    for place, value in enumerate(after):
        if value in before:
            continue
        follows = f" AFTER {_quoted(after[place - 1])}" if place else f" BEFORE {_quoted(before[0])}"
        last = place == len(after) - 1 and after[place - 1] == before[-1]
        steps.append(Step(f"ALTER TYPE {name} ADD VALUE {_quoted(value)}{'' if last else follows}", alone=True))
    return steps


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _create_enum(text: str) -> tuple[Token, ...]:
    """Return the tokens of a CREATE TYPE … AS ENUM; none of another statement."""
    return scan(text) if parse(text).has("create enum") else ()


def _name(tokens: Sequence[Token]) -> str:
    """Return the name that they begin with, as the catalogue has it, without its schema."""
    name = tokens[0]
    for dot, part in zip(tokens[1::2], tokens[2::2], strict=False):
        if not dot.means("."):
            break
        name = part
    return name.value


def _last(name: str) -> str:
    return unquoted(name_parts(name)[-1]) if name_parts(name) else ""


def _belongs(text: str, wanted: str) -> bool:
    """Return whether a statement is a part of such an exchange: of types, of a column's type, or of its default."""
    command = parse(text).only
    if command is None:
        return False
    if command.kind == "create enum":
        return _name(scan(text)[2:]) == wanted
    if command.kind == "drop type":
        return True
    if command.kind == "rename":
        tokens = scan(text)
        return len(tokens) > 2 and tokens[1].means("type") and _name(tokens[2:]) == wanted
    kinds = {action.kind for action in command.actions}
    return command.kind == "alter table" and bool(kinds) and kinds <= {"alter column type", "column default"}

"""Alembic's revision files: which line sent a statement, and the steps of a rewrite as code to paste there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from inboxbench.dryrun.rewrites.steps import ATTEMPTS, LOCK_TIMEOUT, PAUSE_S, Step
from inboxbench.sqltree import parse
from inboxbench.sqltree.tokens import inlined, listed, placeholders

if TYPE_CHECKING:
    from jinja2 import Template

_PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w)")


def as_code(steps: Sequence[Step]) -> str:
    """Return the steps as lines of a revision; what the driver sent as `$1` is a name there that the user fills."""
    wanted = dict.fromkeys(number for step in steps for number in placeholders(step.sql))
    return _template().render(steps=steps, wanted=wanted).rstrip("\n")


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - most runs paste no code

    code = Environment(
        loader=PackageLoader(__package__, "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        autoescape=False,  # noqa: S701 - no page
    )
    code.filters.update(executed=executed, in_python=in_python, given=_given, literal=_literal, listed=listed)
    code.globals.update(lock_timeout=LOCK_TIMEOUT, attempts=ATTEMPTS, pause_s=PAUSE_S)
    return code.get_template("alembic_code.py.j2")


def executed(sql: str) -> str:
    """The call that runs it.

    >>> print(executed("UPDATE t SET a = $1::int"))
    op.execute(sa.text(\"\"\"UPDATE t SET a = (:value_1)::int\"\"\").bindparams(value_1=value_1))
    """
    bound = ", ".join(f"value_{number}=value_{number}" for number in placeholders(sql))
    return f"op.execute(sa.text({in_python(sql)}).bindparams({bound}))" if bound else f"op.execute({in_python(sql)})"


def in_python(sql: str) -> str:
    """As a literal for sa.text and op.execute, which take a colon before a word for a parameter.

    >>> print(in_python("DROP INDEX \\"Ix\\""), in_python("SELECT '{\\"a\\":b}'::jsonb"))
    \"\"\"DROP INDEX "Ix" \"\"\" r\"\"\"SELECT '{"a"\\:b}'::jsonb\"\"\"
    """
    text = inlined(_PARAMETER.sub(r"\\:", sql), {number: f"(:value_{number})" for number in placeholders(sql)})
    raw, end = "r" * ("\\" in text), " " * text.endswith('"')
    return f'{raw}"""{text}{end}"""'


def _given(sql: str) -> str:
    """Return the values of its placeholders as items of a dictionary."""
    return ", ".join(f'"value_{number}": value_{number}' for number in placeholders(sql))


def _literal(text: str) -> str:
    return repr(text) if '"' in text else f'"{text}"'


def with_code(text: str, line: int, code: str, *, whole: bool = False) -> str | None:
    """Return a revision file with code in place of the call at a line, or of all that upgrade() does; None where there
    is no such call, or where the code still has places to fill in.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return None
    body = _upgrade(tree) if whole else _call_at(tree, line)
    if not body or "= ...  #" in code:
        return None
    lines = text.splitlines()
    margin = " " * body[0].col_offset
    pasted = [f"{margin}{part}" if part else "" for part in code.splitlines()]
    lines[body[0].lineno - 1 : body[-1].end_lineno] = pasted
    imports = [node.end_lineno or 0 for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    place = max((end for end in imports if end < body[0].lineno), default=0)
    lines[place:place] = ["import sqlalchemy as sa", "from alembic import op"]
    return "\n".join([*lines, ""])


def _upgrade(tree: ast.Module) -> list[ast.stmt]:
    named = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade")
    return next((node.body for node in named), [])


def _call_at(tree: ast.Module, line: int) -> list[ast.stmt]:
    """Return the innermost statement that is a call and stands at the line."""
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return [max(calls, key=lambda node: node.lineno)] if calls else []


# What a call must have become, by a part of its name: of Alembic's op, of a batch, of anybody's helper named alike.
# Each is how the kind of a command, or of an action of ALTER TABLE, begins.
_OF_COLUMN = ("alter column", "column default", "set not null", "drop not null", "set statistics", "set storage",
              "drop expression", "drop identity", "add identity", "set identity")  # fmt: skip
_BECOMES = (
    ("create_table", ("create table", "create index", "create enum", "comment")),
    ("drop_table", ("drop table",)),
    ("rename_table", ("rename",)),
    ("add_column", ("add column", "add constraint", "create enum", "comment")),
    ("drop_column", ("drop column",)),
    ("alter_column", (*_OF_COLUMN, "rename", "comment")),
    ("create_index", ("create index",)),
    ("drop_index", ("drop index",)),
    ("drop_constraint", ("drop constraint",)),
    ("create_foreign_key", ("add constraint",)),
    ("_constraint", ("alter table",)),
    ("_primary_key", ("add constraint",)),
    ("bulk_insert", ("insert",)),
    ("trigger", ("create trigger", "drop trigger", "enable trig", "disable trig")),
    ("function", ("create function", "drop function")),
    ("not_null", ("alter table",)),
    ("foreign_key", ("alter table",)),
    ("check", ("alter table",)),
    ("backfill", ("update", "insert", "delete", "merge", "select", "lock")),
    ("column", ("alter table",)),
    ("create", ("create", "view", "rule", "define", "composite type")),
    ("drop", ("drop",)),
)
_SHORTEST = 12  # characters of a literal that are no accident
_WORD = re.compile(r"\w+")
_IGNORE = re.compile(r"#\s*inboxbench:\s*ignore\s+([\w-]+)[ \t]*(.*)")


@dataclass(frozen=True, slots=True)
class Call:
    """becomes: how the kind of its statement begins; names: words among its literals."""

    line: int
    becomes: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sources:
    """A revision file, ready to be asked."""

    literals: tuple[tuple[int, str], ...]
    calls: tuple[Call, ...]

    def line_of(self, sql: str) -> int | None:
        """By its text, else by the operation and the names in it; None when nothing in the file explains it."""
        flat = _flat(sql)
        written = [(len(text), -line) for line, text in self.literals if text in flat or _long(flat, text)]
        if written:
            return -max(written)[1]
        words, kinds = parse(sql).words, _kinds(sql)
        fitting = [call for call in self.calls if any(kind.startswith(call.becomes) for kind in kinds)]
        best = max(fitting, key=lambda call: (_common(call, words), -call.line), default=None)
        if best is None or (not _common(best, words) and len(fitting) > 1):
            return None
        return best.line


def read_sources(path: Path) -> Sources:
    """Nothing to ask where the file cannot be read."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return Sources((), ())
    return Sources(tuple(literals_of(tree)), tuple(_calls(tree, _constants(tree))))


def _kinds(sql: str) -> list[str]:
    """Return the kind of a statement and those of its actions; none of a script of several."""
    command = parse(sql).only
    return [command.kind, *(action.kind for action in command.actions)] if command else []


def _flat(sql: str) -> str:
    return " ".join(sql.split()).rstrip(" ;")


def _long(flat: str, text: str) -> bool:
    """A statement of several lines may be a part of one string."""
    return len(flat) >= 2 * _SHORTEST and flat in text


def literals_of(tree: ast.Module) -> Iterator[tuple[int, str]]:
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            flat = _flat(node.value)
            if len(flat) >= _SHORTEST and " " in flat:
                yield node.lineno, flat


def _constants(tree: ast.Module) -> dict[str, str]:
    """NAME = "text" at the top of the file."""
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _calls(tree: ast.AST, constants: dict[str, str], batch: tuple[str, ...] = ()) -> Iterator[Call]:
    """`with op.batch_alter_table("t") as batch:` lends its table to the calls within."""
    for node in ast.iter_child_nodes(tree):
        inside = batch
        if isinstance(node, ast.With):
            inside = batch + tuple(name for item in node.items for name in _names(item.context_expr, constants))
        if isinstance(node, ast.Call) and (kinds := _becomes(_called(node))) is not None:
            yield Call(node.lineno, kinds, batch + tuple(_names(node, constants)))
        yield from _calls(node, constants, inside)


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _becomes(name: str) -> tuple[str, ...] | None:
    return next((kinds for part, kinds in _BECOMES if part in name.lower()), None)


def _names(node: ast.AST, constants: dict[str, str]) -> Iterator[str]:
    """Words among the literals below, written there or by the name of a constant."""
    for below in ast.walk(node):
        value = below.value if isinstance(below, ast.Constant) else None
        if isinstance(below, ast.Name):
            value = constants.get(below.id)
        if isinstance(value, str) and _WORD.fullmatch(value):
            yield value


def _common(call: Call, words: frozenset[str]) -> int:
    return sum(name in words for name in call.names)


def suppression(file: Path, line: int, rule: str) -> str | None:
    """Return the reason of `# inboxbench: ignore RULE REASON` at a line, or in comments above it."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    marks = (mark for text in _around(lines, line - 1) if (mark := _IGNORE.search(text)))
    return next((mark[2].strip() for mark in marks if mark[1] == rule and mark[2].strip()), None)


def _around(lines: list[str], place: int) -> Iterator[str]:
    """Yield the line itself, and up: comments, and the beginning of a call that goes over several lines."""
    if place >= len(lines):
        return
    yield lines[place]
    for text in reversed(lines[:place]):
        if not (text.lstrip().startswith("#") or text.rstrip().endswith("(")):
            return
        yield text

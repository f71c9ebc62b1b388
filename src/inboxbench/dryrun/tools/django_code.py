"""Django's migrations: which operation sent a statement, and the steps of a rewrite as operations to paste."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from inboxbench.dryrun.rewrites.steps import Step
from inboxbench.dryrun.tools.alembic_code import Call, Sources, literals_of
from inboxbench.dryrun.tools.sql_code import as_statement, needs_autocommit
from inboxbench.sqltree import parse

_ALTERS = ("alter column", "add constraint", "drop constraint", "create index", "drop index", "alter table", "rename",
           "alter sequence", "create sequence", "drop sequence", "column default", "set not null", "drop not null",
           "add identity", "drop identity")  # fmt: skip
# The operations of Django and of django.contrib.postgres, with how the kinds of their statements begin.
_BECOMES = {
    "CreateModel": ("create table", "add constraint", "create index"),
    "DeleteModel": ("drop table",),
    "RenameModel": ("rename", *_ALTERS),
    "AlterModelTable": ("rename",),
    "AlterUniqueTogether": ("add constraint", "drop constraint"),
    "AlterIndexTogether": ("create index", "drop index"),
    "AlterModelTableComment": ("comment",),
    "AlterOrderWithRespectTo": ("add column", "drop column"),
    "AddField": ("add column", "add constraint", "create index", "column default", "comment", "update"),
    "RemoveField": ("drop column", "drop constraint", "drop table"),
    "AlterField": (*_ALTERS, "update", "set constraints"),
    "RenameField": ("rename",),
    "AddIndex": ("create index",),
    "AddIndexConcurrently": ("create index",),
    "RemoveIndex": ("drop index",),
    "RemoveIndexConcurrently": ("drop index",),
    "RenameIndex": ("rename",),
    "AddConstraint": ("add constraint", "create index"),
    "AddConstraintNotValid": ("add constraint",),
    "ValidateConstraint": ("validate constraint",),
    "RemoveConstraint": ("drop constraint", "drop index"),
    "CreateExtension": ("create extension",),
    "RunPython": ("update", "insert", "delete", "select"),
    "RunSQL": (),
}
_WORD = re.compile(r"\w+")


@lru_cache(64)
def is_django(file: Path) -> bool:
    """Return whether a file of Python is a migration of Django's."""
    try:
        text = file.read_bytes()
    except OSError:
        return False
    return file.parent.name == "migrations" and b"class Migration" in text and b"django" in text


def line_of(file: Path, sql: str) -> int | None:
    """Return the line of the operation that sent a statement; Django sends SET CONSTRAINTS behind it in one text."""
    commands = parse(sql).commands
    return _lines(file).line_of(sql[commands[0].start : commands[0].end] if commands else sql)


@lru_cache(8)
def _lines(file: Path) -> Sources:
    """Return the operations of a migration, ready to be asked which of them sent a statement."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return Sources((), ())
    return Sources(tuple(literals_of(tree)), tuple(_operations(tree, file.parent.parent.name)))


def _operations(tree: ast.AST, app: str) -> Iterator[Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (becomes := _BECOMES.get(_called(node))):
            yield Call(node.lineno, becomes, tuple(dict.fromkeys(_names(node, app))))


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _names(node: ast.Call, app: str) -> Iterator[str]:
    """Yield the words of its literals as tables and columns spell them: the table of a model, the column of a key."""
    for below in ast.walk(node):
        value = below.value if isinstance(below, ast.Constant) else None
        if not isinstance(value, str) or not _WORD.fullmatch(value):
            continue
        yield from (value, value.lower(), f"{app}_{value.lower()}", f"{value}_id")


def as_django(steps: Sequence[Step]) -> str:
    """Return the steps as operations of a migration; Django's own state is kept as the original operation makes it."""
    if not steps:
        return ""
    head = ["# atomic = False  in the class Migration"] if any(map(needs_autocommit, steps)) else []
    if len(steps) == 1 and _builds(steps[0]):
        head.append("# (for AddIndex: AddIndexConcurrently of django.contrib.postgres.operations does the same)")
    parts = [_operation(step) for step in steps]
    lines = ["migrations.SeparateDatabaseAndState(", "    database_operations=["]
    lines += [f"        {line}" for part in parts for line in part]
    return "\n".join(
        [*head, *lines, "    ],", "    state_operations=[...],  # the operation that stands here now", "),"]
    )


def _builds(step: Step) -> bool:
    return any(command.kind == "create index" and command.concurrently for command in parse(step.sql).commands)


def _operation(step: Step) -> list[str]:
    note = [f"# {step.note}"] if step.note else []
    text = as_statement(step).replace("\\", "\\\\").replace('"""', '\\"""')
    if text.endswith('"'):
        text += " "
    first, *rest = f'migrations.RunSQL("""{text}"""),'.splitlines()
    return [*note, first, *rest]


def pasted_text(text: str, line: int, code: str) -> str | None:
    """Return a migration with code in place of the operation at a line; None where that cannot be done."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return None
    place = _operation_at(tree, line)
    if place is None:
        return None
    original = ast.get_source_segment(text, place) or ""
    lines = text.splitlines()
    margin = " " * place.col_offset
    wanted = code.replace("...]", f"{original}]")
    behind = lines[(place.end_lineno or line) - 1][place.end_col_offset :].lstrip(", ")
    inner = [f"{margin}{part}" for part in wanted.splitlines() if not part.startswith("# ")]
    lines[place.lineno - 1 : place.end_lineno] = [*inner, f"{margin}{behind}"] if behind else inner
    made = "\n".join([*lines, ""])
    if "# atomic" in code:
        made = re.sub(r"^(class Migration\b.*:)$", r"\1\n    atomic = False", made, count=1, flags=re.MULTILINE)
    return made


def _operation_at(tree: ast.AST, line: int) -> ast.Call | None:
    calls = [
        node for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _called(node) in _BECOMES and node.lineno <= line <= (node.end_lineno or line)
    ]  # fmt: skip
    return max(calls, key=lambda node: node.lineno, default=None)

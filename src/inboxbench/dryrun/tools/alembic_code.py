"""Alembic's revision files: which line sent a statement, and the steps of a rewrite as code to paste there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from inboxbench.dryrun.rewrites.steps import ATTEMPTS, LOCK_TIMEOUT, PAUSE_S, Step
from inboxbench.sqltree.tokens import inlined, listed, placeholders

_PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w)")


def as_code(steps: Sequence[Step]) -> str:
    """The steps as lines of a revision; what the driver sent as `$1` is a name there that the user fills."""
    lines = [line for step in steps for line in ([f"# {step.note}"] if step.note else []) + _lines(step)]
    wanted = dict.fromkeys(number for step in steps for number in placeholders(step.sql))
    return "\n".join([*(f"value_{number} = ...  # what the revision gives as ${number}" for number in wanted), *lines])


def _lines(step: Step) -> list[str]:
    if len(listed(step.key)) > 1:
        return _lines_of_several(step)
    if step.key:
        return _lines_of_batches(step)
    if step.retry:
        return _lines_of_retries(step)
    if step.alone:
        return ["with op.get_context().autocommit_block():", f"    {executed(step.sql)}"]
    return [executed(step.sql)]


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
    """Of its values, as items of a dictionary."""
    return "".join(f', "value_{number}": value_{number}' for number in placeholders(sql))


def _literal(text: str) -> str:
    return repr(text) if '"' in text else f'"{text}"'


def _lines_of_batches(step: Step) -> list[str]:
    values = f"{{{_given(step.sql).removeprefix(', ')}}}"
    last = f'{{"last": last{_given(step.sql)}}} if after else {values}'
    return [
        "with op.get_context().autocommit_block():",
        '    last, after = None, ""',
        "    while True:",
        f'        batch = sa.text({in_python(step.sql)}.replace("{{after}}", after))',
        f"        last = op.get_bind().execute(batch, {last}).scalar()",
        "        if last is None:",
        "            break",
        f"        after = {_literal(f'AND {step.key} > :last')}",
    ]


def _lines_of_several(step: Step) -> list[str]:
    places = [f"last_{place}" for place, _ in enumerate(listed(step.key))]
    bound = ", ".join(f":{place}" for place in places)
    values = f"{{**last{_given(step.sql)}}}" if placeholders(step.sql) else "last"
    return [
        "with op.get_context().autocommit_block():",
        '    last, after = {}, ""',
        "    while True:",
        f'        batch = sa.text({in_python(step.sql)}.replace("{{after}}", after))',
        f"        row = op.get_bind().execute(batch, {values}).first()",
        "        if row is None:",
        "            break",
        f"        last = dict(zip({places!r}, row))",
        f"        after = {_literal(f'AND ({step.key}) > ({bound})')}",
    ]


def _lines_of_retries(step: Step) -> list[str]:
    """Each try a transaction of its own, so that no lock of the revision is kept between them.

    By SQLSTATE, which psycopg calls sqlstate and psycopg2 pgcode: asyncpg's error has no class in SQLAlchemy.
    """
    return [
        "import time",
        "with op.get_context().autocommit_block():",
        '    was = op.get_bind().execute(sa.text("SHOW lock_timeout")).scalar()',
        f"    op.execute(\"SET lock_timeout = '{LOCK_TIMEOUT}'\")",
        f"    for attempt in range({ATTEMPTS}):",
        "        try:",
        f"            {executed(step.sql)}",
        "            break",
        "        except sa.exc.DBAPIError as error:",
        '            if "55P03" not in (getattr(error.orig, "sqlstate", None), getattr(error.orig, "pgcode", None)):',
        "                raise",
        f"            time.sleep({PAUSE_S} * 2**attempt)",
        "    else:",
        '        raise RuntimeError("the lock was never free")',
        "    op.execute(f\"SET lock_timeout = '{was}'\")",
    ]


# What a call must have become, by its name: of Alembic's op, of a batch, of anybody's helper named alike.
_VERBS = (
    ("create_table", r"CREATE (?:\w+ )?TABLE|CREATE (?:UNIQUE )?INDEX|CREATE TYPE|COMMENT ON"),
    ("drop_table", r"DROP TABLE"),
    ("rename_table", r"ALTER TABLE .* RENAME TO"),
    ("add_column", r"ALTER TABLE .* ADD COLUMN|COMMENT ON|CREATE TYPE|ALTER TABLE .* ADD (?:CONSTRAINT|FOREIGN|CHECK)"),
    ("drop_column", r"ALTER TABLE .* DROP COLUMN"),
    ("alter_column", r"ALTER TABLE .* (?:ALTER|RENAME)|COMMENT ON"),
    ("create_index", r"CREATE (?:UNIQUE )?INDEX"),
    ("drop_index", r"DROP INDEX"),
    ("drop_constraint", r"ALTER TABLE .* DROP CONSTRAINT"),
    ("create_foreign_key", r"ALTER TABLE .* ADD (?:CONSTRAINT|FOREIGN)"),
    ("_constraint", r"ALTER TABLE"),
    ("_primary_key", r"ALTER TABLE .* ADD (?:CONSTRAINT|PRIMARY)"),
    ("bulk_insert", r"INSERT INTO"),
    ("trigger", r"(?:CREATE|DROP).* TRIGGER|ALTER TABLE .* TRIGGER"),
    ("function", r"(?:CREATE|DROP).* FUNCTION"),
    ("not_null", r"ALTER TABLE"),
    ("foreign_key", r"ALTER TABLE"),
    ("check", r"ALTER TABLE"),
    ("backfill", r"UPDATE|INSERT|WITH|DELETE|SELECT|LOCK"),
    ("column", r"ALTER TABLE"),
    ("create", r"CREATE"),
    ("drop", r"DROP"),
)  # fmt: skip
_SHORTEST = 12  # characters of a literal that are no accident
_WORD = re.compile(r"\w+")
_IGNORE = re.compile(r"#\s*inboxbench:\s*ignore\s+([\w-]+)[ \t]*(.*)")


@dataclass(frozen=True, slots=True)
class _Call:
    """becomes: what its statement looks like; names: words among its literals."""

    line: int
    becomes: re.Pattern[str]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sources:
    """A revision file, ready to be asked."""

    literals: tuple[tuple[int, str], ...]
    calls: tuple[_Call, ...]

    def line_of(self, sql: str) -> int | None:
        """By its text, else by the operation and the names in it; None when nothing in the file explains it."""
        flat = _flat(sql)
        written = [(len(text), -line) for line, text in self.literals if text in flat or _long(flat, text)]
        if written:
            return -max(written)[1]
        words = set(_WORD.findall(flat))
        fitting = [call for call in self.calls if call.becomes.match(flat)]
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
    return Sources(tuple(_literals(tree)), tuple(_calls(tree, _constants(tree))))


def _flat(sql: str) -> str:
    return " ".join(sql.split()).rstrip(" ;")


def _long(flat: str, text: str) -> bool:
    """A statement of several lines may be a part of one string."""
    return len(flat) >= 2 * _SHORTEST and flat in text


def _literals(tree: ast.Module) -> Iterator[tuple[int, str]]:
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


def _calls(tree: ast.AST, constants: dict[str, str], batch: tuple[str, ...] = ()) -> Iterator[_Call]:
    """`with op.batch_alter_table("t") as batch:` lends its table to the calls within."""
    for node in ast.iter_child_nodes(tree):
        inside = batch
        if isinstance(node, ast.With):
            inside = batch + tuple(name for item in node.items for name in _names(item.context_expr, constants))
        if isinstance(node, ast.Call) and (pattern := _becomes(_called(node))) is not None:
            yield _Call(node.lineno, pattern, batch + tuple(_names(node, constants)))
        yield from _calls(node, constants, inside)


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _becomes(name: str) -> re.Pattern[str] | None:
    for part, pattern in _VERBS:
        if part in name.lower():
            return re.compile(pattern, re.IGNORECASE | re.DOTALL)
    return None


def _names(node: ast.AST, constants: dict[str, str]) -> Iterator[str]:
    """Words among the literals below, written there or by the name of a constant."""
    for below in ast.walk(node):
        value = below.value if isinstance(below, ast.Constant) else None
        if isinstance(below, ast.Name):
            value = constants.get(below.id)
        if isinstance(value, str) and _WORD.fullmatch(value):
            yield value


def _common(call: _Call, words: set[str]) -> int:
    return sum(name in words for name in call.names)


def suppression(file: Path, line: int, rule: str) -> str | None:
    """The reason of `# inboxbench: ignore RULE REASON` at a line, or in comments above it."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    marks = (mark for text in _around(lines, line - 1) if (mark := _IGNORE.search(text)))
    return next((mark[2].strip() for mark in marks if mark[1] == rule and mark[2].strip()), None)


def _around(lines: list[str], place: int) -> Iterator[str]:
    """The line itself, and up: comments, and the beginning of a call that goes over several lines."""
    if place >= len(lines):
        return
    yield lines[place]
    for text in reversed(lines[:place]):
        if not (text.lstrip().startswith("#") or text.rstrip().endswith("(")):
            return
        yield text

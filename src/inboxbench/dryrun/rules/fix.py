"""The rewrite of a statement, with its own names: steps that can be run, and the code of a revision that runs them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from inboxbench.dryrun.rules.operation import Kind, Operation, actions, read_operation

BATCH = 5_000
_PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w)")
_BATCHED: tuple[Kind, ...] = ("type", "backfill", "add column")


@dataclass(frozen=True, slots=True)
class Step:
    """alone: outside of any transaction, as CONCURRENTLY needs it. retry: under lock_timeout, again when it strikes.

    key: of a batched step (several columns with commas), which is run again and again, each time in a transaction of
    its own: it gives the last key of its batch, and `{after}` in it is nothing at first, then `AND key > last`, until
    there is no last key. values: of its placeholders, which are run and not shown.
    """

    sql: str
    alone: bool = False
    key: str = ""
    retry: bool = False
    values: dict[str, str] = field(default_factory=dict)


Steps = tuple[Step, ...]
LOCK_TIMEOUT, ATTEMPTS, PAUSE_S = "100ms", 10, 0.1  # of a step that is retried; the pause doubles each time


def rewrite(sql: str, key: str = "id") -> Steps | None:
    """What to run instead of `sql`, in order; None where no rewrite is known.

    key: the columns of the table's primary key, quoted as they need it, with commas between; without, what would need
    batches is left alone.
    """
    operation = read_operation(sql)
    if operation is None or (not key and operation.kind in _BATCHED):
        return None
    return _REWRITES[operation.kind](operation, key)


def proposal(sql: str, key: str) -> str:
    """Code to paste; where batches would need a key that the table lacks, what is to be done first, as a comment."""
    operation = read_operation(sql)
    if operation and not key and operation.kind in _BATCHED:
        return (
            f"# {operation.table} has no primary key to go through it by: batches need one. Give it a key first\n"
            "# (a unique index built CONCURRENTLY, then PRIMARY KEY USING INDEX), or accept the block in a quiet hour."
        )
    return as_code(rewrite(sql, key))


def as_code(steps: Sequence[Step] | None) -> str:
    """The steps as lines of an Alembic revision."""
    return "\n".join(line for step in steps or () for line in _lines(step))


def _lines(step: Step) -> list[str]:
    if len(actions(step.key)) > 1:
        return _lines_of_several(step)
    if step.key:
        return [
            "with op.get_context().autocommit_block():",
            '    last, after = None, ""',
            "    while True:",
            f'        batch = sa.text({in_python(step.sql)}.replace("{{after}}", after))',
            '        last = op.get_bind().execute(batch, {"last": last} if after else {}).scalar()',
            "        if last is None:",
            "            break",
            f"        after = {_literal(f'AND {step.key} > :last')}",
        ]
    if step.retry:
        return _lines_of_retries(step)
    if step.alone:
        return ["with op.get_context().autocommit_block():", f"    op.execute({in_python(step.sql)})"]
    return [f"op.execute({in_python(step.sql)})"]


def _lines_of_retries(step: Step) -> list[str]:
    """By SQLSTATE, which psycopg calls sqlstate and psycopg2 pgcode: asyncpg's error has no class in SQLAlchemy."""
    return [
        "import time",
        f"for attempt in range({ATTEMPTS}):",
        "    try:",
        "        with op.get_bind().begin_nested():",
        f"            op.execute(\"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'\")",
        f"            op.execute({in_python(step.sql)})",
        "        break",
        "    except sa.exc.DBAPIError as error:",
        '        if "55P03" not in (getattr(error.orig, "sqlstate", None), getattr(error.orig, "pgcode", None)):',
        "            raise",
        f"        time.sleep({PAUSE_S} * 2**attempt)",
        "else:",
        '    raise RuntimeError("the lock was never free")',
    ]


def in_python(sql: str) -> str:
    """As a literal for sa.text and op.execute, which take a colon before a word for a parameter.

    >>> print(in_python("DROP INDEX \\"Ix\\""), in_python("SELECT '{\\"a\\":b}'::jsonb"))
    \"\"\"DROP INDEX "Ix" \"\"\" r\"\"\"SELECT '{"a"\\:b}'::jsonb\"\"\"
    """
    text = _PARAMETER.sub(r"\\:", sql)
    raw, end = "r" * ("\\" in text), " " * text.endswith('"')
    return f'{raw}"""{text}{end}"""'


def _literal(text: str) -> str:
    return repr(text) if '"' in text else f'"{text}"'


def _lines_of_several(step: Step) -> list[str]:
    values = [f"last_{place}" for place, _ in enumerate(actions(step.key))]
    bound = ", ".join(f":{value}" for value in values)
    return [
        "with op.get_context().autocommit_block():",
        '    last, after = {}, ""',
        "    while True:",
        f'        batch = sa.text({in_python(step.sql)}.replace("{{after}}", after))',
        "        row = op.get_bind().execute(batch, last).first()",
        "        if row is None:",
        "            break",
        f"        last = dict(zip({values!r}, row))",
        f"        after = {_literal(f'AND ({step.key}) > ({bound})')}",
    ]


def _create_index(one: Operation, _: str) -> Steps:
    unique = "UNIQUE " if one.unique else ""
    exists = "IF NOT EXISTS " if one.exists else ""
    return (Step(f"CREATE {unique}INDEX CONCURRENTLY {exists}{one.name} ON {one.table} {one.rest}", alone=True),)


def _drop_index(one: Operation, _: str) -> Steps:
    return (Step(f"DROP INDEX CONCURRENTLY {'IF EXISTS ' if one.exists else ''}{one.name}", alone=True),)


def with_references(earlier: Sequence[str], sql: str) -> tuple[int, Steps] | None:
    """A column that is added, then given a foreign key: it is empty, so ADD COLUMN … REFERENCES has no row to check.

    earlier: what its transaction ran before `sql`. Gives the place of the ADD COLUMN in it, and the step that does
    both; None where there is none, where it gives the column values, or where anything between speaks of the column.
    """
    key = read_operation(sql)
    found = re.fullmatch(r"FOREIGN KEY ?\([^)]+\) (REFERENCES .+)", key.rest if key else "", re.IGNORECASE)
    if key is None or found is None:
        return None
    column = key.column.strip()
    for place in reversed(range(len(earlier))):
        added = read_operation(earlier[place])
        if added and (added.kind, added.table, added.column) == ("add column", key.table, column):
            filled = re.search(r"\b(DEFAULT|GENERATED|REFERENCES|NOT NULL|\w*SERIAL)\b", added.rest, re.IGNORECASE)
            if filled or added.exists:
                return None
            definition = f"{column} {added.rest} CONSTRAINT {_named(key, 'fkey')} {found[1]}"
            return place, (Step(f"ALTER TABLE {key.table} ADD COLUMN {definition}"),)
        if re.search(rf"(?<![\w$]){re.escape(column)}(?![\w$])", earlier[place]):
            return None
    return None


def _not_valid(one: Operation, _: str) -> Steps:
    name = _named(one, "fkey" if one.kind == "foreign key" else "check")
    return (
        Step(f"ALTER TABLE {one.table} ADD CONSTRAINT {name} {one.rest} NOT VALID", alone=True),
        Step(f"ALTER TABLE {one.table} VALIDATE CONSTRAINT {name}", alone=True),
    )


def _unique(one: Operation, _: str) -> Steps:
    name = _named(one, "key")
    return (
        Step(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {one.table} ({one.column})", alone=True),
        Step(f"ALTER TABLE {one.table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}", alone=True),
    )


def _named(one: Operation, purpose: str) -> str:
    """The constraint's own name, else one after PostgreSQL's fashion."""
    return one.name or _name(one.table, one.column, purpose)


def _not_null(one: Operation, _: str) -> Steps:
    name = _name(one.table, one.column, "present")
    return (
        Step(f"ALTER TABLE {one.table} ADD CONSTRAINT {name} CHECK ({one.column} IS NOT NULL) NOT VALID", alone=True),
        Step(f"ALTER TABLE {one.table} VALIDATE CONSTRAINT {name}", alone=True),
        Step(f"ALTER TABLE {one.table} ALTER COLUMN {one.column} SET NOT NULL", alone=True),
        Step(f"ALTER TABLE {one.table} DROP CONSTRAINT {name}", alone=True),
    )


def _type(one: Operation, key: str) -> Steps:
    """Expand (a second column, kept alike by a trigger), backfill in batches, contract (swap the names)."""
    new, old = _name("", one.column, "new"), _name("", one.column, "old")
    function = _name(one.table, one.column, "sync")
    value = one.using or f"{one.column}::{one.type}"
    fresh = re.sub(rf"(?<![\w.\"]){re.escape(one.column)}(?![\w\"])", f"NEW.{one.column}", value)
    return (
        Step(f"ALTER TABLE {one.table} ADD COLUMN {new} {one.type}", alone=True),
        Step(f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS "
             f"$$BEGIN NEW.{new} := {fresh}; RETURN NEW; END$$", alone=True),
        Step(f"CREATE TRIGGER {function} BEFORE INSERT OR UPDATE ON {one.table} "
             f"FOR EACH ROW EXECUTE FUNCTION {function}()", alone=True),
        _batches(one.table, f"{new} = {value}", f"{new} IS NULL AND {one.column} IS NOT NULL", key),
        Step(f"DROP TRIGGER {function} ON {one.table}"),
        Step(f"DROP FUNCTION {function}()"),
        Step(f"ALTER TABLE {one.table} ALTER COLUMN {one.column} DROP NOT NULL"),
        Step(f"ALTER TABLE {one.table} RENAME COLUMN {one.column} TO {old}"),
        Step(f"ALTER TABLE {one.table} RENAME COLUMN {new} TO {one.column}"),
    )  # fmt: skip


_DEFAULT = re.compile(r"(?P<type>.+?) DEFAULT (?P<default>.+?)(?P<null> NOT NULL)?", re.IGNORECASE)


def _backfill(one: Operation, key: str) -> Steps | None:
    if re.search(r"\b(FROM|RETURNING|AS)\b", re.sub(r"\(.*\)", "", one.rest) + one.where, re.IGNORECASE):
        return None
    return (_batches(one.table, one.rest, one.where, key),)


def _add_column(one: Operation, key: str) -> Steps | None:
    """A volatile default: for new rows at once, for those that are there in batches."""
    found = _DEFAULT.fullmatch(re.sub(r"^(.+?) NOT NULL DEFAULT (.+)$", r"\1 DEFAULT \2 NOT NULL", one.rest))
    if found is None or re.search(r"\b(GENERATED|REFERENCES|CHECK|UNIQUE)\b", one.rest, re.IGNORECASE):
        return None
    column, table = one.column, one.table
    steps: Steps = (
        Step(f"ALTER TABLE {table} ADD COLUMN {column} {found['type']}", alone=True),
        Step(f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {found['default']}", alone=True),
        _batches(table, f"{column} = {found['default']}", f"{column} IS NULL", key),
    )
    return steps + _not_null(Operation("not null", table, column=column), key) if found["null"] else steps


def _batches(table: str, assigned: str, where: str, key: str) -> Step:
    """By key, so that no batch reads what an earlier one did."""
    condition = f" AND ({where})" if where else ""
    columns = actions(key)
    row = f"({key})" if len(columns) > 1 else key
    last = ", ".join(f"{column} DESC" for column in columns)
    return Step(  # names as the project wrote them, in a statement of its own
        f"WITH batch AS (SELECT {key} FROM {table} WHERE true {{after}} ORDER BY {key} LIMIT {BATCH}), "  # noqa: S608
        f"done AS (UPDATE {table} SET {assigned} WHERE {row} IN (SELECT {key} FROM batch){condition}) "
        f"SELECT {key} FROM batch ORDER BY {last} LIMIT 1",
        key=key,
    )


def _name(table: str, column: str, purpose: str) -> str:
    parts = [re.sub(r"\W+", "_", part).strip("_") for part in (table.rpartition(".")[2], column, purpose)]
    return "_".join(part for part in parts if part)[:63]


_REWRITES: dict[Kind, Callable[[Operation, str], Steps | None]] = {
    "create index": _create_index,
    "drop index": _drop_index,
    "foreign key": _not_valid,
    "check": _not_valid,
    "unique": _unique,
    "not null": _not_null,
    "type": _type,
    "backfill": _backfill,
    "add column": _add_column,
}

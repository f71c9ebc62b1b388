"""Steps of a rewrite, parts that several rewrites share, and the code of an Alembic revision that runs them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from inboxbench.sqltree.tokens import inlined, listed, name_parts, placeholders

LOCK_TIMEOUT, ATTEMPTS, PAUSE_S = "100ms", 10, 0.1  # of a step that is retried; the pause doubles each time
BATCH = 5_000  # rows
_LONGEST_NAME = 63
_PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w)")


@dataclass(frozen=True, slots=True)
class Step:
    """alone: outside of any transaction, as CONCURRENTLY needs it. retry: under lock_timeout, again when it strikes.

    key: of a batched step (several columns with commas), which is run again and again, each time in a transaction of
    its own: it gives the last key of its batch, and `{after}` in it is nothing at first, then `AND key > last`, until
    there is no last key. values: of its placeholders, which are run and not shown. note: a comment before its code.
    """

    sql: str
    alone: bool = False
    key: str = ""
    retry: bool = False
    values: dict[str, str] = field(default_factory=dict)
    note: str = ""


Steps = tuple[Step, ...]


def not_null(table: str, column: str) -> Steps:
    name = made_name(table, column, "present")
    return (
        Step(f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({column} IS NOT NULL) NOT VALID", alone=True),
        Step(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}", alone=True),
        Step(f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL", alone=True),
        Step(f"ALTER TABLE {table} DROP CONSTRAINT {name}", alone=True),
    )


def batches(table: str, assigned: str, where: str, key: str) -> Step:
    """By key, so that no batch reads what an earlier one did."""
    condition = f" AND ({where})" if where else ""
    columns = listed(key)
    row = f"({key})" if len(columns) > 1 else key
    last = ", ".join(f"{column} DESC" for column in columns)
    return Step(  # names as the project wrote them, in a statement of its own
        f"WITH batch AS (SELECT {key} FROM {table} WHERE true {{after}} ORDER BY {key} LIMIT {BATCH}), "  # noqa: S608
        f"done AS (UPDATE {table} SET {assigned} WHERE {row} IN (SELECT {key} FROM batch){condition}) "
        f"SELECT {key} FROM batch ORDER BY {last} LIMIT 1",
        key=key,
    )


def made_name(table: str, column: str, purpose: str) -> str:
    """After PostgreSQL's fashion; what is too long loses of the names, not of the purpose."""
    parts = [re.sub(r"\W+", "_", part).strip("_") for part in (*name_parts(table)[-1:], column)]
    stem = "_".join(part for part in parts if part)
    return f"{stem[: _LONGEST_NAME - 1 - len(purpose)]}_{purpose}"


def as_code(steps: Sequence[Step] | None) -> str:
    """The steps as lines of an Alembic revision; what the driver sent as `$1` is a name there that the user fills."""
    lines = [line for step in steps or () for line in ([f"# {step.note}"] if step.note else []) + _lines(step)]
    wanted = dict.fromkeys(number for step in steps or () for number in placeholders(step.sql))
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

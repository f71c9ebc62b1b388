"""The steps of a rewrite as code of an Alembic revision, to paste."""

from __future__ import annotations

import re
from collections.abc import Sequence

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

"""The steps of a rewrite as SQL to paste, and as a revision of the tool whose files are something else.

What runs outside of a transaction needs that of its file: the first line says how the tool is asked for it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from inboxbench.dryrun.rewrites.steps import ATTEMPTS, LOCK_TIMEOUT, PAUSE_S, Step
from inboxbench.dryrun.tools.formats import Format
from inboxbench.sqltree import parse
from inboxbench.sqltree.tokens import listed, placeholders

OUTSIDE = "-- outside of a transaction: "
_BATCHES = """\
DO $batches$
DECLARE
    last record;
    after text := '';
BEGIN
    LOOP
        EXECUTE replace($step${sql}$step$, '{{after}}', after) INTO last;
        EXIT WHEN last IS NULL;
        COMMIT;
        after := format('AND ({key}) > ({marks})', {values});
    END LOOP;
END $batches$;"""
_RETRIED = """\
DO $retried$
BEGIN
    FOR attempt IN 1..{attempts} LOOP
        BEGIN
            PERFORM set_config('lock_timeout', '{timeout}', true);
            EXECUTE $step${sql}$step$;
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_sleep({pause} * 2 ^ (attempt - 1));
        END;
    END LOOP;
    RAISE 'the lock was never free';
END $retried$;"""


def as_sql(steps: Sequence[Step], known: Format | None = None) -> str:
    """Return the steps as SQL; known: the tool whose way to leave a transaction is said where one needs it."""
    wanted = dict.fromkeys(number for step in steps for number in placeholders(step.sql))
    lines = [f"-- ${number}: put in what the revision gives" for number in wanted]
    if any(map(needs_autocommit, steps)):
        lines.append(OUTSIDE + (known.leave if known and known.leave else "no BEGIN around it"))
    for step in steps:
        lines += [f"-- {step.note}"] if step.note else []
        lines.append(as_statement(step))
    return "\n".join(lines)


def needs_autocommit(step: Step) -> bool:
    """Return whether it cannot run in a transaction, or commits within it."""
    return step.alone or bool(step.key) or step.retry


def as_statement(step: Step) -> str:
    """Return a step as SQL: what is repeated or tried again is a block of PL/pgSQL, which commits as it goes."""
    if step.key:
        columns = listed(step.key)
        values = ", ".join(f"last.{column}" for column in columns)
        marks = ", ".join("%L" for _ in columns)
        return _BATCHES.format(sql=step.sql, key=step.key.replace("'", "''"), marks=marks, values=values)
    if not step.retry:
        return f"{step.sql};"
    if any(command.commits_inside for command in parse(step.sql).commands):  # which no block can run
        return f"SET lock_timeout = '{LOCK_TIMEOUT}';\n{step.sql};\nRESET lock_timeout;"
    return _RETRIED.format(sql=step.sql, timeout=LOCK_TIMEOUT, attempts=ATTEMPTS, pause=PAUSE_S)


def as_rails(steps: Sequence[Step]) -> str:
    """Return the steps as the body of a Rails migration."""
    head = ["disable_ddl_transaction!  # in the class", ""] if any(map(needs_autocommit, steps)) else []
    parts = [f"execute <<~SQL\n{textwrap.indent(as_statement(step), '  ')}\nSQL" for step in steps]
    return "\n".join([*head, *parts])


def as_python(steps: Sequence[Step]) -> str:
    """Return the steps as those of yoyo."""
    head = ["__transactional__ = False", ""] if any(map(needs_autocommit, steps)) else []
    parts = [f'step(r"""\n{as_statement(step)}\n""")' for step in steps]
    return "\n".join([*head, *parts])


def as_javascript(steps: Sequence[Step], known: Format) -> str:
    """Return the steps as calls of a migration in JavaScript: `run` stands for the tool's own call that sends SQL."""
    head = [f"// {known.leave}"] if any(map(needs_autocommit, steps)) else []
    call = _RUNS.get(known.name, "await run")
    parts = [f"{call}(String.raw`\n{_escaped(as_statement(step))}\n`);" for step in steps]
    return "\n".join([*head, *parts])


def _escaped(text: str) -> str:
    return text.replace("`", "\\`").replace("${", "$\\{")


_RUNS = {
    "knex": "await knex.raw",
    "node-pg-migrate": "pgm.sql",
    "TypeORM": "await queryRunner.query",
    "Sequelize": "await queryInterface.sequelize.query",
}

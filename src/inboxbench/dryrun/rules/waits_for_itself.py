"""A session of the command waits for another session of the same command, for ever."""

from __future__ import annotations

from collections.abc import Iterator

from inboxbench.dryrun.rules.facts import Facts
from inboxbench.dryrun.rules.rule import Hit, Rule


def _check(facts: Facts) -> Iterator[Hit]:
    hung = facts.run.more.hung
    if hung is not None and hung.own:
        waiting = next((statement for statement in facts.run.statements if statement.number == hung.statement), None)
        yield Hit(waiting, hung.relation, f"{hung.what}.")


RULE = Rule(
    id="waits-for-itself",
    group="outcome",
    severity="error",
    condition="a session of the command waited for a lock of another session of the same command, which did not go on",
    effect="the command never ends, and the server sees no deadlock; whoever needs that lock waits as long",
    remedy="do all of a revision's work on the migration's own connection (`op.get_bind()`), or commit before another "
    "one begins.",
    bad='op.add_column("orders", …)\nSession(create_engine(url)).execute(text("UPDATE orders …"))',
    good='op.add_column("orders", …)\nSession(bind=op.get_bind()).execute(text("UPDATE orders …"))',
    check=_check,
)

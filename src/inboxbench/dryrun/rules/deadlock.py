"""The migration and the traffic wait for each other."""

from __future__ import annotations

import re
from collections.abc import Iterator

from inboxbench.dryrun.rules.facts import Facts
from inboxbench.dryrun.rules.rule import Hit, Rule

_NUMBER = re.compile(r"statement (\d+) \(")


def _check(facts: Facts) -> Iterator[Hit]:
    statements = {statement.number: statement for statement in facts.run.statements}
    for traffic in facts.run.traffic:
        if traffic.deadlocks:
            cycle = traffic.deadlock_cycle or ""
            named = _NUMBER.search(cycle)  # the first of the migration's statements in it
            statement = statements.get(int(named[1])) if named else None
            what = f"{traffic.name} ran into {traffic.deadlocks} deadlocks. {cycle}".rstrip()
            yield Hit(statement, None, what)


RULE = Rule(
    id="deadlock",
    group="outcome",
    severity="error",
    condition="the history and the traffic waited for each other, and the server ended one of them",
    effect="requests fail, or the migration does",
    remedy="one table a transaction, with a lock_timeout shorter than deadlock_timeout, and retries.",
    bad="BEGIN; DROP TABLE a; DROP TABLE b; COMMIT;",
    good="SET lock_timeout = '100ms';\nDROP TABLE a;  -- commit\nDROP TABLE b;  -- commit",
    check=_check,
    needs_traffic=True,
    by_chance=True,
)

"""On a partitioned table an index is built partition by partition, and what is impossible there is not proposed."""

from __future__ import annotations

import pytest

from inboxbench.dryrun.rewrites.catalogue import proposal, rewrite
from inboxbench.dryrun.rewrites.partitioned import Partitions
from inboxbench.dryrun.tools.alembic_code import as_code

_PARTS = Partitions(("app.events_2024", 'app."Events 2025"'))


def test_an_index_is_built_on_each_partition_and_attached() -> None:
    steps = rewrite("CREATE INDEX by_day ON app.events USING btree (day DESC) WHERE day > 1", partitions=_PARTS)
    assert [step.sql for step in steps or ()] == [
        "CREATE INDEX by_day ON ONLY app.events USING btree (day DESC) WHERE day > 1",
        "CREATE INDEX CONCURRENTLY events_2024_by_day_idx ON app.events_2024 USING btree (day DESC) WHERE day > 1",
        "ALTER INDEX app.by_day ATTACH PARTITION app.events_2024_by_day_idx",
        'CREATE INDEX CONCURRENTLY "Events_2025_by_day_idx" ON app."Events 2025" USING btree (day DESC) WHERE day > 1',
        'ALTER INDEX app.by_day ATTACH PARTITION app."Events_2025_by_day_idx"',
    ]


@pytest.mark.parametrize(
    ("sql", "partitions", "why"),
    [
        ("CREATE INDEX ix ON events (a)", Partitions(("public.e",), nested=True), "partitioned itself"),
        ("ALTER TABLE events ADD CONSTRAINT u UNIQUE (a)", _PARTS, "are not known"),
        ("DROP INDEX events_ix", _PARTS, "are not known"),
        ("ALTER TABLE events ADD CONSTRAINT fk FOREIGN KEY (a) REFERENCES t", _PARTS, "NOT VALID"),
    ],
)
def test_what_is_impossible_is_said(sql: str, partitions: Partitions, why: str) -> None:
    assert rewrite(sql, partitions=partitions) is None
    text = proposal(sql, "id", None, lambda *steps: as_code(steps), partitions)
    assert why in text
    assert "op.execute" not in text


def test_a_check_is_added_as_anywhere() -> None:
    sql = "ALTER TABLE events ADD CONSTRAINT ck CHECK (a > 0)"
    assert rewrite(sql, partitions=_PARTS) == rewrite(sql)

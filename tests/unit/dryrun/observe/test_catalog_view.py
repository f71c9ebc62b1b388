"""Files that commands without events have changed, however late the catalogue was looked at."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inboxbench.dryrun.model import Statement
from inboxbench.dryrun.observe.assemble import assemble
from inboxbench.dryrun.observe.log_statements import Draft
from inboxbench.dryrun.observe.sampler import Catalogue, Poll, Relation

TABLE, INDEX = Relation(1, "a", "orders", "r", 5, rows=500), Relation(2, "a", "orders_pkey", "i", 6, table=1)
OTHER = Relation(3, "a", "customers", "r", 7, rows=500)


def _seen_late(*texts: str, changed: tuple[Relation, ...] = (TABLE, INDEX)) -> list[Statement]:
    """Run them one after the other; the catalogue is looked at before the first and after the last."""
    before = {relation.oid: relation for relation in (TABLE, INDEX, OTHER)}
    after = before | {relation.oid: replace(relation, filenode=relation.filenode + 10) for relation in changed}
    drafts = [Draft(7, f"3/{at}", text, at, at + 0.5) for at, text in enumerate(texts, start=1)]
    poll = Poll(catalogues=[Catalogue(0.0, before), Catalogue(100.0, after)])
    return list(assemble(drafts, poll, 0.0)[0])


def _rewritten(statement: Statement) -> list[str]:
    return [rewrite.relation for rewrite in statement.rewrites]


BOTH = ["a.orders", "a.orders_pkey"]


@pytest.mark.parametrize(
    ("texts", "rewritten"),
    [
        (("VACUUM orders", "VACUUM FULL orders"), [[], BOTH]),
        (("VACUUM", "VACUUM FULL"), [[], BOTH]),
        (("VACUUM ANALYZE orders", "CLUSTER orders USING orders_pkey"), [[], BOTH]),
        (("ANALYZE orders", "TRUNCATE orders"), [[], BOTH]),
        (("TRUNCATE orders", "VACUUM FULL orders"), [BOTH, BOTH]),
        (("VACUUM FULL orders", "REINDEX TABLE orders"), [BOTH, ["a.orders_pkey"]]),
        (("VACUUM FULL customers", "VACUUM FULL orders"), [[], BOTH]),
    ],
)
def test_a_late_look_gives_a_file_to_each_command_that_changes_files(
    texts: tuple[str, ...], rewritten: list[list[str]]
) -> None:
    assert list(map(_rewritten, _seen_late(*texts))) == rewritten


def test_the_rows_of_a_vacuum_full_are_known_when_the_catalogue_was_looked_at_late() -> None:
    plain, full = _seen_late("VACUUM orders", "VACUUM FULL orders")
    assert ([scan.rows for scan in plain.scans], [scan.rows for scan in full.scans]) == ([], [1000])


def test_an_index_that_was_built_again_leaves_its_table_alone() -> None:
    (reindex,) = _seen_late("REINDEX INDEX a.orders_pkey", changed=(INDEX,))
    assert _rewritten(reindex) == ["a.orders_pkey"]

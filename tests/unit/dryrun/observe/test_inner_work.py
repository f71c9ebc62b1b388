"""Whose work it was that the server counted within statements, when one look shows that of several."""

from __future__ import annotations

import pytest

from inboxbench.dryrun.observe.assemble import assemble
from inboxbench.dryrun.observe.log_statements import Draft
from inboxbench.dryrun.observe.sampler import Catalogue, InnerLook, Poll, Relation

CODE = {
    ("function", "fill", "BEGIN UPDATE orders SET total = amount; END"),
    ("function", "fill_all", "BEGIN PERFORM fill(); PERFORM fill_customers(); END"),
    ("function", "fill_customers", "BEGIN UPDATE customers SET bought = n; END"),
    ("function", "count_it", "BEGIN UPDATE customers SET bought = bought + 1 WHERE id = NEW.customer_id; END"),
    ("insert", "orders", "count_it"),
    ("delete", "customers", "orders"),
}
FILL, COUNT = "UPDATE orders SET total = amount", "UPDATE customers SET bought = bought + $1 WHERE id = NEW.customer_id"
CASCADE = 'DELETE FROM ONLY "public"."orders" WHERE $1 OPERATOR(pg_catalog.=) "customer_id"'
TABLES = {1: Relation(1, "public", "orders", "r", 5), 2: Relation(2, "public", "customers", "r", 6)}


@pytest.mark.parametrize(
    ("inner", "statements", "by"),
    [
        (FILL, ("SELECT fill()", "SELECT fill_customers()"), 0),
        (FILL, ("SELECT fill_customers()", "SELECT public.fill_all()"), 1),
        (FILL, ("INSERT INTO customers SELECT 1", "CALL fill()"), 1),
        (COUNT, ("UPDATE orders SET total = 1", "INSERT INTO orders SELECT 1"), 1),
        (COUNT, ("DO $$ BEGIN UPDATE orders SET total = 1; END $$", "INSERT INTO orders SELECT 1"), 1),
        (COUNT, ("MERGE INTO orders USING customers ON true WHEN MATCHED THEN DO NOTHING", "SELECT 1"), 0),
        (CASCADE, ("DELETE FROM customers", "UPDATE orders SET total = 1"), 0),
        (CASCADE, ("SELECT 1", "DELETE FROM public.customers"), 1),
        (FILL, ("DO $$ BEGIN UPDATE orders SET total = amount WHERE id = 1; END $$", "CALL fill()"), 1),
        (FILL, ("CALL fill()", "DO $$ BEGIN IF true THEN UPDATE orders SET total = amount * 2; END IF; END $$"), 0),
        (FILL, ("SELECT 1", "DO $$ BEGIN PERFORM fill(); END $$", "SELECT 2"), 1),
    ],
)
def test_it_was_the_statement_whose_code_says_so(inner: str, statements: tuple[str, ...], by: int) -> None:
    drafts = [Draft(7, f"3/{at}", text, at, at + 0.5) for at, text in enumerate(statements, start=1)]
    poll = Poll(catalogues=[Catalogue(0.0, TABLES)], inner=[InnerLook(0.0, 100.0, {1: (3, 30)})])
    poll.texts, poll.code = {1: inner}, CODE
    seen = assemble(drafts, poll, 0.0)[0]
    rows = [sum(part.rows for part in statement.inner) for statement in seen]
    assert rows == [30 if at == by else 0 for at in range(len(statements))]
    assert seen[by].dead_tuples == 30


def test_what_ran_before_or_after_all_statements_is_nobodys() -> None:
    draft = Draft(7, "3/1", "SELECT fill()", 50.0, 60.0)
    poll = Poll(catalogues=[Catalogue(0.0, TABLES)], texts={1: FILL})
    poll.inner = [InnerLook(0.0, 40.0, {1: (1, 5)}), InnerLook(70.0, 90.0, {1: (1, 5)})]
    assert assemble([draft], poll, 0.0)[0][0].inner == ()

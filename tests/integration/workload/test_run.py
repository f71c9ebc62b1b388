"""Placeholders get types and values from the data, by selectivity; what cannot be run is named with why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Database

from inboxbench.bench.workload.queries import draw_cases, read_workload
from inboxbench.errors import SubjectFailed
from inboxbench.project import Loose
from inboxbench.workload.model import Imported, Recorded
from inboxbench.workload.run import Limits, import_workload


def imported(shop: Database, folder: Path, *texts: str, limits: Limits | None = None) -> Imported:
    recorded = [Recorded(text, 10, 100.0) for text in texts]
    return import_workload(shop.server, shop.name, recorded, folder, source="a test", limits=limits)


def values(shop: Database, folder: Path) -> dict[str, dict[str, Any]]:
    """Return the values of each class of the one query that was imported."""
    project = Loose(folder, catalogue=folder / "indexes.toml")
    with shop.connect() as connection:
        cases = draw_cases(read_workload(project), connection, project).cases
    return {case.parameter_class.name.rsplit("_", 1)[-1]: dict(case.values) for case in cases}


RUNNABLE = [
    "SELECT * FROM orders WHERE customer_id = $1 AND status = $2 ORDER BY placed DESC, id LIMIT $3",
    "SELECT count(*) FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.country = $1 "
    "AND o.placed > now() - interval $2",
    "SELECT id FROM customers WHERE meta @> $1",
    "SELECT id FROM customers WHERE meta ->> $1 = $2",
    "SELECT id FROM customers WHERE tags && $1",
    "SELECT id FROM customers WHERE $1 = ANY (tags)",
    "SELECT id FROM orders WHERE note ILIKE $1",
    "SELECT id FROM orders WHERE note LIKE $1 || $2",
    "SELECT id FROM orders WHERE doc @@ plainto_tsquery($1, $2)",
    "SELECT id FROM orders WHERE doc @@ $1",
    "SELECT id FROM orders WHERE id IN ($1, $2, $3)",
    "SELECT id FROM orders WHERE id = ANY ($1)",
    "SELECT date_trunc($1, placed), sum(total) FROM orders WHERE placed >= $2 AND placed < $3 "
    "GROUP BY date_trunc($4, placed) ORDER BY date_trunc($5, placed)",
    "INSERT INTO customers (email, country, meta) VALUES ($1, $2, $3), ($4, $5, $6) RETURNING id",
    "INSERT INTO customers VALUES ($1, $2, $3, $4, $5, $6)",
    "UPDATE orders SET status = $1, total = total + $2 WHERE id = $3",
    "UPDATE orders SET total = total % $1 + $2 WHERE id = $3",
    "DELETE FROM orders WHERE id = $1",
    "SELECT id FROM orders WHERE (placed, id) < ($1, $2) ORDER BY placed DESC, id DESC LIMIT $3",
    "SELECT id FROM orders WHERE total BETWEEN $1 AND $2 OFFSET $3",
    "SELECT extract($1 FROM placed) FROM orders WHERE id = $2",
    "SELECT date_trunc($1, placed AT TIME ZONE $2) FROM orders GROUP BY date_trunc($3, placed AT TIME ZONE $4)",
    "SELECT id FROM customers WHERE lower(email) = $1",
    "WITH w AS (SELECT * FROM orders WHERE status = $1) SELECT w.id FROM w WHERE w.total > $2 LIMIT $3",
    "SELECT id FROM orders WHERE placed::date = $1",
    "SELECT count(*) FROM orders WHERE placed > $1::date - $2",
    "SELECT id FROM orders WHERE status IN ($1 /*, ... */)",
    "SELECT id FROM orders WHERE substring(note, $1, $2) IN ($3, $4)",
    "SELECT status, sum(CASE WHEN total > $1 THEN $2 ELSE $3 END) FROM orders GROUP BY status HAVING sum(total) > $4",
    "SELECT id FROM orders WHERE total BETWEEN $1 AND $2 + $3 AND customer_id IN ($4, $5 + $6)",
    "SELECT coalesce(note, $1), CASE WHEN total > $2 THEN $3 ELSE $4 END FROM orders LIMIT $5",
]


@pytest.mark.parametrize("text", RUNNABLE)
def test_a_normalised_statement_can_be_run(shop: Database, tmp_path: Path, text: str) -> None:
    result = imported(shop, tmp_path, text)
    assert result.share == 1.0, result.left_out
    assert (tmp_path / f"{result.questions[0].name}.sql").is_file()


def test_the_copy_is_as_it_was(shop: Database, tmp_path: Path) -> None:
    counts = "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM customers)"
    with shop.connect() as connection:
        assert connection.execute(counts).fetchone() == (8000, 2000)


def test_values_go_by_frequency(shop: Database, tmp_path: Path) -> None:
    imported(shop, tmp_path, "SELECT id FROM customers WHERE country = $1")
    found = values(shop, tmp_path)
    assert {name: drawn["country"] for name, drawn in found.items() if name != "absent"} == {
        "common": "de", "middle": "fr", "rare": "it",
    }  # fmt: skip
    with shop.connect() as connection:
        absent = connection.execute("SELECT 1 FROM customers WHERE country = %s", (found["absent"]["country"],))
        assert absent.fetchone() is None


@pytest.mark.parametrize("column", ["code", "flags"])
def test_values_of_types_with_a_length_are_whole(shop: Database, tmp_path: Path, column: str) -> None:
    text = f"SELECT count(*) FROM codes WHERE {column} ="
    imported(shop, tmp_path, f"{text} $1")
    with shop.connect() as connection:
        found = connection.execute(f"{text} '{values(shop, tmp_path)['common'][column]}'").fetchone()
    assert found in ((10,), (70,))


def test_columns_of_one_table_are_of_one_row(shop: Database, tmp_path: Path) -> None:
    imported(shop, tmp_path, "SELECT id FROM orders WHERE customer_id = $1 AND status = $2 AND note = $3")
    with shop.connect() as connection:
        for name, drawn in values(shop, tmp_path).items():
            where = "SELECT count(*) FROM orders WHERE customer_id = %s AND status = %s::mood AND note = %s"
            row = connection.execute(where, (drawn["customer_id"], drawn["status"], drawn["note"])).fetchone()
            assert row is not None
            assert (row[0] > 0) == (name != "absent"), name


def test_ranges_go_by_their_share(shop: Database, tmp_path: Path) -> None:
    imported(shop, tmp_path, "SELECT id FROM orders WHERE placed >= $1 AND placed < $2")
    with shop.connect() as connection:
        shares = {}
        for name, drawn in values(shop, tmp_path).items():
            where = "SELECT count(*) / 8000.0 FROM orders WHERE placed >= %s AND placed < %s"
            row = connection.execute(where, tuple(drawn.values())).fetchone()
            assert row is not None
            shares[name] = float(row[0])
    assert shares["common"] > 0.99
    assert 0.08 < shares["middle"] < 0.12
    assert 0.005 < shares["rare"] < 0.015


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT a FROM of_a_session WHERE a = $1", "names a table that the database does not have"),
        ("SELECT $1 + $2", "touches no table"),
        ("SELECT last_value FROM customers_id_seq", "touches no table"),
        ("SELECT nothing FROM orders WHERE id = $1", 'column "nothing" does not exist'),
        (
            "SELECT count(*) FROM orders a, orders b, orders c WHERE a.total + b.total + c.total = $1",
            "did not end within",
        ),
        ("SELECT 1 / ($1 - $1) FROM orders", "division by zero"),
    ],
)
def test_what_cannot_be_run_is_named(shop: Database, tmp_path: Path, text: str, reason: str) -> None:
    result = imported(shop, tmp_path, text, "SELECT id FROM orders LIMIT $1", limits=Limits(timeout_s=0.5))
    assert result.share == 0.5
    assert reason in result.left_out[0].reason
    assert len(list(tmp_path.glob("*.sql"))) == 1
    read_workload(Loose(tmp_path, catalogue=tmp_path / "indexes.toml"))  # what is left is whole


def test_values_of_people_are_in_no_file_unless_asked_for(shop: Database, tmp_path: Path) -> None:
    recorded = [Recorded("SELECT id FROM customers WHERE email = 'c77@x.org' LIMIT 7", 1, 5.0)]
    for name, limits in (("draws", Limits()), ("values", Limits(values=True))):
        import_workload(shop.server, shop.name, recorded, tmp_path / name, source="a log", limits=limits)
        written = "".join(path.read_text() for path in (tmp_path / name).rglob("*") if path.is_file())
        assert ("c77@x.org" in written) == (name == "values")
        assert "7" in written  # the size of a page is no data


def test_what_looks_like_a_placeholder_in_a_literal_stays(shop: Database, tmp_path: Path) -> None:
    recorded = [Recorded("SELECT id FROM orders WHERE note <> '$1' AND customer_id = $1", name="prices")]
    import_workload(shop.server, shop.name, recorded, tmp_path, source="files")
    assert "note <> '$1' AND customer_id = :customer_id" in (tmp_path / "prices.sql").read_text()


def test_a_page_size_of_the_log_is_not_taken_from_another_placeholder(shop: Database, tmp_path: Path) -> None:
    text = "SELECT date_trunc($1, placed) FROM orders GROUP BY date_trunc($2, placed) LIMIT $3"
    recorded = Recorded(text, 1, 5.0, samples=({1: "3", 2: "4", 3: "7"},))
    found = import_workload(shop.server, shop.name, [recorded], tmp_path, source="a log").questions[0]
    assert found.values["limit"] == "20"  # two placeholders became one, and the numbers are others
    plain = Recorded("SELECT id FROM orders LIMIT $1", 1, 5.0, samples=({1: "7"},))
    found = import_workload(shop.server, shop.name, [plain], tmp_path / "plain", source="a log").questions[0]
    assert found.values["limit"] == "7"


def test_what_is_not_tried_in_time_is_counted(shop: Database, tmp_path: Path) -> None:
    found = imported(shop, tmp_path / "q", "SELECT id FROM orders LIMIT $1", limits=Limits(budget_s=600.0))
    assert found.share == 1
    with pytest.raises(SubjectFailed, match=r"not tried: the time for that was over \(--budget\)"):
        imported(shop, tmp_path / "none", "SELECT id FROM orders LIMIT $1", limits=Limits(budget_s=0.0))


def test_a_table_without_rows_is_named_by_its_question(shop: Database, tmp_path: Path) -> None:
    texts = ("SELECT id FROM orders LIMIT $1", "SELECT n FROM nobody WHERE n = $1", "SELECT count(*) FROM nobody",
             "INSERT INTO nobody VALUES ($1)")  # fmt: skip
    result = imported(shop, tmp_path, *texts)
    assert [part.reason for part in result.left_out] == ["this data has no values for its parameters"]
    assert result.left_out[0].example == "SELECT n FROM nobody WHERE n = $1"

"""The migration to a set: order of steps, partitions, an Alembic revision on top of what lies beside it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from inboxbench.advise.migration import check_migration, migration_text, steps_of
from inboxbench.advise.result import Advice, Chosen, Dropped, Standing
from inboxbench.errors import UsageError

NEW = Chosen("orders_a_idx", "orders (a)", True, 8192, 0.5, "equality", ("q",), ("q",), ("pg_trgm",))
OLD = Chosen("orders_b_idx", "orders (b)", False, 8192, 0.5, "the database has it", (), ("q",))
GONE = Dropped("orders_c_idx", "s.orders USING btree (c)", 8192, 'no plan uses it """')


def advice(*, indexes: tuple[Chosen, ...] = (NEW, OLD), dropped: tuple[Dropped, ...] = (GONE,)) -> Advice:
    figures = Standing(1, 10.0, 8192, None)
    return Advice("shop", "reads 100%", figures, figures, figures, indexes, dropped, (), ())


def test_what_is_new_is_built_before_what_is_old_goes() -> None:
    steps = steps_of(advice(), {})
    assert steps.upgrade == (
        "CREATE EXTENSION IF NOT EXISTS pg_trgm",
        "CREATE INDEX CONCURRENTLY orders_a_idx ON orders (a)",
        "DROP INDEX CONCURRENTLY IF EXISTS s.orders_c_idx",
    )
    assert steps.downgrade == (
        "CREATE INDEX CONCURRENTLY orders_c_idx ON s.orders USING btree (c)",
        "DROP INDEX CONCURRENTLY IF EXISTS orders_a_idx",
    )


def test_each_partition_is_built_alone() -> None:
    steps = steps_of(advice(dropped=()), {"orders": ["orders_1", "s.orders_2"]})
    assert steps.upgrade[1] == "CREATE INDEX orders_a_idx ON ONLY orders (a)"
    assert sum("CONCURRENTLY" in step for step in steps.upgrade) == 2
    assert sum("ATTACH PARTITION" in step for step in steps.upgrade) == 2
    assert steps.downgrade == ("DROP INDEX IF EXISTS orders_a_idx",)


def test_a_revision_stands_on_the_head_beside_it(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("revision = 'a1'\ndown_revision = None\n")
    (tmp_path / "two.py").write_text("revision: str = 'b2'\ndown_revision: str | None = 'a1'\n")
    (tmp_path / "broken.py").write_text("def (")
    path = tmp_path / "three.py"
    text = migration_text(path, advice(), steps_of(advice(), {}), "inboxbench advise")
    tree = ast.parse(text)
    assert "down_revision = 'b2'" in text
    assert "autocommit_block" in text
    assert "orders_a_idx, 8 kB, for q" in str(ast.get_docstring(tree))


def test_several_heads_are_one_line(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.py").write_text(f"revision = {name!r}\ndown_revision = None\n")
    with pytest.raises(UsageError, match="several heads, a, b"):
        check_migration(tmp_path / "c.py")


@pytest.mark.parametrize("name", ["set.txt", "set", "there.sql"])
def test_a_file_that_is_there_or_of_another_kind_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "there.sql").write_text("SELECT 1")
    with pytest.raises(UsageError, match="--migration"):
        check_migration(tmp_path / name)
    assert (tmp_path / "there.sql").read_text() == "SELECT 1"


def test_sql_says_its_evidence() -> None:
    text = migration_text(Path("set.sql"), advice(), steps_of(advice(), {}), "inboxbench advise")
    assert all(line.startswith("--") or line.endswith(";") for line in text.splitlines() if line)
    assert "-- - orders_c_idx, 8 kB: no plan uses it" in text

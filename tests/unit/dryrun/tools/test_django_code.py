"""Django's operations: which of them sent a statement, and a rewrite as operations in their place."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from inboxbench.dryrun.rewrites.steps import Step
from inboxbench.dryrun.tools.django_code import as_django, is_django, line_of, pasted_text

MIGRATION = """from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.CreateModel(name="Order", fields=[("total", models.IntegerField())]),
        migrations.CreateModel(name="Line", fields=[("order", models.ForeignKey(to="shop.order"))]),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(fields=["total"], name="order_total"),
        ),
        migrations.AlterField("order", "note", models.TextField(default="")),
        migrations.RunSQL("UPDATE shop_order SET total = 0 WHERE total < 0"),
        migrations.RemoveField("order", "state"), migrations.DeleteModel("Old"),
    ]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop" / "migrations" / "0002_more.py"
    path.parent.mkdir(parents=True)
    path.write_text(MIGRATION)
    return path


@pytest.mark.parametrize(
    ("sql", "line"),
    [
        ('CREATE TABLE "shop_order" ("id" bigint, "total" integer NOT NULL)', 6),
        ('CREATE TABLE "shop_line" ("id" bigint, "order_id" bigint NOT NULL)', 7),
        ('ALTER TABLE "shop_line" ADD CONSTRAINT "x" FOREIGN KEY ("order_id") REFERENCES "shop_order" ("id")', 7),
        ('CREATE INDEX "order_total" ON "shop_order" ("total")', 8),
        ('ALTER TABLE "shop_order" ALTER COLUMN "note" SET NOT NULL', 12),
        ('UPDATE "shop_order" SET "note" = \'\' WHERE "note" IS NULL; SET CONSTRAINTS ALL IMMEDIATE', 12),
        ("UPDATE shop_order SET total = 0 WHERE total < 0", 13),
        ('ALTER TABLE "shop_order" DROP COLUMN "state" CASCADE', 14),
        ('DROP TABLE "shop_old" CASCADE', 14),
        ('CREATE EXTENSION "pg_trgm"', None),
    ],
)
def test_the_operation_that_sent_a_statement(file: Path, sql: str, line: int | None) -> None:
    assert is_django(file)
    assert line_of(file, sql) == line


def test_code_takes_the_place_of_an_operation_which_stays_as_the_state() -> None:
    code = as_django([Step('CREATE INDEX CONCURRENTLY "order_total" ON "shop_order" ("total")', alone=True)])
    assert "AddIndexConcurrently" in code
    made = pasted_text(MIGRATION, 8, code)
    assert made is not None
    (migration,) = (node for node in ast.parse(made).body if isinstance(node, ast.ClassDef))
    assert ast.unparse(migration.body[0]) == "atomic = False"
    operations = migration.body[-1].value.elts  # type: ignore[attr-defined]
    names = [operation.func.attr for operation in operations]
    assert names[2] == "SeparateDatabaseAndState"
    assert len(operations) == 7
    assert [keyword.arg for keyword in operations[2].keywords] == ["database_operations", "state_operations"]
    assert operations[2].keywords[1].value.elts[0].func.attr == "AddIndex"


def test_two_operations_on_a_line_and_a_line_without_one() -> None:
    code = as_django([Step("ALTER TABLE shop_order DROP COLUMN state")])
    assert "atomic" not in code
    made = pasted_text(MIGRATION, 14, code)
    assert made is not None
    assert made.count("RemoveField") == 1
    assert "DeleteModel" in made
    ast.parse(made)
    assert pasted_text(MIGRATION, 1, code) is None


def test_quotes_and_backslashes_of_sql_stay_what_they_are() -> None:
    sql = "UPDATE t SET a = E'\\n', b = '" + '"' * 3 + '\' WHERE c = "D"'
    (call,) = (
        node for node in ast.walk(ast.parse(as_django([Step(sql)]).rstrip(",")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "RunSQL"
    )  # fmt: skip
    assert ast.literal_eval(call.args[0]).strip() == f"{sql};"

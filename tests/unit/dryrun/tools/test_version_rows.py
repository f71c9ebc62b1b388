"""What each tool writes to its version table, as the log would show it: written after the sources, not recorded."""

from __future__ import annotations

import pytest

from inboxbench.dryrun.tools.version_rows import asked_table, read_stamp

WRITES = [
    ("INSERT INTO \"django_migrations\" (\"app\", \"name\", \"applied\") VALUES ('shop', '0001_a', now()) RETURNING id",
     (None, "shop.0001_a", "whole")),
    ('DELETE FROM "django_migrations" WHERE ("django_migrations"."app" = \'shop\' AND "django_migrations"."name" = '
     "'0001_a')", ("shop.0001_a", None, "whole")),
    ('INSERT INTO "public"."history" ("installed_rank", "version", "description", "type", "script", "checksum", '
     "\"installed_by\", \"execution_time\", \"success\") VALUES (1, '1', 'x', 'SQL', 'V1__x.sql', 12, 'me', 5, true)",
     (None, "V1__x.sql", "whole")),
    ('INSERT INTO "flyway_schema_history" ("installed_rank", "version", "description", "type", "script", "checksum", '
     "\"success\") VALUES (0, null, '<< Flyway Schema Creation >>', 'SCHEMA', '\"a\"', null, true)",
     (None, None, "remark")),
    ("INSERT INTO public.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM) VALUES ('7', "
     "'me', 'db/log.xml', NOW(), 3, '9:aa')", (None, "db/log.xml::7::me", "whole")),
    ("DELETE FROM public.databasechangelog WHERE ID = '7' AND AUTHOR = 'me' AND FILENAME = 'db/log.xml'",
     ("db/log.xml::7::me", None, "whole")),
    ('INSERT INTO "schema_migrations" ("version") VALUES (\'20240101\') RETURNING "version"',
     (None, "20240101", "whole")),
    ("insert into schema_migrations (version) values ('2024')", (None, "2024", "whole")),
    ("delete from schema_migrations where version = '2024'", ("2024", None, "whole")),
    ('TRUNCATE "public"."schema_migrations"', (None, None, "remark")),
    ('INSERT INTO "public"."schema_migrations" (version, dirty) VALUES (3, true)', (None, "3", "opens")),
    ('INSERT INTO "public"."schema_migrations" (version, dirty) VALUES (3, false)', (None, "3", "closes")),
    ("INSERT INTO _prisma_migrations (id, checksum, started_at, migration_name) VALUES ('u', 'c', now(), '2024_a')",
     (None, "2024_a", "opens")),
    ("UPDATE _prisma_migrations SET applied_steps_count = applied_steps_count + 1 WHERE id = 'u'",
     (None, None, "remark")),
    ("UPDATE _prisma_migrations SET finished_at = now() WHERE id = 'u'", (None, None, "closes")),
    ("INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true)", (None, None, "remark")),
    ("INSERT INTO goose_db_version (version_id, is_applied) VALUES (2, TRUE)", (None, "2", "whole")),
    ("INSERT INTO goose_db_version (version_id, is_applied) VALUES (2, false)", ("2", None, "whole")),
    ("DELETE FROM goose_db_version WHERE version_id=2", ("2", None, "whole")),
    ('insert into "knex_migrations" ("batch", "migration_time", "name") values (1, now(), \'1_a.js\')',
     (None, "1_a.js", "whole")),
    ('delete from "knex_migrations" where "name" in (\'1_a.js\')', ("1_a.js", None, "whole")),
    ('INSERT INTO "public"."pgmigrations" (name, run_on) VALUES (\'1_a\', NOW());', (None, "1_a", "whole")),
    ('INSERT INTO "migrations"("timestamp", "name") VALUES (17, \'Init17\')', (None, "Init17", "whole")),
    ('insert into "migrations" ("migration", "batch") values (\'2024_users\', 1)', (None, "2024_users", "whole")),
    ('INSERT INTO "SequelizeMeta" ("name") VALUES (\'1-a.js\') RETURNING "name"', (None, "1-a.js", "whole")),
    ('insert into "drizzle"."__drizzle_migrations" ("hash", "created_at") values(\'ab\', 1700)',
     (None, "1700", "whole")),
    ("INSERT INTO sqitch.changes (change_id, script_hash, change, project, note) VALUES ('1f', '2f', 'users', 'p', '')",
     (None, "users", "whole")),
    ('INSERT INTO "_yoyo_migration" ("migration_hash", "migration_id", "applied_at_utc") VALUES (\'ab\', \'0001.a\', '
     "'2024-01-01')", (None, "0001.a", "whole")),
    ("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (1, 'a', TRUE, "
     "'\\x00', -1)", (None, "1", "whole")),
    ("UPDATE _sqlx_migrations SET execution_time = 5 WHERE version = 1", (None, "1", "closes")),
    ("INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES (1, 'a', '2024', '5')",
     (None, "1", "whole")),
    ('INSERT INTO "__EFMigrationsHistory" ("MigrationId", "ProductVersion") VALUES (\'2024_A\', \'8.0\')',
     (None, "2024_A", "whole")),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), WRITES)
def test_a_tool_is_known_by_the_table_and_the_columns_that_it_writes(
    sql: str, expected: tuple[str | None, str | None, str]
) -> None:
    stamp = read_stamp(sql)
    assert stamp is not None
    assert (stamp.was, stamp.to, stamp.part) == expected
    assert stamp.sure


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO migrations (name) VALUES ('of birds')",
        "INSERT INTO changes (change, at) VALUES ('a', now())",
        "UPDATE orders SET version = 2 WHERE id = 1",
        "INSERT INTO users (name, version) VALUES ('schema_migrations', 1)",
        "SELECT version FROM schema_migrations",
        "CREATE TABLE django_migrations (app text, name text, applied timestamptz)",
        "INSERT INTO django_migrations SELECT",
    ],
)
def test_an_application_s_own_table_is_no_version_table(sql: str) -> None:
    assert read_stamp(sql) is None


def test_a_table_that_is_asked_or_made() -> None:
    assert asked_table('SELECT "app", "name" FROM "django_migrations"') == "django_migrations"
    assert asked_table("create table if not exists app.knex_migrations (id serial)") == "app.knex_migrations"
    assert asked_table("SELECT 'django_migrations' FROM users") is None

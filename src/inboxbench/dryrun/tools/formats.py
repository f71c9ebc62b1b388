"""Migration tools by their version tables: what each writes for a revision, and the files that its revisions are.

One value a tool; what the server's log shows is the same whichever way the tool is started. Written after the
sources of the tools, not from recorded logs; `docs/how-to/migration-tools.md` says which of them was run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Language = Literal["sql", "django", "rails", "python", "javascript"]


@dataclass(frozen=True, slots=True)
class Format:
    """A migration tool as it shows in a database.

    table: its version table; identity: the columns whose values, joined by `join`, are a revision's id; marks: other
    columns that it always writes, which alone tell tools with one table's name apart; renamed: the table may have
    another name, for its columns are those of no other. opens: `column=value` of the row that comes before the
    statements, where a later write closes it; closes: the column of that write. passes: `column=value` of rows that
    are no revisions; back: `column=value` of a row that is written when a revision is undone. hashed: a row is deleted
    by the SHA-256 of its id, in this column. pattern: of the path of a revision's file, with the group `id`; "" where a
    journal names the files. language: of a revision; leave: how its file says that it runs outside of any transaction.
    """

    name: str
    table: str
    identity: tuple[str, ...]
    marks: tuple[str, ...] = ()
    renamed: bool = False
    join: str = "."
    opens: str = ""
    closes: str = ""
    passes: tuple[str, ...] = ()
    back: str = ""
    hashed: str = ""
    pattern: str = r"(?P<id>[^/]+)\.sql$"
    language: Language = "sql"
    leave: str = ""


_NUMBERED = r"(?P<id>\d+)_[^/]*\.{ending}$"
_RAILS = "disable_ddl_transaction! in the class"
FORMATS = (
    Format(
        "Django",
        "django_migrations",
        ("app", "name"),
        ("applied",),
        pattern=r"(?P<app>\w+)/migrations/(?P<id>(?!__)\w+)\.py$",
        language="django",
        leave="atomic = False in the class Migration",
    ),
    Format(
        "Flyway",
        "flyway_schema_history",
        ("script",),
        ("installed_rank", "checksum", "success"),
        renamed=True,
        passes=("type=SCHEMA", "type=BASELINE"),
        pattern=r"(?P<id>[VUR][^/]*__[^/]*\.sql)$",
        leave="executeInTransaction=false in a file of the script's name and .conf",
    ),
    Format(
        "Liquibase",
        "databasechangelog",
        ("filename", "id", "author"),
        ("orderexecuted", "md5sum"),
        renamed=True,
        join="::",
        pattern=r"(?P<id>[^/]+\.(?:sql|xml|ya?ml|json))$",
        leave='runInTransaction="false" of the changeset',
    ),
    Format(
        "golang-migrate",
        "schema_migrations",
        ("version",),
        ("dirty",),
        opens="dirty=true",
        closes="dirty",
        pattern=_NUMBERED.format(ending="up.sql"),
        leave="a file of that statement alone",
    ),
    Format(
        "Ecto",
        "schema_migrations",
        ("version",),
        ("inserted_at",),
        pattern=_NUMBERED.format(ending="exs"),
        leave="@disable_ddl_transaction true in the module",
    ),
    Format(
        "Rails or dbmate", "schema_migrations", ("version",), leave=_RAILS, pattern=r"(?P<id>\d+)_[^/]*\.(?:rb|sql)$"
    ),
    Format(
        "Prisma",
        "_prisma_migrations",
        ("migration_name",),
        ("checksum", "started_at"),
        opens="migration_name",
        closes="finished_at",
        pattern=r"(?P<id>[^/]+)/migration\.sql$",
        leave="a migration of that statement alone",
    ),
    Format(
        "goose",
        "goose_db_version",
        ("version_id",),
        ("is_applied",),
        renamed=True,
        passes=("version_id=0",),
        back="is_applied=false",
        pattern=r"0*(?P<id>\d+)_[^/]*\.sql$",
        leave="-- +goose NO TRANSACTION",
    ),
    Format(
        "knex",
        "knex_migrations",
        ("name",),
        ("batch", "migration_time"),
        renamed=True,
        pattern=r"(?P<id>[^/]+\.(?:c|m)?[jt]s)$",
        language="javascript",
        leave="exports.config = { transaction: false }",
    ),
    Format(
        "node-pg-migrate",
        "pgmigrations",
        ("name",),
        ("run_on",),
        renamed=True,
        pattern=r"(?P<id>[^/]+)\.(?:(?:c|m)?[jt]s|sql)$",
        language="javascript",
        leave="pgm.noTransaction()",
    ),
    Format(
        "TypeORM",
        "migrations",
        ("name",),
        ("timestamp",),
        pattern=r"(?P<id>\d+-[^/]+)\.[jt]s$",
        language="javascript",
        leave="transaction = false in the class",
    ),
    Format(
        "Laravel",
        "migrations",
        ("migration",),
        ("batch",),
        pattern=r"(?P<id>[^/]+)\.php$",
        leave="public $withinTransaction = false",
    ),
    Format(
        "Sequelize",
        "SequelizeMeta",
        ("name",),
        pattern=r"(?P<id>[^/]+\.(?:c|m)?[jt]s)$",
        language="javascript",
        leave="a migration without a transaction of its own",
    ),
    Format(
        "Drizzle",
        "__drizzle_migrations",
        ("created_at",),
        ("hash",),
        pattern="",
        leave="a migration that is run apart, by psql",
    ),
    Format(
        "sqitch",
        "changes",
        ("change",),
        ("change_id", "script_hash", "project"),
        pattern=r"deploy/(?P<id>.+)\.sql$",
        leave="leave out BEGIN and COMMIT of the script",
    ),
    Format(
        "yoyo",
        "_yoyo_migration",
        ("migration_id",),
        ("migration_hash",),
        hashed="migration_hash",
        renamed=True,
        pattern=r"(?P<id>[^/]+)(?<!\.rollback)\.(?:py|sql)$",
        language="python",
        leave="__transactional__ = False (in SQL: -- transactional: false)",
    ),
    Format(
        "sqlx",
        "_sqlx_migrations",
        ("version",),
        ("checksum", "execution_time"),
        closes="execution_time",
        pattern=r"(?P<id>\d+)_[^/]*?(?<!\.down)\.sql$",
        leave="-- no-transaction in the first line",
    ),
    Format(
        "refinery",
        "refinery_schema_history",
        ("version",),
        ("applied_on",),
        renamed=True,
        pattern=r"[VU](?P<id>\d+)__[^/]*\.(?:sql|rs)$",
        leave="set_no_transaction of the migration",
    ),
    Format(
        "EF Core",
        "__EFMigrationsHistory",
        ("MigrationId",),
        ("ProductVersion",),
        pattern=r"(?P<id>\d+_[^/.]+)\.cs$",
        leave="suppressTransaction: true of migrationBuilder.Sql",
    ),
)

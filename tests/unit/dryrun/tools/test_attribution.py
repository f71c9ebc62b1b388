"""Statements belong to the revision whose stamp comes after them, or before them, of each tool of a run apart."""

from __future__ import annotations

from dataclasses import replace

from inboxbench.dryrun.model import Statement
from inboxbench.dryrun.observe.sampler import Catalogue, Poll
from inboxbench.dryrun.observe.samples import Samples
from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.dryrun.tools.any_tool import AnyTool, settled
from inboxbench.dryrun.tools.attribution import attribute
from inboxbench.migrate.history import History

NOTHING = Samples(Poll(catalogues=[Catalogue(0.0, {})]))
TOOL = AnyTool(Alembic(program="up"))
DDL = ("CREATE TABLE a (n int)", "CREATE INDEX i ON a (n)")
PRISMA = "INSERT INTO _prisma_migrations (id, checksum, started_at, migration_name) VALUES ('{0}', 'c', now(), '{0}')"
FINISHED = "UPDATE _prisma_migrations SET finished_at = now() WHERE id = '{0}'"
GOLANG = "INSERT INTO schema_migrations (version, dirty) VALUES ({}, {})"
KNEX = "insert into knex_migrations (batch, migration_time, name) values (1, now(), '{}')"


def by_revision(*texts: str, failed: bool = False) -> list[str | None]:
    done = [Statement(number, None, text, 7, number, number * 10.0, 1.0) for number, text in enumerate(texts, 1)]
    if failed:
        done[-1] = replace(done[-1], error="no")
    placed, revisions = attribute(TOOL, done, [], History({}), samples=NOTHING, epoch_ms=0.0)
    assert [item.error for item in revisions if item.error] == (["no"] if failed else [])
    return [item.revision for item in placed]


def test_a_stamp_may_come_before_the_statements() -> None:
    texts = (PRISMA.format("a"), DDL[0], FINISHED.format("a"), PRISMA.format("b"), DDL[1], FINISHED.format("b"))
    assert by_revision("SELECT 1", *texts) == [None, *"aaabbb"]
    reset = "TRUNCATE schema_migrations"
    golang = (reset, GOLANG.format(1, "true"), DDL[0], reset, GOLANG.format(1, "false"))
    assert by_revision(*golang, DDL[1]) == [None, "1", "1", "1", "1", None]


def test_what_was_opened_and_failed_is_known_by_its_name() -> None:
    assert by_revision(PRISMA.format("a"), DDL[0], failed=True) == ["a", "a"]
    assert by_revision(GOLANG.format(4, "true"), DDL[0], failed=True) == ["4", "4"]


def test_two_tools_in_one_database_and_a_revision_that_runs_nothing() -> None:
    django = "INSERT INTO django_migrations (app, name, applied) VALUES ('shop', '{}', now())"
    texts = (DDL[0], django.format("0001"), django.format("0002"), DDL[1], KNEX.format("1_a.js"))
    assert by_revision(*texts) == ["shop.0001", "shop.0001", "shop.0002", "1_a.js", "1_a.js"]


def test_what_is_noted_after_the_end_is_no_revision_of_its_own() -> None:
    sqlx = "INSERT INTO _sqlx_migrations (version, checksum, execution_time) VALUES (1, '', -1)"
    assert by_revision(DDL[0], sqlx, "UPDATE _sqlx_migrations SET execution_time = 5 WHERE version = 1") == ["1"] * 3


def test_an_application_s_own_table_of_a_like_name_changes_nothing() -> None:
    own = "INSERT INTO migrations (name) VALUES ('of birds')"
    assert by_revision(own, DDL[0], KNEX.format("a.js")) == ["a.js"] * 3


def test_findings_speak_the_language_of_the_tool_that_wrote() -> None:
    """With SQL files or without any file, what is to be pasted is SQL."""
    stamp = Statement(1, "a", KNEX.format("a.js"), 7, 1, 1.0, 1.0, stamps=True)
    work = Statement(2, "a", DDL[1], 7, 1, 1.0, 1.0, file="m/a.js", line=3)
    assert settled(TOOL, [stamp, work]).name == "knex"
    assert settled(TOOL, [work]).name == "SQL"
    alembic = replace(stamp, sql="INSERT INTO alembic_version (version_num) VALUES ('a')")
    assert settled(TOOL, [alembic, work]) == TOOL

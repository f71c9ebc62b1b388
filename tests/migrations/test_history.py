"""The history as a whole: one line, up from empty and from filled, down again, nothing changed on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from inboxbench.catalog import BOOKKEEPING, Catalog, compare, explain, invalid_indexes, read_catalog
from inboxbench.errors import ForeignDatabaseError, UsageError
from inboxbench.migrate.history import KINDS, read_history
from inboxbench.migrate.session import Event, RevisionApplied
from inboxbench.project import Project

if TYPE_CHECKING:
    from tests.migrations.conftest import Messenger

BASELINE_TABLES = ("accounts", "users", "inboxes", "inbox_members", "contacts", "conversations", "messages")


def _schema(messenger: Messenger) -> Catalog:
    with messenger.connect() as connection:
        return read_catalog(connection, ignore=BOOKKEEPING)


def _assert_same_schema(before: Catalog, after: Catalog) -> None:
    differences = compare(before, after)
    assert not differences, explain(differences, expected="before", found="after")


def _baseline_data(messenger: Messenger) -> dict[str, str]:
    """A digest of every baseline row, of the columns that the baseline has."""
    query = """
        SELECT string_agg(quote_ident(column_name), ',' ORDER BY ordinal_position) FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name = %s AND column_name NOT IN ('metadata')
    """
    digests = {}
    for table in BASELINE_TABLES:
        columns = messenger.value(query, table)
        digest = f"SELECT md5(string_agg(r::text, '|' ORDER BY r::text)) FROM (SELECT {columns} FROM {table}) r"
        digests[table] = messenger.value(digest)
    return digests


def test_it_is_one_line_that_says_what_it_delivers(project: Project) -> None:
    history = read_history(project)
    assert [revision.revision for revision in history] == [f"{n:04}" for n in range(1, len(history) + 1)]
    for revision in history:
        assert revision.kind in KINDS, revision
        assert revision.slug.startswith(f"{revision.kind}_"), revision
        assert revision.phase in {1, 2, 3, 4}, revision
        assert revision.ids, revision
        assert len(revision.title) > 10, revision


def test_phases_follow_each_other(project: Project) -> None:
    phases = [revision.phase for revision in read_history(project)]
    assert phases == sorted(phases, key=lambda phase: phase or 0)


def test_up_from_empty_and_from_filled_builds_one_schema(empty: Messenger, filled: Messenger) -> None:
    empty.up()
    filled.up()
    _assert_same_schema(_schema(empty), _schema(filled))
    with filled.connect() as connection:
        assert invalid_indexes(connection) == ()


def test_the_filled_baseline_comes_through_unchanged(filled: Messenger) -> None:
    before = _baseline_data(filled)
    filled.up("0001")
    assert _baseline_data(filled) == before


class _Diary:
    """The schema after each revision, done or undone, read by another session as it happens."""

    def __init__(self, messenger: Messenger) -> None:
        self._messenger = messenger
        self.schemas: dict[str, Catalog] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, RevisionApplied):
            self.schemas[event.revision] = _schema(self._messenger)


def test_each_revision_is_undone_by_its_downgrade(filled: Messenger, project: Project) -> None:
    schema, data = _schema(filled), _baseline_data(filled)
    up, down = _Diary(filled), _Diary(filled)
    filled.up(listener=up)
    filled.down("0001", listener=down)
    for revision in read_history(project)[1:]:
        assert revision.down_revision
        _assert_same_schema(up.schemas[revision.down_revision], down.schemas[revision.revision])
    _assert_same_schema(schema, _schema(filled))
    assert _baseline_data(filled) == data


def test_down_and_up_again_leaves_schema_and_data_as_they_were(filled: Messenger) -> None:
    filled.up()
    schema, data = _schema(filled), _baseline_data(filled)
    filled.down("0001")
    filled.up()
    _assert_same_schema(schema, _schema(filled))
    assert _baseline_data(filled) == data


def test_down_to_base_leaves_the_messenger_and_no_bookkeeping(filled: Messenger) -> None:
    schema, data = _schema(filled), _baseline_data(filled)
    filled.up("0003")
    filled.down("base")
    _assert_same_schema(schema, _schema(filled))
    assert _baseline_data(filled) == data
    assert filled.value("SELECT to_regclass('backfill_progress')") is None
    assert filled.current() is None


def test_upgrading_at_head_does_nothing(messenger_at: Callable[[str], Messenger]) -> None:
    messenger = messenger_at("0003")
    assert messenger.up("0003").revisions == ()


# What is no baseline is refused, and left as it was -------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("ALTER TABLE messages ADD COLUMN message_type int", "unknown column messages.message_type"),
        ("ALTER TABLE conversations DROP COLUMN branch", "no column conversations.branch"),
        ("ALTER TABLE contacts ALTER external_id TYPE varchar(40)", "contacts.external_id is character varying(40)"),
        ("DROP TABLE inbox_members", "no table inbox_members"),
    ],
)
def test_a_half_migrated_database_is_refused(filled: Messenger, change: str, complaint: str) -> None:
    filled.execute(change)
    with pytest.raises(ForeignDatabaseError, match="carries no revision") as refusal:
        filled.up()
    assert complaint in str(refusal.value)
    assert filled.value("SELECT to_regclass('alembic_version')") is None


def test_a_foreign_database_is_refused_and_left_alone(empty: Messenger) -> None:
    empty.execute("CREATE TABLE invoices (id int)")
    with pytest.raises(ForeignDatabaseError, match="invoices"):
        empty.up()
    assert empty.rows("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace") == [
        ("invoices",)
    ]


def test_other_tables_beside_the_messenger_do_not_matter(filled: Messenger) -> None:
    filled.execute("CREATE TABLE invoices (id int)")
    filled.up("0001")
    assert filled.current() == "0001"


def test_a_revision_of_another_project_is_refused(empty: Messenger) -> None:
    empty.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    empty.execute("INSERT INTO alembic_version VALUES ('8f3ac0ffee')")
    with pytest.raises(UsageError, match=r"8f3ac0ffee.*does not have"):
        empty.up()

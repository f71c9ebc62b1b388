"""A migration that dies anywhere is finished by running it again: same schema, same rows as one that lived."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from inboxbench.catalog import Catalog, compare, explain, invalid_indexes, read_catalog
from inboxbench.migrate import runner
from inboxbench.migrate.history import read_history
from inboxbench.migrate.session import Event, Progress, RevisionApplied, StepStarted
from inboxbench.project import Project

if TYPE_CHECKING:
    from tests.migrations.conftest import Messenger

TABLES = ("accounts", "contacts", "conversations", "messages", "contact_inboxes", "conversation_counters")


class DiedError(Exception):
    pass


class Dying:
    """Dies at every step and after every backfill's first batch, each time it meets a new one."""

    def __init__(self) -> None:
        self.deaths: set[tuple[str, str]] = set()

    def __call__(self, event: Event) -> None:
        match event:
            case StepStarted(revision, text) | Progress(revision, text):
                place = revision, f"{type(event).__name__} {text}"
                if place not in self.deaths:
                    self.deaths.add(place)
                    raise DiedError(place)


def until_it_is_done(run: Callable[[], runner.Run]) -> int:
    """Run again after each death; how often it died."""
    for deaths in range(1000):
        try:
            run()
        except DiedError:
            continue
        return deaths
    raise AssertionError("it dies for ever")


def schema(messenger: Messenger) -> Catalog:
    with messenger.connect() as connection:
        assert invalid_indexes(connection) == ()
        return read_catalog(connection)


def same(before: Catalog, after: Catalog) -> str:
    return explain(compare(before, after), expected="uninterrupted", found="interrupted")


def rows(messenger: Messenger) -> dict[str, str]:
    digest = "SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t"
    return {
        table: messenger.value(digest.format(table))
        for table in TABLES
        if messenger.value("SELECT to_regclass(%s) IS NOT NULL", table)
    }


@pytest.fixture
def pair(messenger_at: Callable[[str], Messenger]) -> tuple[Messenger, Messenger]:
    """Two equal messengers with a few conversations: one migrates in peace, the other does not."""
    peaceful, troubled = messenger_at(""), messenger_at("")
    for messenger in (peaceful, troubled):
        messenger.execute("DELETE FROM messages WHERE conversation_id > 60")
        messenger.execute("DELETE FROM conversations WHERE id > 60")
    return peaceful, troubled


@pytest.mark.slow
def test_dying_at_every_step_changes_nothing(pair: tuple[Messenger, Messenger]) -> None:
    peaceful, troubled = pair
    peaceful.up()
    dying = Dying()
    assert until_it_is_done(lambda: troubled.up(listener=dying)) > 100
    assert same(schema(peaceful), schema(troubled)) == ""
    assert rows(peaceful) == rows(troubled)


@pytest.mark.long
def test_dying_at_every_step_back_changes_nothing(pair: tuple[Messenger, Messenger]) -> None:
    peaceful, troubled = pair
    for messenger in pair:
        messenger.up()
    peaceful.down("0001")
    back = Dying()
    assert until_it_is_done(lambda: _down(troubled, back)) > 60
    assert same(schema(peaceful), schema(troubled)) == ""
    assert rows(peaceful) == rows(troubled)


def _down(messenger: Messenger, listener: Dying) -> runner.Run:
    return runner.downgrade(
        messenger.conninfo, messenger.project, to="0001", settings=messenger.settings, listener=listener
    )


@pytest.mark.long
def test_dying_before_the_stamp_changes_nothing(pair: tuple[Messenger, Messenger], project: Project) -> None:
    """Everything of a revision is done and its stamp is not written: it all runs a second time, up and down."""
    _, messenger = pair
    messenger.up("0001")
    schemas = {"0001": schema(messenger)}
    steps = [(item.down_revision, item.revision) for item in read_history(project) if item.down_revision]
    for below, above in steps:
        messenger.up(above)
        schemas[above], data = schema(messenger), rows(messenger)
        _stamp(messenger, below)
        messenger.up(above)
        assert same(schemas[above], schema(messenger)) == "", above
        assert rows(messenger) == data, above
    for below, above in reversed(steps):
        messenger.down(below)
        data = rows(messenger)
        _stamp(messenger, above)
        messenger.down(below)
        assert same(schemas[below], schema(messenger)) == "", above
        assert rows(messenger) == data, above


def _stamp(messenger: Messenger, revision: str) -> None:
    messenger.execute("UPDATE alembic_version SET version_num = %s", revision)


def test_the_stamp_comes_last(pair: tuple[Messenger, Messenger]) -> None:
    _, messenger = pair
    stamps: list[tuple[str, str | None]] = []

    def listener(event: Event) -> None:
        if isinstance(event, RevisionApplied):
            stamps.append((event.revision, messenger.current()))

    messenger.up("0005", listener=listener)
    assert stamps == [(f"000{n}", f"000{n}") for n in range(1, 6)]

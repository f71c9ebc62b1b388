"""The verdict of the measurements as the last revisions: head has the recommended set, below it is the owners'."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import pytest

from inboxbench.bench.sets.catalogue import Catalogue, read_catalogue
from inboxbench.bench.sets.indexset import Index, build, install_extensions, live_set
from inboxbench.bench.sets.template import drop_secondary_indexes
from inboxbench.database import Connection, connect, scratch_database
from inboxbench.project import Project
from inboxbench.server import Server

if TYPE_CHECKING:
    from tests.migrations.conftest import Messenger

At = Callable[[str], "Messenger"]
BEFORE, AFTER = "0040", "0045"


@pytest.fixture(scope="module")
def catalogue(project: Project) -> Catalogue:
    return read_catalogue(project.schema / "indexes.toml")


def _definitions(connection: Connection) -> dict[str, str]:
    """Name → definition, as PostgreSQL spells it."""
    return {index.name: index.definition for index in live_set(connection, "live", "live").indexes}


def _as_built(server: Server, template: str, indexes: Iterable[Index]) -> dict[str, str]:
    wanted = list(indexes)
    with scratch_database(server, "verdict", template) as name, connect(server.conninfo(name)) as connection:
        drop_secondary_indexes(connection)
        install_extensions(connection, wanted)
        build(connection, wanted, lambda _name: None)
        return _definitions(connection)


def test_head_holds_the_recommended_set_and_no_other_index(
    server: Server, templates: Callable[[str], str], catalogue: Catalogue
) -> None:
    with connect(server.conninfo(templates(AFTER))) as connection:
        head = _definitions(connection)
    assert head == _as_built(server, templates(AFTER), catalogue.sets["recommended"].indexes)


def test_downgrading_restores_the_owners_set(
    server: Server, templates: Callable[[str], str], messenger_at: At, catalogue: Catalogue
) -> None:
    messenger = messenger_at(AFTER)
    messenger.down(BEFORE)
    with messenger.connect() as connection:
        found = _definitions(connection)
    assert found == _as_built(server, templates(AFTER), catalogue.sets["owners_at_head"].indexes)


def test_words_have_statistics_when_the_upgrade_is_done(messenger_at: At) -> None:
    """Without them PostgreSQL takes every word for equally frequent."""
    messenger = messenger_at(BEFORE)
    messenger.up("0042")
    assert messenger.rows("SELECT attname FROM pg_stats WHERE tablename = 'messages_body_words_idx'")

"""What the metadata promises, without a server; that it matches the migrations is tested beside them."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from sqlalchemy import DateTime, Index, Table, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB

from inboxbench.bench.sets.catalogue import read_catalogue
from inboxbench.messenger.models import metadata
from inboxbench.project import Project

TABLES = sorted(metadata.tables.values(), key=lambda table: table.name)


def first_columns(table: Table) -> set[str]:
    """Columns that lead some index or key of the table."""
    indexes = [list(index.expressions) for index in table.indexes]
    uniques = [list(c.columns) for c in table.constraints if isinstance(c, UniqueConstraint)]
    keys: list[list[Any]] = [*indexes, *uniques, list(table.primary_key.columns)]
    return {str(getattr(key[0], "name", key[0])) for key in keys}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_foreign_key_has_an_index(table: Table) -> None:
    """But two: agents and contacts' addresses are deleted rarely, and every message would enter the index (0044)."""
    references = {key.parent.name for key in table.foreign_keys} - {"contact_inbox_id", "assignee_id"}
    assert references - first_columns(table) == set()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_time_knows_its_zone(table: Table) -> None:
    types = {column.name: column.type for column in table.columns}
    assert [name for name, type_ in types.items() if isinstance(type_, DateTime) and not type_.timezone] == []


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_jsonb_is_an_object_by_default(table: Table) -> None:
    objects = [column for column in table.columns if isinstance(column.type, JSONB)]
    assert [c.name for c in objects if c.nullable or str(c.server_default.arg) != "'{}'"] == []  # type: ignore[union-attr]


def test_indexes_are_named_after_their_table_and_kind() -> None:
    indexes: list[Index] = [index for table in TABLES for index in table.indexes]
    names = [str(index.name) for index in indexes]
    assert len(names) == len(set(names))
    for index in indexes:
        assert index.table is not None
        assert str(index.name).startswith(f"{index.table.name}_"), index.name
        # conversations_uuid_idx is the baseline's name for a unique index
        ending = "_key" if index.unique and index.name != "conversations_uuid_idx" else "_idx"
        assert str(index.name).endswith(ending), index.name


def test_metadata_of_the_baseline_is_gone() -> None:
    """C8: at head metadata is split, and what the owners kept is there (C10, C11, M10)."""
    conversations, messages = metadata.tables["conversations"].c, metadata.tables["messages"].c
    assert "metadata" not in conversations
    kept = {"branch", "region", "rating_score", "rating_comment", "rated_at"}
    assert kept <= set(conversations.keys())
    assert "read_at" in messages


# schema/reference/chatwoot.toml ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chatwoot(project: Project) -> dict[str, Any]:
    text = (project.schema / "reference" / "chatwoot.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)["tables"]
    assert isinstance(tables, dict)
    return tables


COUNTS = {  # columns with the primary key, and secondary indexes, of version 4.15.1
    "accounts": (14, 1),
    "account_users": (12, 5),
    "inboxes": (23, 3),
    "inbox_members": (5, 2),
    "contacts": (18, 12),
    "contact_inboxes": (8, 5),
    "conversations": (27, 17),
    "messages": (19, 12),
}


def test_the_reference_is_whole(chatwoot: dict[str, Any]) -> None:
    found = {name: (len(table["columns"]), len(table["indexes"])) for name, table in chatwoot.items()}
    assert found == COUNTS


@pytest.mark.parametrize("name", COUNTS)
def test_what_the_reference_maps_to_exists(chatwoot: dict[str, Any], project: Project, name: str) -> None:
    """At head, or in the catalogue of index sets where the last revisions retired it."""
    theirs = chatwoot[name]
    ours = metadata.tables[theirs["ours"]]
    columns = {column["ours"] for column in theirs["columns"].values() if "ours" in column}
    assert columns - set(ours.c.keys()) == set()
    named = {str(index.name) for index in ours.indexes} | {str(c.name) for c in ours.constraints}
    named |= {f"{ours.name}_pkey", *read_catalogue(project.schema / "indexes.toml").indexes}
    assert {index["ours"] for index in theirs["indexes"] if "ours" in index} - named == set()


@pytest.mark.parametrize("name", COUNTS)
def test_indexes_of_the_reference_name_columns_of_it(chatwoot: dict[str, Any], name: str) -> None:
    columns = chatwoot[name]["columns"]
    for index in chatwoot[name]["indexes"]:
        for term in index["on"]:
            assert "(" in term or term.split()[0] in columns, (index["name"], term)

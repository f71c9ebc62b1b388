"""`inboxbench schema compare`: the owners' table, its four forms, its exit codes."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import html5lib
import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from inboxbench.cli.schema.compare import command
from inboxbench.database import list_databases
from inboxbench.errors import ThresholdExceeded, UsageError
from inboxbench.server import Server


def compare(server: Server, *words: str) -> Result:
    return CliRunner().invoke(command, [*words, "--server", server.url()])


def document(server: Server, *words: str) -> dict[str, Any]:
    result = compare(server, *words, "--format", "json")
    assert result.exception is None, result.exception
    value: dict[str, Any] = json.loads(result.stdout)
    schema = json.loads(files("inboxbench.schema").joinpath("compare.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(value)
    return dict(value["schema_compare"])


def parts(found: dict[str, Any], table: str) -> dict[tuple[str, str], dict[str, Any]]:
    entry = next(entry for entry in found["tables"] if entry["a"] == table)
    return {(part["kind"], part["b"] or part["a"]): part for part in entry["parts"]}


LACKED = {
    "display_id", "identifier", "waiting_since", "snoozed_until", "first_reply_created_at", "agent_last_seen_at",
    "contact_last_seen_at", "last_activity_at", "custom_attributes", "additional_attributes", "contact_inbox_id",
}  # fmt: skip


def test_the_baseline_lacks_what_its_owners_wrote_down(server: Server) -> None:
    before = {info.name for info in list_databases(server)}
    found = document(server, "baseline", "chatwoot")
    conversations = parts(found, "conversations")
    lacks = {name for (kind, name), part in conversations.items() if kind == "column" and part["state"] == "only in B"}
    assert lacks >= LACKED  # C1 to C8 and K1
    kept = {part["a"] for part in conversations.values() if part["state"] == "only in A"}
    assert kept >= {"branch", "region", "rating_score", "rating_comment", "rated_at"}  # C10, C11
    assert conversations["index", "conv_acid_inbid_stat_asgnid_idx"]["state"] == "only in B"  # C9
    messages = parts(found, "messages")
    assert ("column", "echo_id") not in messages  # M1: it is no column there
    assert messages["column", "content"]["state"] == "renamed"
    assert messages["index", "index_messages_on_content"]["b_text"] == "gin (content gin_trgm_ops)"  # M9c: no full text
    assert messages["validation", "content length"]["state"] == "only in B"  # M7
    assert {info.name for info in list_databases(server)} == before


def test_what_is_left_at_head_has_its_reason(server: Server) -> None:
    found = document(server, "head", "chatwoot")
    left = [
        part
        for table in found["tables"]
        for part in table["parts"]
        if part["state"] == "only in B" and part["kind"] in ("column", "index", "validation")
    ]
    assert [part["b"] for part in left if not part["note"]] == []
    assert not LACKED & {part["b"] for part in left if part["kind"] == "column"} - {
        "custom_attributes", "additional_attributes", "last_activity_at"  # of other tables
    }  # fmt: skip
    messages = parts(found, "messages")
    assert messages["validation", "content length"]["a"] == "messages_body_length_check"


def test_the_reference_is_the_other_way_round_the_same(server: Server) -> None:
    one, other = document(server, "head", "chatwoot"), document(server, "chatwoot", "head")
    turned = {"only in A": "only in B", "only in B": "only in A"}
    assert {turned.get(state, state): count for state, count in one["counts"].items()} == other["counts"]


def test_its_forms_show_the_same_parts(server: Server, tmp_path: Path) -> None:
    text, page = compare(server, "baseline", "head", "--output", str(tmp_path / "x.html")).stdout, tmp_path / "x.html"
    markdown = compare(server, "baseline", "head", "--format", "markdown").stdout
    html = page.read_text(encoding="utf-8")
    html5lib.HTMLParser(strict=True).parse(html)
    for shown in (text, markdown, html):
        assert "messages_body_length_check" in shown.replace("<wbr>", "")
        assert "only in A" in shown
    assert "https://" not in html.replace("https://inboxbench.invalid", "")


def test_a_difference_fails_only_where_that_is_asked_for(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("CREATE TABLE t (id int); CREATE INDEX i ON t (id)")
    (tmp_path / "b.sql").write_text("CREATE TABLE t (id int); CREATE INDEX j ON t (id)")
    (tmp_path / "c.sql").write_text("CREATE TABLE t (id bigint)")
    a, b, c = (str(tmp_path / f"{name}.sql") for name in "abc")
    assert compare(server, a, b, "--fail-on-difference").exit_code == 0  # a name
    assert compare(server, a, c).exit_code == 0
    failed = compare(server, a, c, "--fail-on-difference").exception
    assert isinstance(failed, ThresholdExceeded)
    assert "1 differs" in str(failed)


@pytest.mark.parametrize("words", [("chatwot", "head"), ("head", "no.sql"), ("head", "head", "--rename", "x")])
def test_what_is_wrong_is_said_before_a_server_is_needed(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(command, [*words, "--server", "postgresql://nobody@127.0.0.1:1/none"])
    assert isinstance(result.exception, UsageError)
    assert "127.0.0.1" not in str(result.exception)

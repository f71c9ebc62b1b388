"""Every claim of the owners has a figure, and the verdict that stands beside it is what the figure says."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from inboxbench.cli import application
from inboxbench.documents import check_schema, read_toml
from inboxbench.errors import ThresholdExceeded, UsageError
from inboxbench.messenger.claims import (
    KINDS,
    Sources,
    claims_document,
    claims_lab,
    judge,
    kept,
    read_claims,
    sources,
    unexpected,
)
from inboxbench.messenger.cli.coverage import command
from inboxbench.project import Project


@pytest.fixture
def requirements(project: Project) -> Path:
    return project.schema / "requirements.toml"


def test_the_figures_say_what_the_file_says(project: Project, requirements: Path) -> None:
    judged = judge(read_claims(requirements), sources(project))
    assert unexpected(judged) == []
    assert {row.claim.kind for row in judged} == set(KINDS)
    assert len([row for row in judged if row.claim.error and row.verdict == "refuted"]) == 7
    for row in judged:
        assert row.figures, row.claim
        assert row.source, row.claim
        assert row.command.startswith(("inboxbench ", "pytest ")), row.claim


def test_every_command_is_one(project: Project, requirements: Path) -> None:
    """That repeats the figures: its words and options are those of the command line."""
    for row in judge(read_claims(requirements), sources(project)):
        program, *words = shlex.split(row.command)
        found: click.Command = application
        while program == "inboxbench" and isinstance(found, click.Group) and not words[0].startswith("-"):
            member = found.get_command(click.Context(found), words[0])
            assert member is not None, row.command
            found = member
            words = words[1:]
        if program == "inboxbench":
            found.make_context("it", words).close()


def test_every_index_that_was_asked_for_has_a_claim(requirements: Path) -> None:
    """Those of the requirements whose title names an index, and of the set that the owners proposed."""
    titles = {name: table["title"] for name, table in read_toml(requirements).items()}
    asked = {name for name, title in titles.items() if "index" in title}
    assert asked
    assert asked <= {claim.id for claim in read_claims(requirements)}


def test_the_document_follows_its_schema_and_is_shown(project: Project, requirements: Path) -> None:
    found = sources(project)
    document = claims_document(judge(read_claims(requirements), found), found)
    check_schema(document, "claims", "inboxbench.messenger", "claims.schema.json", remedy="")
    lab = claims_lab(document)
    assert len(lab.tables[0].rows) == len(document["claims"])
    assert "7 places" in lab.told[1]


def test_other_figures_give_another_verdict(project: Project, requirements: Path) -> None:
    """A record in which the owners' indexes did serve the list: the claim is confirmed, and that is unexpected."""
    found = sources(project)
    record: dict[str, Any] = json.loads(json.dumps(found.record))
    for cell in record["matrix"]["cells"]:
        if (cell["query"], cell["set"]) == ("list_all", "owners"):
            cell["buffers"] = 1
    judged = judge(read_claims(requirements), Sources(project, record, "other.json"))
    (wrong,) = unexpected(judged)
    assert "C9" in wrong
    assert "refuted in the file, confirmed by" in wrong


def test_what_is_kept_of_a_record_is_all_that_is_read(project: Project, requirements: Path) -> None:
    found, claims = sources(project), read_claims(requirements)
    record: dict[str, Any] = json.loads(json.dumps(found.record))
    record["matrix"]["cells"].append({"query": "x", "set": "y", "class": "z", "buffers": 1, "plan": ""})
    assert kept(record, claims) == found.record
    del record["matrix"]["cells"]
    with pytest.raises(UsageError, match=r"other\.json: has no cell of list_waiting under baseline"):
        judge(claims, Sources(project, record, "other.json"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('kind = "index"', r"\[C1\] claims, number 1 said: missing"),
        ('said = "x"\nkind = "idx"\nverdict = "refuted"\nbecause = "y"', "unknown kind 'idx'; did you mean 'index'"),
        ('said = "x"\nkind = "index"\nverdict = "refuted"\nbecause = "y"', "names 0 measurements"),
        (
            'said = "x"\nkind = "index"\nverdict = "refuted"\nbecause = "y"\ntrap = { nam = "z" }',
            "claims, number 1 trap: unknown key 'nam'",
        ),
    ],
)
def test_a_wrong_claim_names_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "requirements.toml"
    path.write_text(f"[[C1.claims]]\n{text}\n")
    with pytest.raises(UsageError, match=said) as raised:
        read_claims(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        ('trap = { name = "nothing" }', r"traps\.md: has no row 'nothing'"),
        ('test = { path = "tests/unit/test_units.py", name = "test_nothing" }', "has no test test_nothing"),
        ('atlas = { family = "limit", without = "x", with = "count" }', "no cell limit / x"),
        (
            'table = { file = "bench/results/pages.md", section = "25 of 442 open, account 3", column = "statement", '
            'without = "lazy", with = "lateral" }',
            "did you mean 'statements'",
        ),
    ],
)
def test_a_figure_that_is_not_there_is_said(project: Project, tmp_path: Path, measure: str, said: str) -> None:
    path = tmp_path / "requirements.toml"
    path.write_text(f'[[C1.claims]]\nsaid = "x"\nkind = "fact"\nverdict = "refuted"\nbecause = "y"\n{measure}\n')
    with pytest.raises(UsageError, match=said):
        judge(read_claims(path), sources(project))


def test_the_command_ends_with_1_where_they_disagree(project: Project, tmp_path: Path) -> None:
    record = json.loads((project.bench / "results" / "claims.json").read_text(encoding="utf-8"))
    for cell in record["atlas"]:
        cell["bad"] = 0
    path = tmp_path / "run.json"
    path.write_text(json.dumps(record))
    result = CliRunner().invoke(command, ["--claims", "--run", str(path), "--format", "json"])
    assert isinstance(result.exception, ThresholdExceeded)
    assert "P1.2" in str(result.exception)
    again = CliRunner().invoke(command, ["--claims", "--format", "markdown"])
    assert again.exception is None
    assert "| C9 |" in again.stdout
    assert isinstance(CliRunner().invoke(command, ["--run", str(path)]).exception, UsageError)

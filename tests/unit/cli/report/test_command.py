from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from inboxbench.cli.report.command import command
from inboxbench.errors import UsageError
from inboxbench.report import render_html, render_markdown


@pytest.fixture
def record(tmp_path: Path, run: dict[str, Any]) -> Path:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(run), encoding="utf-8")
    return path


def _invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_it_prints_the_summary(record: Path) -> None:
    result = _invoke(record)
    assert result.exit_code == 0
    assert "Choose recommended" in result.output


def test_it_writes_the_page_and_nothing_beside_it(record: Path, tmp_path: Path, run: dict[str, Any]) -> None:
    page = tmp_path / "page.html"
    result = _invoke(record, "--html", page)
    assert result.exit_code == 0
    assert page.read_text(encoding="utf-8") == render_html(run)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "run.json"]


def test_it_prints_markdown_alone(record: Path, run: dict[str, Any]) -> None:
    assert _invoke(record, "--markdown").output == render_markdown(run)


def test_a_page_that_cannot_be_written_is_named(record: Path, tmp_path: Path) -> None:
    result = _invoke(record, "--html", tmp_path / "missing" / "page.html")
    assert isinstance(result.exception, UsageError)
    assert str(result.exception).startswith(f"--html {tmp_path}/missing/page.html")
    assert not (tmp_path / "missing").exists()


def test_a_file_that_is_no_run_ends_with_the_usage_code(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text('{"benchmarks": []}', encoding="utf-8")
    result = _invoke(path)
    assert isinstance(result.exception, UsageError)
    assert result.exception.exit_code == 2
    assert "other.json: key 'schema_version' is missing" in str(result.exception)

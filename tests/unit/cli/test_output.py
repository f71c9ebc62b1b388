"""One rule for --format and --output, whatever the command."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from inboxbench.cli.output import Output, output_options
from inboxbench.errors import UsageError

DOCUMENT = {"name": "Имя"}


def _command(*forms: str, default: str = "json") -> click.Command:
    @click.command()
    @output_options(*forms, default=default)
    def command(output: Output) -> None:
        output.hand_over(DOCUMENT, text=lambda console: console.print("as text"), markdown=lambda: "# as Markdown")

    return command


def _run(*arguments: object, forms: tuple[str, ...] = ("markdown",), default: str = "json") -> Result:
    result = CliRunner().invoke(_command(*forms, default=default), [str(word) for word in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.parametrize(
    ("form", "shown"),
    [(None, "as text\n"), ("text", "as text\n"), ("markdown", "# as Markdown\n"), ("json", '{\n "name": "Имя"\n}\n')],
)
def test_format_is_the_form_of_what_is_printed(form: str | None, shown: str) -> None:
    assert _run(*(["--format", form] if form else [])).stdout == shown


TEXT, MARKDOWN, JSON = "as text\n", "# as Markdown\n", '{\n "name": "Имя"\n}\n'


@pytest.mark.parametrize(
    ("name", "form", "written"),
    [
        ("run.json", None, JSON),
        ("run.md", None, MARKDOWN),
        ("run.MD", None, MARKDOWN),
        ("run.txt", None, TEXT),
        ("run", None, JSON),
        ("run.log", None, JSON),
        ("run", "markdown", MARKDOWN),
        ("run.txt", "markdown", MARKDOWN),
        ("run.json", "markdown", JSON),
        ("run.md", "json", MARKDOWN),
    ],
)
def test_the_file_has_the_form_of_its_suffix_else_of_format_else_the_default(
    tmp_path: Path, name: str, form: str | None, written: str
) -> None:
    path = tmp_path / name
    asked = ["--format", form] if form else []
    assert _run(*asked, "--output", path).stdout == {None: TEXT, "json": JSON, "markdown": MARKDOWN}[form]
    assert path.read_text(encoding="utf-8") == written


def test_the_default_is_the_command_s(tmp_path: Path) -> None:
    path = tmp_path / "run"
    _run("--output", path, default="markdown")
    assert path.read_text(encoding="utf-8") == MARKDOWN


def test_a_form_that_the_command_does_not_have_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"page\.html: this command writes text, json or markdown, not html"):
        _run("--output", tmp_path / "page.html")
    assert _run("--format", "html").exit_code == 2


def test_a_file_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the folder .* does not exist"):
        _run("--output", tmp_path / "nowhere" / "run.json")


def test_the_help_names_the_suffixes() -> None:
    words = " ".join(_run("--help").stdout.split())
    assert "(.json, .md, .txt)" in words
    assert "(default: text)" in words


def test_json_reads_back() -> None:
    assert json.loads(_run("--format", "json").stdout) == DOCUMENT

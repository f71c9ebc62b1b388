"""Each option of each command that names what is written: a place where nothing can be written is refused at once."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from inboxbench.cli import application
from inboxbench.cli.ending import run
from inboxbench.cli.output import OutputFile, OutputFolder

# Paths that commands read; whatever else is a path is written, and has to be of a type that is checked.
READ = {
    "--project", "--queries", "--indexes", "--config", "--script-location", "--folder", "--traffic", "--traffic-from",
    "--baseline", "--run", "--git", "--sql", "--setup", "--reset", "--atlas", "--races", "--with", "--csv", "--log",
}  # fmt: skip
READ_ARGUMENTS = {("dataset import", "path"), ("gate history", "paths"), ("lint", "run"), ("race spec", "files"),
                  ("report", "record")}  # fmt: skip


def _leaves(
    command: click.Command, context: click.Context, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        yield words, command
        return
    if command.invoke_without_command:
        yield words, command
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        yield from _leaves(below, click.Context(below, parent=context, info_name=name), (*words, name))


LEAVES = list(_leaves(application, click.Context(application, info_name="inboxbench")))


def _refused(arguments: list[str]) -> str:
    """Run a command line that has to end with 2 and one line, and return that."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(arguments)
    said = err.getvalue().splitlines()
    assert (code, len(said), out.getvalue()) == (2, 1, ""), (arguments, code, said, out.getvalue()[:200])
    return said[0].removeprefix("inboxbench: error: ")


def _needed(command: click.Command, but: click.Parameter, file: Path) -> list[str]:
    """Values for what the command requires: a file that is there is one for each."""
    words: list[str] = []
    for parameter in command.params:
        if parameter is but or not parameter.required:
            continue
        name = [] if isinstance(parameter, click.Argument) else [parameter.opts[0]]
        words += [*name, str(file.parent / "new" if isinstance(parameter.type, OutputFolder) else file)]
    return words


WRITTEN = [
    (words, command, option)
    for words, command in LEAVES
    for option in command.params
    if isinstance(option.type, OutputFile | OutputFolder)
]


def test_every_path_of_every_command_is_read_or_checked() -> None:
    unknown = [
        (" ".join(words), option.opts[0])
        for words, command in LEAVES
        for option in command.params
        if isinstance(option.type, click.Path)
        and not isinstance(option.type, OutputFile | OutputFolder)
        and option.opts[0] not in READ
        and (" ".join(words), str(option.name)) not in READ_ARGUMENTS
    ]
    assert unknown == []
    assert len(WRITTEN) >= 35


@pytest.mark.parametrize(
    ("words", "command", "option"), WRITTEN, ids=[f"{'-'.join(words)}-{option.name}" for words, _, option in WRITTEN]
)
def test_what_cannot_be_written_is_refused_before_anything_else(
    words: tuple[str, ...],
    command: click.Command,
    option: click.Parameter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INBOXBENCH_SERVER", "bin:/nowhere/at/all")  # what comes later would name this
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("{}", encoding="utf-8")
    (tmp_path / "loop").symlink_to("loop")
    folder = isinstance(option.type, OutputFolder)
    bad = [tmp_path / "file" / "x.json", Path("/proc/none/x.json"), tmp_path / ("x" * 300), tmp_path / "loop" / "x"]
    bad += [] if folder else [tmp_path, tmp_path / "none" / "x.json", Path("/dev/full"), tmp_path / "loop"]
    name = option.opts[0] if isinstance(option, click.Option) else str(option.name).upper()
    for path in bad:
        given = [str(path)] if isinstance(option, click.Argument) else [option.opts[0], str(path)]
        others = _needed(command, option, tmp_path / "file")
        arguments = [*others, *given] if isinstance(option, click.Argument) else [*given, *others]
        said = _refused([*words, *arguments])
        assert said.startswith(f"{name} {path}: "), said
    assert {path.name for path in tmp_path.iterdir()} == {"file", "loop"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["gate", "--run", "in.json", "--output", "in.json"],
        ["gate", "--output", "link.json", "--run", "in.json"],
        ["gate", "--baseline", "./in.json", "--junit", "in.json"],
        ["gate", "history", "in.json", "--html", "in.json"],
        ["gate", "history", "in.json", "--output", "in.json"],
        ["report", "in.json", "--html", "in.json"],
        ["report", "--with", "in.json", "--html", "in.json"],
        ["coverage", "--claims", "--run", "in.json", "--keep", "in.json"],
        ["bench", "--database", "x", "--queries", "q", "--output", "q/indexes.toml"],
        ["bench", "--database", "x", "--queries", "q/a.sql", "--output", "q/a.sql"],
        ["bench", "--database", "x", "--workload", "q/a.sql", "--output", "q/a.sql"],
        ["schema", "compare", "q/a.sql", "head", "--output", "q/a.sql"],
        ["race", "spec", "q/a.spec", "--output", "q/a.spec"],
        ["dryrun", "--traffic", "q/a.sql", "--output", "q/a.sql"],
    ],
    ids=" ".join,
)
def test_what_is_read_is_not_written_over(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INBOXBENCH_SERVER", "bin:/nowhere/at/all")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "q").mkdir()
    for name in ("in.json", "q/a.sql", "q/a.spec", "q/indexes.toml"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    (tmp_path / "link.json").symlink_to("in.json")
    assert "is read by" in _refused(arguments)
    assert {path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.*") if path.is_file()} == {"{}"}


def test_two_results_need_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INBOXBENCH_SERVER", "bin:/nowhere/at/all")
    monkeypatch.chdir(tmp_path)
    said = _refused(["gate", "--junit", "a.xml", "--bencher", "./a.xml"])
    assert said.startswith("--bencher a.xml: is written by --junit, too"), said
    assert "/nowhere/at/all" in _refused(["gate", "--queries", "list", "--junit", "a.xml", "--bencher", "/dev/null",
                                          "--output", "/dev/null"])  # fmt: skip

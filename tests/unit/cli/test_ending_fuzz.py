"""Whatever a file or an option holds, a command ends in one line and with a code that means it; no server is reached.

The seeds are fixed, so that a run repeats. Each example is one command line, run in this process by `run`, of which 70
(a fault of ours) is the one code that no input may bring about.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inboxbench import credentials
from inboxbench.cli import application
from inboxbench.cli.ending import run
from inboxbench.cli.options import _commands
from inboxbench.errors import UsageError
from inboxbench.invariants import read_invariants
from inboxbench.project import find_project
from inboxbench.race.isolationtester.parser import parse_spec_file
from inboxbench.schema.dump import read_dump
from inboxbench.schema.rails import read_schema_rb
from inboxbench.traffic.file import _blocks

_SAMPLES = Path(__file__).parents[1] / "report"
_CANARY = "Zq7canary9Xv"
_ODD = [
    "", " ", "\0", "\ufeff", "9" * 5000, "-1", "0", "nan", "inf", "-inf", "1e999", "1e9", "[" * 3000, "{" * 3000,
    "(" * 3000, "a" * 5000, "../../etc/passwd", "/dev/null", "/", ".", "~", "%s%n", "{}", "{0}", "'", '"', "$1", "\\",
    "\udc80", "é", "😀", "0x10", "1_000", "\n", ",", ",,", "=", ":", "a=b", "a=", "=1", "80:20", "null", "TRUE", "--",
    "18446744073709551617", "-9223372036854775809", "1.5", "[1]", "$(x)", "\r\n", "x" * 70, "[bold]", "[/bold]",
    f"postgresql://u:{_CANARY}@127.0.0.1:1/x", f"postgres:{_CANARY}@host/db", f"host=x password='{_CANARY} b' dbname=d",
    f"postgresql://u:a b {_CANARY}@h/d", f"postgresql://u@127.0.0.1:1/x?sslpassword={_CANARY}",
]  # fmt: skip
_JSON: list[Any] = [
    None, True, False, 0, -1, 1.5, 10**30, float("nan"), float("inf"), "", "x" * 300, [], {}, [[]], [{}], {"": ""},
    [1, "a", None], {"a": {"a": {"a": []}}}, "\ud800", "2026-13-45", 2**63, -(2**40),
]  # fmt: skip
_TOML = [
    "1", "-1", "1.5", "nan", "inf", "true", '""', '"x"', "[]", "[1]", '["x", 1]', "{}", "{a = 1}", "2026-01-01",
    "07:32:00", "2026-01-01T00:00:00Z", "9" * 5000, "9" * 400, "[" * 3000,
    '"\\uD800"', "[[[[1]]]]", "0x10", "1e400", "'''", '"',
]  # fmt: skip

_RUBY = """ActiveRecord::Schema[7.1].define(version: 2024_01_02_030405) do
  enable_extension "pg_trgm"
  create_table "orders", id: :uuid, default: -> { "gen_random_uuid()" }, force: :cascade do |t|
    t.string "name", limit: 50, default: "it's", null: false
    t.jsonb "more", default: {"a" => [1, nil]}
    t.decimal "price", precision: 8, scale: 2
    t.index ["name", "price"], name: "by_name", unique: true, where: "(price > 0)"
  end
  add_foreign_key "orders", "shops", on_delete: :cascade
end
"""

Change = Callable[[random.Random, str], str]


def _any_text(chance: random.Random, text: str) -> str:
    """Cut, double, swap or strew characters and odd pieces."""
    place = chance.randrange(len(text) + 1)
    end = min(len(text), place + chance.choice([0, 1, 1, 5, 40]))
    match chance.randrange(5):
        case 0:
            return text[:place]
        case 1:
            return text[:place] + chance.choice(_ODD[:-5]) + text[end:]
        case 2:
            lines = text.splitlines(keepends=True)
            line = chance.randrange(len(lines)) if lines else 0
            return "".join([*lines[:line], *lines[line : line + 1] * chance.choice([0, 2, 3]), *lines[line + 1 :]])
        case 3:
            return text[:place] + text[end:]
        case _:
            return text.replace(chance.choice("=:,.;\"'-[]{}() "), chance.choice(_ODD[:-5]), chance.choice([1, 3]))


def _toml(chance: random.Random, text: str) -> str:
    """Give a key a value of another type, or spoil the text."""
    keys = list(re.finditer(r"^([\w.\"-]+)\s*=\s*(.*)$", text, re.MULTILINE))
    if not keys or chance.random() < 0.3:
        return _any_text(chance, text)
    key = chance.choice(keys)
    return text[: key.start(2)] + chance.choice(_TOML) + text[key.end(2) :]


def _json(chance: random.Random, text: str) -> str:
    """Give a key another value, take it away, or spoil the text."""
    if chance.random() < 0.2:
        return _any_text(chance, text)
    document = json.loads(text)
    for _ in range(chance.choice([1, 1, 2])):
        holder, key = chance.choice(list(_places(document)))
        if chance.random() < 0.25:
            del holder[key]
        else:
            holder[key] = chance.choice(_JSON)
    return json.dumps(document)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield where values stand: of a list its first elements, since all are alike."""
    keys = (
        list(value) if isinstance(value, dict) else list(range(min(len(value), 2))) if isinstance(value, list) else []
    )
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _as_bytes(chance: random.Random, text: str) -> bytes:
    encoding = chance.choices(["utf-8", "utf-8-sig", "utf-16", "latin-1"], [90, 4, 3, 3])[0]
    return text.encode(encoding, errors="surrogateescape" if encoding.startswith("utf-8") else "replace")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the messenger's project, an empty folder beside it to work in, and a server that cannot be had."""
    root, here = tmp_path_factory.mktemp("fuzz"), Path.cwd()
    source = find_project().root
    for part in ("schema", "migrations", "seeds", "bench"):
        shutil.copytree(source / part, root / "project" / part)
    shutil.copy(source / "pyproject.toml", root / "project")
    (root / "work").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INBOXBENCH_SERVER", "bin:/nowhere/at/all")
        patch.setenv("INBOXBENCH_PROJECT", str(root / "project"))
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        patch.delenv("INBOXBENCH_DEBUG", raising=False)
        os.chdir(root / "work")
        yield root
        os.chdir(here)
        _commands.cache_clear()
        credentials._known.clear()


def _check(arguments: list[str]) -> None:
    """Run a command line: a code that means what it says, one line for an error, and no secret anywhere."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace"), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(arguments)
    out.seek(0)
    printed, said = out.read(), err.getvalue()
    assert code in (0, 1, 2, 3), (arguments, said)
    assert "Traceback" not in printed + said, (arguments, "traceback", printed[-300:])
    assert _CANARY not in printed + said, (arguments, "secret")
    errors = [line for line in said.splitlines() if line.startswith(("inboxbench: error:", "Error:"))]
    assert len(errors) == (code != 0), (arguments, said)


_BENCH = ["bench", "--profile", "tiny", "--no-throughput"]
# The file of the project or of the samples, how it is changed, and the command lines that read it before any server.
_FILES: dict[str, tuple[str, Change, list[list[str]]]] = {
    "profile": ("seeds/tiny.toml", _toml, [["seed", "tiny"], _BENCH]),
    "index sets": ("schema/indexes.toml", _toml, [_BENCH, ["coverage"]]),
    "mix": ("bench/mix.toml", _toml, [_BENCH]),
    "classes": ("bench/classes.toml", _toml, [_BENCH]),
    "query": ("bench/queries/thread_latest.sql", _any_text, [_BENCH]),
    "write": ("bench/writes/assign.sql", _any_text, [[*_BENCH, "--mix", "list=1"]]),
    "strategy": (
        "bench/strategies/skip-locked.sql",
        _any_text,
        [["race", "strategies"], ["race", "explore", "skip-locked"]],
    ),
    "budgets": ("bench/gate.toml", _toml, [["gate", "--run", "project/bench/baselines/tiny.json"]]),
    "requirements": ("schema/requirements.toml", _toml, [["coverage"]]),
    "revision": ("migrations/versions/*.py", _any_text, [["migrate", "history"], ["dryrun", "--phase", "1"]]),
    "baseline": ("bench/baselines/tiny.json", _json, [["gate", "--run", "FILE"], ["gate", "history", "FILE"]]),
    "run": (
        "sample_run.json",
        _json,
        [["report", "FILE"], ["report", "FILE", "--markdown"], ["report", "FILE", "--html", "page.html"]],
    ),
    "dry run": ("dryrun.json", _json, [["lint", "FILE"], ["report", "--with", "FILE", "--html", "page.html"]]),
    "lab": ("labs.json", _json, [["report", "--with", "FILE", "--html", "page.html"]]),
    "atlas": ("atlas.json", _json, [["report", "--atlas", "FILE"]]),
    "rows of races": ("bench.json", _json, [["report", "--races", "FILE"]]),
}


def _source(folder: Path, name: str) -> Path:
    path = _SAMPLES / name
    return path if path.is_file() else min((folder / "project").glob(name), default=folder / "project" / name)


@pytest.mark.parametrize("kind", _FILES)
def test_a_file_of_any_content(folder: Path, kind: str) -> None:
    name, change, commands = _FILES[kind]
    path = _source(folder, name)
    own = path.is_relative_to(folder)
    text = (
        path.read_text(encoding="utf-8") if path.is_file() else "[default]\nbuffers = 1.0\n[budget.inbox]\nwal = 1.2\n"
    )
    if kind == "lab":
        text = json.dumps(next(iter(json.loads(text).values())))

    @settings(derandomize=True, max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(seed=st.integers(0, 2**32))
    def fuzz(seed: int) -> None:
        chance = random.Random(seed)
        target = path if own else Path("input")
        target.write_bytes(_as_bytes(chance, change(chance, text)))
        command = [part if part != "FILE" else str(target) for part in chance.choice(commands)]
        _check([str(folder / part) if part.startswith("project/") else part for part in command])

    try:
        fuzz()
    finally:
        if own and name != "bench/gate.toml":
            path.write_text(text, encoding="utf-8")
        elif own:
            path.unlink()


def test_a_pyproject_of_any_content(folder: Path) -> None:
    text = (folder / "project" / "pyproject.toml").read_text(encoding="utf-8")
    text = text[text.index("[tool.inboxbench]") : text.index("[tool.alembic]")]

    @settings(derandomize=True, max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(seed=st.integers(0, 2**32))
    def fuzz(seed: int) -> None:
        chance = random.Random(seed)
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("INBOXBENCH_PROJECT")
            whole = chance.choice(
                ["", "", 'tool = "x"\n', "[tool]\n", "[[tool.inboxbench]]\n", "tool.inboxbench = 3\n"]
            )
            Path("pyproject.toml").write_bytes(_as_bytes(chance, whole or _toml(chance, text)))
            _commands.cache_clear()
            _check(chance.choice([["--help"], ["race", "--help"], ["coverage"], ["explain"], ["dataset", "list"]]))

    try:
        fuzz()
    finally:
        Path("pyproject.toml").unlink()
        _commands.cache_clear()


@settings(derandomize=True, max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_formats_that_are_read_when_a_server_is_there(seed: int) -> None:
    """Their readers are called alone: each raises UsageError, or takes the text."""
    project, chance = find_project(), random.Random(seed)
    readers: list[tuple[Path, Callable[[Path, str], object]]] = [
        (project.schema / "invariants.sql", lambda path, _text: read_invariants(path)),
        (next(project.traffic.glob("*.sql")), _blocks),
        (project.schema / "head.sql", lambda path, _text: read_dump(path)),
        *((path, parse_spec_file) for path in sorted((project.bench / "races").glob("*.spec"))),
    ]
    texts = {path: path.read_text(encoding="utf-8") for path, _reader in readers} | {Path("schema.rb"): _RUBY}
    readers.append((Path("schema.rb"), lambda path, _text: read_schema_rb(path)))
    source, reader = chance.choice(readers)
    text = _any_text(chance, texts[source])
    path = Path(os.environ["XDG_CACHE_HOME"]) / "text"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with contextlib.suppress(UsageError):
        reader(path, text)


def _leaves(
    command: click.Command, context: click.Context, words: list[str]
) -> Iterator[tuple[list[str], click.Command]]:
    if not isinstance(command, click.Group):
        yield words, command
        return
    if command.invoke_without_command:
        yield words, command
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        yield from _leaves(below, click.Context(below, parent=context, info_name=name), [*words, name])


def _value(chance: random.Random, parameter: click.Parameter) -> str:
    """A value that the option takes, or something odd; never a server that could be had."""
    plain = [
        "1",
        "2",
        "tiny",
        "head",
        "x.json",
        "x.md",
        "x",
        "list",
        "recommended",
        "skip-locked",
        "5s",
        "10MB",
        "os:getpid",
    ]
    if isinstance(parameter.type, click.Choice) and chance.random() < 0.7:
        return str(chance.choice(list(parameter.type.choices)))
    value = chance.choice(plain) if chance.random() < 0.4 else chance.choice(_ODD)
    local = parameter.name == "servers" and value.partition(":")[0] in ("embedded", "container")
    return "x" if local or value == "--help" else value


def test_options_of_any_value(folder: Path) -> None:
    leaves = list(_leaves(application, click.Context(application, info_name="inboxbench"), []))
    assert len(leaves) >= 39

    @settings(derandomize=True, max_examples=900, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(seed=st.integers(0, 2**32))
    def fuzz(seed: int) -> None:
        chance = random.Random(seed)
        words, command = chance.choice(leaves)
        arguments = list(words)
        options = [option for option in command.params if isinstance(option, click.Option) and option.name != "help"]
        for option in chance.sample(options, min(len(options), chance.choice([0, 1, 1, 2, 3]))):
            name = chance.choice([*option.opts, *option.secondary_opts])
            arguments += [name] if option.is_flag else [name, _value(chance, option)]
        for argument in command.params:
            if isinstance(argument, click.Argument) and (argument.required or chance.random() < 0.5):
                arguments.append(_value(chance, argument))
        _check(arguments)

    fuzz()


_SECRETS = [
    f"postgresql://u:{_CANARY}@127.0.0.1:1/x", f"postgres:{_CANARY}@127.0.0.1/db", f"u:{_CANARY}@127.0.0.1",
    f"//u:{_CANARY}@127.0.0.1:1/d",
    f"host=127.0.0.1 port=1 password='a {_CANARY} c' dbname=d", f"host=127.0.0.1 port=1 password = {_CANARY} dbname=d",
    f"host=127.0.0.1 port=1 password='{_CANARY}", f"postgresql://u@127.0.0.1:1/d?password={_CANARY}", f"postgresql://u:a@{_CANARY}@127.0.0.1:1/d",
    f"postgresql://u:a/{_CANARY}@127.0.0.1:1/d", f"postgresql://u:12/{_CANARY}@127.0.0.1:1/d", f"postgresql://u:1?{_CANARY}@127.0.0.1:1/d",
    f"postgresql://u:%5A{_CANARY}%2@127.0.0.1:1/d", f"postgresql://u:a b {_CANARY}@127.0.0.1:1/d", f"postgresql://u:[{_CANARY}@127.0.0.1:1/d",
    f"postgresql://u@127.0.0.1:1/d?sslpassword={_CANARY}&sslkey=/none", f"mysql://u:{_CANARY}@127.0.0.1:1/d",
    f"postgresql+psycopg://u:{_CANARY}@127.0.0.1:1/d", f"embedded:{_CANARY}", f"postgresql:/u:{_CANARY}@127.0.0.1:1/d",
    f"postgresql://u:{_CANARY}@127.0.0.1:{_CANARY}/d", f"postgresql://u:{_CANARY},x@127.0.0.1:1/d", f"'postgresql://u:{_CANARY}@127.0.0.1:1/d'",
    f"postgresql://u:{_CANARY}@127.0.0.1:1/x?bad={_CANARY}", f"postgresql://127.0.0.1:1/d?options=-c%20x&password={_CANARY}",
]  # fmt: skip


@pytest.mark.parametrize("secret", _SECRETS)
def test_no_command_repeats_a_secret(folder: Path, secret: str) -> None:
    """Of each command that takes a server or a database, by option, environment and pyproject.toml."""
    for words, command in _leaves(application, click.Context(application, info_name="inboxbench"), []):
        if command.name == "demo":
            continue
        known = {option.name: option for option in command.params}
        needed = ["1" for option in known.values() if isinstance(option, click.Argument) and option.required]
        for name in ("servers", "database"):
            if name in known and isinstance(known[name], click.Option):
                _check([*words, *needed, known[name].opts[0], secret])


@pytest.mark.parametrize("secret", _SECRETS)
def test_no_setting_repeats_a_secret(folder: Path, monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("INBOXBENCH_SERVER", secret)
    _check(["dataset", "list"])
    monkeypatch.delenv("INBOXBENCH_SERVER")
    for value in (json.dumps(secret), json.dumps([secret]), json.dumps({"url": secret}).replace(":", "=", 1)):
        Path("pyproject.toml").write_text(f"[tool.inboxbench]\nserver = {value}\n", encoding="utf-8")
        _commands.cache_clear()
        _check(["dataset", "list"])
    Path("pyproject.toml").write_text(f"[tool.inboxbench]\n{json.dumps(secret)} = 1\n", encoding="utf-8")
    _commands.cache_clear()
    _check(["dataset", "list"])
    Path("pyproject.toml").unlink()
    _commands.cache_clear()

"""SQL in files of its own: one statement a file, a header of `-- key: value` lines, parameters as `:name`.

    -- name: latest_messages
    -- title: the newest 20 messages of a conversation
    -- family: thread
    -- ids: P2.1b
    -- params: conversation bigint
    -- classes: long short
    -- order: ordered
    -- Any comment line that is not `key: value` is prose for the reader.

    SELECT … WHERE conversation_id = :conversation

A parameter may say its own value, `-- params: account bigint = 42, name text = 'Ann'`: then `classes` may be left out.
A type is any that PostgreSQL reads, such as `numeric(10,2)`, `app.mood[]` or `"Mixed Case"`. A text of
pg_stat_statements may keep its $1, $2 …: the parameters are declared in that order, under names of your own.

`-- role: web` and `-- set: app.tenant = '42'` say whom it is executed as, and with which settings.

`prepare` turns the text into the body of a server-side PREPARE ($1, $2 …), leaving strings, comments and
casts alone. A wrong file is a UsageError that names the file and the key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal, LiteralString, cast

from inboxbench.errors import UsageError, unknown
from inboxbench.files import read_text
from inboxbench.sqltree import parse
from inboxbench.sqltree.constants import spelled_constants
from inboxbench.sqltree.tokens import Token, assignments, placeholders, scan, split

Order = Literal["ordered", "unordered"]

KEYS = ("name", "title", "family", "ids", "params", "classes", "order", "writes", "role", "set")
_REQUIRED = ("name", "title", "family", "classes", "order")
_HEADER = re.compile(r"^--\s*([a-z_]+):\s*(.*?)\s*$")
_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_ID = re.compile(r"^[A-Z]\d+(?:\.\d+)?[a-z]?$")


@dataclass(frozen=True, slots=True)
class QueryFile:
    """One benchmarked query. `params` maps a parameter to its SQL type, in the order they are declared; `defaults`: the
    SQL of a value, for those that have one; without `classes` they are what the query is measured with. writes: its
    header says so, as of a function that writes. role, settings: of the session that it is executed in (role "": as
    all others)."""

    path: Path
    name: str
    title: str
    family: str
    ids: tuple[str, ...]
    params: Mapping[str, str]
    classes: tuple[str, ...]
    order: Order
    text: str
    defaults: Mapping[str, str] = field(default_factory=dict)
    writes: bool = False
    role: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def changes_rows(self) -> bool:
        return self.writes or any(command.writes for command in parse(self.prepared).commands)

    @property
    def rolled_back(self) -> bool:
        """Return whether it changes or locks rows, so that each execution has to be undone."""
        return self.changes_rows or parse(self.prepared).references.locks_rows

    @property
    def prepared(self) -> str:
        """Return the statement with $n in place of :name, numbered as `params` is ordered."""
        return numbered(self.text, tuple(self.params))


def parameters(text: str) -> tuple[str, ...]:
    """Names of the parameters of a statement, each once, in order of appearance.

    >>> parameters("SELECT ':no' WHERE a = :x AND b::text = :y AND c = :x -- :z")
    ('x', 'y')
    """
    return tuple(dict.fromkeys(token.text[1:] for token in _tokens(text) if is_parameter(token)))


@lru_cache(1024)
def _tokens(text: str) -> tuple[Token, ...]:
    """Return the tokens, comments among them, a colon and the name behind it as one. A doubled colon is a cast."""
    tokens: list[Token] = []
    for token in scan(text, comments=True):
        name = _NAME.match(token.text)
        before = tokens[-1] if tokens else None
        if before and name and before.text == ":" and before.end == token.start and not _within_word(text, before):
            tokens[-1] = Token("parameter", f":{name[0]}", before.start, token.start + len(name[0]))
        else:
            tokens.append(token)
    return tuple(tokens)


def _within_word(text: str, colon: Token) -> bool:
    """Return whether the colon stands right behind a word, as in the slice `tags[1:upper]`."""
    before = text[colon.start - 1 : colon.start]
    return before == "_" or before.isalnum()


def is_parameter(token: Token) -> bool:
    return token.kind == "parameter" and token.text.startswith(":")


def replaced(text: str, spell: Callable[[Token], str], rest: Callable[[str], str] = str) -> str:
    """Return the text with `spell` of each token; `rest` makes of what stands between them what is to be there."""
    return "".join(_pieces(text, spell, rest))


def _pieces(text: str, spell: Callable[[Token], str], rest: Callable[[str], str]) -> Iterator[str]:
    end = 0
    for token in _tokens(text):
        yield rest(text[end : token.start])
        yield spell(token)
        end = token.end
    yield rest(text[end:])


def blanked(text: str) -> str:
    """Return `text` with a placeholder for each :name, as long as it was, for a parser that counts places.

    >>> blanked("SELECT :account, ':no'")
    "SELECT $1      , ':no'"
    """
    return replaced(text, lambda token: "$1".ljust(len(token.text)) if is_parameter(token) else token.text)


def numbered(text: str, names: Iterable[str]) -> str:
    """`text` with each :name as $n, n being its place in `names`.

    >>> numbered("SELECT :b, :a::int", ["a", "b"])
    'SELECT $2, $1::int'
    """
    place = {name: f"${position}" for position, name in enumerate(names, 1)}
    return replaced(text, lambda token: place[token.text[1:]] if is_parameter(token) else token.text)


def as_psycopg(text: str) -> str:
    """`text` with each :name as psycopg's %(name)s, and every other % doubled.

    >>> as_psycopg("SELECT :a WHERE b LIKE '%x'")
    "SELECT %(a)s WHERE b LIKE '%%x'"
    """

    def spell(token: Token) -> str:
        return f"%({token.text[1:]})s" if is_parameter(token) else doubled(token.text)

    def doubled(part: str) -> str:
        return part.replace("%", "%%")

    return replaced(text, spell, doubled)


def split_header(path: Path, source: str, *, strict: bool) -> tuple[dict[str, str], str]:
    """Return the header's keys and the statement below it. Unless `strict`, a line with another key is prose."""
    header: dict[str, str] = {}
    lines = source.splitlines()
    start = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("--")), len(lines))
    for line in lines[:start]:
        if not (match := _HEADER.match(line)):
            continue
        key, value = match.groups()
        if key not in KEYS and not strict:
            continue
        if key not in KEYS:
            raise unknown("key", key, KEYS, where=f"{path} header")
        if key in header:
            raise UsageError(f"{path} header: key {key!r} is given twice; keep one")
        header[key] = value
    return header, "\n".join(lines[start:]).strip().rstrip(";").rstrip()


def _params(path: Path, declared: str, text: str) -> tuple[dict[str, str], dict[str, str]]:
    """Types and, where they are said, values by name."""
    params: dict[str, str] = {}
    defaults: dict[str, str] = {}
    tokens = scan(declared)
    if declared and not tokens:
        raise UsageError(f"{path} params: {declared!r} has a quote or a comment that is not closed; close it")
    for item in filter(None, split(tokens, ",")):
        typed, *given = split(item, "=")
        kind, value = (_cut(declared, part) for part in (typed[1:], item[len(typed) + 1 :]))
        if not _NAME.fullmatch(typed[0].text if typed else "") or not _is_type(kind) or bool(given) != bool(value):
            raise UsageError(
                f"{path} params: {_cut(declared, item)!r} is not `name type`, such as `account bigint`, or "
                "`name type = value`"
            )
        params[typed[0].text] = kind
        if given:
            defaults[typed[0].text] = value
    used = set(parameters(text))
    if missing := sorted(used - set(params)):
        raise UsageError(f"{path} params: the statement uses :{missing[0]}, which is not declared; add its type")
    if idle := sorted(set(params) - used):
        raise UsageError(f"{path} params: {idle[0]!r} is declared but the statement never uses :{idle[0]}")
    return params, defaults


def _cut(text: str, tokens: Sequence[Token]) -> str:
    return text[tokens[0].start : tokens[-1].end] if tokens else ""


def _is_type(text: str) -> bool:
    """Return whether the grammar takes the text for a type; whether there is one of this name, the server knows."""
    only = parse(f"SELECT CAST(NULL AS {text})").only if text else None
    return only is not None and only.kind == "select"


def _named_placeholders(path: Path, declared: str, text: str, *, fewer: bool = False) -> str:
    """Return the text with the n-th name that is declared in place of $n. Raises UsageError when they do not agree.

    fewer: whether some of the names may be left out.
    """
    numbers = sorted(map(int, placeholders(text)))
    if not numbers:
        return text
    if parameters(text):
        raise UsageError(f"{path}: the statement has :{parameters(text)[0]} and ${numbers[0]}; write all as :name")
    names = [item[0].text for item in split(scan(declared), ",") if item]
    if numbers[-1] > len(names) if fewer else numbers != list(range(1, len(names) + 1)):
        wanted = ", ".join(f"p{number} TYPE = VALUE" for number in range(1, numbers[-1] + 1))
        raise UsageError(
            f"{path} params: the statement has ${numbers[-1]} and the header declares {len(names)} parameters; say "
            f"type and value of each, in the order of their numbers: `-- params: {wanted}`"
        )
    text = spelled_constants(text)
    named = {f"${number}": f":{name}" for number, name in enumerate(names, 1)}
    return replaced(text, lambda token: named[token.text] if token.kind == "parameter" else token.text)


def _check_single(path: Path, text: str) -> None:
    """Raises UsageError for a text that is more or less than a statement, or whose quotes or comments do not end."""
    if text and not _tokens(text):
        raise UsageError(f"{path}: the statement has a quote or a comment that is not closed; close it")
    parts = [part for part in split(scan(blanked(text)), ";") if part]
    commands = parse(blanked(text)).commands
    if not parts:
        raise UsageError(f"{path}: there is no statement below the header")
    if len(parts) > 1 and len(commands) != 1:
        words = " and ".join(" ".join(token.text for token in part[:2]) + " …" for part in parts[:3])
        raise UsageError(f"{path}: {len(parts)} statements in one file ({words}); put each into a file of its own")


def _is_first(path: Path, key: str, value: str, choices: tuple[str, str]) -> bool:
    if value not in choices:
        raise UsageError(f"{path} {key}: {value!r} is neither {choices[0]!r} nor {choices[1]!r}")
    return value == choices[0]


def _settings(path: Path, declared: str) -> dict[str, str]:
    settings = assignments(declared) if declared else {}
    if settings is None:
        raise UsageError(f"{path} set: {declared!r} cannot be read; write it as `app.tenant = '42', work_mem = '16MB'`")
    return settings


def _words(value: str) -> tuple[str, ...]:
    return tuple(filter(None, re.split(r"[,\s]+", value)))


def _ids(path: Path, value: str) -> tuple[str, ...]:
    ids = _words(value)
    for item in ids:
        if not _ID.match(item):
            raise UsageError(f"{path} ids: {item!r} is no requirement id such as C7, M9a or P2.1b")
    return ids


def parse_query(path: Path, source: str, *, strict: bool = True) -> QueryFile:
    """Raises UsageError naming the file and the key that is wrong. Unless `strict`, a header may say nothing at all."""
    header, text = split_header(path, source, strict=strict)
    _check_single(path, text)
    text = _named_placeholders(path, header.get("params", ""), text)
    params, defaults = _params(path, header.get("params", ""), text)
    if not strict:
        header = {"name": path.stem, "title": path.stem, "family": "queries", "order": "unordered", **header}
    if not header.get("classes"):
        _check_values(path, params, defaults, strict=strict)
    for key in _REQUIRED:
        if key == "classes" and (defaults or not strict):
            continue
        if not header.get(key):
            raise UsageError(f"{path} header: key {key!r} is missing; add a line `-- {key}: …`")
    if header["name"] != path.stem:
        raise UsageError(f"{path} name: {header['name']!r} differs from the file's name {path.stem!r}")
    return QueryFile(
        path=path,
        name=header["name"],
        title=header["title"],
        family=header["family"],
        ids=_ids(path, header.get("ids", "")),
        params=params,
        classes=_words(header.get("classes", "")),
        order="ordered" if _is_first(path, "order", header["order"], ("ordered", "unordered")) else "unordered",
        text=text,
        defaults=defaults,
        writes=_is_first(path, "writes", header.get("writes", "no"), ("yes", "no")),
        role=header.get("role", "").strip('"'),
        settings=_settings(path, header.get("set", "")),
    )


def parse_rewrite(path: Path, source: str, params: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return the statement of a file that asks what another query does, and the parameters that it uses.

    params: types by name, of the query that it takes the place of; it declares none of its own. Raises UsageError.
    """
    _header, text = split_header(path, source, strict=False)
    _check_single(path, text)
    text = _named_placeholders(path, ", ".join(f"{name} {kind}" for name, kind in params.items()), text, fewer=True)
    used = parameters(text)
    if missing := [name for name in used if name not in params]:
        raise unknown("parameter", missing[0], params, where=str(path))
    return text, used


def _check_values(path: Path, params: Mapping[str, str], defaults: Mapping[str, str], *, strict: bool) -> None:
    """A query without classes of parameters says its own values: all, or (where classes are the rule) none."""
    lacking = [name for name in params if name not in defaults]
    if lacking and (defaults or not strict):
        kind = params[lacking[0]]
        raise UsageError(
            f"{path} params: {lacking[0]!r} has no value; write `{lacking[0]} {kind} = …`, or name classes"
        )


def read_sections(module: str) -> dict[str, LiteralString]:
    """Return the package's own statements in the .sql file beside a module, by the `--- name` line above each.

    module: its `__file__`. Lines that begin with `-- ` are for the reader of the file and are not sent.
    """
    text = re.sub(r"^-- .*\n", "", Path(module).with_suffix(".sql").read_text(encoding="utf-8"), flags=re.MULTILINE)
    _, *parts = re.split(r"^--- (.+)\n", text, flags=re.MULTILINE)
    return {name: cast("LiteralString", text.strip()) for name, text in zip(parts[::2], parts[1::2], strict=True)}


def read_queries(folder: Path, *, strict: bool = True) -> tuple[QueryFile, ...]:
    """Return every `*.sql` of a folder, by name. Raises UsageError when there is none."""
    paths = sorted(folder.glob("*.sql"))
    if not paths:
        raise UsageError(f"{folder} holds no queries; put one query a file there, as NAME.sql")
    return tuple(parse_query(path, read_text(path), strict=strict) for path in paths)

"""Words of the shipped case stay in its wing: somebody who measures a shop reads of no conversation and no inbox."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from inboxbench.project import find_project

PACKAGE = find_project().root / "src" / "inboxbench"
WING = "messenger"
# Each is a word of its own in a name or a sentence, in the singular; `inboxbench` is the tool's name and another word.
CASE = {
    *("conversation", "inbox", "agent", "contact", "assignee", "cyrillic", "snoozed"),
    *("last_activity_at", "display_id", "waiting_since", "assignee_id", "agent_last_seen_at"),
}
# An error has a message, and so have commits: what is meant is the table, and a row of it.
MESSAGE = re.compile(r"\bmessages\b|\b(?:per|inserted|a row of) message\b|\bmessage (?:insert|row|table|moves|arrives)")
# Settings of PostgreSQL, and lines of its log.
OTHER_MESSAGES = re.compile(r"\b(?:client_min|log_min|lc)_messages\b|^_messages$")
CYRILLIC = re.compile(r"[\u0400-\u04ff]")
# Keys of JSON that a user's tools read stay as they were, wherever the case named them.
KEYS = {"conversations", "messages", "messages_per_s"}
# Names that are such a key, or a former option that scripts still use, by the file that has them.
NAMES = {
    "cli/race/stress.py": {"--conversations"},
}


def _words(text: str) -> set[str]:
    """Words of a text or a name, in the singular: `inbox_ids` has `inbox`, `OpenConversation` has `conversation`."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower()
    words = {*re.findall(r"[a-z]+(?:_[a-z]+)*", spaced), *re.findall(r"[a-z]+", spaced)}
    return words | {word.removesuffix("s") for word in words} | {word.removesuffix("es") for word in words}


def _docstrings(tree: ast.AST) -> set[int]:
    """The nodes that are docstrings of functions, classes or the module: for those who change the code."""
    found = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and body:
            first = body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                found.add(id(first.value))
    return found


def _is_command(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and any("command" in ast.unparse(d) for d in node.decorator_list)


def _names(node: ast.AST) -> Iterator[str]:
    for attribute in ("id", "attr", "arg", "name", "asname"):
        if isinstance(value := getattr(node, attribute, None), str):
            yield value


def _python(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every name and every string that somebody who uses the tool may read."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = _docstrings(tree)
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in docstrings and node.value not in KEYS:
                yield line, node.value
        elif _is_command(node):
            yield line, ast.get_docstring(node) or ""  # type: ignore[arg-type]
        if not isinstance(node, ast.ImportFrom | ast.Import | ast.alias):
            yield from ((line, name) for name in _names(node))


def _template(path: Path) -> Iterator[tuple[int, str]]:
    yield from enumerate(path.read_text(encoding="utf-8").splitlines(), 1)


def _is_of_the_case(text: str) -> bool:
    of_messages = MESSAGE.search(OTHER_MESSAGES.sub("", text).replace("_", " ").lower())
    return bool(_words(text) & CASE or of_messages or CYRILLIC.search(text))


def _sins(path: Path) -> list[str]:
    texts = _python(path) if path.suffix == ".py" else _template(path)
    allowed = NAMES.get(path.relative_to(PACKAGE).as_posix(), set())
    return [
        f"{path.relative_to(PACKAGE)}:{line}: {text.strip()[:90]!r}"
        for line, text in texts
        if text not in allowed and _is_of_the_case(text)
    ]


FILES = sorted(
    path
    for path in PACKAGE.rglob("*")
    if path.suffix in (".py", ".j2", ".css") and path.relative_to(PACKAGE).parts[0] != WING
)


def _room(path: Path) -> str:
    """A package, or a folder of `cli`."""
    parts = path.relative_to(PACKAGE).parts
    return "/".join(parts[:2] if parts[0] == "cli" else parts[:1]).removesuffix(".py")


@pytest.mark.parametrize("room", sorted({_room(path) for path in FILES}))
def test_no_word_of_the_case_is_outside_its_wing(room: str) -> None:
    sins = [sin for path in FILES if _room(path) == room for sin in _sins(path)]
    assert not sins, "\n".join(sins)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Inbox list", True),
        ("open_conversations", True),
        ("OpenConversation", True),
        ("inboxbench", False),
        ("an error message", False),
        ("SET client_min_messages = warning", False),
        ("WAL per inserted message", True),
        ("messages_per_s", True),
        ("last_activity_at", True),
        ("in contact with", True),
        ("снова", True),
        ("agents", True),
        ("agenda", False),
    ],
)
def test_what_is_a_word_of_the_case(text: str, found: bool) -> None:
    assert _is_of_the_case(text) is found

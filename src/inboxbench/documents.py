"""TOML and JSON of a user: read within bounds and checked; a fault is one line that names the file and the key."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inboxbench.credentials import masked, masked_json
from inboxbench.errors import WORDS, UsageError, kind_of, shortened, unknown
from inboxbench.files import read_text

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

_DEEPEST = 150  # a plan of PostgreSQL within a record comes to a third of it
_LARGEST = 2**64
_SHOWN = 60  # characters of an offending value that a message quotes


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file. Raises UsageError naming the file."""
    return parse_toml(read_text(path), str(path))


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """Return the tables of a text in TOML. Raises UsageError that begins with `where`, as for all below."""
    document = _parsed(tomllib.loads, text, f"{where}: not TOML", "")
    _check_bounds(document, where)
    return document  # type: ignore[no-any-return]  # a TOML document is a table


def read_json(path: Path, remedy: str = "write it again") -> Any:
    """Return what a JSON file holds. remedy: what to do about a file that is cut short or none of ours."""
    return parse_json(read_text(path), str(path), remedy)


def parse_json(text: str, where: str, remedy: str = "write it again") -> Any:
    """Return what a text in JSON holds; its figures are finite, and no nesting is deeper than 150."""
    document = _parsed(json.loads, text, f"{where}: not whole JSON", f"; {remedy}")
    _check_bounds(document, where)
    check_figures(document, where)
    return document


def _parsed(read: Callable[[str], Any], text: str, problem: str, remedy: str) -> Any:
    try:
        return read(text)
    except RecursionError:
        raise UsageError(f"{problem}: it is nested deeper than {_DEEPEST}{remedy}") from None
    except json.JSONDecodeError as error:
        raise UsageError(f"{problem} at line {error.lineno}, column {error.colno} ({error.msg}){remedy}") from None
    except ValueError as error:  # TOML's own, and of an integer with thousands of digits
        said = "an integer has too many digits" if "integer string conversion" in str(error) else str(error)
        raise UsageError(f"{problem}: {shortened(masked(said), 200)}{remedy}") from None


def _check_bounds(document: object, where: str) -> None:
    """Raise UsageError for a value that later work could not take."""
    if _is_plain(document):
        return
    for key, value, depth in _entries(document):
        if depth > _DEEPEST:
            raise UsageError(f"{where}: key {shortened(key, _SHOWN)!r} is nested deeper than {_DEEPEST}")
        if isinstance(value, int) and not -_LARGEST < value < _LARGEST:
            raise UsageError(f"{where}: key {key!r} is an integer that 64 bits do not hold; write a smaller one")


def check_figures(document: object, where: str) -> None:
    """Raise UsageError for a figure that is not finite: JSON as Python reads it may hold NaN."""
    if _is_plain(document):
        return
    for key, value, _depth in _entries(document):
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"{where}: key {key!r} is {value}, which is no measurement; run it again.")


def _is_plain(document: object) -> bool:
    """Whether every value may pass, without the names of keys: a file of 64 MiB holds millions of values."""
    level: list[object] = [document]
    for _depth in range(_DEEPEST + 1):
        below: list[object] = []
        for value in level:
            if isinstance(value, str):
                continue
            if isinstance(value, Mapping):
                below.extend(value.values())
            elif isinstance(value, list | tuple):
                below.extend(value)
            elif isinstance(value, int):
                if not -_LARGEST < value < _LARGEST:
                    return False
            elif isinstance(value, float) and not math.isfinite(value):
                return False
        if not below:
            return True
        level = below
    return False


def _entries(document: object) -> Iterator[tuple[str, object, int]]:
    """Yield each value with its key and depth, in order; without recursion, for its depth may be what is wrong."""
    left: list[tuple[str, object, int]] = [("", document, 0)]
    while left:
        key, value, depth = left.pop()
        yield key, value, depth
        if isinstance(value, Mapping):
            left += [(joined(key, str(name)), item, depth + 1) for name, item in reversed(list(value.items()))]
        elif isinstance(value, list | tuple):
            left += [(f"{key}[{place}]", value[place], depth + 1) for place in reversed(range(len(value)))]


def joined(parent: str, key: str) -> str:
    """Return the path of a key below another one, as `a.b`."""
    return f"{parent}.{key}" if parent else key


def check_table(value: object, keys: Mapping[str, type] | None, where: str) -> dict[str, Any]:
    """Return a table of TOML whose keys are known and of their types; a list or table in it holds strings alone.

    keys: None for a table of any names. Raises UsageError that begins with `where`.
    """
    if not isinstance(value, dict):
        raise UsageError(f"{where}: expected a table, found {kind_of(value)}")
    if keys is None:
        return value
    for key, item in value.items():
        if key not in keys:
            raise unknown("key", key, keys, where=where)
        if not isinstance(item, keys[key]) or (keys[key] is not bool and isinstance(item, bool)):
            raise UsageError(f"{where} {key}: expected {WORDS[keys[key]]}, found {kind_of(item)}")
        inner = item if isinstance(item, list) else item.values() if isinstance(item, dict) else ()
        for entry in inner:
            if not isinstance(entry, str):
                raise UsageError(f"{where} {key}: expected strings in it, found {kind_of(entry)}")
    return value


@cache
def _validator(package: str, name: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - slow to import, and few commands need it

    return Draft202012Validator(schema_of(package, name))


def schema_of(package: str, name: str) -> dict[str, Any]:
    """Return a JSON Schema that lies in a package."""
    schema: dict[str, Any] = json.loads(files(package).joinpath(name).read_text(encoding="utf-8"))
    return schema


def check_schema(document: object, where: str, package: str, name: str, *, remedy: str) -> None:
    """Raise UsageError for a document that is not as the schema says, naming the key and what was expected there."""
    from jsonschema.exceptions import best_match  # noqa: PLC0415 - as above

    problem = best_match(_validator(package, name).iter_errors(document))
    if problem is not None:
        raise UsageError(f"{where}: {_explained(problem)}; {remedy}")


def _explained(problem: ValidationError) -> str:
    path = _path(problem.absolute_path)
    key = f"key {path!r}" if path else "the document"
    wanted: Any = problem.validator_value
    instance: Any = problem.instance
    if problem.validator == "required":
        missing = next(name for name in wanted if name not in instance)
        return f"key {joined(path, missing)!r} is missing"
    if problem.validator == "type":
        names = wanted if isinstance(wanted, str) else " or ".join(wanted)
        return f"{key} must be {names}, not {quoted(problem.instance)}"
    return f"{key}: {masked(problem.message)[: 2 * _SHOWN]}"


def _path(steps: Iterable[str | int]) -> str:
    text = ""
    for step in steps:
        text = f"{text}[{step}]" if isinstance(step, int) else joined(text, step)
    return text


def quoted(value: object) -> str:
    """Return a value for a message: short, and without secrets."""
    return shortened(repr(masked_json(value)), _SHOWN)

"""The JSON Schemas of the bench commands' documents, for tests: what a command wrote is as its schema says, whole."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator

from inboxbench.errors import UsageError, unknown

KINDS = ("matrix", "load", "decay", "drop_one", "growth")


@cache
def _validator(kind: str) -> Draft202012Validator:
    text = files("inboxbench.bench").joinpath("schemas", f"{kind}.schema.json").read_text(encoding="utf-8")
    schema = json.loads(text)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def schema_of(kind: str) -> dict[str, Any]:
    """The JSON Schema of a kind. Raises UsageError for an unknown one."""
    if kind not in KINDS:
        raise unknown("kind of document", kind, KINDS)
    schema: dict[str, Any] = json.loads(json.dumps(_validator(kind).schema))
    return schema


def check_document(kind: str, document: object) -> None:
    """Raises UsageError naming the first key that is not as the schema of `kind` says."""
    schema_of(kind)
    for problem in _validator(kind).iter_errors(document):
        raise UsageError(f"{kind}: key {problem.json_path.removeprefix('$.')!r}: {problem.message[:200]}")


def undocumented(kind: str, document: object) -> list[str]:
    """Paths of keys that the schema does not describe: a newer tool's."""
    paths: dict[str, None] = {}
    _walk(schema_of(kind), document, "", paths)
    return list(paths)


def _walk(schema: dict[str, Any], value: object, path: str, paths: dict[str, None]) -> None:
    for choice in schema.get("anyOf", ()):
        if choice.get("type") != "null" and value is not None:
            _walk(choice, value, path, paths)
    if isinstance(value, list):
        for item in value:
            _walk(schema.get("items", {}), item, f"{path}[]", paths)
    if isinstance(value, dict) and "properties" in schema:
        for key, item in value.items():
            if key in schema["properties"]:
                _walk(schema["properties"][key], item, f"{path}.{key}".lstrip("."), paths)
            else:
                paths[f"{path}.{key}".lstrip(".")] = None

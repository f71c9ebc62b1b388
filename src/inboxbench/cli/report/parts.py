"""What `inboxbench report --with` joins to a run: a dry run, or the outcome of a lab of `inboxbench bench`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from inboxbench.errors import UsageError
from inboxbench.report import checked_run, load_document
from inboxbench.report.labs import kind_of, read_lab


def joined(run: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The run with the file's document. Raises UsageError, naming the file, when it is of neither kind or broken."""
    document = load_document(path)
    part = {"source": path.name, "document": document}
    if "statements" in document and "findings" in document:
        _check_dry_run(document, path)
        return _with(run, "dry_runs", part, path)
    if kind_of(document):
        read_lab(document, str(path))
        return _with(run, "labs", part, path)
    raise UsageError(
        f"{path}: is neither a dry run nor a lab's result; name what `inboxbench dryrun` or `inboxbench bench "
        "counters|pages|traps|decay|drop-one|growth|load` wrote with --output FILE.json."
    )


def _with(run: Mapping[str, Any], key: str, part: Mapping[str, Any], path: Path) -> dict[str, Any]:
    return checked_run({**run, key: [*(run.get(key) or ()), part]}, str(path))


def _check_dry_run(document: Mapping[str, Any], path: Path) -> None:
    problem = best_match(_validator().iter_errors(document))
    if problem is not None:
        where = ".".join(str(step) for step in problem.absolute_path) or "the document"
        why = problem.message if len(problem.message) <= 120 else f"{problem.validator} is not met"
        raise UsageError(f"{path}: {where}: {why}; run `inboxbench dryrun --output` again with this version.")


@cache
def _validator() -> Draft202012Validator:
    schema = files("inboxbench.dryrun").joinpath("dryrun.schema.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(schema))

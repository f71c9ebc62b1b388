"""Outcomes kept between runs: one JSON file each, named by a digest of everything that the outcome depends on.

A file appears whole or not at all, so a run that is killed leaves what it had finished. One that cannot be read is said
in a line and measured again; the folder may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inboxbench.files import drafted

_FORMAT = 1


def default_folder() -> Path:
    """$XDG_CACHE_HOME/inboxbench/cells, as a rule ~/.cache/inboxbench/cells."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "inboxbench" / "cells"


def digest(value: object) -> str:
    """Of anything that JSON can hold; the order of an object's keys does not count."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass
class Store:
    """`fresh`: read nothing, write all the same. `problems`: what could not be read or written, a line each."""

    folder: Path
    fresh: bool = False
    problems: list[str] = field(default_factory=list)
    _writable: bool = True

    def find(self, key: str) -> dict[str, Any] | None:
        """What was kept under `key`; None when there is nothing, or nothing that can be read."""
        path = self._path(key)
        if self.fresh or not path.is_file():
            return None
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            if document["format"] == _FORMAT and document["key"] == key:
                return dict(document["outcome"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        self.refuse(key)
        return None

    def refuse(self, key: str) -> None:
        """What is kept under `key` makes no sense: it will be measured again, and overwritten."""
        problem = f"{self._path(key)} cannot be read as an outcome; measured again"
        if problem not in self.problems:
            self.problems.append(problem)

    def keep(self, key: str, about: Mapping[str, Any], outcome: Mapping[str, Any]) -> None:
        """`about` is for people who look into the file."""
        document = {"format": _FORMAT, "key": key, "about": about, "outcome": outcome}
        text = json.dumps(document, ensure_ascii=False, indent=1, default=str)
        if self._writable:
            try:
                _put(self._path(key), text + "\n")
            except OSError as error:
                self._writable = False
                self.problems.append(f"{self.folder}: outcomes cannot be kept there: {error.strerror}")

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def _put(path: Path, text: str) -> None:
    """Whole or not at all; two runs that write the same outcome do not meet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with drafted(path) as draft:
        draft.write_text(text, encoding="utf-8")

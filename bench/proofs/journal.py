"""What a long proof has found so far, a line of JSON a run: one that was interrupted goes on where it stopped."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


@dataclass(frozen=True)
class Journal:
    path: Path

    def add(self, kind: str, **found: object) -> None:
        """Written at once, with the time and the machine's load of the last minute."""
        entry = {"kind": kind, "at": round(time.time(), 1), "load": round(os.getloadavg()[0], 2), **found}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def entries(self, kind: str) -> list[Entry]:
        """Of one kind, in order; a line that a killed process left half written does not count."""
        if not self.path.is_file():
            return []
        found = (_parsed(line) for line in self.path.read_text(encoding="utf-8").splitlines())
        return [entry for entry in found if entry is not None and entry["kind"] == kind]


def _parsed(line: str) -> Entry | None:
    try:
        entry: Entry = json.loads(line)
    except json.JSONDecodeError:
        return None
    return entry


def span(values: Iterable[float], digits: int = 1) -> str:
    """`median (lowest to highest)`."""
    found = sorted(values)
    return f"{found[len(found) // 2]:.{digits}f} ({found[0]:.{digits}f} to {found[-1]:.{digits}f})" if found else "–"

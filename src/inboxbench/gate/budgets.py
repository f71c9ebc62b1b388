"""How much more than at the baseline is allowed: the budgets of gate.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from inboxbench.documents import check_table, read_toml
from inboxbench.errors import UsageError, unknown


@dataclass(frozen=True, slots=True)
class Budget:
    """Factors over the baseline (1.0: nothing), and how far the HOT share may fall. buffers: of a query; pages: of a
    write.

    WAL repeats within 0.03 % and sizes exactly over rebuilds; 1 % leaves room for minor versions. Pages of a write
    repeat within 1.7 %: a random key splits another page of its index each time.
    """

    buffers: float = 1.0
    pages: float = 1.05
    removed: float = 1.0
    wal: float = 1.01
    size: float = 1.01
    hot: float = 0.01


@dataclass(frozen=True, slots=True)
class Budgets:
    """The default one, and those of queries and writes by name."""

    default: Budget = Budget()
    named: Mapping[str, Budget] = field(default_factory=dict)

    def of(self, name: str) -> Budget:
        return self.named.get(name, self.default)


def read_budgets(path: Path) -> Budgets:
    """Of `bench/gate.toml`: [default] and [budget.NAME], a query's or a write's; no file, no budgets.

    Raises UsageError naming file, table and key.
    """
    if not path.is_file():
        return Budgets()
    document = read_toml(path)
    for key in document:
        if key not in ("default", "budget"):
            raise unknown("table", key, ("default", "budget"), where=str(path))
    default = _budget(path, "default", document.get("default", {}), Budget())
    named = check_table(document.get("budget", {}), None, f"{path} [budget]")
    return Budgets(default, {name: _budget(path, f"budget.{name}", raw, default) for name, raw in named.items()})


def _budget(path: Path, where: str, raw: object, base: Budget) -> Budget:
    names = [field.name for field in fields(Budget)]
    table = check_table(raw, None, f"{path} [{where}]")
    for key, value in table.items():
        if key not in names:
            raise unknown("key", key, names, where=f"{path} [{where}]")
        _check(path, where, key, value)
    return Budget(**{name: float(table.get(name, getattr(base, name))) for name in names})


def _check(path: Path, where: str, key: str, value: Any) -> None:
    lowest, highest = (0.0, 1.0) if key == "hot" else (1.0, float("inf"))
    if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value < highest:
        what = "a share of at least 0 and below 1" if key == "hot" else "a factor of at least 1"
        raise UsageError(f"{path} [{where}] {key}: {value!r} is not {what}")

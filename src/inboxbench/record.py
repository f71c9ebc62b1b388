"""Dataclasses as JSON: `as_json` writes them, `restored` reads what it wrote, and `read` what any version wrote.

A field is named in the JSON as in the class, or as the `json` of its metadata says.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


def as_json(value: Any, *, digits: int | None = None) -> Any:
    """Return a dataclass as an object that JSON can hold, with all that is in it; tuples become lists.

    A field whose metadata has None for `json` is left out. digits: to which floats are rounded; None: as they are.

    >>> from inboxbench.bench.execute.session import Timing
    >>> as_json([Timing(median_ms=1.26, p95_ms=2.0, rounds=3)], digits=1)
    [{'median_ms': 1.3, 'p95_ms': 2.0, 'rounds': 3, 'client_ms': None}]
    """
    if is_dataclass(value):
        items = ((field.metadata.get("json", field.name), getattr(value, field.name)) for field in fields(value))
        return {key: as_json(item, digits=digits) for key, item in items if key is not None}
    if isinstance(value, Mapping):
        return {key: as_json(item, digits=digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item, digits=digits) for item in value]
    return round(value, digits) if digits is not None and isinstance(value, float) else value


def rounded(value: float | None, digits: int = 1) -> float | None:
    """Return a figure as it is written; None where there is none."""
    return None if value is None else round(value, digits)


def restored(kind: type[T], value: Any) -> T:
    """Return a dataclass from the object that `asdict` made of it. Raises KeyError, TypeError or ValueError otherwise.

    >>> from inboxbench.bench.execute.session import Timing
    >>> restored(Timing, {"median_ms": 1.0, "p95_ms": 2.0, "rounds": 3, "client_ms": None})
    Timing(median_ms=1.0, p95_ms=2.0, rounds=3, client_ms=None)
    """
    return cast("T", _Reader(strict=True).value(kind, value))


def read(kind: type[T], value: Mapping[str, Any]) -> T:
    """Return a dataclass from an object that a schema has checked, by this version or another.

    Keys that the dataclass does not have are left out, and a null or missing one is its default. A field whose
    metadata has `json` is read from the key of that name.
    """
    return cast("T", _Reader(strict=False).value(kind, value))


@dataclass(frozen=True, slots=True)
class _Reader:
    """strict: every field is there, and is of its type."""

    strict: bool

    def value(self, kind: Any, value: Any) -> Any:
        if is_dataclass(kind):
            return self._dataclass(cast("type[Any]", kind), self._scalar(dict, value))
        origin, inner = get_origin(kind), get_args(kind)
        if origin in (Union, types.UnionType):
            return None if value is None else self.value(_first(inner), value)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return {key: self.value(inner[1], item) for key, item in self._scalar(dict, value).items()}
        if isinstance(origin, type) and issubclass(origin, Sequence):
            return self._tuple(inner, value)
        return self._scalar(kind, value)

    def _dataclass(self, kind: type[Any], value: Mapping[str, Any]) -> Any:
        hints = get_type_hints(kind)
        names = {field.name: field.metadata.get("json", field.name) for field in fields(kind)}
        if not self.strict:
            names = {name: key for name, key in names.items() if value.get(key) is not None}
        return kind(**{name: self.value(hints[name], value[key]) for name, key in names.items()})

    def _tuple(self, inner: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
        items = value if isinstance(value, tuple) else self._scalar(list, value)
        same = len(inner) == 1 or inner[1:] == (Ellipsis,)
        kinds = [inner[0]] * len(items) if same else inner
        return tuple(self.value(kind, item) for kind, item in zip(kinds, items, strict=True))

    def _scalar(self, kind: Any, value: Any) -> Any:
        accepted = (int, float) if kind is float else kind
        if self.strict and kind is not Any and isinstance(accepted, type | tuple) and not isinstance(value, accepted):
            raise TypeError(f"expected {kind.__name__}, found {value!r}")
        return value


def _first(kinds: tuple[Any, ...]) -> Any:
    """Return what a value is when it is not None."""
    return next(kind for kind in kinds if kind is not types.NoneType)

"""Values of ours written as JSON and read back: dataclasses.asdict the one way, `restored` the other."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


def restored(kind: type[T], value: Any) -> T:
    """A dataclass from the object that `asdict` made of it. Raises KeyError, TypeError or ValueError for any other.

    >>> from inboxbench.bench.execute.timing import Timing
    >>> restored(Timing, {"median_ms": 1.0, "p95_ms": 2.0, "rounds": 3, "client_ms": None})
    Timing(median_ms=1.0, p95_ms=2.0, rounds=3, client_ms=None)
    """
    return cast("T", _value(kind, value))


def _value(kind: Any, value: Any) -> Any:
    if is_dataclass(kind):
        hints, value = get_type_hints(kind), _object(value)
        return kind(**{one.name: _value(hints[one.name], value[one.name]) for one in fields(kind)})  # type: ignore[operator]
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return None if value is None else _value(next(one for one in inner if one is not types.NoneType), value)
    if origin is tuple:
        value = value if isinstance(value, tuple) else _scalar(list, value)
        parts = [inner[0]] * len(value) if inner[1:] == (Ellipsis,) else inner
        return tuple(_value(part, one) for part, one in zip(parts, value, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        return {key: _value(inner[1], one) for key, one in _object(value).items()}
    return _scalar(kind, value)


def _object(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", _scalar(dict, value))


def _scalar(kind: Any, value: Any) -> Any:
    accepted = (int, float) if kind is float else kind
    if kind is not Any and isinstance(accepted, type | tuple) and not isinstance(value, accepted):
        raise TypeError(f"expected {kind.__name__}, found {value!r}")
    return value

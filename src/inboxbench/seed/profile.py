"""Profiles: what a dataset looks like, read strictly from seeds/NAME.toml.

Which keys there are is up to the row source: its profile is a dataclass that derives from `BaseProfile`, and each
section is a dataclass of its own. The type of a key says which values it takes: `Share`, `Positive[int]` and so on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from inboxbench.documents import parse_toml, quoted
from inboxbench.errors import WORDS, UsageError, kind_of, unknown
from inboxbench.files import read_text
from inboxbench.project import Project
from inboxbench.seed.row_source import P, Problem, RowSource, project_row_source

N = TypeVar("N", int, float)


@dataclass(frozen=True, slots=True)
class Limit:
    """Which numbers a key takes, and what is wrong with others ({:g} stands for the number)."""

    allows: Callable[[float], bool]
    problem: str


Share = Annotated[float, Limit(lambda value: 0 <= value <= 1, "{:g} is no share: it must lie between 0 and 1")]
Positive = Annotated[N, Limit(lambda value: value > 0, "must be more than 0")]
NotNegative = Annotated[float, Limit(lambda value: value >= 0, "must not be negative")]


@dataclass(frozen=True, slots=True)
class BaseProfile:
    """The keys that every profile has. A section `churn` is optional and holds what the row source's churn takes."""

    name: str
    title: str

    @property
    def past(self) -> dict[str, Any] | None:
        """The keys of the section [churn], None for a profile without one."""
        section = getattr(self, "churn", None)
        return None if section is None else asdict(section)


def profile_names(folder: Path) -> list[str]:
    """The names of the profiles in a project's folder of seeds."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def load_profile(project: Project, name: str) -> BaseProfile:
    """A project's profile. Raises UsageError when it has no row source, or as `read_profile` does."""
    profile: BaseProfile = read_profile(project_row_source(project), project.seeds, name)
    return profile


def read_profile(source: RowSource[P], folder: Path, name: str) -> P:
    """The profile `name` of `folder`. Raises UsageError naming file and key for anything that is wrong in it."""
    path = folder / f"{name}.toml"
    if not path.is_file():
        raise unknown("profile", name, profile_names(folder))
    return parse_profile(source, read_text(path), name, str(path))


def parse_profile(source: RowSource[P], text: str, name: str, where: str) -> P:
    """A profile from TOML text. Raises UsageError that begins with `where` and names the key."""
    data = parse_toml(text, where)
    profile: P = _section(source.profile_type, {"name": name, **data}, where, "")
    _check(source, profile, where)
    return profile


def scaled(source: RowSource[P], profile: P, *, scale: float = 1.0, size: int | None = None) -> P:
    """The profile at another size: `scale` times its own, or `size` rows of the table that it counts.

    Raises UsageError when both are given, one is no size, or the row source cannot make so few rows.
    """
    if not 0 < scale < math.inf:
        raise UsageError(f"--scale {scale:g} is no size; name a number above 0, such as 0.1 or 10")
    if size is not None and scale != 1.0:
        raise UsageError(f"--scale and --{source.counted} both set the size; give one of them")
    count = size if size is not None else round(source.size(profile) * scale)
    sized = source.resized(profile, count)
    _check(source, sized, f"profile {profile.name!r} with {count} {source.counted}")
    return sized


def _check(source: RowSource[P], profile: P, where: str) -> None:
    for problems in (_out_of_range(profile), source.problems(profile)):
        for key, problem in problems:
            raise UsageError(f"{where}: {key}: {problem}")


def _out_of_range(profile: BaseProfile) -> Iterator[Problem]:
    """TOML knows nan and inf, and nan passes every comparison that asks whether a value is too small."""
    for section in fields(profile):
        values = getattr(profile, section.name)
        if not is_dataclass(values):
            continue
        hints = get_type_hints(type(values), include_extras=True)
        for field in fields(values):
            value, limits = getattr(values, field.name), _limits(hints[field.name])
            for number in value if isinstance(value, tuple) else (value,):
                if isinstance(number, float) and not math.isfinite(number):
                    yield f"{section.name}.{field.name}", f"{number:g} is no number that anything can be measured by"
                for limit in limits:
                    if not limit.allows(number):
                        yield f"{section.name}.{field.name}", limit.problem.format(number)


def _limits(kind: Any) -> list[Limit]:
    inner = get_args(kind)[0] if get_origin(kind) is tuple else kind
    return [extra for extra in getattr(inner, "__metadata__", ()) if isinstance(extra, Limit)]


def _section(kind: type[Any], data: Mapping[str, Any], where: str, prefix: str) -> Any:
    names = [field.name for field in fields(kind)]
    optional = {field.name for field in fields(kind) if field.default is not MISSING}
    for key in data:
        if key not in names:
            raise unknown("key", prefix + key, [prefix + name for name in names], where=where)
    for name in names:
        if name not in data and name not in optional:
            raise UsageError(f"{where}: key {prefix + name!r} is missing")
    types = get_type_hints(kind)
    return kind(**{name: _value(types[name], data[name], where, prefix + name) for name in names if name in data})


def _value(kind: Any, value: Any, where: str, key: str) -> Any:
    if is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise UsageError(f"{where}: {key} must be a table, not {kind_of(value)}")
        return _section(kind, value, where, f"{key}.")  # type: ignore[arg-type]
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise UsageError(f"{where}: {key} must be a list, not {kind_of(value)}")
        return tuple(_value(get_args(kind)[0], item, where, key) for item in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UsageError(f"{where}: {key} must be {WORDS[kind]}, not {quoted(value)}")
    if kind is datetime and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value

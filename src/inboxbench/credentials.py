"""Finds what is secret in connection strings and decides what is shown of them, for messages, records and pages.

`place` is what is printed instead of a connection string: host, port and database from its parts, nothing else.
`masked` takes secrets out of text that others wrote: a driver, a program, a recorded run. It knows the shapes in which
passwords travel, and each secret that `remember` has seen in this process, whole or in pieces, wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict

MASK = "***"
UNREADABLE = "a connection string that cannot be read (write @ and / within a part as %40 and %2F)"
_SECRET_KEYS = ("password", "sslpassword")
_NAME = r"(?:\w*password|passwd|passphrase|pwd|secret)"
_VALUE = r"""\\'.*?\\'|'(?:[^'\\]|\\.|'')*(?:'|$)|\\".*?\\"|"(?:[^"\\]|\\.)*(?:"|$)|[^\s&]+"""
_SETTING = re.compile(
    rf"""\b(?P<key>{_NAME}\b\\?["']?)(?P<sign>\s*(?:=>?|:)\s*|\s+(?='))(?P<value>{_VALUE})""", re.IGNORECASE | re.DOTALL
)
_KEY = re.compile(_NAME, re.IGNORECASE)
# A user and a password before the @ of a host, in a URL or without its beginning; `::` is a cast and no such thing.
_LOGIN = re.compile(r"(?<![\w:.-])(?P<user>(?:\w[\w+.-]{0,30}://)?[^\s:/@'\"]{0,99}):(?!/|:)\S{0,999}@(?=[\w\[./%-]|$)")
_WORD = re.compile(r"[a-z]{1,11}|\d{1,5}|.{1,3}", re.DOTALL)
_known: set[str] = set()


def parameters(conninfo: str) -> dict[str, str]:
    """Return the parameters of a connection string, none for one that cannot be read."""
    try:
        return {key: str(value) for key, value in conninfo_to_dict(conninfo).items() if value is not None}
    except (psycopg.Error, UnicodeError, ValueError):
        return {}


def parts_of(conninfo: str) -> dict[str, str] | None:
    """Return the parameters of a connection string; None for one that cannot be read, or not as its writer meant it.

    A password with a raw @ or / in it moves the rest of itself into the host, the port or the database.
    """
    parts = parameters(conninfo)
    _scheme, url, rest = conninfo.partition("://")
    authority = re.split("[/?#]", rest)[0]
    moved = url and (rest.count("@") > authority.count("@") or authority.count("@") > 1)
    return None if not parts or moved or not re.fullmatch(r"[\d,]*", parts.get("port", "")) else parts


def place(conninfo: str) -> str:
    """Return where a connection string leads, as host:port/database; UNREADABLE if that is not to be seen.

    >>> place("postgresql://bob:s3cret@db.example:5433/shop")
    'db.example:5433/shop'
    """
    parts = parts_of(conninfo)
    if parts is None:
        return UNREADABLE
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"{parts.get('host') or 'localhost'}{port}/{parts.get('dbname', '')}"


def named(value: str, option: str) -> str:
    """Return a database's name in quotes, for a message; "the value of OPTION" if it may be a connection string.

    >>> named("shop", "--database"), named("host=db password=s3cret", "--database")
    ("'shop'", 'the value of --database')
    """
    return f"the value of {option}" if re.search("[@=:/]", value) else repr(value)


def masked(text: str) -> str:
    """Return text with *** in place of each password in it.

    >>> masked("cannot reach postgresql://bob:s3cret@db/x with password='a b'")
    'cannot reach postgresql://bob:***@db/x with password=***'
    """
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _LOGIN.sub(rf"\g<user>:{MASK}@", text)
    return _SETTING.sub(_without_value, text)


def _without_value(setting: re.Match[str]) -> str:
    """Return a setting without its value; a path before a colon and a blank, as in "/etc/passwd: denied", is none."""
    if setting["sign"] == ": " and setting.string[: setting.start()].endswith("/"):
        return setting[0]
    return f"{setting['key']}{setting['sign']}{MASK}"


def masked_json(value: Any) -> Any:
    """Return the same JSON value with each of its strings masked, keys included."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {masked(str(key)): _masked_item(str(key), item) for key, item in value.items()}
    return [masked_json(item) for item in value] if isinstance(value, list | tuple) else value


def _masked_item(key: str, item: Any) -> Any:
    return MASK if isinstance(item, str) and _KEY.fullmatch(key) else masked_json(item)


def masked_arguments(arguments: Sequence[str]) -> list[str]:
    """Return a command line with the place of each connection string in its stead, and no secret."""
    return [_masked_argument(argument) for argument in arguments]


def _masked_argument(argument: str) -> str:
    option, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
    if "://" in value or parts_of(value):
        return masked(f"{option}{equals}{place(value)}")
    return masked(argument)


def remember(text: str) -> None:
    """Keep what is secret in a connection string, malformed or not, out of everything that `masked` sees from now on.

    Plain words such as `postgres` are left out: they stand in other places, too.
    """
    for secret in _secrets(text):
        clear = unquote(secret)
        _known.update(form for form in (secret, clear, quote(clear, safe=""), repr(clear)[1:-1])
                      if not _WORD.fullmatch(form))  # fmt: skip


def remember_arguments(arguments: Iterable[str]) -> None:
    """Remember the arguments that may be or hold a connection string; a sentence or a query is none."""
    for argument in arguments:
        if "://" in argument or not re.search(r"\s", argument) or _SETTING.search(argument):
            remember(argument)


def _secrets(text: str) -> Iterator[str]:
    parts = parameters(text)
    found = [parts[key] for key in _SECRET_KEYS if key in parts]
    head, at, _host = text.rpartition("@")
    secret = head.rpartition("://")[2].partition(":")[2] if at else ""
    found += [secret, *re.split(r"[@/?&#:,\s]+", secret)]
    for match in _SETTING.finditer(unquote(text)):
        found += [match["value"], match["value"].strip("\\'\"")]
    public = {(parts_of(text) or {}).get(key) for key in ("user", "host", "dbname")}
    yield from (secret for secret in found if secret and secret not in public)

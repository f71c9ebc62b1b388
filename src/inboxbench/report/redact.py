"""Passwords never reach a report: every string of a run passes through here first."""

import re
from collections.abc import Mapping
from typing import Any

_MASK = "***"
_IN_URL = re.compile(r"(?P<head>\b[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s/]*@", re.IGNORECASE)
_SECRET_NAME = r"\w*password|passwd|pgpassword|secret"  # noqa: S105 - a pattern for names, not a secret
_AS_SETTING = re.compile(
    rf"""(?P<key>\b(?:{_SECRET_NAME})\b)(?P<equals>\s*=\s*)(?:'[^']*'|"[^"]*"|[^\s&'"]+)""",
    re.IGNORECASE,
)
_AS_KEY = re.compile(_SECRET_NAME, re.IGNORECASE)


def redact(text: str) -> str:
    """Mask the password of each URL and of each `password=…` setting in the text."""
    masked = _IN_URL.sub(rf"\g<head>:{_MASK}@", text)
    return _AS_SETTING.sub(rf"\g<key>\g<equals>{_MASK}", masked)


def redacted(value: Any) -> Any:
    """The same JSON value with each of its strings redacted, keys included."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(str(key)): _redacted_item(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item) for item in value]
    return value


def _redacted_item(key: str, item: Any) -> Any:
    if isinstance(item, str) and _AS_KEY.fullmatch(key):
        return _MASK
    return redacted(item)

"""Words by real frequency, and hand-written support phrases."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inboxbench.errors import UsageError
from inboxbench.seed.binary.arrays import Floats

LANGUAGES = ("ru", "en")
ROLES = ("contact", "user", "bot")
_SCRIPTS = {"ru": re.compile(r"[а-яё]+(-[а-яё]+)?"), "en": re.compile(r"[a-z]+('[a-z]+)?")}
# Longer words are rare and would widen every record of the pool.
_LONGEST = 30


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Word forms, the most frequent first, and their frequencies."""

    words: list[str]
    frequencies: Floats


def vocabulary(language: str, size: int) -> Vocabulary:
    """The `size` most frequent forms of wordfreq's small list written in the language's own letters."""
    import wordfreq  # noqa: PLC0415 - half a second that only the process that builds the pool pays

    known = wordfreq.get_frequency_dict(language, "small")
    fits = _SCRIPTS[language].fullmatch
    chosen = [(-share, word) for word, share in known.items() if fits(word) and len(word.encode()) <= _LONGEST]
    chosen = sorted(chosen)[:size]
    return Vocabulary([word for _, word in chosen], np.array([-share for share, _ in chosen]))


def phrases(folder: Path, language: str) -> dict[str, list[str]]:
    """Phrases of support.LANGUAGE.txt by role. Raises UsageError when the file or a role is missing."""
    path = folder / f"support.{language}.txt"
    if not path.is_file():
        raise UsageError(f"{path} is missing: it holds the support phrases of language {language!r}")
    found: dict[str, list[str]] = {role: [] for role in ROLES}
    role = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip()
        if text.startswith("["):
            role = text.strip("[]")
        elif text and not text.startswith("#"):
            if role not in found:
                raise UsageError(f"{path}:{number}: no role before this line; write one of [contact] [user] [bot]")
            found[role].append(text)
    for name, lines in found.items():
        if not lines:
            raise UsageError(f"{path}: role [{name}] has no phrases")
    return found

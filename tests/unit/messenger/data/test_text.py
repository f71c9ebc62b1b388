"""Words of real frequency, phrases by role, and pools whose content is pinned."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from inboxbench.errors import UsageError
from inboxbench.messenger.data import ROW_SOURCE
from inboxbench.messenger.data.text import (
    SENTENCE_BYTES,
    build_sentences,
    fingerprint,
    people,
    phrases,
    sentence_pool,
    vocabulary,
)
from inboxbench.project import find_project
from inboxbench.seed.profile import read_profile

FOLDER = find_project().seeds / "vocabulary"


def strings(records: np.ndarray, lengths: np.ndarray) -> list[str]:
    return [row[:length].tobytes().decode() for row, length in zip(records, lengths, strict=True)]


def test_faker_pools_are_the_pinned_ones() -> None:
    """Another release of Faker may draw other names: then this fails, and datasets get another fingerprint."""
    assert fingerprint() == "675439d1f3ef"


def test_names_keep_their_sex_and_repeat() -> None:
    pools = people()
    assert all(name.endswith(("а", "я")) for name in pools.last["ru0"][:200])
    assert not any(name.endswith("ова") for name in pools.last["ru1"])
    assert Counter(pools.first["en1"]).most_common(1)[0][1] > 4


@pytest.mark.parametrize("language", ["ru", "en"])
def test_vocabulary_is_of_one_script_and_skewed(language: str) -> None:
    words = vocabulary(language, 20_000)
    assert len(words.words) == 20_000
    assert all("а" <= word[0] <= "ё" if language == "ru" else "a" <= word[0] <= "z" for word in words.words)
    assert (np.diff(words.frequencies) <= 0).all()
    assert words.frequencies[0] / words.frequencies[999] > 100


def test_vocabulary_is_inflected() -> None:
    russian = set(vocabulary("ru", 60_000).words)
    assert {"заказ", "заказа", "заказов", "заказать"} <= russian
    assert {"order", "orders", "ordered", "ordering"} <= set(vocabulary("en", 28_000).words)


def test_sentences_read_like_sentences() -> None:
    pool = sentence_pool(vocabulary("ru", 20_000), 2_000, 1, "t")
    found = strings(pool.records, pool.lengths)
    assert all(text[0] == " " and text[1].isupper() and text[-1] in ".!?…" for text in found)
    assert max(len(text.encode()) for text in found) <= SENTENCE_BYTES
    assert not pool.records[0, pool.lengths[0] :].any()


def test_words_occur_as_often_as_in_the_language() -> None:
    words = vocabulary("en", 15_000)
    pool = sentence_pool(words, 8_000, 3, "t")
    counted = Counter(
        word.strip(",.!?…").lower() for text in strings(pool.records, pool.lengths) for word in text.split()
    )
    total = sum(counted.values())
    share = words.frequencies / words.frequencies.sum()
    for rank in (0, 1, 5, 20):
        assert counted[words.words[rank]] / total == pytest.approx(share[rank], rel=0.25)
    once = sum(1 for count in counted.values() if count == 1)
    assert once > 2_000


def test_every_role_has_phrases_in_both_languages() -> None:
    for language in ("ru", "en"):
        found = phrases(FOLDER, language)
        assert {role: len(lines) >= 10 for role, lines in found.items()} == dict.fromkeys(
            ("contact", "user", "bot"), True
        )


def test_phrase_file_without_a_role(tmp_path: Path) -> None:
    (tmp_path / "support.ru.txt").write_text("[contact]\nДа.\n[user]\nДа.\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"support.ru.txt: role \[bot\] has no phrases"):
        phrases(tmp_path, "ru")


def test_missing_phrase_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"support.en.txt is missing"):
        phrases(tmp_path, "en")


def test_pool_tells_languages_and_roles_apart() -> None:
    text = read_profile(ROW_SOURCE, find_project().seeds, "tiny").text
    pool = build_sentences(text, FOLDER, 1)
    assert pool.size[:, :, 0].tolist() == [[16_384] * 3] * 2
    for language, name in enumerate(("ru", "en")):
        for role, lines in enumerate(phrases(FOLDER, name).values()):
            base, size = pool.base[language, role, 1], pool.size[language, role, 1]
            part = slice(base, base + size)
            assert strings(pool.pool.records[part], pool.pool.lengths[part]) == [f" {line}" for line in lines]
            assert pool.characters[part].tolist() == [len(line) + 1 for line in lines]

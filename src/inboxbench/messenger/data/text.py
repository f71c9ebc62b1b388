"""Words by real frequency, pools of sentences made of them, hand-written support phrases, and people's names."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np

from inboxbench.errors import UsageError
from inboxbench.messenger.data.profile import Text
from inboxbench.seed.binary import AnyArray, Floats, IntLike, Ints, Octets
from inboxbench.seed.binary.copy_format import Pool, pool_of, scatter
from inboxbench.seed.binary.distributions import Stream, inverse_table

LANGUAGES = ("ru", "en")
ROLES = ("contact", "user", "bot")
_SCRIPTS = {"ru": re.compile(r"[а-яё]+(-[а-яё]+)?"), "en": re.compile(r"[a-z]+('[a-z]+)?")}
# Longer words are rare and would widen every record of the pool.
_LONGEST = 30
# Two cache lines; a record begins with the space that separates it from the sentence before.
SENTENCE_BYTES = 128
_WORD_BYTES = 32
_SPACE = 32
_BLOCK = 1 << 14
# Sentences of 1, 2, 3 … words.
_LENGTHS = np.array([1, 4, 8, 11, 12, 12, 11, 9, 8, 7, 5, 4, 3, 2, 1], dtype=np.float64)
_ENDS = np.array([".", ".", ".", ".", ".", "!", "?", "…"])


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


@dataclass(frozen=True, slots=True)
class Sentences:
    """One pool for everything a body is made of.

    `base` and `size` [language, role, written?] say which part of it to draw from: language 0 Russian,
    1 English; role contact, user, bot; written 0 a sentence of drawn words, 1 a support phrase.
    """

    pool: Pool  # lengths of one byte each: they are looked up for every sentence written
    characters: IntLike
    base: Ints
    size: Ints


def _dictionary(words: Vocabulary) -> Pool:
    """Three forms of each word: first of a sentence, following, following a comma."""
    forms = ([w.capitalize() for w in words.words], [f" {w}" for w in words.words], [f", {w}" for w in words.words])
    return pool_of([word.encode() for form in forms for word in form], _WORD_BYTES)


def sentence_pool(words: Vocabulary, count: int, seed: int, name: str) -> Pool:
    """`count` sentences, in blocks of fixed size so that memory stays small."""
    dictionary, slots = _dictionary(words), inverse_table(words.frequencies, 20)
    records = np.empty((count, SENTENCE_BYTES), dtype=np.uint8)
    lengths = np.empty(count, dtype=np.int64)
    for number, first in enumerate(range(0, count, _BLOCK)):
        part = slice(first, min(first + _BLOCK, count))
        pool = _sentences(dictionary, slots, part.stop - first, Stream(seed, name, number))
        records[part], lengths[part] = pool.records, pool.lengths
    return Pool(records, lengths)


def _sentences(dictionary: Pool, slots: Ints, count: int, stream: Stream) -> Pool:
    """A word that would not fit the record is left out with all that follow it."""
    sizes = inverse_table(_LENGTHS)[stream.bits16(count)] + 1
    owner = np.repeat(np.arange(count), sizes)
    heads = np.cumsum(sizes) - sizes
    word = slots[stream.bits32(len(owner)) >> 12]
    form = 1 + stream.chance(0.06, len(owner))
    form[heads] = 0
    return _punctuate(*_write(dictionary, word + form * (len(dictionary) // 3), owner, heads), stream)


def _write(dictionary: Pool, index: Ints, owner: Ints, heads: Ints) -> tuple[Octets, Ints]:
    """Records with the words of each sentence side by side, and how far they reach."""
    count = len(heads)
    lengths = dictionary.lengths[index]
    ends = np.cumsum(lengths)
    inside = ends - lengths - (ends - lengths)[heads][owner]
    inside += 1
    keep = inside + lengths <= SENTENCE_BYTES - 3
    size = np.maximum.reduceat(np.where(keep, inside + lengths, 0), heads)
    out = np.zeros(count * SENTENCE_BYTES + _WORD_BYTES, dtype=np.uint8)
    records, _ = dictionary.take(index[keep])
    scatter(out, owner[keep] * SENTENCE_BYTES + inside[keep], records)
    table = out[: count * SENTENCE_BYTES].reshape(count, SENTENCE_BYTES)
    table[:, 0] = _SPACE
    return table, size


def _punctuate(table: Octets, size: Ints, stream: Stream) -> Pool:
    marks = pool_of([str(mark).encode() for mark in _ENDS], 3)
    records, lengths = marks.take(stream.below(len(_ENDS), len(size)))
    rows = np.arange(len(size))
    for place in range(3):
        table[rows, size + place] = np.where(place < lengths, records[:, place], 0)
    return Pool(table, size + lengths)


def character_counts(pool: Pool) -> Ints:
    """Characters of each UTF-8 record: bytes that do not continue a character (below -64 as signed ones), without
    the zeros that pad it."""
    counted: Ints = np.count_nonzero(pool.records.view(np.int8) >= -64, axis=1)
    return counted - (pool.width - pool.lengths)


def build_sentences(text: Text, folder: Path, seed: int) -> Sentences:
    """The pool of both languages for a profile's [text] section; phrases come from `folder`."""
    pools: list[Pool] = []
    base = np.zeros((2, len(ROLES), 2), dtype=np.int64)
    size = np.zeros_like(base)
    words = dict(zip(LANGUAGES, (text.russian_words, text.english_words), strict=True))
    filled = 0
    for place, language in enumerate(LANGUAGES):
        drawn = sentence_pool(vocabulary(language, words[language]), text.sentences, seed, f"sentences.{language}")
        base[place, :, 0], size[place, :, 0] = filled, len(drawn)
        pools.append(drawn)
        filled += len(drawn)
        for role, lines in enumerate(phrases(folder, language).values()):
            written = pool_of([f" {line}".encode() for line in lines], SENTENCE_BYTES)
            base[place, role, 1], size[place, role, 1] = filled, len(written)
            pools.append(written)
            filled += len(written)
    return _joined(pools, base, size)


def _joined(pools: list[Pool], base: Ints, size: Ints) -> Sentences:
    pool = Pool(np.concatenate([p.records for p in pools]), np.concatenate([p.lengths for p in pools]))
    pool = Pool(pool.records, pool.lengths.astype(np.uint8))
    return Sentences(pool, character_counts(pool).astype(np.uint8), base, size)


def save_sentences(folder: Path, sentences: Sentences) -> None:
    np.save(folder / "sentences.records.npy", sentences.pool.records)
    np.save(folder / "sentences.lengths.npy", sentences.pool.lengths)
    np.save(folder / "sentences.characters.npy", sentences.characters)
    np.save(folder / "sentences.base.npy", sentences.base)
    np.save(folder / "sentences.size.npy", sentences.size)


def load_sentences(folder: Path) -> Sentences:
    """Mapped, not copied: the workers of one machine share its pages."""

    def read(name: str) -> AnyArray:
        return np.asarray(np.load(folder / f"sentences.{name}.npy", mmap_mode="r"))

    pool = Pool(read("records"), read("lengths"))
    return Sentences(pool, read("characters"), read("base"), read("size"))


_NAMES = 500
_COMPANIES = 300
_LOCALS = 600
# Those that names, companies and addresses are made with: all of them would take three times as long.
_PROVIDERS = [f"faker.providers.{name}" for name in ("person", "company", "internet", "address", "date_time", "lorem")]
# Its own seed: the pools are part of the generator's version, not of a dataset's seed.
_FAKER_SEED = 20240229


@dataclass(frozen=True, slots=True)
class People:
    """Lists by language: ru, en; names by language and sex: ru0 (female), ru1 (male), en0, en1."""

    first: dict[str, list[str]]
    last: dict[str, list[str]]
    companies: dict[str, list[str]]
    mail_names: list[str]
    mail_domains: list[str]
    cities: dict[str, list[str]]
    streets: dict[str, list[str]]


def _many(make: Callable[[], str], count: int) -> list[str]:
    return [make() for _ in range(count)]


def _distinct(make: Callable[[], str], count: int) -> list[str]:
    return list(dict.fromkeys(_many(make, count)))


@cache
def people() -> People:
    """The pools, made on first use."""
    from faker import Faker  # noqa: PLC0415 - half a second that only the process that makes the pools pays

    fakers = {"ru": Faker("ru_RU", providers=_PROVIDERS), "en": Faker("en_US", providers=_PROVIDERS)}
    for faker in fakers.values():
        faker.seed_instance(_FAKER_SEED)
    first, last = {}, {}
    for language, faker in fakers.items():
        for sex, (given, family) in enumerate(
            [
                (faker.first_name_female, faker.last_name_female),
                (faker.first_name_male, faker.last_name_male),
            ]
        ):
            first[f"{language}{sex}"] = _many(given, _NAMES)
            last[f"{language}{sex}"] = _many(family, _NAMES)
    return People(
        first=first,
        last=last,
        companies={name: _many(f.company, _COMPANIES) for name, f in fakers.items()},
        mail_names=_many(fakers["en"].user_name, _LOCALS),
        mail_domains=_distinct(fakers["en"].free_email_domain, 50)
        + _distinct(fakers["ru"].free_email_domain, 50)
        + _distinct(fakers["en"].domain_name, 120),
        cities={name: _distinct(f.city, 200) for name, f in fakers.items()},
        streets={name: _distinct(f.street_name, 200) for name, f in fakers.items()},
    )


def fingerprint() -> str:
    """Hash of the pools: another release of Faker may draw others, and then rows differ."""
    return hashlib.sha256(repr(people()).encode()).hexdigest()[:12]


def save_people(folder: Path) -> None:
    (folder / "people.json").write_text(json.dumps(asdict(people())), encoding="utf-8")


def load_people(folder: Path) -> People:
    """The pools that another process left in `folder`."""
    return People(**json.loads((folder / "people.json").read_text(encoding="utf-8")))

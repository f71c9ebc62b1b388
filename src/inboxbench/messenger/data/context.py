"""Everything the row builders of a dataset draw from, built once a process."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from inboxbench.messenger.data.outline import HeadOutline, Outline, load_head, load_outline, make_clock
from inboxbench.messenger.data.profile import Profile
from inboxbench.messenger.data.text import People, Sentences, load_people, load_sentences
from inboxbench.messenger.data.working_hours import Clock
from inboxbench.seed.binary import Flags, Ints, Raw
from inboxbench.seed.binary.copy_format import Pool, pool_of, texts, timestamps
from inboxbench.seed.binary.distributions import Stream, inverse_table, scramble, zipf_weights
from inboxbench.seed.binary.fields import Part, framed, gather, ids, literal
from inboxbench.seed.row_source import Job, Layout

CONTACT_BLOCK = 4096  # rows of contacts and of their entries; part of the generator's version
_CONTACT_BEFORE = 250
_DOCUMENTS = 4096
_AUTOMATION = b"Automation"
_BROWSERS = {
    "Chrome 141": 46, "Chrome Mobile 140": 22, "Safari 18.6": 13, "Yandex 25.8": 8, "Firefox 143": 5,
    "Edge 141": 4, "Opera 122": 1, "Samsung Internet 28": 1,
}  # fmt: skip
_SYSTEMS = {"Windows 11": 34, "Android 15": 27, "iOS 18.6": 16, "Windows 10": 12, "macOS 15.6": 8, "Linux": 3}
_REFERRERS = {
    "https://shop.example/": 30, "https://www.google.com/": 22, "https://yandex.ru/": 20,
    "https://shop.example/checkout": 12, "https://t.me/": 8, "https://shop.example/orders": 8,
}  # fmt: skip
_ORIGIN = ("browser", "os", "referrer")
_PLANS = {"free": 55, "basic": 28, "pro": 13, "enterprise": 4}


@dataclass(frozen=True, slots=True)
class Names:
    """One pool with every list of a kind, and where the list of (language, sex) begins and how long it is."""

    pool: Pool
    base: Ints
    size: Ints


@dataclass(frozen=True, slots=True)
class Context:
    profile: Profile
    seed: int
    outline: Outline
    sentences: Sentences
    clock: Clock
    epoch: int  # Unix milliseconds of the span's first moment
    first: Names
    last: Names
    companies: dict[str, list[str]]
    mail_names: Pool
    mail_domains: Pool
    documents: Pool  # metadata, as jsonb's binary form; ends with eight digits that are the row's own, and a brace
    origins: Pool  # C8: of the same documents the part that additional_attributes holds
    customs: Pool  # and the rest, for custom_attributes
    layout: Layout
    head: HeadOutline | None
    branches: Names
    regions: Names
    agents: Pool  # names of users, then that of the automation, then nobody's


def _names(lists: dict[str, list[str]]) -> Names:
    """Rows of base and size: Russian female, Russian male, English female, English male."""
    ordered = [lists[key] for key in ("ru0", "ru1", "en0", "en1")]
    size = np.array([len(one) for one in ordered], dtype=np.int64)
    return Names(texts([name for one in ordered for name in one]), np.cumsum(size) - size, size)


def _labels(lists: list[list[str]]) -> Names:
    size = np.array([len(one) for one in lists], dtype=np.int64)
    return Names(framed(texts([name for one in lists for name in one])), np.cumsum(size) - size, size)


def _draw(weights: dict[str, int], stream: Stream, count: int) -> list[str]:
    table = inverse_table(np.array(list(weights.values()), dtype=np.float64))
    names = list(weights)
    return [names[i] for i in table[stream.bits16(count)]]


def metadata_documents(stream: Stream) -> list[dict[str, object]]:
    """Browser, system and referrer as the widget reports them, and fields that an account defined itself."""
    browsers, systems, referrers, plans = (
        _draw(weights, stream, _DOCUMENTS) for weights in (_BROWSERS, _SYSTEMS, _REFERRERS, _PLANS)
    )
    dice = stream.bits16(_DOCUMENTS)
    documents: list[dict[str, object]] = []
    for browser, system, referrer, plan, die in zip(browsers, systems, referrers, plans, dice, strict=True):
        document: dict[str, object] = {"browser": browser, "os": system}
        if die & 3:
            document["referrer"] = referrer
        if die & 12:
            document["plan"] = plan
        if die & 48 == 0:
            document["vip"] = True
        documents.append({**document, "order_number": 10_000_000})
    return documents


def _as_jsonb(document: dict[str, object]) -> bytes:
    return b"\x01" + json.dumps(document, ensure_ascii=False).encode()


def build_context(job: Job, outline: Outline, sentences: Sentences, pools: People, head: HeadOutline | None) -> Context:
    profile, seed = job.profile, job.seed
    documents = metadata_documents(Stream(seed, "metadata"))
    context = Context(
        profile=profile,
        seed=seed,
        outline=outline,
        sentences=sentences,
        clock=make_clock(profile),
        epoch=round(profile.time.starts.timestamp() * 1000),
        first=_names(pools.first),
        last=_names(pools.last),
        companies=pools.companies,
        mail_names=texts(pools.mail_names),
        mail_domains=texts([f"@{domain}" for domain in pools.mail_domains]),
        documents=pool_of([_as_jsonb(d) for d in documents]),
        origins=framed(pool_of([_as_jsonb({k: d[k] for k in d if k in _ORIGIN}) for d in documents])),
        customs=pool_of([_as_jsonb({k: d[k] for k in d if k not in _ORIGIN}) for d in documents]),
        layout=job.layout,
        head=head,
        branches=_labels([_branches(pools, language) for language in ("ru", "en")]),
        regions=_labels([pools.cities[language] for language in ("ru", "en")]),
        agents=texts([]),
    )
    return replace(context, agents=_agents(context))


def _agents(context: Context) -> Pool:
    records, lengths = gather(user_names(context, ids(0, len(context.outline.owners.users.account))))
    wide = max(records.shape[1], len(_AUTOMATION))
    others = pool_of([_AUTOMATION, b""], wide)
    padded = np.pad(records, ((0, 0), (0, wide - records.shape[1])))
    return Pool(np.concatenate((padded, others.records)), np.concatenate((lengths, others.lengths)))


def _branches(pools: People, language: str) -> list[str]:
    return pools.streets[language]


def user_names(context: Context, number: Ints) -> list[Part]:
    """First and last names of users (ids), as parts of a text."""
    owners = context.outline.owners
    draw = scramble(context.seed, "users.names", number)
    share = owners.russian[owners.users.account[number - 1]]
    return _person(context, draw, (draw >> np.uint64(48)).astype(np.int64) < share * 65536)


def contact_names(context: Context, number: Ints) -> list[Part]:
    """First and last names of contacts (ids), as parts of a text."""
    return _person(
        context, scramble(context.seed, "contacts.names", number), context.outline.contacts.russian[number - 1]
    )


def _person(context: Context, draw: Raw, russian: Flags) -> list[Part]:
    """First and last name of one sex and language."""
    bits = (draw & np.uint64(0xFFFFFFFFFF)).astype(np.int64)
    kind = np.where(russian, 0, 2) + (bits & 1)
    first, last = context.first, context.last
    return [
        first.pool.take(first.base[kind] + (first.size[kind] * (bits >> 1 & 0xFFFF) >> 16)),
        literal(" ", len(draw)),
        last.pool.take(last.base[kind] + (last.size[kind] * (bits >> 17 & 0xFFFF) >> 16)),
    ]


def contact_created(context: Context, first_start: Ints) -> Ints:
    """A widget makes the contact a moment before the conversation."""
    return timestamps(context.epoch, first_start - _CONTACT_BEFORE)


@cache
def label_table(count: int, exponent: float) -> Ints:
    """Inverse table of a Zipf over an account's branches or regions."""
    return inverse_table(zipf_weights(count, exponent), 10)


def load_context(job: Job) -> Context:
    """The context of a worker whose parent left its arrays in the job's folder."""
    outline = load_outline(job.folder, job.profile, job.seed)
    head = load_head(job.folder) if job.layout.at_head else None
    return build_context(job, outline, load_sentences(job.folder), load_people(job.folder), head)

"""Pools of names, companies and addresses out of Faker: made once, then drawn from by number.

Faker keeps the real skew of names (a weighted draw, repeats included) and costs too much to call for a row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

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

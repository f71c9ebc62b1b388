from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inboxbench.report.redact import redact, redacted


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("postgresql://bench:s3cret@db.example:5432/app", "postgresql://bench:***@db.example:5432/app"),
        ("postgresql+psycopg://u:p@ss@host/db", "postgresql+psycopg://u:***@host/db"),
        ("see postgres://u:p@h/d and postgres://a:b@h/d", "see postgres://u:***@h/d and postgres://a:***@h/d"),
        ("host=h password=s3cret dbname=d", "host=h password=*** dbname=d"),
        ("password = 'two words' user=u", "password = *** user=u"),
        (
            "postgresql://h/d?user=u&password=s3cret&sslmode=require",
            "postgresql://h/d?user=u&password=***&sslmode=require",
        ),
        ("PGPASSWORD=s3cret psql", "PGPASSWORD=*** psql"),
    ],
)
def test_passwords_are_masked(text: str, safe: str) -> None:
    assert redact(text) == safe


@pytest.mark.parametrize(
    "text",
    ["postgresql://bench@db/app", "password_encryption=scram-sha-256", "mail to a@b.example, 12:30", "http://h:80/a"],
)
def test_the_rest_is_left_alone(text: str) -> None:
    assert redact(text) == text


def test_every_string_of_a_document_is_reached() -> None:
    document = {"a": [{"b": "postgresql://u:pw@h/d"}], "postgresql://u:pw@h/d": 1, "password": "pw", "n": 3, "x": None}
    assert redacted(document) == {
        "a": [{"b": "postgresql://u:***@h/d"}],
        "postgresql://u:***@h/d": 1,
        "password": "***",
        "n": 3,
        "x": None,
    }


@given(
    user=st.from_regex(r"[a-z]{1,8}", fullmatch=True),
    password=st.from_regex(r"Q[A-Za-z0-9@:!$%&*+=~-]{6,20}Z", fullmatch=True),
    host=st.from_regex(r"[a-z]{1,8}(\.[a-z]{2,5})?", fullmatch=True),
)
def test_no_password_of_a_url_survives(user: str, password: str, host: str) -> None:
    assert password not in redact(f"cannot reach postgresql://{user}:{password}@{host}:5432/db: refused")

"""The schemas of the bench commands' JSON: complete, and strict about what they promise."""

from __future__ import annotations

from typing import Any

import pytest
from tests.schemas import KINDS, check_document, schema_of, undocumented

from inboxbench.errors import UsageError

PLAN = {"clients": 1, "seconds": 1, "rate": None, "utilisation": 0.5}
BODY: dict[str, Any] = {"profile": "tiny", "plan": PLAN, "sets": [], "cells": [], "notes": []}
LOAD: dict[str, Any] = {"schema_version": 1, "load": BODY}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_versioned_schema_that_says_what_it_is(kind: str) -> None:
    schema = schema_of(kind)
    assert schema["properties"]["schema_version"] == {"const": 1}
    assert schema["title"].startswith("What `inboxbench bench")
    with pytest.raises(UsageError, match="is a required property"):
        check_document(kind, {"schema_version": 1})


def test_what_is_wrong_is_named_by_its_path() -> None:
    check_document("load", LOAD)
    with pytest.raises(UsageError, match=r"load: key 'load.plan.clients': -1 is less than the minimum of 0"):
        check_document("load", LOAD | {"load": BODY | {"plan": PLAN | {"clients": -1}}})
    with pytest.raises(UsageError, match="key 'schema_version'"):
        check_document("load", LOAD | {"schema_version": 2})
    with pytest.raises(UsageError, match="unknown kind of document 'lod'; did you mean 'load'"):
        check_document("lod", LOAD)


def test_a_key_that_no_schema_describes_is_found() -> None:
    assert undocumented("load", LOAD) == []
    assert undocumented("load", LOAD | {"load": BODY | {"more": 1}}) == ["load.more"]

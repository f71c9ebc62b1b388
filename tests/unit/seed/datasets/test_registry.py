"""What is read of a dataset's marker, whoever wrote it: a dataset, or nothing."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from inboxbench.seed.datasets.registry import Dataset, from_marker, marker_of

WHOLE = Dataset(
    name="inboxbench_ds_x",
    profile="x",
    seed=1,
    counted="orders",
    rows={"orders": 3},
    octets={"orders": 90},
    checksums={"orders": "0123456789abcdef"},
    elapsed=1.5,
    seconds={"rows": 1.0},
    client_cpu=0.5,
    server_cpu=None,
    client_peak_mb=80,
    workers=1,
    created=1_700_000_000,
    fingerprint="fedcba9876543210",
    at="head",
    churn={"rounds": 2},
    generator=3,
    reused=True,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def test_a_marker_is_read_as_it_was_written() -> None:
    assert from_marker(WHOLE.name, marker_of(WHOLE)) == WHOLE


@given(st.sampled_from(sorted(marker_of(WHOLE))), JSON)
def test_any_value_of_any_key_is_a_dataset_or_nothing(key: str, value: Any) -> None:
    """What is a dataset can be listed: it has a size, a checksum of the table that is counted, and rates."""
    read = from_marker(WHOLE.name, {**marker_of(WHOLE), key: value})
    if read is not None:
        assert read.checksums[read.counted]
        assert read.to_json()["generator"] == read.generator


@given(st.sampled_from(sorted(marker_of(WHOLE))))
def test_a_key_that_is_missing_makes_it_none(key: str) -> None:
    marker = marker_of(WHOLE)
    del marker[key]
    read = from_marker(WHOLE.name, marker)
    assert (read is None) == (key not in ("counted", "generator"))  # older markers lack these

from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.errors import UsageError
from inboxbench.race.isolationtester.parser import Launch, Marker, parse_spec_file

PATH = Path("a.spec")
TWO = "session s1 step a { A } step b { B } session s2 step c { C }"


def test_all_parts_are_read() -> None:
    spec = parse_spec_file(
        PATH,
        """# a comment { with a brace
        setup { one } setup
        { two }
        teardown { three }
        session "the first" setup { s } step "a b" { SELECT '#no comment'; } teardown { t }
        session s2 step c { C }
        permutation "a b" c(*, "a b", "a b" notices 2)
        permutation c
        """,
    )
    assert spec.setups == ("one", "two")
    assert spec.teardown == "three"
    first, second = spec.sessions
    assert (first.name, first.setup, first.teardown) == ("the first", "s", "t")
    assert first.steps == {"a b": "SELECT '#no comment';"}
    assert (second.setup, second.teardown) == (None, None)
    markers = (Marker("once"), Marker("step", "a b"), Marker("notices", "a b", 2))
    assert spec.permutations == ((Launch("a b"), Launch("c", markers)), (Launch("c"),))
    assert (spec.session_of("c"), spec.sql_of("c")) == (1, "C")


def test_without_permutations_every_order_is_run() -> None:
    orders = [[launch.step for launch in order] for order in parse_spec_file(PATH, TWO).orders()]
    assert orders == [["a", "b", "c"], ["a", "c", "b"], ["c", "a", "b"]]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "a.spec:1:1: expected a session, found 'the end of the file'"),
        ("session s", "a.spec:1:10: session 's' has no step"),
        ("session s\nstep a B", "a.spec:2:8: expected { SQL }, found 'B'"),
        ("session s\nstep a { B", "a.spec:2:8: a block that is never closed: '{ B'"),
        ("session s step a { A }\n  step a { B }", "a.spec:2:8: step 'a' is defined twice"),
        (f"{TWO}\npermutation a d", "a.spec:2:15: no session has a step 'd'"),
        (f"{TWO}\npermutation a(b)", "a.spec:2:15: step 'a' cannot wait for a step of its own session"),
        (f"{TWO}\npermutation a(c", "a.spec:2:16: expected , or ), found 'the end of the file'"),
        (f"{TWO}\npermutation a(c notices x)", "a.spec:2:25: expected a number of notices, found 'x'"),
        (f"{TWO}\npermutation a\nsetup {{ x }}", "a.spec:3:1: expected a permutation or the end, found 'setup'"),
        (f"{TWO} !", "a.spec:1:62: an unexpected character: '!'"),
    ],
)
def test_a_mistake_is_named_with_line_and_column(source: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_spec_file(PATH, source)
    assert message in str(caught.value)


def test_the_text_of_a_step_keeps_its_line_ends() -> None:
    """As specscanner.l has it: blanks around the text go, line ends and what is between them stay."""
    spec = parse_spec_file(PATH, "session s step a {  \n  one\n\ttwo \n  }  step b\n{\tthree\t}")
    assert spec.sessions[0].steps == {"a": "\n  one\n\ttwo \n", "b": "three"}


def test_a_quote_in_a_quoted_name_is_doubled() -> None:
    spec = parse_spec_file(PATH, 'session "s ""1""" step a { A }')
    assert spec.sessions[0].name == 's "1"'


def test_steps_that_no_permutation_has_are_named_in_order() -> None:
    assert parse_spec_file(PATH, TWO).unused() == []
    assert parse_spec_file(PATH, f"{TWO} permutation b").unused() == ["a", "c"]

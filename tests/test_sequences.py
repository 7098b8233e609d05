"""Choices from sequences."""

import pytest

from kerashand.sequences import evenly, numbered_once


@pytest.mark.parametrize(
    ("count", "most", "expected"),
    [(10, 4, [0, 2, 5, 7]), (3, 24, [0, 1, 2]), (7, 1, [0]), (0, 24, []), (5, 0, [])],
)
def test_evenly(count, most, expected):
    """Item k of n is k x count / n, rounded down."""
    assert evenly(range(count), most) == expected


def test_numbers_of_hands():
    assert numbered_once(iter([(3, "a"), (1, "b")])) == [(3, "a"), (1, "b")]
    with pytest.raises(ValueError, match=r"its own number. Received: \[3, 1, 3\]"):
        numbered_once([(3, "a"), (1, "b"), (3, "c")])

"""What differs between two runs: every entry that changed is named, and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from facellm.differences import differences, flat

TREES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


def test_what_changed_came_or_went_is_named_in_order():
    before, now = {"seed": 1, "rows": 9, "old": "x"}, {"new": [1], "rows": 9, "seed": 2}
    assert differences(before, now) == [
        "seed was 1, is 2",
        "old was 'x', is None",
        "new was None, is [1]",
    ]


def test_a_field_added_as_none_is_no_difference():
    assert differences({"rows": 9}, {"rows": 9, "limit": None}) == []


@given(TREES)
def test_a_tree_does_not_differ_from_itself(tree):
    assert differences(flat(tree), flat(tree)) == []


@given(TREES)
def test_every_value_of_a_tree_has_a_place_of_its_own(tree):
    def values(node):
        inner = node.values() if isinstance(node, dict) else node
        return (
            [v for one in inner for v in values(one)] if isinstance(node, dict | list) else [node]
        )

    assert list(flat(tree).values()) == values(tree)


def test_places_are_told_by_their_way_from_the_root():
    before = {"sources": [{"path": "a", "options": {"fold": 1}}]}
    now = {"sources": [{"path": "a", "options": {"fold": 2}}, {"path": "b"}]}
    assert differences(flat(before), flat(now)) == [
        "sources.0.options.fold was 1, is 2",
        "sources.1.path was None, is 'b'",
    ]

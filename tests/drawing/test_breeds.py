import dataclasses
from collections import Counter

import numpy as np
import pytest

from catdog_helpers.drawing.breeds import KINDS, OTHER_KINDS, WILD_RELATIVES, Traits, draw_traits
from catdog_helpers.drawing.scenes import BACKGROUNDS

NAMES = [field.name for field in dataclasses.fields(Traits)]


@pytest.fixture(scope="module")
def traits():
    return {kind: [draw_traits(kind, seed) for seed in range(2000)] for kind in KINDS}


def test_there_is_variety(traits):
    cats = traits["cat"]
    assert len({cat.coat for cat in cats}) >= 8
    assert {cat.background for cat in cats} == set(BACKGROUNDS)
    assert len(BACKGROUNDS) >= 6
    assert {cat.count for cat in cats} == {1, 2, 3}
    assert len(OTHER_KINDS) >= 8
    assert not set(KINDS) & set(OTHER_KINDS + WILD_RELATIVES)


def best_rule(cats, dogs):
    """Return the accuracy of the best rule on one trait, with ranges cut in 20."""
    if isinstance(cats[0], float):
        edges = np.quantile(cats + dogs, np.linspace(0, 1, 21)[1:-1])
        cats, dogs = np.digitize(cats, edges).tolist(), np.digitize(dogs, edges).tolist()
    cats, dogs = Counter(cats), Counter(dogs)
    return sum(max(cats[value], dogs[value]) for value in cats | dogs) / (cats + dogs).total()


@pytest.mark.parametrize("trait", NAMES[1:])
def test_no_trait_alone_gives_the_kind_away(traits, trait):
    cats, dogs = ([getattr(t, trait) for t in traits[kind]] for kind in KINDS)
    assert best_rule(cats, dogs) <= 0.75


def test_scene_and_coat_are_those_of_the_seed_whatever_the_kind(traits):
    shared = NAMES[NAMES.index("coat") :]
    assert {"coat", "fur_color", "background", "light_angle", "pose"} <= set(shared)
    for cat, dog in zip(*traits.values(), strict=True):
        assert [getattr(cat, n) for n in shared] == [getattr(dog, n) for n in shared]


def test_unknown_kind_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"unicorn.*cat, dog, rabbit"):
        draw_traits("unicorn", 0)

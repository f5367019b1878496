import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from catdog_helpers.drawing.breeds import KINDS, OTHER_KINDS, WILD_RELATIVES
from catdog_helpers.drawing.draw import contact_sheet, draw

# Mean color of each quarter of draw(kind, seed), to see a change of the drawings themselves.
# Another version of Pillow may round edges differently, which moves these by less than 1.
REFERENCE = {
    ("cat", 1): [[128, 115, 109], [169, 143, 129], [143, 116, 93], [161, 140, 114]],
    ("dog", 2): [[164, 135, 98], [177, 144, 109], [134, 106, 80], [134, 108, 87]],
    ("rabbit", 3): [[152, 135, 114], [145, 165, 145], [133, 139, 116], [73, 130, 112]],
    ("owl", 4): [[215, 180, 165], [247, 237, 193], [140, 100, 111], [194, 177, 141]],
}


@pytest.fixture(scope="module")
def images():
    """Draw 400 images, cats at even and dogs at odd places, no scene twice."""
    return np.stack([draw(KINDS[i % 2], i, size=96) for i in range(400)])


@pytest.mark.parametrize("kind", [*KINDS, *OTHER_KINDS, *WILD_RELATIVES])
def test_draw_gives_a_color_image_of_every_kind(kind):
    image = draw(kind, 5, size=64)
    assert image.shape == (64, 64, 3)
    assert image.dtype == np.uint8
    assert image.std() > 10


@pytest.mark.parametrize("size", [32, 33, 45, 160, 161])
def test_draw_gives_the_size_that_is_asked_for(size):
    assert draw("dog", 1, size).shape == (size, size, 3)


def test_a_seed_gives_the_same_image_again_and_another_seed_another():
    assert np.array_equal(draw("cat", 11), draw("cat", 11))
    assert not np.array_equal(draw("cat", 11), draw("cat", 12))


def test_size_changes_the_resolution_only():
    large, small = draw("cat", 4, 320), draw("cat", 4, 160)
    halved = large.reshape(160, 2, 160, 2, 3).mean(axis=(1, 3))
    assert np.abs(halved - small).mean() < 4


@pytest.mark.parametrize(("kind", "seed"), REFERENCE)
def test_images_are_those_that_were_released(kind, seed):
    quarters = draw(kind, seed).reshape(2, 80, 2, 80, 3).mean(axis=(1, 3))
    assert np.abs(quarters - np.array(REFERENCE[kind, seed]).reshape(2, 2, 3)).max() < 3


def test_unknown_kind_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"unicorn.*cat, dog, rabbit"):
        draw("unicorn", 0)


def test_too_small_a_size_names_the_smallest():
    with pytest.raises(ValueError, match=r"31.*32"):
        draw("cat", 0, size=31)


def test_contact_sheet_lets_the_kinds_take_turns():
    sheet = np.asarray(contact_sheet(("cat", "frog"), seed=7, columns=2, rows=3, size=40))
    assert sheet.shape == (120, 80, 3)
    assert np.array_equal(sheet[:40, 40:], draw("cat", 8, 40))
    assert np.array_equal(sheet[40:80, :40], draw("frog", 7, 40))
    assert np.array_equal(sheet[80:, :40], draw("cat", 9, 40))


def accuracy(features):
    """Return the cross-validated accuracy of a regularized linear model, cats against dogs."""
    labels = np.arange(len(features)) % 2
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=200))
    return cross_val_score(model, features, labels, cv=5).mean()


def test_pixels_alone_do_not_tell_cats_from_dogs(images):
    pixels = images.reshape(400, 32, 3, 32, 3, 3).mean(axis=(2, 4))
    assert accuracy(pixels.reshape(400, -1)) <= 0.65


def test_colors_alone_do_not_tell_cats_from_dogs(images):
    bins = (images // 32).astype(int) @ np.array([64, 8, 1])
    assert accuracy(np.stack([np.bincount(b.ravel(), minlength=512) for b in bins])) <= 0.60

import pytest

from catdog_helpers.drawing.geometry import Frame, smooth, vertices

SQUARE = vertices("0,0 1,0 1,1 0,1")


def test_a_smooth_curve_goes_through_its_points_at_the_mean_slope_of_their_neighbors():
    curve = smooth(SQUARE, steps=1000)
    assert curve[::1000] == pytest.approx(SQUARE)
    slope = 1000 * (curve[1001] - curve[1000])
    assert slope == pytest.approx((SQUARE[2] - SQUARE[0]) / 2, abs=0.01)
    # A cubic from 0 to 1 with slopes (1 - 1j) / 2 and (1 + 1j) / 2 is at 1/2 - 1j/8 in the middle.
    assert curve[500] == pytest.approx(0.5 - 0.125j)


def test_a_frame_inside_a_frame():
    outer = Frame(10j, 2 + 0j, flipped=True)
    assert outer(1 + 1j) == -2 + 12j
    inner = outer.inner(1 + 0j, scale=3, angle=90)
    assert inner(0) == -2 + 10j
    # A right angle clockwise takes right to down, which no mirror changes.
    assert inner(1) == pytest.approx(-2 + 16j)
    assert outer.inner(0, flipped=True)(1) == pytest.approx(2 + 10j)

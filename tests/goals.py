"""What the series must reach on the real photos, asserted from what a run left.

Not collected by default: ``CATDOG_RUN=RUN_DIR pytest tests/goals.py``.
"""

import json
import os
from pathlib import Path

import pytest

RUN = Path(os.environ["CATDOG_RUN"])
SCORES = json.loads((RUN / "scores.json").read_text(encoding="utf-8"))["models"]
GOALS = {
    "first": 0.60,
    "augmented": 0.60,
    "preprocessed": 0.70,
    "scratch": 0.80,
    "transfer": 0.975,
    "fine_tuned": 0.975,
}


def test_every_model_is_there():
    assert list(SCORES) == list(GOALS)


@pytest.mark.parametrize("name", GOALS)
def test_validation_accuracy_reaches_the_goal(name):
    assert SCORES[name]["val_accuracy"] >= GOALS[name]


@pytest.mark.parametrize("name", GOALS)
def test_the_goal_lies_within_or_below_the_test_interval(name):
    low, high = SCORES[name]["test_interval"]
    assert low <= SCORES[name]["test_accuracy"] <= high
    assert high >= GOALS[name]


def test_the_handouts_fit_on_a_memory_stick_and_in_a_mail():
    sizes = {path: path.stat().st_size for path in (RUN / "handouts").rglob("*.*")}
    pages = [path for path in sizes if path.suffix == ".html"]
    assert len(pages) > 2 * 6  # of students and of the teacher, with an index each
    assert sum(sizes.values()) < 20e6

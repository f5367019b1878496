"""What the series must reach on the real photos, asserted from the scores of a run.

Not collected by default: ``CATDOG_SCORES=RUN_DIR/scores.json pytest tests/goals.py``.
"""

import json
import os
from pathlib import Path

import pytest

SCORES = json.loads(Path(os.environ["CATDOG_SCORES"]).read_text(encoding="utf-8"))["models"]
GOALS = {
    "first": 0.65,
    "augmented": 0.65,
    "preprocessed": 0.75,
    "scratch": 0.82,
    "transfer": 0.975,
    "fine_tuned": 0.98,
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

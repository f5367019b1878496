"""Settings of the whole test session, the notebooks under ``--nbval`` included."""

import os
import tempfile

import pytest


def pytest_configure(config):
    """Let the notebooks leave their run in a temporary folder, not in the user's own."""
    folder = tempfile.TemporaryDirectory(prefix="catdog-", ignore_cleanup_errors=True)
    os.environ["CATDOG_ROOT"] = folder.name
    config.add_cleanup(folder.cleanup)


def pytest_collection_modifyitems(items):
    """Keep in one process what builds on each other: all chapters, and the tests of a file."""
    for item in items:
        group = "chapters" if item.path.suffix == ".ipynb" else item.path.name
        item.add_marker(pytest.mark.xdist_group(group))

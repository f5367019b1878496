"""Settings of the whole test session, the notebooks under ``--nbval`` included."""

import os
import tempfile


def pytest_configure(config):
    """Let the notebooks leave their run in a temporary folder, not in the user's own."""
    folder = tempfile.TemporaryDirectory(prefix="catdog-", ignore_cleanup_errors=True)
    os.environ["CATDOG_ROOT"] = folder.name
    config.add_cleanup(folder.cleanup)

"""Settings of the whole test session, the notebooks under ``--nbval`` included."""

import os
import tempfile

from xdist.scheduler import LoadFileScheduling


def pytest_configure(config):
    """Let the notebooks leave their run in a temporary folder, not in the user's own."""
    folder = tempfile.TemporaryDirectory(prefix="catdog-", ignore_cleanup_errors=True)
    os.environ["CATDOG_ROOT"] = folder.name
    config.add_cleanup(folder.cleanup)


class _Scheduler(LoadFileScheduling):
    """Keeps in one process what builds on each other: all chapters, and the tests of a file."""

    def _split_scope(self, nodeid):
        file = super()._split_scope(nodeid)
        return "chapters" if file.endswith(".ipynb") else file


def pytest_xdist_make_scheduler(config, log):
    """Divide the tests between the processes."""
    return _Scheduler(config, log)

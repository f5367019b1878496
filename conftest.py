"""Settings of the whole test session, the notebooks under ``--nbval`` included."""

import functools
import os
import tempfile

import pytest
from jupyter_client import KernelManager
from nbval import kernel
from xdist.scheduler import LoadFileScheduling


def pytest_configure(config):
    """Let the notebooks leave their run, and their kernels' sockets, in a temporary folder."""
    folder = tempfile.TemporaryDirectory(prefix="catdog-", ignore_cleanup_errors=True)
    os.environ["CATDOG_ROOT"] = folder.name
    config.add_cleanup(folder.cleanup)
    if os.name == "posix":
        # The name of a socket has at most 107 characters (103 on macOS), and TMPDIR may be long.
        sockets_folder = tempfile.TemporaryDirectory(prefix="catdog-", dir="/tmp")
        config.add_cleanup(sockets_folder.cleanup)
        # Over TCP, a test that runs beside a chapter could take the port that its kernel was given.
        sockets = {"transport": "ipc", "ip": os.path.join(sockets_folder.name, "kernel")}
        kernel.KernelManager = functools.partial(KernelManager, **sockets)


def pytest_xdist_auto_num_workers(config):
    """Use two processes for the whole suite, none beside this one for tests that are named."""
    return 2 if config.args_source is pytest.Config.ArgsSource.TESTPATHS else 0


class _Scheduler(LoadFileScheduling):
    """Keeps in one process what builds on each other: all chapters, and the tests of a file."""

    def _split_scope(self, nodeid):
        file = super()._split_scope(nodeid)
        return "chapters" if file.endswith(".ipynb") else file


def pytest_xdist_make_scheduler(config, log):
    """Divide the tests between the processes."""
    return _Scheduler(config, log)

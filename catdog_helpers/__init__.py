"""The error that every module raises, and what makes TensorFlow quiet and fast.

TensorFlow reads its environment variables once, when it is first imported, so they are set here
and nowhere else. Importing this package imports no TensorFlow.
"""

import contextlib
import os

__version__ = "0.1.0"

# A value that the user has set stays.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Off by default on CPUs without VNNI instructions, where it still doubles the speed.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


class CatdogError(Exception):
    """Something a student or teacher can fix; the message says what, where and how.

    Command lines print the message alone. A notebook shows it without a traceback, because
    IPython asks the exception for its own rendering.
    """

    def _render_traceback_(self):
        return [f"{type(self).__name__}: {self}"]


def n_cpus():
    """Return how many processors this process may use: on a shared server fewer than there are."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def muted_stderr():
    """Discard what native code writes to file descriptor 2 until the block ends."""
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)

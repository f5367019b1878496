"""A quiet, fast TensorFlow, and the error that every module raises.

TensorFlow reads its variables once, when it is first imported, so they are set here and
nowhere else. Importing this package imports no TensorFlow.
"""

import contextlib
import importlib.util
import logging
import os
import sys

# A value that the user has set stays.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Off by default on CPUs without VNNI instructions, where it still doubles the speed.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


class CatdogError(Exception):
    """Something a student or teacher can put right; the message says what, where and how.

    Command lines print the message alone. A notebook shows it without a traceback, because
    IPython asks the exception for its own rendering.
    """

    def _render_traceback_(self):
        return [f"{type(self).__name__}: {self}"]


@contextlib.contextmanager
def standard_error_muted():
    """Send what native code writes to file descriptor 2 to nowhere, for a while."""
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


class _QuietTensorFlow:
    """Import hook: TensorFlow's libraries log while they load, whatever the log level says.

    Those lines come before TensorFlow reads ``TF_CPP_MIN_LOG_LEVEL`` (tensorflow/tensorflow
    #100442) and would be standard error in the first cell of every notebook. Errors of the
    import itself are exceptions and stay visible.
    """

    def find_spec(self, name, path=None, target=None):
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            run_module = spec.loader.exec_module

            def exec_module(module):
                with standard_error_muted():
                    run_module(module)
                # Every model compiles its own functions, and after the fifth in one notebook
                # TensorFlow would warn of "retracing". It sets its level itself until here.
                module.get_logger().setLevel(logging.ERROR)

            spec.loader.exec_module = exec_module
        return spec


if "tensorflow" not in sys.modules:
    sys.meta_path.insert(0, _QuietTensorFlow())

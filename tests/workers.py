"""A worker of a Dask cluster that is lost in the middle of its work."""

import contextlib
import os
import signal

import pytest

posix_only = pytest.mark.skipif(os.name != "posix", reason="kills a process")


def killing_once(function, flag):
    """Return the function, but the first process that calls it ends at once, as if unplugged."""

    def call(argument):
        with contextlib.suppress(FileExistsError):
            flag.touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)
        return function(argument)

    return call


def losing_a_worker(executor, flag):
    return lambda function, arguments: executor.map(killing_once(function, flag), arguments)

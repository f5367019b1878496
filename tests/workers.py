"""Processes beside that of the tests: owners of a folder, and a lost worker of a Dask cluster."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest

OWN = """
import pathlib, subprocess, sys, time
from catdog_helpers.files.locks import owned

with owned(pathlib.Path(sys.argv[1])):
    {block}
"""

posix_only = pytest.mark.skipif(os.name != "posix", reason="kills a process")


def start_owner(folder, block="print('owned', flush=True); sys.stdin.read()"):
    """Start a process that owns a folder while it runs a block, by default until it is ended."""
    command = [sys.executable, "-c", OWN.format(block=block), str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **pipes)


@contextlib.contextmanager
def owner_of(folder):
    """Let another process own a folder while the block runs."""
    with start_owner(folder) as process:
        assert process.stdout.readline() == "owned\n"
        yield process
        process.kill()


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

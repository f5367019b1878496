"""Fixtures that more than one room uses."""

import pytest


@pytest.fixture
def executor():
    """Give work to two processes through a Dask scheduler."""
    distributed = pytest.importorskip("distributed", reason="needs the extra [cluster]")
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.LocalCluster(host="127.0.0.1", **settings) as cluster,
        distributed.Client(cluster) as client,
        client.get_executor() as executor,
    ):
        yield executor

import pytest
import trees


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Keep every test away from the user's cache, proxy and address."""
    for name in ("CATDOG_URL", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CATDOG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tree(tmp_path):
    return trees.official(tmp_path / "tree")


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    """Make a zip archive of 20 images, named as the official one."""
    folder = tmp_path_factory.mktemp("archive")
    return trees.zipped(trees.official(folder / "tree"), folder / "cats_and_dogs_filtered.zip")

"""What ``--update`` writes into the notebooks of the series."""

import nbformat
from workers import owner_of

from catdog_helpers.series import stored_outputs
from notebooks import run, write_notebook


def test_update_writes_outputs_and_nothing_else(tmp_path):
    sources = ["print('a', flush=True); print('b')", "'\u2713'", "%env CATDOG_ROOT"]
    path = write_notebook(tmp_path / "notebooks" / "01_one.ipynb", *sources)
    before = nbformat.read(path, as_version=4)
    before.cells[2].metadata = {"tags": ["solution"], "execution": {"started": "today"}}
    nbformat.write(before, path)
    del before.cells[2].metadata["execution"]
    assert run(tmp_path, "--update") == 0
    first = path.read_bytes()
    assert run(tmp_path, "--update") == 0
    assert path.read_bytes() == first

    after = nbformat.read(path, as_version=4)
    assert [c.get("execution_count") for c in after.cells] == [None, 1, 2, 3, 4]
    # One output, however the kernel cut the text up.
    assert [output.text for output in after.cells[2].outputs] == ["a\nb\n"]
    assert after.cells[3].outputs[0].data["text/plain"] == "'\u2713'"
    assert after.cells[4].outputs[0].data["text/plain"] == repr(str(tmp_path / "runs" / "update"))
    for cell in after.cells[1:]:
        assert cell.metadata.pop("source_hash") == stored_outputs.source_hash(cell.source)
        cell.outputs, cell.execution_count = [], None
    assert after.cells == before.cells
    assert after.metadata == stored_outputs.METADATA
    assert list(path.parent.iterdir()) == [path]
    assert not (tmp_path / "runs" / "latest").exists()


def test_update_of_a_failing_chapter_leaves_it_alone(tmp_path):
    path = write_notebook(tmp_path / "notebooks" / "01_one.ipynb", "1", "1 / 0")
    before = path.read_bytes()
    assert run(tmp_path, "--update") == 1
    assert path.read_bytes() == before


def test_source_hash_is_a_fixed_function_of_the_source():
    # The first digits of SHA-256 of "abc", FIPS 180-2, appendix B.1.
    assert stored_outputs.source_hash("abc") == "ba7816bf8f01cfea"


def test_an_update_knows_nothing_of_the_one_before(tmp_path):
    count = """
import os, pathlib
folder = pathlib.Path(os.environ["CATDOG_ROOT"], RUN_DIR)
folder.mkdir(parents=True, exist_ok=True)
print(len(list(folder.iterdir())))
(folder / "model").touch()
"""
    path = write_notebook(tmp_path / "notebooks" / "01_one.ipynb", count)
    for _ in range(2):
        assert run(tmp_path, "--update") == 0
        assert nbformat.read(path, as_version=4).cells[2].outputs[0].text == "0\n"


def test_an_update_beside_another_is_refused_before_anything_is_removed(tmp_path, capsys):
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", "1")
    root = tmp_path / "runs" / "update"
    model = root / "runs" / "latest" / "model"
    model.parent.mkdir(parents=True)
    model.touch()
    with owner_of(root) as owner:
        assert run(tmp_path, "--update") == 2
    assert f"{root} is in use by process {owner.pid} on" in capsys.readouterr().err
    assert model.exists()

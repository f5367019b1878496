"""Reading chapters, and what is wrong with those that cannot be read."""

import pytest

from catdog_helpers import CatdogError
from catdog_helpers.series.chapters import UsageError, read_chapters
from notebooks import write_notebook


def test_parameters_are_all_names_that_the_cell_sets(tmp_path):
    parameters = 'A = 1  # or A = 2\nB: int = 2\nC = D = "a=b"\nE = (\n    A,\n)\nA == print(B)'
    write_notebook(tmp_path / "01_one.ipynb", "F = 1", parameters=parameters)
    (chapter,) = read_chapters(tmp_path)
    assert set(chapter.parameters) == {"A", "B", "C", "D", "E"}
    assert chapter.own({"A": 3, "F": 4}) == {"A": 3}


@pytest.mark.parametrize(
    ("only", "names"),
    [(None, ["01_one", "02_two", "extra"]), ("2, 01_one.ipynb", ["01_one", "02_two"])],
)
def test_chapters_come_in_order_and_by_number_or_name(only, names, tmp_path):
    for name in ("02_two", "extra", "01_one"):
        write_notebook(tmp_path / f"{name}.ipynb", "1")
    (tmp_path / ".hidden.ipynb").write_text("{")
    assert [chapter.path.stem for chapter in read_chapters(tmp_path, only)] == names


@pytest.mark.parametrize("only", ["01,09", "", "tw"])
def test_an_unknown_chapter_lists_the_known_ones(only, tmp_path):
    for name in ("01_one", "02_two"):
        write_notebook(tmp_path / f"{name}.ipynb", "1")
    with pytest.raises(UsageError, match=r"no chapter '9?(tw)?'; the chapters are 01_one, 02_two"):
        read_chapters(tmp_path, only)


@pytest.mark.parametrize(
    "content",
    [
        b'{"cells": [',
        b"\xff\xfe",
        b'{"cells": 3}',
        b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {},'
        b' "cells": [{"id": "a", "cell_type": "poem", "metadata": {}}]}',
    ],
)
def test_a_file_that_is_no_notebook_is_named(content, tmp_path):
    (tmp_path / "01_bad.ipynb").write_bytes(content)
    with pytest.raises(CatdogError, match=r"^01_bad.ipynb: not a readable notebook \(.+\): .*$"):
        read_chapters(tmp_path)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [(None, "0 cells are tagged 'parameters'"), ("SEED = ", "the 'parameters' cell is not Python")],
)
def test_a_notebook_without_parameters_is_named(parameters, message, tmp_path):
    write_notebook(tmp_path / "01_bad.ipynb", "1", parameters=parameters)
    with pytest.raises(CatdogError, match=f"^01_bad.ipynb: {message}"):
        read_chapters(tmp_path)

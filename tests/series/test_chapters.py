"""Reading chapters, and what is wrong with those that cannot be read."""

import pytest

from catdog_helpers import CatdogError
from catdog_helpers.series.chapters import UsageError, read_chapters, typed_value
from notebooks import write_notebook


def test_parameters_are_all_names_that_the_cell_sets(tmp_path):
    parameters = 'A = 1  # or A = 2\nB: int = 2\nC = D = "a=b"\nE = (\n    A,\n)\nA == print(B)'
    write_notebook(tmp_path / "01_one.ipynb", "F = 1", parameters=parameters)
    (chapter,) = read_chapters(tmp_path)
    assert chapter.parameters == {"A": 1, "B": 2, "C": "a=b", "D": "a=b", "E": None}
    assert chapter.own({"A": 3, "F": 4}) == {"A": 3}


@pytest.mark.parametrize(
    ("default", "text", "value"),
    [
        *[(False, text, False) for text in ("False", "false", "no", "0")],
        *[(False, text, True) for text in ("True", "TRUE", "yes", "1")],
        (20, "5", 5),
        (3e-5, "1e-3", 1e-3),
        (3e-5, "1", 1.0),
        ("sample", "pets", "pets"),
        ("sample", "'3'", "3"),
        (None, "(52, 32, 16)", [52, 32, 16]),
        (None, "[52,32,16]", [52, 32, 16]),
        (None, "imagenet", "imagenet"),
        ([1, 2], "3, 4", [3, 4]),
    ],
)
def test_the_default_of_a_parameter_decides_its_type(default, text, value):
    typed = typed_value(text, default)
    assert typed == value and type(typed) is type(value)


@pytest.mark.parametrize(
    ("default", "text", "message"),
    [
        (20, "abc", "wants a whole number, such as 20; 'abc' is text"),
        (20, "2.5", "wants a whole number, such as 20; '2.5' is a number"),
        (20, "True", "wants a whole number, such as 20; 'True' is True or False"),
        (False, "2", "wants True or False, such as False; '2' is a whole number"),
        (False, "maybe", "wants True or False, such as False; 'maybe' is text"),
        (3e-5, "fast", "wants a number, such as 3e-05; 'fast' is text"),
        ("sample", "3", "wants text, such as 'sample'; '3' is a whole number"),
        ([1, 2], "3", "wants a list, such as [1, 2]; '3' is a whole number"),
    ],
)
def test_another_type_is_refused_with_both_named(default, text, message):
    with pytest.raises(ValueError) as refused:
        typed_value(text, default)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("name", "default", "text"),
    [
        ("EPOCHS", 15, "0"),
        ("HEAD_EPOCHS", 20, "-1"),
        ("CURVE_STEPS", 150, "0"),
        ("IMAGE_SIZE", 160, "0"),
        ("ABLATION_EPOCHS", None, "0"),
        ("ABLATION_EPOCHS", None, "few"),
        ("ABLATION_EPOCHS", None, "True"),
        ("ABLATION_EPOCHS", None, "(5, 6)"),
    ],
)
def test_what_is_counted_is_a_whole_number_from_1(name, default, text):
    example = default or 20
    with pytest.raises(ValueError) as refused:
        typed_value(text, default, name)
    assert str(refused.value) == f"wants a whole number from 1, such as {example}; not {text!r}"
    assert typed_value("1", default, name) == 1
    assert typed_value(repr(default), default, name) == default


@pytest.mark.parametrize("text", ["26", "(26, 20)", "(26, 20, 16, 1)", "(26, 20, 0)", "a, b, c"])
def test_epochs_of_the_network_from_scratch_are_one_for_each_size(text):
    with pytest.raises(ValueError, match=r"^wants a list of 3 whole numbers from 1, such as "):
        typed_value(text, None, "SCRATCH_EPOCHS")
    assert typed_value("(1, 2, 3)", None, "SCRATCH_EPOCHS") == [1, 2, 3]
    assert typed_value("None", None, "SCRATCH_EPOCHS") is None


@pytest.mark.parametrize(("name", "default"), [("SHOW_STEPS", False), ("STEPS_TO_SKIP", 3)])
def test_other_parameters_are_no_counts(name, default):
    assert typed_value("0", default, name) == 0


@pytest.mark.parametrize(
    ("only", "names"),
    [(None, ["01_one", "02_two", "extra"]), ("2, 01_one.ipynb", ["01_one", "02_two"])],
)
def test_chapters_come_in_order_and_by_number_or_name(only, names, tmp_path):
    for name in ("02_two", "extra", "01_one"):
        write_notebook(tmp_path / f"{name}.ipynb", "1")
    (tmp_path / ".hidden.ipynb").write_text("{")
    assert [chapter.path.stem for chapter in read_chapters(tmp_path, only)] == names


@pytest.mark.parametrize(
    ("only", "names"), [(None, ["01_one"]), ("1", ["01_one"]), ("01_one-Copy1", ["01_one-Copy1"])]
)
def test_copies_from_jupyterlab_do_not_run_along(only, names, tmp_path, capsys):
    for name in ("01_one", "01_one-Copy1", "01_one-Copy12"):
        write_notebook(tmp_path / f"{name}.ipynb", "1")
    assert [chapter.path.stem for chapter in read_chapters(tmp_path, only)] == names
    left_out = [name for name in ("01_one-Copy1", "01_one-Copy12") if name not in names]
    assert (
        capsys.readouterr().out == f"left out, as copies from JupyterLab: {', '.join(left_out)}\n"
    )


@pytest.mark.parametrize("only", ["01,09", "", "tw"])
def test_an_unknown_chapter_lists_the_known_ones(only, tmp_path):
    for name in ("01_one", "02_two"):
        write_notebook(tmp_path / f"{name}.ipynb", "1")
    with pytest.raises(
        UsageError, match=r"no chapter '(09)?(tw)?'; the chapters are 01_one, 02_two"
    ):
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
    [
        (None, "0 cells are tagged 'parameters'.*; tag the cell that sets RUN_DIR, or"),
        ("SEED = ", "the 'parameters' cell is not Python"),
    ],
)
def test_a_notebook_without_parameters_is_named(parameters, message, tmp_path):
    write_notebook(tmp_path / "01_bad.ipynb", "1", parameters=parameters)
    with pytest.raises(CatdogError, match=f"^01_bad.ipynb: {message}"):
        read_chapters(tmp_path)

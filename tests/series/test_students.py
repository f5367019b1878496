"""What a student gets: working copies, the wheel of the package, and the folder of both."""

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from catdog_helpers import CatdogError
from catdog_helpers import __main__ as command_line
from catdog_helpers.series import students

PROJECT = Path(__file__).parents[2]


def chapter():
    output = new_output("stream", text="3 images")
    parameters = 'DATA = "sample"  # images\nSEED = 0  # a number'
    return new_notebook(
        cells=[
            new_markdown_cell("# Chapter 1: Look"),
            new_code_cell(parameters, metadata={"tags": ["parameters"], "papermill": {}}),
            new_code_cell("3", outputs=[output], execution_count=7),
        ],
        metadata={"papermill": {}, "kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )


def tree(folder):
    """Return the bytes of each file; other tests may be compiling modules beside this one."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path: path.read_bytes() for path in files if "__pycache__" not in path.parts}


# --- Working copies


def test_a_working_copy_has_no_output_and_installs_the_package_first():
    original = chapter()
    copy = students.working_copy(original, "course.whl")
    nbformat.validate(copy)
    assert [cell.source.partition("\n")[0] for cell in copy.cells][::2] == [
        "# Chapter 1: Look",
        'DATA = "sample"  # images',
    ]
    assert copy.cells[1].source.endswith("%pip install --quiet course.whl")
    assert all(cell.outputs == [] for cell in copy.cells[1:])
    assert all(cell.execution_count is None for cell in copy.cells[1:])
    assert set(copy.metadata) == {"kernelspec"}
    assert copy.cells[2].metadata == {"tags": ["parameters"]}
    assert original == chapter() | {"cells": original.cells}  # untouched
    assert original.cells[2].execution_count == 7


def test_without_a_wheel_there_is_no_cell_that_installs_it():
    assert len(students.working_copy(chapter()).cells) == 3


@pytest.mark.parametrize("value", ["photos", 'C:\\pets\\1 "new"', "\u732b $5$ #1", r"\1\g<1>"])
def test_a_preset_value_arrives_as_it_is(value):
    source = students.working_copy(chapter(), values={"DATA": value, "OTHER": 1}).cells[1].source
    names = {}
    exec(source, names)
    assert (names["DATA"], names["SEED"]) == (value, 0)
    assert source.endswith("  # images\nSEED = 0  # a number") and "OTHER" not in source


# --- The wheel


@pytest.fixture(scope="module")
def wheel():
    before = tree(PROJECT / "catdog_helpers"), (PROJECT / "build").exists()
    name, content = students.package_wheel()
    assert (tree(PROJECT / "catdog_helpers"), (PROJECT / "build").exists()) == before
    return name, zipfile.ZipFile(io.BytesIO(content))


def test_the_wheel_holds_every_file_of_the_package_and_leaves_the_sources_alone(wheel):
    name, archive = wheel
    assert re.fullmatch(r"catdog_helpers-[\d.]+-py3-none-any\.whl", name)
    packed = {each for each in archive.namelist() if ".dist-info/" not in each}
    folder = PROJECT / "catdog_helpers"
    ours = {path.relative_to(PROJECT).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert packed == {path for path in ours if "__pycache__" not in path}


def test_the_package_in_the_wheel_answers_alone(wheel, tmp_path):
    wheel[1].extractall(tmp_path / "site")
    command = [sys.executable, "-m", "catdog_helpers", "--version"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() in wheel[0] and done.returncode == 0


def test_a_package_without_its_sources_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(students, "_PROJECT", tmp_path)
    with pytest.raises(CatdogError, match="installed without them"):
        students.package_wheel.__wrapped__()


def test_a_project_that_cannot_be_built_gives_the_last_line(monkeypatch, tmp_path):
    for name in ("README.md", "LICENSE"):
        (tmp_path / name).write_text("text")
    (tmp_path / "pyproject.toml").write_text("[project")
    (tmp_path / "catdog_helpers").mkdir()
    monkeypatch.setattr(students, "_PROJECT", tmp_path)
    with pytest.raises(CatdogError, match=r"^cannot build the wheel for students: .*TOML"):
        students.package_wheel.__wrapped__()


# --- The folder


@pytest.fixture(scope="module")
def workbook(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class") / "student"
    before = tree(PROJECT / "notebooks")
    assert command_line.main(["workbook", str(folder), "--data", "photos"]) == 0
    assert tree(PROJECT / "notebooks") == before
    return folder


def test_a_workbook_is_all_that_a_student_needs(workbook, wheel):
    names = [path.stem for path in sorted((PROJECT / "notebooks").glob("*.ipynb"))]
    wanted = {f"{name}.{ending}" for name in names for ending in ("ipynb", "html")}
    assert {path.name for path in workbook.iterdir()} == {
        *wanted,
        "index.html",
        "glossary.html",
        wheel[0],
    }
    first = nbformat.read(workbook / f"{names[0]}.ipynb", as_version=4)
    assert first.cells[2].source.startswith('DATA = "photos"  #')
    assert wheel[0] in first.cells[1].source


def test_no_solution_is_in_a_workbook(workbook):
    for path in sorted((PROJECT / "notebooks").glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        solutions = [c.source for c in cells if "solution" in c.metadata.get("tags", [])]
        copy = json.loads((workbook / path.name).read_text(encoding="utf-8"))
        sources = ["".join(cell["source"]) for cell in copy["cells"]]
        assert solutions and not set(solutions) & set(sources)
        assert sources.count("") == len(solutions)  # a cell to answer in


def test_the_folder_of_somebody_who_works_in_it_is_never_written_over(workbook, capsys):
    before = tree(workbook)
    assert command_line.main(["workbook", str(workbook)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert tree(workbook) == before


def test_paths_that_are_not_there_are_told_before_anything_is_written(tmp_path, capsys):
    folder = tmp_path / "student"
    assert command_line.main(["workbook", str(folder), "--data", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err.endswith(f"no file or folder {tmp_path / 'none'} for --data\n")
    assert not folder.exists()


def test_a_relative_path_is_meant_from_the_folder_and_an_absolute_one_stays(
    tmp_path, monkeypatch, capsys
):
    (tmp_path / "stick" / "pets").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    given = []
    monkeypatch.setattr(
        "catdog_helpers.series.handouts.write_workbook", lambda *arguments: given.append(arguments)
    )
    absolute = tmp_path / "stick" / "pets"
    for data in (Path("stick/pets"), absolute):
        assert command_line.main(["workbook", "stick/student", "--data", str(data)]) == 0
    assert [values["DATA"] for _, _, values in given] == ["../pets", absolute.as_posix()]

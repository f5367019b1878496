"""The house: packages named once, a quiet import, and the command line."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from keras import Sequential

from catdog_helpers import __main__ as command_line
from catdog_helpers import models

PROJECT = Path(__file__).parents[1]


def python(*arguments):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=PROJECT, check=False
    )


def test_conda_and_pip_ask_for_the_same_packages():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {*project["dependencies"], *project["optional-dependencies"]["test"]}
    lines = (PROJECT / "environment.yml").read_text(encoding="utf-8").splitlines()
    listed = [line.strip(" -") for line in lines if re.match(r" +- ", line)]
    assert f"python{project['requires-python']}" in listed
    ignored = {f"python{project['requires-python']}", "conda-forge", "pip", "pip:", "e ."}
    assert set(listed) - ignored == wanted


def test_the_import_is_quiet_and_leaves_tensorflow_alone():
    code = "import catdog_helpers, sys; sys.exit('tensorflow' in sys.modules)"
    result = python("-W", "error", "-c", code)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_tensorflow_is_quiet_after_the_import():
    code = "import catdog_helpers, tensorflow as tf; tf.constant(1) + 1"
    result = python("-c", code)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_tensorflow_warns_of_no_retracing_in_a_notebook():
    # As in IPython, TensorFlow takes a process with a prompt for an interactive one.
    code = "import sys; sys.ps1 = '>'; import catdog_helpers, tensorflow as tf; "
    result = python("-c", code + "tf.get_logger().warning('retracing'); print('end')")
    assert (result.returncode, result.stdout.split(), result.stderr) == (0, ["end"], "")


def test_the_layers_written_out_in_chapter_2_are_the_packages():
    notebook = nbformat.read(PROJECT / "notebooks" / "02_first_model.ipynb", as_version=4)
    source = {cell.id: cell.source for cell in notebook.cells}["network"]
    names = {"keras": sys.modules["keras"], "layers": models.layers, "IMAGE_SIZE": 160}
    exec(source, names)

    def settings(model):
        configurations = [layer.get_config() for layer in model.layers]
        return [{k: v for k, v in c.items() if k != "name"} for c in configurations]

    assert settings(Sequential(names["network"])) == settings(models.build_first())


def test_no_command_is_wrong_usage():
    with pytest.raises(SystemExit) as stopped:
        command_line.main([])
    assert stopped.value.code == 2


def test_a_contact_sheet_is_drawn_and_never_over_another_file(tmp_path, capsys):
    sheet = tmp_path / "sheet.png"
    assert command_line.main(["sample", "--sheet", str(sheet)]) == 0
    drawn = sheet.read_bytes()
    assert drawn.startswith(b"\x89PNG")
    assert command_line.main(["sample", "--sheet", str(sheet)]) == 1
    assert "there already" in capsys.readouterr().err
    assert sheet.read_bytes() == drawn


def test_sample_needs_a_folder_or_a_sheet(capsys):
    assert command_line.main(["sample"]) == 2
    assert "FOLDER" in capsys.readouterr().err


def test_check_says_what_is_wrong_and_exits_with_1(tmp_path, capsys):
    for name in ("train/cats", "train/dogs", "validation/cats", "validation/dogs"):
        (tmp_path / name).mkdir(parents=True)
    assert command_line.main(["check", str(tmp_path)]) == 1
    assert "train/cats" in capsys.readouterr().out


def test_predict_names_a_missing_model(tmp_path, capsys):
    photo = str(tmp_path / "pet.jpg")
    assert command_line.main(["predict", photo, "--model", str(tmp_path / "no.keras")]) == 1
    assert "no.keras" in capsys.readouterr().err

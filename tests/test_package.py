"""The package as a whole: its requirements, its imports, and what may import what."""

import ast
import graphlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

PROJECT = Path(__file__).parents[1]
PACKAGE = PROJECT / "catdog_helpers"
ROOMS = sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file())


def python(code, *options, env=None):
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, env=env)


def test_conda_and_pip_ask_for_the_same_packages():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {*project["dependencies"], *project["optional-dependencies"]["test"]}
    lines = (PROJECT / "environment.yml").read_text(encoding="utf-8").splitlines()
    listed = [line.strip(" -") for line in lines if re.match(r" +- ", line)]
    assert f"python{project['requires-python']}" in listed
    ignored = {f"python{project['requires-python']}", "conda-forge", "pip", "pip:", "e ."}
    assert set(listed) - ignored == wanted


def test_ci_runs_on_every_python_that_the_package_allows():
    text = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    allowed = tomllib.loads(text)["project"]["requires-python"]
    low, high = map(int, re.fullmatch(r">=3\.(\d+),<3\.(\d+)", allowed).groups())
    workflow = (PROJECT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert re.findall(r'"(3\.\d+)"', workflow) == [f"3.{minor}" for minor in range(low, high)]


# --- Imports: read from the code, so there is no list of modules to maintain


def module_name(path):
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(name):
    """Return the modules of the package that one of them imports, anywhere in its code."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name}: a relative import"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {each if each in MODULES else node.module for each in whole}
    return found & MODULES.keys() - {name, "catdog_helpers"}


def room(name):
    """Return the room of a module; a module that stands at the top has none."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else None


IMPORTS = {name: imports(name) for name in MODULES}


def test_the_rooms_are_found():
    assert {"files", "drawing", "series"} <= set(ROOMS)
    assert "catdog_helpers.drawing.draw" in IMPORTS["catdog_helpers.drawing.sample"]


def test_no_imports_run_in_a_circle():
    graphlib.TopologicalSorter(IMPORTS).prepare()


def imported_by(room_name):
    """Return what the modules of a room import from other places of the package."""
    found = set().union(*(IMPORTS[name] for name in MODULES if room(name) == room_name))
    return {name.removeprefix("catdog_helpers.") for name in found if room(name) != room_name}


def test_files_and_drawing_stand_on_the_ground():
    assert imported_by("files") == set()
    assert imported_by("drawing") == {"files.paths"}


def test_only_the_command_line_outside_series_imports_it():
    for name, found in IMPORTS.items():
        if room(name) != "series" and name != "catdog_helpers.__main__":
            assert "series" not in {room(each) for each in found}, name


def test_series_needs_no_keras():
    rooms = {"files.download", "files.locks", "files.paths"}
    assert imported_by("series") == rooms | {"machine", "plots", "results"}
    names = [name for name in MODULES if room(name) == "series"]
    sources = [MODULES[name].read_text(encoding="utf-8") for name in names]
    assert not any(re.search(r"^\s*(import|from) (keras|tensorflow)", s, re.M) for s in sources)
    done = python(f"import sys, {', '.join(names)}; sys.exit('keras' in sys.modules)")
    assert done.returncode == 0, done.stderr


def test_reading_scores_needs_no_pandas():
    done = python("import sys, catdog_helpers.results; sys.exit('pandas' in sys.modules)")
    assert done.returncode == 0, done.stderr


def test_importing_sets_environment_variables_and_nothing_else():
    code = """if True:
        import logging, os, sys, warnings

        def state():
            return list(sys.meta_path), list(warnings.filters), logging.getLogger().level

        before, variables = state(), set(os.environ)
        import catdog_helpers
        assert state() == before and "tensorflow" not in sys.modules
        print(*sorted(set(os.environ) - variables))
    """
    # Not those of this process, which has imported the package.
    kept = {"HOME", "PATH", "PYTHONPATH", "SYSTEMROOT", "TEMP"} & set(os.environ)
    done = python(code, "-W", "error", env={name: os.environ[name] for name in kept})
    assert (done.returncode, done.stderr) == (0, "")
    variables = ["KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS"]
    assert done.stdout.split() == variables


@pytest.mark.parametrize("name", ["training", "features", "explain"])
def test_modules_that_need_tensorflow_load_it_without_a_word(name):
    done = python(f"from catdog_helpers import {name}; {name}.tf.constant(1) + 1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_tensorflow_warns_of_no_retracing_in_a_notebook():
    # As in IPython, TensorFlow takes a process with a prompt for an interactive one.
    code = "import sys; sys.ps1 = '>'; from catdog_helpers import training; training.set_up(0); "
    done = python(code + "training.tf.get_logger().warning('retracing'); print('end')")
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["end"], "")


def test_code_style():
    command = [sys.executable, "-m", "ruff", "check", "."]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\nfix with: ruff check --fix"


def test_the_lines_in_readme_use_a_saved_model_without_this_package(tmp_path):
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(import keras.*?)```", readme, re.DOTALL)
    models_folder = tmp_path / "runs" / "latest" / "models"
    build = f"""
import numpy as np
from pathlib import Path
from PIL import Image
from catdog_helpers import models, results
model = models.build_small_network(64, 3)
model.layers[-1].bias.assign([0, 1, 2])
results.save_model(model, Path({str(models_folder)!r}) / "fine_tuned.keras", ("a", "b", "c"))
Image.new("RGB", (50, 40), "red").save({str(tmp_path / "photo.jpg")!r})
"""
    models_folder.mkdir(parents=True)
    subprocess.run([sys.executable, "-c", build], check=True, cwd=PROJECT)
    alone = "import sys; sys.modules['catdog_helpers'] = None\n" + code
    shown = subprocess.run(
        [sys.executable, "-c", alone], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout
    probabilities = [float(each) for each in re.findall(r"0\.\d+", shown)]
    np.testing.assert_allclose(probabilities, [0.09003, 0.24473, 0.66524], atol=1e-4)

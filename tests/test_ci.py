import re
import tomllib
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[1]
WORKFLOW = PROJECT / ".github" / "workflows" / "ci.yml"


@pytest.fixture(scope="module")
def workflow():
    # The base loader leaves every value a string: "on" no truth, 3.10 no number.
    return yaml.load(WORKFLOW.read_text(encoding="utf-8"), yaml.BaseLoader)


@pytest.fixture(scope="module")
def job(workflow):
    (job,) = workflow["jobs"].values()
    return job


def commands(job, system):
    """Collect what a system runs, with the interpreter as README's readers type it."""
    steps = [step for step in job["steps"] if "run" in step]
    chosen = [step["run"] for step in steps if system in step["if"]]
    return "\n".join(chosen).replace("$VENV_PYTHON", ".venv/bin/python")


def test_runs_for_every_change(workflow):
    assert {"push", "pull_request"} <= set(workflow["on"])
    assert workflow["permissions"] == {"contents": "read"}


def test_covers_the_systems_and_the_versions_that_the_package_allows(job):
    matrix = job["strategy"]["matrix"]
    assert [name.split("-")[0] for name in matrix["os"]] == ["ubuntu", "macos", "windows"]
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    low, high = map(int, re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project["requires-python"]).groups())
    assert matrix["python"] == [f"3.{minor}" for minor in range(low, high)]


def test_actions_are_pinned_to_commits(job):
    uses = [step["uses"] for step in job["steps"] if "uses" in step]
    assert [each.split("@")[0] for each in uses] == ["actions/checkout", "actions/setup-python"]
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", each) for each in uses)


def test_expressions_use_only_what_is_known_where_they_stand(job):
    # GitHub knows the runner in steps only, the matrix in the whole job.
    assert "matrix.os" in job["env"]["VENV_PYTHON"]
    assert "runner." not in str(job["env"]) + job["runs-on"]


def test_linux_runs_the_script_and_the_others_the_commands_of_the_readme(job):
    readme = (PROJECT / "README.md").read_text(encoding="utf-8").replace("python3 -m", "python -m")
    assert commands(job, "== 'Linux'") == ".ci/run"
    # The script takes PYTHON for the interpreter that makes the environment.
    assert "PYTHON" not in job["env"]
    others = commands(job, "!= 'Linux'").splitlines()
    assert len(others) == 2
    assert all(command in readme for command in others)

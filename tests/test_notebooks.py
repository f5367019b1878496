"""Rules that every chapter keeps; each message names the command that fixes a breach."""

import copy
import json
import os
import re
import subprocess
import symtable
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import keras
import nbformat
import pytest
from nbval import kernel
from nbval.plugin import find_comment_markers, find_metadata_tags

from catdog_helpers import CatdogError, models
from catdog_helpers.series.plan import MINUTES_LINE, read_parts
from catdog_helpers.series.stored_outputs import METADATA, source_hash

PROJECT = Path(__file__).parents[1]
PATHS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
NAMES = [
    "01_data_and_visualization",
    "02_first_model",
    "03_augmentation",
    "04_preprocessing",
    "05_transfer_learning",
    "06_test_scoring",
]
UPDATE = "fix with: python runall.py --update"
EDIT = "fix with: jupyter lab notebooks, then python runall.py --update"
# Numbers that are no results of ours, so that prose may say them.
CONSTANTS = {
    **dict.fromkeys(["52 %", "55 %", "70 %", "95 %"], "goals of the assignment"),
    "5 %": "largest rotation of the augmentation",
    "0.69": "logarithm of 2, the loss of an even guess",
    "0.05": "usual limit of a p-value",
}


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def output_text(output):
    data = output.get("data", {})
    parts = [output.get("text", ""), *(data.get(f"text/{kind}", "") for kind in ("plain", "html"))]
    return "\n".join(parts)


def is_checked(cell):
    options = dict([*find_metadata_tags(cell.metadata), *find_comment_markers(cell.source)])
    return options.get("check", True) and not options.get("skip")


def has_text(cell):
    """Whether a cell has an output that nbval compares; it leaves out images."""
    return any(output_text(output).strip() for output in cell.outputs)


def check_counts(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1)), f"not run once from top to bottom; {UPDATE}"


def check_fresh_outputs(notebook):
    stale = [
        cell.id
        for cell in code_cells(notebook)
        if cell.metadata.get("source_hash") != source_hash(cell.source)
    ]
    assert not stale, f"outputs are older than the code of cells {stale}; {UPDATE}"


def check_title(notebook):
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    titles = re.findall(r"^# .*", re.sub(r"```.*?```", "", prose, flags=re.DOTALL), re.MULTILINE)
    assert len(titles) == 1, f"{len(titles)} titles of the first level, not one; {EDIT}"
    assert re.match(r"# Chapter [1-6]\b", titles[0]), f"title without chapter number; {EDIT}"


def check_parameters(notebook):
    tagged = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1, f"{len(tagged)} cells tagged 'parameters', not one; {EDIT}"
    names = set(re.findall(r"^(\w+) = ", tagged[0].source, re.MULTILINE))
    assert "RUN_DIR" in names, f"the 'parameters' cell does not set RUN_DIR; {EDIT}"
    # Typed once, in chapter 1; later chapters take them from the run.
    first = notebook.cells[0].source.startswith("# Chapter 1")
    once = {"DATA", "SEED", "IMAGE_SIZE", "SKIP_BAD_FILES"}
    assert once & names == (once if first else set()), f"{once} belong to chapter 1 alone; {EDIT}"


def check_metadata(notebook):
    assert notebook.metadata == METADATA, f"metadata of another kernel or editor; {UPDATE}"
    extra = {key for cell in notebook.cells for key in cell.metadata} - {"tags", "source_hash"}
    assert not extra, f"cell metadata {sorted(extra)}; {UPDATE}"


def check_no_errors(notebook):
    kinds = {output.get("name", output.output_type) for output in outputs(notebook)}
    assert "stderr" not in kinds, f"standard error in an output; {EDIT}"
    assert "error" not in kinds, f"an error in an output; {EDIT}"


ABSOLUTE = re.compile(r"(?<![\w./~])/(?:home|Users|root|tmp|var|usr|opt|mnt|private)/|\b[A-Z]:\\")


def check_no_absolute_paths(notebook):
    texts = [cell.source for cell in notebook.cells] + [output_text(o) for o in outputs(notebook)]
    found = [text for text in texts if ABSOLUTE.search(text)]
    assert not found, f"an absolute path in {found[0][:80]!r}; {EDIT}"


def check_alternative_text(notebook):
    texts = [
        output.metadata.get(kind, {}).get("alt")
        for output in outputs(notebook)
        for kind in output.get("data", {})
        if kind.startswith("image/")
    ]
    assert all(texts), f"a figure without alternative text; {EDIT}"


def teachers(notebook):
    return [cell for cell in notebook.cells if "teacher" in cell.metadata.get("tags", [])]


def check_length(notebook):
    extra = {"teacher", "quiz"}
    count = sum(not extra & set(cell.metadata.get("tags", [])) for cell in notebook.cells)
    assert 20 <= count <= 42, f"{count} cells beside notes and quiz, not 20 to 42; {EDIT}"
    long = [cell.id for cell in code_cells(notebook) if len(cell.source.splitlines()) > 15]
    assert not long, f"code cells of more than 15 lines: {long}; {EDIT}"


def check_ids(notebook):
    ids = [cell.get("id", "") for cell in notebook.cells]
    bad = [
        each for each in ids if not re.fullmatch(r"[a-z][a-z0-9-]*", each) or ids.count(each) > 1
    ]
    assert not bad, f"cell ids that are no names or not unique: {bad}; fix by hand"


def check_prose(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            prose = re.sub(r"```.*?```|`[^`]*`|\$[^$]*\$", "", cell.source, flags=re.DOTALL)
            numbers = re.findall(r"\d+(?:\.\d+)?\s*%|\b0\.\d+", prose)
            typed = [number for number in numbers if number not in CONSTANTS]
            assert not typed, f"results typed into prose of cell {cell.id}: {typed}; {EDIT}"


def check_no_marks_for_machines(notebook):
    marked = [cell.id for cell in code_cells(notebook) if "NBVAL" in cell.source]
    assert not marked, f"nbval's comments in cells {marked}, where its tags would do; {EDIT}"


def check_pipelines(notebook):
    # Steps that need not fit the data, and a cache file that outlives its data.
    slip = re.compile(r"steps_per_epoch|\.cache\([^)]")
    bad = [cell.id for cell in code_cells(notebook) if slip.search(cell.source)]
    assert not bad, f"steps_per_epoch or a cache file in cells {bad}; {EDIT}"


def check_earlier_chapters(notebook):
    # A missing chapter is told in the first cells, not after minutes of training.
    # The model of the chapter before is there only if those of all earlier ones are.
    sources = "\n".join(cell.source for cell in code_cells(notebook))
    steps = re.findall(r"training\.fit\(|run\.load_model\(", sources)
    late = "run.load_model(" in steps and steps[0] == "training.fit("
    assert not late, f"trains before it loads the model of the chapter before; {EDIT}"


def check_fresh_models(notebook):
    # Trained again, a model would go on where it was, its schedule of learning rates at the end.
    for cell in code_cells(notebook):
        pattern = r"training\.fit\((\w+)|(\w+(?:\[\w+\])?)\.fit\([^)]*(?:epochs|\*\*)"
        for name in map("".join, re.findall(pattern, cell.source)):
            name = re.escape(name)
            built = re.search(rf"(?m)^ *{name}\b.* = |training\.restart\({name}[,)]", cell.source)
            assert built, f"cell {cell.id} trains {name}, but does not build it anew; {EDIT}"


def reads_and_binds(source):
    """Return the names that a cell takes from others, and those that it gives to others."""
    table = symtable.symtable(source, "cell", "exec")
    binds = {each.get_name() for each in table.get_symbols() if each.is_assigned()}
    reads, scopes = set(), [table]
    for scope in scopes:  # grows: functions and comprehensions too
        scopes += scope.get_children()
        symbols = [each for each in scope.get_symbols() if each.is_global() or scope is table]
        reads |= {each.get_name() for each in symbols if each.is_referenced()}
    return reads - binds, binds


def check_cells_run_twice(notebook):
    # Run again after a later cell has taken its name for something else, a cell would fail or lie.
    cells = code_cells(notebook)
    names = [reads_and_binds(cell.source) for cell in cells]
    for i, (reads, _) in enumerate(names):
        earlier, later = (
            set().union(*(b for _, b in part)) for part in (names[:i], names[i + 1 :])
        )
        taken = reads & earlier & later
        assert not taken, f"cell {cells[i].id} reads {taken}, which a later cell rebinds; {EDIT}"


def check_note_for_the_teacher(notebook):
    notes = teachers(notebook)
    if notes:
        assert notes == notebook.cells[1:2], f"not one note, right after the title; {EDIT}"
        assert len(notes[0].source.split()) < 260, f"a note of 260 words or more; {EDIT}"
        try:
            read_parts("chapter", notebook)
        except CatdogError as error:
            raise AssertionError(f"{error}; {EDIT}") from None


def check_something_to_hold(notebook):
    held = [cell for cell in code_cells(notebook) if is_checked(cell) and has_text(cell)]
    assert len(held) >= 3, f"{len(held)} outputs that nbval compares, not three or more; {EDIT}"


CHECKS = [
    check_counts,
    check_fresh_outputs,
    check_title,
    check_parameters,
    check_metadata,
    check_no_errors,
    check_no_absolute_paths,
    check_alternative_text,
    check_length,
    check_ids,
    check_prose,
    check_no_marks_for_machines,
    check_pipelines,
    check_earlier_chapters,
    check_fresh_models,
    check_cells_run_twice,
    check_note_for_the_teacher,
    check_something_to_hold,
]


def read(path):
    return nbformat.read(path, as_version=4)


def test_there_are_six_chapters():
    assert [path.stem for path in PATHS] == NAMES


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_rule(path, check):
    check(read(path))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_file(path):
    assert path.stat().st_size < 600_000, f"larger than 600 kB: smaller figures; {EDIT}"
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert all("id" in cell for cell in stored["cells"]), f"cells without an id; {UPDATE}"
    number = path.stem[1]
    assert stored["cells"][0]["source"][0].startswith(f"# Chapter {number}"), f"title; {EDIT}"


def _append(kind, text):
    new = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}[kind]

    def change(notebook):
        notebook.cells.append(new(text, id="appended"))

    return change


def _clear_outputs(notebook):
    for cell in code_cells(notebook):
        cell.outputs, cell.execution_count = [], None


def _edit_code(notebook):
    code_cells(notebook)[-1].source += "\n1"


def _add_output(**fields):
    def change(notebook):
        output = nbformat.v4.new_output("stream", **fields)
        code_cells(notebook)[-1].outputs.append(output)

    return change


def _add_figure(notebook):
    figure = nbformat.v4.new_output("display_data", data={"image/png": "iVBORw0KGgo="})
    code_cells(notebook)[-1].outputs.append(figure)


def _add_error(notebook):
    code_cells(notebook)[-1].outputs.append(nbformat.v4.new_output("error", ename="E", evalue=""))


def _mark_all_ignored(notebook):
    for cell in code_cells(notebook):
        cell.metadata.tags = ["nbval-ignore-output"]


def _second_parameters(notebook):
    notebook.cells[-1].metadata.tags = ["parameters"]


def _unset_data(notebook):
    cell = next(c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    cell.source = 'RUN_DIR = "runs/latest"'


def _other_kernel(notebook):
    notebook.metadata.kernelspec.name = "tf2-class-env"


def _timing(notebook):
    notebook.cells[-1].metadata.execution = {}


def _note(text, place=1):
    def change(notebook):
        notebook.cells = [cell for cell in notebook.cells if cell not in teachers(notebook)]
        tagged = {"metadata": {"tags": ["teacher"]}, "id": "note"}
        notebook.cells.insert(place, nbformat.v4.new_markdown_cell(text, **tagged))

    return change


def _same_id(notebook):
    notebook.cells[-1].id = notebook.cells[0].id


BREACHES = [
    (check_counts, _clear_outputs),
    (check_something_to_hold, _clear_outputs),
    (check_something_to_hold, _mark_all_ignored),
    (check_fresh_outputs, _edit_code),
    (check_title, _append("markdown", "# Chapter 1")),
    (check_parameters, _second_parameters),
    (check_metadata, _other_kernel),
    (check_metadata, _timing),
    (check_no_errors, _add_output(name="stderr", text="warning")),
    (check_no_errors, _add_error),
    (check_no_absolute_paths, _add_output(name="stdout", text="in /home/me/photos")),
    (check_no_absolute_paths, _append("code", r"open('C:\\photos')")),
    (check_alternative_text, _add_figure),
    (check_length, _append("code", "1\n" * 16)),
    (check_ids, _same_id),
    (check_prose, _append("markdown", "We reach 81.5 % here.")),
    (check_no_marks_for_machines, _append("code", "# NBVAL_SKIP")),
    (check_parameters, _unset_data),
    (check_pipelines, _append("code", "model.fit(train, steps_per_epoch=5)")),
    (check_pipelines, _append("code", "train.cache('images')")),
    (check_earlier_chapters, _append("code", "training.fit(a)\nrun.load_model('first')")),
    (check_fresh_models, _append("code", "history = training.fit(model, train, validation, 1)")),
    (check_fresh_models, _append("code", "model.fit(train, epochs=1)")),
    (check_fresh_models, _append("code", "first.fit(train, **options)")),
    (check_fresh_models, _append("code", "tops[name].fit(train, epochs=1)")),
    (check_cells_run_twice, _append("code", "run = [train, validation]")),
    (check_prose, _append("markdown", "The loss falls to 0.31.")),
    (check_note_for_the_teacher, _note("## For the teacher")),
    (check_note_for_the_teacher, _note(f'{MINUTES_LINE}\n\n**Core.** "Summary".', place=2)),
    (check_note_for_the_teacher, _note(f'{MINUTES_LINE}\n\n**Core.** "No such heading".')),
    (
        check_note_for_the_teacher,
        _note(f'{MINUTES_LINE}\n\n**Core.** "Summary".' + "\n\nword" * 260),
    ),
]


@pytest.mark.parametrize(("check", "change"), BREACHES)
def test_rule_bites(check, change):
    notebook = read(PATHS[0])
    change(notebook)
    with pytest.raises(AssertionError, match="fix "):
        check(notebook)


SPEAK = """
import json, sys
from IPython.display import publish_display_data

for output in json.loads({!r}):
    if output["output_type"] == "stream":
        print(output["text"], end="", file=getattr(sys, output["name"]))
    else:
        publish_display_data(output["data"], output["metadata"])
"""


def _speak_stored_outputs(cell):
    """Replace the code of a cell by code that puts out what is stored, for nbval to compare."""
    markers = [line for line in cell.source.splitlines() if line.strip().startswith("#")]
    cell.source = "\n".join([*markers, SPEAK.format(json.dumps(cell.outputs))])


def _alter(cell):
    output = next(output for output in cell.outputs if output_text(output).strip())
    if output.output_type == "stream":
        output.text += "altered"
    else:
        output.data["text/plain"] += "altered"


def _write_altered_copy(path, target):
    """Write a copy that speaks its stored outputs; alter every second one that is held.

    Returns the numbers, counted by nbval, of the altered cells.
    """
    notebook = copy.deepcopy(read(path))
    cells = code_cells(notebook)
    for cell in cells:
        _speak_stored_outputs(cell)
    held = [number for number, cell in enumerate(cells) if is_checked(cell) and has_text(cell)]
    for number in held[::2]:
        _alter(cells[number])
    nbformat.write(notebook, target)
    return held[::2]


def test_nbval_sees_every_altered_output(tmp_path):
    """Red where an output was altered, and only there, in every chapter.

    The chapters themselves take minutes, so copies put out what is stored, without training.
    """
    expected = {
        f"{path.name}: Cell {number}"
        for path in PATHS
        for number in _write_altered_copy(path, tmp_path / path.name)
    }
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env"]
    options = ["-p", "no:cacheprovider", f"--junitxml={tmp_path / 'report.xml'}"]
    subprocess.run([*command, *options, "."], cwd=tmp_path, capture_output=True)
    cases = ET.parse(tmp_path / "report.xml").findall(".//testcase")
    red = {
        f"{case.get('classname')}: {case.get('name')}"
        for case in cases
        if case.find("failure") is not None
    }
    assert red == expected
    assert len(cases) == sum(len(code_cells(read(path))) for path in PATHS)


def test_tests_leave_the_runs_of_the_user_alone():
    assert not Path(os.environ["CATDOG_ROOT"]).is_relative_to(PROJECT)


@pytest.mark.skipif(os.name != "posix", reason="sockets of POSIX systems")
def test_the_sockets_of_kernels_have_short_names_whatever_tmpdir_is():
    assert len(kernel.KernelManager.keywords["ip"]) < 80  # of 103 characters at most


def test_the_layers_written_out_in_chapter_2_are_the_packages():
    notebook = nbformat.read(PROJECT / "notebooks" / "02_first_model.ipynb", as_version=4)
    source = {cell.id: cell.source for cell in notebook.cells}["network"]
    names = {"keras": keras, "layers": models.layers, "IMAGE_SIZE": 160, "n_classes": 2}
    exec(source, names)

    def settings(model):
        configurations = [layer.get_config() for layer in model.layers]
        return [{k: v for k, v in c.items() if k != "name"} for c in configurations]

    assert settings(keras.Sequential(names["network"])) == settings(models.build_small_network())

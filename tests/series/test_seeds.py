"""Runs over several seeds: repeated, resumed, spread over workers and summarized."""

import json
from types import SimpleNamespace

import pytest
import trees
from workers import losing_a_worker, owner_of, posix_only

from catdog_helpers.series import seeds
from catdog_helpers.series.chapters import read_chapters
from notebooks import SEEDED, run, write_notebook


def test_seeds_give_mean_and_spread_for_each_model(tmp_path, capsys):
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", SEEDED)
    assert run(tmp_path, "--seeds", "3", "-p", "SEED=1") == 0
    run_dir = tmp_path / "runs" / "latest"
    stored = json.loads((run_dir / "seeds.json").read_text())
    assert (stored["data"], stored["seeds"]) == ("sample", [1, 2, 3])
    assert list(stored["models"]) == ["first"]
    # By hand: 0.6, 0.7, 0.8 have the mean 0.7, and deviations -0.1, 0, 0.1 from it.
    validation = {"mean": 0.7, "std": 0.1, "min": 0.6, "max": 0.8}
    assert stored["models"]["first"]["val_accuracy"] == pytest.approx(validation)
    test = {"mean": 0.6, "std": 0, "min": 0.6, "max": 0.6}
    assert stored["models"]["first"]["test_accuracy"] == pytest.approx(test)
    out = capsys.readouterr().out
    row = next(line.split() for line in out.splitlines() if line.startswith("first"))
    assert row == ["first", "70.0%", "10.0%", "60.0%", "80.0%", "60.0%", "0.0%", "60.0%", "60.0%"]
    assert out.endswith(f"over the seeds 1 to 3: {run_dir / 'seeds.json'}\n")


def test_seeds_that_are_complete_are_not_run_again(tmp_path, capsys):
    path = write_notebook(tmp_path / "notebooks" / "01_one.ipynb", SEEDED)
    run_dir = tmp_path / "runs" / "latest"
    run_dir.mkdir(parents=True)
    log, broken = run_dir / "log", run_dir / "broken"

    def seeds_run(*options, code=0):
        log.write_text("")
        assert run(tmp_path, "--seeds", "3", "-p", "SEED=1", *options) == code
        return log.read_text().split()

    broken.touch()
    assert seeds_run(code=1) == ["1", "2"]
    assert "seed-2" in capsys.readouterr().err
    assert not (run_dir / "seeds.json").exists()
    broken.unlink()
    assert seeds_run() == ["2", "3"]
    assert "seed 1: complete, kept" in capsys.readouterr().out
    # Other parameters, other chapters and lost results make another run.
    assert seeds_run("-p", "EPOCHS=3") == ["1", "2", "3"]
    assert seeds_run("-p", "EPOCHS=3") == []
    # A model of a chapter of one's own, which chapter 6 does not score.
    path_3 = run_dir / "seed-3" / "scores.json"
    scores = json.loads(path_3.read_text())
    path_3.write_text(json.dumps({**scores, "models": {**scores["models"], "mine": {}}}))
    assert seeds_run("-p", "EPOCHS=3") == []
    write_notebook(path, SEEDED, "1")
    assert seeds_run("-p", "EPOCHS=3") == ["1", "2", "3"]
    tested = {"first": {"test_accuracy": 1}}
    for lost in (
        {"seed": 3, "models": {}},  # as chapter 1 leaves them at its start
        {"seed": 3, "models": {**tested, "transfer": {}}},  # as chapter 5 does
        {"seed": 4, "models": tested},
    ):
        path_3.write_text(json.dumps(lost))
        assert seeds_run("-p", "EPOCHS=3") == ["3"]
    # A run that fails leaves no numbers of the one before.
    assert (run_dir / "seeds.json").exists()
    broken.touch()
    assert seeds_run("-p", "EPOCHS=3", "--only", "1", code=1) == ["1", "2"]
    assert not (run_dir / "seeds.json").exists()


def test_a_seed_is_run_again_if_the_images_have_changed(tmp_path, capsys):
    pets = trees.official(tmp_path / "pets", n=5)
    begin = "from catdog_helpers.results import start_run\nrun = start_run(RUN_DIR, DATA, SEED, 32)"
    scored = "run.record('first', val_accuracy=0.5, test_accuracy=0.5)"
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", begin, scored)
    options = ("--seeds", "2", "--data", pets)
    for expected in ("seed 0:\n", "seed 0: complete, kept"):
        assert run(tmp_path, *options) == 0
        assert expected in capsys.readouterr().out
    trees.put(pets / "train/cats/cat.x.jpg")
    assert run(tmp_path, *options) == 0
    assert "complete, kept" not in capsys.readouterr().out


def test_a_second_run_over_seeds_into_the_same_folder_is_refused(tmp_path, capsys):
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", SEEDED)
    run_dir = tmp_path / "runs" / "latest"
    run_dir.mkdir(parents=True)
    with owner_of(run_dir) as owner:
        assert run(tmp_path, "--seeds", "2") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: --out: {run_dir} is in use by process {owner.pid} on")
    assert [path.name for path in run_dir.iterdir()] == [".owner"]


def test_seeds_without_test_scores_show_validation_only(tmp_path):
    for seed in (0, 1):
        (tmp_path / f"{seed}").mkdir()
        content = {"models": {"first": {"val_accuracy": 0.5}}}
        (tmp_path / f"{seed}" / "scores.json").write_text(json.dumps(content))
    table = seeds.seed_statistics([tmp_path / "0", tmp_path / "1"])
    assert table.columns.get_level_values(0).unique().tolist() == ["val_accuracy"]
    assert table.loc["first", ("val_accuracy", "std")] == 0


def test_findings_of_several_seeds(tmp_path):
    for seed, findings in enumerate([{"02.b": 1, "01.a": 0.5}, {"02.b": 3}]):
        (tmp_path / f"{seed}").mkdir()
        content = {"models": {}, "findings": findings}
        (tmp_path / f"{seed}" / "scores.json").write_text(json.dumps(content))
    table = seeds.finding_statistics([tmp_path / "0", tmp_path / "1"])
    assert table["values"].to_dict() == {"01.a": [0.5], "02.b": [1, 3]}
    # By hand: 1 and 3 have the mean 2, and deviations of 1 from it.
    statistics = table.loc["02.b", ["mean", "std", "min", "max"]].tolist()
    assert statistics == pytest.approx([2, 2**0.5, 1, 3])


def test_runs_without_findings_have_an_empty_table(tmp_path):
    assert seeds.finding_statistics([tmp_path]).empty


@posix_only
def test_seeds_run_on_workers_even_if_one_is_lost(executor, tmp_path):
    from distributed import default_client

    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", SEEDED)
    chapters = read_chapters(tmp_path / "notebooks")
    flag = tmp_path / "flag"
    with seeds.map_over(default_client().scheduler.address) as over_workers:
        map = losing_a_worker(SimpleNamespace(map=over_workers), flag)
        folders = seeds.run_seeds(chapters, tmp_path, {}, range(3), 60, resume=False, map=map)
    assert flag.exists()
    assert [folder.name for folder in folders] == ["seed-0", "seed-1", "seed-2"]
    accuracies = seeds.seed_statistics(folders).loc["first", "val_accuracy"]
    assert accuracies[["min", "max"]].tolist() == [0.5, 0.7]

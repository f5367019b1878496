"""What the chapters found, over several seeds: each finding has its claim, and the claims hold."""

import re
from pathlib import Path

import findings
import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
CLAIM = {"says": "Half is right", "show": "percent", "at_least": 0.4, "at_most": 0.6}


def recorded():
    """Return a pattern for the name of each finding that the chapters record, with the chapter."""
    patterns = {}
    for path in NOTEBOOKS:
        for cell in nbformat.read(path, as_version=4).cells:
            for name in re.findall(r'record_finding\(\s*f?"([^"]+)"', cell.source):
                pattern = re.sub(r"\\{.*?\\}", "[a-z0-9_]+", re.escape(name))
                patterns[pattern] = path.stem[:2]
    return patterns


def test_every_finding_is_recorded_in_its_chapter_and_has_its_claim():
    patterns, claims = recorded(), findings.read_claims()
    assert set(patterns.values()) == {"01", "02", "03", "04", "05", "06"}
    assert [each for each, chapter in patterns.items() if not each.startswith(chapter)] == []
    assert [each for each in patterns if not any(re.fullmatch(each, name) for name in claims)] == []
    assert [name for name in claims if not any(re.fullmatch(each, name) for each in patterns)] == []


def test_every_claim_says_what_it_needs():
    for name, claim in findings.read_claims().items():
        keys = {"says", "show", "only", "at_least", "at_most"}
        assert set(claim) <= keys | {"photos_at_least", "photos_at_most"}, name
        assert {"at_least", "at_most"} & set(claim), f"{name} has no bound"
        assert claim["says"][0].isupper() and "|" not in claim["says"], name
        assert claim["show"] in ("percent", "points", "number", "p"), name


def test_the_claims_hold_in_what_was_measured_and_readme_shows_it():
    claims, measured = findings.read_claims(), findings.read_measured()
    assert findings.broken(claims, measured) == []
    assert [len(measured[source]["seeds"]) for source in findings.SOURCES] == [5, 3]
    assert findings.table(claims, measured) in findings.README.read_text(encoding="utf-8")


def test_one_seed_is_called_one_seed():
    measured = {source: {"seeds": [0], "values": {}} for source in findings.SOURCES}
    assert "| finding | sample, 1 seed | photos, 1 seed |" in findings.table({}, measured)


@pytest.mark.parametrize(
    ("value", "source", "right"),
    [
        (0.4, "sample", True),
        (0.61, "sample", False),
        (0.39, "photos", False),
        (0.7, "photos", True),
    ],
)
def test_a_bound_includes_its_ends_and_photos_may_have_their_own(value, source, right):
    assert findings.holds(CLAIM | {"photos_at_most": 0.8}, value, source) == right


@pytest.mark.parametrize(
    ("values", "n_broken"),
    [([0.5] * 5, 0), ([0.5] * 4 + [0.9], 0), ([0.5] * 3 + [0.9] * 2, 1), ([0.5, 0.5, 0.9], 1)],
)
def test_a_claim_holds_in_four_of_five_seeds(values, n_broken):
    measured = {"sample": {"seeds": [], "values": {"02.half": values}}}
    assert len(findings.broken({"02.half": CLAIM}, measured)) == n_broken


def test_a_claim_that_was_not_measured_is_broken_unless_it_is_of_the_other_source():
    measured = {"sample": {"seeds": [], "values": {}}}
    assert findings.broken({"02.half": CLAIM}, measured) == ["02.half: not measured on the sample"]
    assert findings.broken({"02.half": CLAIM | {"only": "photos"}}, measured) == []
    measured["sample"]["values"]["02.half"] = [0.9] * 5
    assert findings.broken({"02.half": CLAIM | {"only": "photos"}}, measured) == []


def test_the_table_gives_mean_and_range():
    measured = {
        "sample": {
            "seeds": [0, 1, 2],
            "values": {"02.half": [0.5, 0.6, 0.7], "06.rate": [0.5, 0.6]},
        },
        "photos": {"seeds": [0], "values": {"02.half": [0.55]}},
    }
    claims = {"02.half": CLAIM, "06.rate": {"says": "A rate", "show": "points"}}
    assert findings.table(claims, measured).splitlines() == [
        "| finding | sample, 3 seeds | photos, 1 seed |",
        "| --- | --- | --- |",
        "| 2: Half is right | 60.0 % (50.0 % to 70.0 %) | 55.0 % (one seed) |",
        "| 6: A rate | 55.0 points (50.0 points to 60.0 points; 2 seeds) |  |",
    ]


def test_the_table_takes_the_place_between_its_marks(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{findings.BEGIN}old\n{findings.END}\nafter\n", encoding="utf-8")
    measured = {source: {"seeds": [0], "values": {}} for source in findings.SOURCES}
    findings.write_table({"02.half": CLAIM}, measured, readme)
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("before\n<!--") and text.endswith("-->\nafter\n") and "old" not in text
    assert "| 2: Half is right |  |  |" in text

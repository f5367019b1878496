"""What the chapters found, over several seeds: the table in README, and whether claims hold.

``findings.toml`` names each finding, says in a sentence what is claimed of it, and gives the
bound that the claim needs. ``findings.json`` holds what was measured, on the sample and on the
photos:

    python runall.py --seeds 5 --out SAMPLE_RUN
    python runall.py --seeds 3 --out PHOTO_RUN --data FOLDER_OR_ZIP --weights WEIGHTS_FILE
    python benchmarks/findings.py SAMPLE_RUN PHOTO_RUN
"""

import argparse
import json
import re
import sys
import tomllib
from pathlib import Path

from catdog_helpers.files.paths import counted

FOLDER = Path(__file__).parent
README = FOLDER.parent / "README.md"
SOURCES = ("sample", "photos")
BEGIN, END = "<!-- findings: written by benchmarks/findings.py -->\n", "<!-- end of findings -->"
_SHOW = {
    "percent": ("{:.1f} %", 100),
    "points": ("{:.1f} points", 100),
    "number": ("{:.4g}", 1),
    "p": ("p = {:.2g}", 1),
}


def read_claims():
    """Return ``{finding: {"says", "show", "at_least", "at_most", ...}}`` from ``findings.toml``."""
    return tomllib.loads((FOLDER / "findings.toml").read_text(encoding="utf-8"))


def read_measured():
    """Return ``{source: {"seeds", "values": {finding: [...]}}}`` from ``findings.json``."""
    return json.loads((FOLDER / "findings.json").read_text(encoding="utf-8"))


def holds(claim, value, source):
    """Whether a value is within the bound of a claim; photos may have a bound of their own."""
    own = {"photos": "photos_"}.get(source, "")
    low = claim.get(f"{own}at_least", claim.get("at_least", float("-inf")))
    high = claim.get(f"{own}at_most", claim.get("at_most", float("inf")))
    return low <= value <= high


def broken(claims, measured):
    """List the claims that fail, as text: each has to hold in at least four of five seeds."""
    failed = []
    for source, content in measured.items():
        for name, claim in claims.items():
            if claim.get("only", source) != source:
                continue
            values = content["values"].get(name)
            if values is None:
                failed.append(f"{name}: not measured on the {source}")
                continue
            n_held = sum(holds(claim, value, source) for value in values)
            if n_held < 0.8 * len(values):
                shown = ", ".join(f"{value:.3g}" for value in values)
                failed.append(
                    f"{name}: holds in {n_held} of {len(values)} on the {source}: {shown}"
                )
    return failed


def table(claims, measured):
    """Lay out what was measured as the lines of README's table: mean (lowest to highest)."""
    heads = [f"{source}, {counted(len(measured[source]['seeds']), 'seed')}" for source in SOURCES]
    rows = [f"| finding | {' | '.join(heads)} |", "| --- | --- | --- |"]
    for name, claim in sorted(claims.items(), key=lambda item: item[0][:2]):  # by chapter
        form, factor = _SHOW[claim["show"]]
        cells = [_cell(measured[source], name, form, factor) for source in SOURCES]
        rows.append(f"| {int(name[:2])}: {claim['says']} | {' | '.join(cells)} |")
    return "\n".join([*rows, ""])


def _cell(content, name, form, factor):
    values = content["values"].get(name)
    if not values:
        return ""
    statistics = sum(values) / len(values), min(values), max(values)
    mean, low, high = (form.format(factor * value) for value in statistics)
    if len(values) == 1:
        return f"{mean} (one seed)"
    of = f"; {len(values)} seeds" if len(values) < len(content["seeds"]) else ""
    return f"{mean} ({low} to {high}{of})"


def write_table(claims, measured, path=README):
    """Put the table between its two marks in README."""
    text = path.read_text(encoding="utf-8")
    pattern = re.escape(BEGIN) + ".*?" + re.escape(END)
    new = BEGIN + "\n" + table(claims, measured) + "\n" + END
    path.write_text(re.sub(pattern, lambda _: new, text, flags=re.DOTALL), encoding="utf-8")


def main():
    """Read the runs, store what they found, write the table, and name the claims that fail."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for source in SOURCES:
        parser.add_argument(f"{source}_run", type=Path, help=f"folder of --seeds N on the {source}")
    options = parser.parse_args()
    measured = {}
    for source in SOURCES:
        path = getattr(options, f"{source}_run") / "seeds.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        values = {name: row["values"] for name, row in content["findings"].items()}
        rounded = {name: [round(value, 5) for value in row] for name, row in values.items()}
        measured[source] = {"seeds": content["seeds"], "values": rounded}
    (FOLDER / "findings.json").write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    claims = read_claims()
    write_table(claims, measured)
    failed = broken(claims, measured)
    print("\n".join(failed) or f"all {len(claims)} claims hold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""The rules of the glossary, each on a line of Markdown or two."""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from catdog_helpers.series.glossary import glossary

# Name of the rule: (the text of one chapter each, "term: sentence" for each entry).
RULES = {
    "first place": (["A *cat* purrs.", "A *cat* bites. A *Cat* sleeps."], ["cat: A *cat* purrs."]),
    "one sentence of many": (
        ["Here we go. The *label* is `a. B`, i.e. a number. Next one."],
        ["label: The *label* is `a. B`, i.e. a number."],
    ),
    "capital of a sentence": (["*Loss* is an error."], ["loss: *Loss* is an error."]),
    "capital of a name": (["*Grad-CAM* shows where."], ["Grad-CAM: *Grad-CAM* shows where."]),
    "name within": (["See the *McNemar test*."], ["McNemar test: See the *McNemar test*."]),
    "leaning on the one before": (
        ["A model leaks. It learns by heart. That is called *overfitting* by all of us."],
        ["overfitting: It learns by heart. That is called *overfitting* by all of us."],
    ),
    "too short": (["Nobody looks. We are *blind*."], ["blind: Nobody looks. We are *blind*."]),
    "nothing before": (["This is a *leak* of files."], ["leak: This is a *leak* of files."]),
    "two in a sentence": (
        ["The *dog* and the *bone*."],
        ["bone: The *dog* and the *bone*.", "dog: The *dog* and the *bone*."],
    ),
    "bold and code": (["**bold** and ***both*** and `a *b* c` and `*x*`."], []),
    "fenced code": (["```\na\n\n*no* b\n```"], []),
    "no italics": (["2 * 3 * 4, a*b*c, \\*no\\*, *open"], []),
    "heading": (["## The *title*\nThe *text* begins here."], ["text: The *text* begins here."]),
    "list": (["* one *item* of a list\n* two"], ["item: one *item* of a list"]),
    "numbered": (["1. First *step* of all.\n2. Second."], ["step: First *step* of all."]),
    "label in bold": (
        ["**A better way.** *Pooling* keeps the strongest answer of each."],
        ["pooling: *Pooling* keeps the strongest answer of each."],
    ),
    "lines of a paragraph": (["The *test\nset* is\nshut."], ["test set: The *test set* is shut."]),
}


@pytest.mark.parametrize("rule", RULES)
def test_glossary(rule):
    sources, wanted = RULES[rule]
    chapters = {
        f"0{i}": new_notebook(cells=[new_markdown_cell(source), new_code_cell("a *b* c")])
        for i, source in enumerate(sources, start=1)
    }
    found = glossary(chapters)
    assert [f"{term}: {sentence}" for term, sentence, _ in found] == wanted
    assert {where for _, _, where in found} <= {"01"}

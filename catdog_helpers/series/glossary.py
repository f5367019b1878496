"""The glossary: terms that the chapters explain, found by the italics in their Markdown."""

import re

# A fenced code block.
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
# A heading, with its number signs.
_HEADING = re.compile(r"^#+ .*$", re.MULTILINE)
# Between two paragraphs, or before the mark of a list item: "- ", "* ", "+ ", "1. ", "1) ".
_NEW_BLOCK = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*+]|\d+[.)])\s)")
# The mark itself, or that of a quotation.
_BLOCK_MARK = re.compile(r"^\s*(?:[-*+>]|\d+[.)])\s+")
# Code and bold text, which hold no terms.
_NO_TERM = re.compile(r"`[^`]*`|\*\*.+?\*\*")
# Text between single asterisks that touch it; not 2 * 3, a*b*c, **bold** or \*escaped\*.
_TERM = re.compile(r"(?<![*\\\w])\*(?![*\s])([^*]+?)(?<![\s\\])\*(?![*\w])")
# White space after a full stop and before a capital or a digit; quotation marks, brackets and
# asterisks may stand between. "i.e. a" does not end a sentence.
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')*]*\s+(?=[\"'(*]*[A-Z0-9])")
# The beginning of a sentence that cannot be understood without the one before.
_LEANS = re.compile(r"(This|That|These|Those|It|They|Such|Both|Here|The larger)\b")
_SHORT = 6  # words; a shorter sentence needs the one before, too


def prose(notebook):
    """Return the text of a notebook: a list with the Markdown of each such cell."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def glossary(chapters):
    """Collect the terms, which the chapters set in italics where they first appear.

    Chapters are ``{name: notebook}`` in the order in which they are read. Returns a list of
    (term, sentence, name), by alphabet. The sentence is Markdown: the one with the term, and the
    one before if it needs that.
    """
    entries = {}
    for name, notebook in chapters.items():
        for block in _blocks(notebook):
            for term, sentence in _explained(block):
                entries.setdefault(term.casefold(), (term, sentence, name))
    return [entries[key] for key in sorted(entries)]


def anchor(term):
    """Return the name of the place in its chapter where a term is explained."""
    return "term-" + re.sub(r"\W+", "-", term.casefold()).strip("-")


def _blocks(notebook):
    """Split the text of a notebook into paragraphs and list items, without headings and code."""
    for source in prose(notebook):
        text = _HEADING.sub("\n", _FENCE.sub("\n", source))
        for block in _NEW_BLOCK.split(text):
            yield " ".join(_BLOCK_MARK.sub("", block).split())


def _explained(block):
    """Find the terms of a paragraph, each with its sentence."""
    plain = _NO_TERM.sub(_blanked, block)
    ends = list(_SENTENCE_END.finditer(plain))
    starts = [0, *(end.end() for end in ends)]
    stops = [*(end.start() for end in ends), len(block)]
    for i, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        text = plain[start:stop]
        leans = _LEANS.match(text) or len(text.split()) < _SHORT
        first = starts[i - 1] if leans and i else start
        for match in _TERM.finditer(text):
            term = match[1]
            # A capital only because the term begins the sentence; "Grad-CAM" keeps its own.
            if match.start() == 0 and term[1:] == term[1:].lower():
                term = term[0].lower() + term[1:]
            yield term, block[first:stop]


def _blanked(match):
    """Replace code or bold text by as many letters; a full stop at its end still counts."""
    ends_sentence = match[0].endswith((".**", "!**", "?**"))
    return "X" * (len(match[0]) - 1) + ("." if ends_sentence else "X")

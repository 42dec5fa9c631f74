"""Handouts and slides that stay alive without a kernel: `python -m helpers.handout
notebooks/02_pooling.ipynb`.

The notebook is run, and what its widgets know is put into one HTML file; the sliders
are tied together in the browser. Predicted outputs are folded until the reader opens
them. A page has all inside, pictures and scripts, and needs no network.

    running     a notebook run from top to bottom
    scripts     scripts and styles, inside a page or beside it
    markdown    formulas and headings in HTML
    folds       what a page folds with an answer
    paths       the ways of 45 and 90 minutes through a notebook
    pages       the HTML: page.html.j2, and deck.js for slides
    __main__    the command line
"""

from helpers.handout.pages import handout, slide_types
from helpers.handout.running import executed

__all__ = ["executed", "handout", "slide_types"]

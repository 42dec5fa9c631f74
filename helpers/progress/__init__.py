"""What was tried in a lesson, and of a class: `python -m helpers.progress FOLDER`.

notes       what checkers and predictions note, in a file beside the notebook
tables      what a student sees of it, at the end of a lesson
classes     the files of a class, and its table
running     students' notebooks, run in a copy and within bounds
__main__    the command line
"""

from helpers.progress.notes import off
from helpers.progress.tables import table

__all__ = ["off", "table"]

"""What a student sees of the notes, at the end of a lesson."""

import html

from helpers.progress import notes

HEAD = "Exercise", "Tries", "What was said"
LEFT = 'style="text-align: left"'
CELL = f"<td {LEFT}>{{}}</td>"
ROW = f'<tr><th scope="row" {LEFT}>{{}}</th>{CELL * 2}</tr>'


class Table:
    """The exercises of a lesson and its predictions: what was tried, what was right."""

    def __init__(self, noted: dict, names: list[str], where: str) -> None:
        exercises = noted["exercises"]
        keys = [f"{number} {name}" for number, name in enumerate(names, 1)]
        self.rows = [(key, *_told(exercises.get(key))) for key in keys]
        self.title = f"Lesson {noted['lesson']}" if noted["lesson"] else "No lesson yet"
        self.below = [_predicted(noted["predictions"]), where]

    def __repr__(self) -> str:
        rows = [HEAD, *self.rows]
        wide, narrow = (max(len(row[n]) for row in rows) for n in range(2))
        lines = [f"{one:{wide}}  {n:>{narrow}}  {said}" for one, n, said in rows]
        return "\n".join([self.title, *lines, *self.below])

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col" {LEFT}>{name}</th>' for name in HEAD)
        rows = "".join(ROW.format(*map(html.escape, row)) for row in self.rows)
        below = "".join(f"<p>{html.escape(one)}</p>" for one in self.below)
        caption = f"<caption>{self.title}</caption>"
        table = f"{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
        return f"<table>{table}</table>{below}"


def table() -> Table:
    """Return a table of the lesson's notes: those in the file beside the notebook, or
    this kernel's where none is written.
    """
    kernel = notes.KERNEL
    stored = kernel.stored()
    where = f"Noted in progress_{kernel.lesson}.json, in the folder of this notebook."
    if stored is None:
        where = f"{kernel.trouble} No file: these are the notes of this kernel.".strip()
    return Table(stored or kernel.known(), kernel.names, where)


def _told(entry: dict | None) -> tuple[str, str]:
    if entry is None:
        return "–", "not run yet"
    return str(entry["tries"]), entry["last"] or "· not tried"


def _predicted(noted: dict[str, dict]) -> str:
    tried = {name: entry for name, entry in noted.items() if entry["tries"]}
    missed = [name for name, entry in tried.items() if not entry["first"]]
    first = len(tried) - len(missed)
    told = f"Predictions: {len(noted)} asked, {len(tried)} tried, "
    told += f"{first} right at the first try."
    return f"{told} Missed: {'; '.join(missed)}." if missed else told

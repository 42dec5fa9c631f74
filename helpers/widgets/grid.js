// Tables of numbers that answer to keys.

import { ARROWS, largest, brief, decimalsFor, node, write } from "./base.js";

const SMALLEST_CELL = 16.5, // pixels, for numbers that can be read
  SMALLEST_FONT = 9,
  BLANK = node("div", { role: "gridcell", tabindex: -1 });

// A cell with a text that is changed in place: a new one would be laid out from the start.
function cellAt(row, column) {
  const cell = BLANK.cloneNode();
  Object.assign(cell.dataset, { row, column });
  return Object.assign(cell, { text: cell.appendChild(new Text()), shown: "" });
}

// A table of numbers that is one stop for Tab; arrows move inside, and `visit` hears where the
// focus or pointer is.
export class Grid {
  constructor(label, { largestCell = 44, smallestCell = SMALLEST_CELL, ...how } = {}) {
    const { visit = () => {}, edit, free = false } = how;
    Object.assign(this, { largestCell, smallestCell, visit, edit, free });
    Object.assign(this, { side: 300, longest: 1, rows: [], cells: [] });
    this.frame = node("div", { class: "bench-frame", "aria-hidden": "true" });
    this.element = node(
      "div",
      { role: "grid", "aria-label": label, class: "bench-grid" },
      this.frame,
    );
    this.title = node("h4");
    this.bubble = node("p", { class: "bench-bubble", role: "status" });
    this.panel = node(
      "div",
      { class: "bench-panel" },
      this.title,
      node("div", { class: "bench-board" }, this.element),
      this.bubble,
    );
    for (const [name, act] of Object.entries({
      focusin: this.#enter,
      pointerover: this.#point,
      click: this.#open,
      keydown: this.#key,
    }))
      this.element.addEventListener(name, (event) => {
        const cell = event.target.closest("[data-row]");
        if (cell) act.call(this, +cell.dataset.row, +cell.dataset.column, event);
      });
    for (const leaving of ["pointerleave", "focusout"])
      this.element.addEventListener(leaving, () => this.#hush());
  }

  // Cells that stay are kept: making new ones is what costs time.
  #resize(height, width) {
    if (this.cells.length === height && this.cells[0]?.length === width) return;
    this.lostFocus = this.element.contains(document.activeElement);
    for (const row of this.rows.splice(height)) row.remove();
    while (this.rows.length < height)
      this.rows.push(this.element.insertBefore(node("div", { role: "row" }), this.frame));
    this.cells = this.rows.map((line, row) => {
      while (line.childElementCount > width) line.lastChild.remove();
      for (let column = line.childElementCount; column < width; column++)
        line.append(cellAt(row, column));
      return [...line.children];
    });
    this.fit(this.side);
    if (!this.stop?.isConnected) this.select(0, 0);
    this.lostFocus &&= !this.element.contains(document.activeElement);
  }

  // Give the focus back where its cell has gone.
  settle() {
    if (this.lostFocus) this.stop.focus({ preventScroll: true });
    this.lostFocus = false;
  }

  // Make the cells as large as a board of `side` pixels lets them be. In pixels, from here: units
  // of the container in the style sheet would have the browser style every cell anew for each
  // changed number.
  fit(side, smallestCell = this.smallestCell) {
    Object.assign(this, { side, smallestCell });
    const [rows, columns] = [this.cells.length, this.cells[0]?.length ?? 1];
    const most = Math.max(rows, columns);
    const board = Math.max(side, smallestCell * most);
    const cell = Math.min(board / most, this.largestCell);
    const font = Math.min(cell * 0.55, (cell - 3) / (0.64 * this.longest), 14);
    const bare = font < SMALLEST_FONT;
    Object.assign(this.element.style, {
      gridTemplate: `repeat(${rows}, ${cell}px) / repeat(${columns}, ${cell}px)`,
      fontSize: bare ? "0" : `${font.toFixed(1)}px`,
      lineHeight: bare ? "0" : `${cell - 1}px`,
    });
    this.element.classList.toggle("bare", bare);
    if (bare !== this.bare) {
      this.bare = bare;
      this.cells.flat().forEach((one) => this.#tellText(one));
    }
    this.panel.style.setProperty("--side", `${board}px`);
    this.panel.style.setProperty("--high", `${this.free ? cell * rows : board}px`);
  }

  // `paint(row, column)` gives the cell's text, its exact value, how strongly it is shaded (−1 …
  // 1), and its classes.
  draw(title, height, width, paint) {
    // the cell that is edited stands for another number now
    if (this.title.textContent !== title) this.#cancel();
    write(this.title, title);
    this.#resize(height, width);
    if (this.bubble.textContent && !this.editing && !this.pointed) write(this.bubble, "");
    let longest = 2;
    this.cells.forEach((line, row) =>
      line.forEach((cell, column) => {
        const { text, exact, shade = 0, classes = "" } = paint(row, column);
        longest = Math.max(longest, text.length);
        cell.shown = text;
        this.#tellText(cell);
        if (cell.title !== exact) cell.title = exact;
        const name =
          `${classes} ${shade < 0 ? "negative" : "positive"} shade${Math.round(Math.abs(shade) * 8)}`.trim();
        if (cell.className !== name) cell.className = name;
      }),
    );
    if (longest !== this.longest) {
      this.longest = longest;
      this.fit(this.side);
    }
    if (this.pointed) this.#tell(...this.pointed);
  }

  // Texts too small to be read would cost as much as all else; the title has the number.
  #tellText({ text, shown }) {
    const data = this.bare ? "" : shown;
    if (text.data !== data) text.data = data;
  }

  // The same for a matrix of numbers, shaded by their size.
  numbers(
    title,
    values,
    classes = () => "",
    text = (value) => brief(value, decimalsFor(Math.max(values.length, values[0].length))),
  ) {
    const scale = largest(values);
    this.draw(title, values.length, values[0].length, (i, j) => {
      const value = values[i][j],
        finite = Number.isFinite(value);
      return {
        text: text(value),
        exact: Number.isNaN(value) ? "" : String(value),
        shade: finite ? value / scale : 0,
        classes: classes(i, j),
      };
    });
  }

  enclose(row, column, height, width) {
    const part = (cells, all) => `${(cells / all) * 100}%`;
    const [rows, columns] = [this.cells.length, this.cells[0].length];
    const start = `top: ${part(row, rows)}; left: ${part(column, columns)}`;
    const place = `${start}; width: ${part(width, columns)}; height: ${part(height, rows)}`;
    if (this.frame.getAttribute("style") !== place) this.frame.setAttribute("style", place);
  }

  select(row, column) {
    if (this.stop === this.cells[row][column]) return;
    this.stop?.setAttribute("tabindex", -1);
    this.stop?.removeAttribute("aria-selected");
    this.stop = this.cells[row][column];
    this.stop.tabIndex = 0;
    this.stop.setAttribute("aria-selected", "true");
  }

  #enter(row, column) {
    this.select(row, column);
    this.#point(row, column);
  }

  // Where numbers are too small to be read, the one that is pointed at is said.
  #point(row, column) {
    this.visit(row, column);
    this.#tell(row, column);
  }

  #tell(row, column) {
    const cell = this.cells[row]?.[column];
    if (!cell || !this.element.classList.contains("bare")) return this.#hush();
    this.#say(row, column, cell.title);
    this.pointed = [row, column];
  }

  #hush() {
    if (this.pointed) write(this.bubble, "");
    this.pointed = undefined;
  }

  #say(row, column, text) {
    const cell = this.cells[row][column];
    this.pointed = undefined;
    this.bubble.style.left = `${cell.offsetLeft}px`;
    this.bubble.style.top = `${cell.offsetTop + cell.offsetHeight + this.element.offsetTop + 4}px`;
    write(this.bubble, text);
  }

  #key(row, column, event) {
    const { key, target, ctrlKey, metaKey, altKey, shiftKey } = event;
    if (target.tagName === "INPUT" || ctrlKey || metaKey || altKey) return;
    const [down, right] = ARROWS[key] ?? [];
    if (key in ARROWS) this.cells[row + down]?.[column + right]?.focus();
    else if (key === "Home") this.cells[row][0].focus();
    else if (key === "End") this.cells[row].at(-1).focus();
    else if (this.edit && key === "Enter" && !shiftKey) this.#open(row, column);
    else if (this.edit && /^[-+.\d]$/.test(key)) this.#open(row, column, event, key);
    else return;
    event.preventDefault();
  }

  #cancel() {
    const cell = this.editing;
    this.editing = undefined;
    cell?.replaceChildren(cell.text);
  }

  // A small text field over the cell: Enter or leaving it keeps the number, Escape keeps the old
  // one.
  #open(row, column, _event, typed) {
    const cell = this.cells[row][column],
      before = this.edit?.value(row, column);
    if (this.edit && before === undefined && this.silent) this.#say(row, column, this.silent);
    if (before === undefined || cell === this.editing) return;
    const field = node("input", {
      inputmode: "decimal",
      "aria-label": `new value, row ${row}, column ${column}`,
    });
    field.value = typed ?? before;
    // of a small board, where the field is larger than its cell
    field.style.left = `min(${cell.offsetLeft}px, 100% - 4em)`;
    field.style.top = `min(${cell.offsetTop}px, 100% - 1.5em)`;
    const close = (keep, leaving = !keep) => {
      if (this.editing !== cell) return true;
      const text = field.value.trim();
      const same = !keep || text === String(before);
      const refusal = same ? "" : (this.edit.commit(row, column, text) ?? "");
      if (refusal && !leaving) field.setAttribute("aria-invalid", "true");
      else this.#cancel();
      this.#say(row, column, refusal && leaving ? `${refusal} The cell keeps ${before}.` : refusal);
      return !refusal;
    };
    field.addEventListener("blur", () => close(true, true));
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault();
      if (close(event.key === "Enter")) cell.focus();
    });
    this.editing = cell;
    cell.replaceChildren(field);
    field.focus();
    if (typed === undefined) field.select();
  }
}

// The sliding-window bench. The page draws, and computes nothing but the window sum and where windows fit;
// Python and torch hold the truth, and tests/test_page.py compares every number shown here with theirs.

const SETTINGS = ["input_size", "kernel_size", "stride", "padding", "dilation"];
const LEGEND = [["tap", "in the window"], ["pad", "zero of the padding"], ["unread", "read by no window"]];
const PAUSE = 40; // milliseconds after a drawing until the sliders hear their new limits
const NUMBER = /^[-+]?(\d+([.]\d*|,\d{1,2}|,\d{4,})?|[.,]\d+)$/; // 1,000 could be one or a thousand, so it is neither
const SMALLEST_CELL = 16.5; // pixels, for numbers that can be read
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

const outputSize = ({ input_size: n, kernel_size: k, stride: s, padding: p, dilation: d }) =>
  Math.floor((n + 2 * p - d * (k - 1) - 1) / s) + 1;

// For each setting the least and the largest value that keep a window inside, the others standing as they are.
function limits(settings, ranges) {
  return SETTINGS.map((name) => {
    const fits = (value) => outputSize({ ...settings, [name]: value }) >= 1;
    let [low, high] = ranges[name];
    while (!fits(low)) low++;
    while (!fits(high)) high--;
    return [name, low, high];
  });
}

// The k×k products under the window whose top left corner stands at (top, left) of the padded input.
function productsAt(padded, kernel, top, left, dilation) {
  return kernel.map((row, i) => row.map((w, j) => padded[top + i * dilation][left + j * dilation] * w));
}

const total = (matrix) => matrix.flat().reduce((sum, value) => sum + value, 0);
const crop = (matrix, size) => matrix.slice(0, size).map((row) => row.slice(0, size));
const largest = (matrix) => Math.max(1e-9, ...matrix.flat().map(Math.abs));
const number = (value, decimals) => String(+value.toFixed(decimals) + 0);
const brief = (value, decimals) => (value !== 0 && +value.toFixed(decimals) === 0 ? "≈0" : number(value, decimals));
const decimalsFor = (columns) => (columns <= 8 ? 2 : columns <= 12 ? 1 : 0);
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

function node(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// A table of numbers that is one stop for Tab; arrows move inside, and `visit` hears where the focus or pointer is.
class Grid {
  constructor(label, { largestCell = 44, visit, edit } = {}) {
    this.element = node("div", { role: "grid", "aria-label": label, class: "bench-grid" });
    this.title = node("h4");
    this.panel = node("div", { class: "bench-panel" }, this.title, node("div", { class: "bench-board" }, this.element));
    this.side = 300;
    this.longest = 1;
    Object.assign(this, { largestCell, visit, edit });
    this.frame = this.element.appendChild(node("div", { class: "bench-frame", "aria-hidden": "true" }));
    this.rows = [];
    this.cells = [];
    this.element.addEventListener("focusin", (event) => this.#at(event.target, (row, column) => this.#enter(row, column)));
    this.element.addEventListener("pointerover", (event) => this.#at(event.target, (row, column) => visit?.(row, column)));
    this.element.addEventListener("click", (event) => this.#at(event.target, (row, column) => this.#open(row, column)));
    this.element.addEventListener("keydown", (event) => this.#at(event.target, (row, column) => this.#key(event, row, column)));
  }

  // Cells that stay are kept: making new ones is what costs time.
  #resize(size) {
    if (this.cells.length === size) return;
    this.lostFocus = this.element.contains(document.activeElement);
    for (const row of this.rows.splice(size)) row.remove();
    while (this.rows.length < size) this.rows.push(this.element.insertBefore(node("div", { role: "row" }), this.frame));
    this.cells = this.rows.map((line, row) => {
      while (line.childElementCount > size) line.lastChild.remove();
      for (let column = line.childElementCount; column < size; column++)
        line.append(node("div", { role: "gridcell", tabindex: -1, "data-row": row, "data-column": column }));
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

  // Make the cells as large as a board of `side` pixels lets them be. In pixels, from here: units of the container
  // in the style sheet would have the browser style every cell anew for each changed number.
  fit(side) {
    this.side = side;
    const board = Math.max(side, SMALLEST_CELL * this.cells.length);
    const cell = Math.min(board / this.cells.length, this.largestCell);
    const track = `repeat(${this.cells.length}, ${cell}px)`;
    this.element.style.gridTemplate = `${track} / ${track}`;
    this.element.style.fontSize = `${Math.min(cell * 0.55, (cell - 3) / (0.64 * this.longest), 14).toFixed(1)}px`;
    this.panel.style.setProperty("--side", `${board}px`);
  }

  // `paint(row, column)` gives the cell's text, its exact value, how strongly it is shaded (−1 … 1), and its classes.
  draw(title, size, paint) {
    if (this.title.textContent !== title) this.#cancel(); // the cell that is edited stands for another number now
    write(this.title, title);
    this.#resize(size);
    let longest = 2;
    this.cells.forEach((line, row) => line.forEach((cell, column) => {
      const { text, exact, shade = 0, classes = "" } = paint(row, column);
      longest = Math.max(longest, text.length);
      cell.shown = text;
      if (cell !== this.editing) write(cell, text);
      if (cell.title !== exact) cell.title = exact;
      const name = `${classes} ${shade < 0 ? "negative" : "positive"} shade${Math.round(Math.abs(shade) * 8)}`.trim();
      if (cell.className !== name) cell.className = name;
    }));
    if (longest === this.longest) return;
    this.longest = longest;
    this.fit(this.side);
  }

  enclose(row, column, span) {
    const part = (cells) => `${(cells / this.cells.length) * 100}%`;
    const place = `top: ${part(row)}; left: ${part(column)}; width: ${part(span)}; height: ${part(span)}`;
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

  #at(target, act) {
    const cell = target.closest("[data-row]");
    if (cell) act(+cell.dataset.row, +cell.dataset.column);
  }

  #enter(row, column) {
    this.select(row, column);
    this.visit?.(row, column);
  }

  #key(event, row, column) {
    if (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in ARROWS) {
      const [down, right] = ARROWS[event.key];
      this.cells[row + down]?.[column + right]?.focus();
    } else if (event.key === "Home") this.cells[row][0].focus();
    else if (event.key === "End") this.cells[row].at(-1).focus();
    else if (this.edit && ((event.key === "Enter" && !event.shiftKey) || /^[-+.\d]$/.test(event.key)))
      this.#open(row, column, event.key === "Enter" ? undefined : event.key);
    else return;
    event.preventDefault();
  }

  #cancel() {
    const cell = this.editing;
    this.editing = undefined;
    if (cell) write(cell, cell.shown);
  }

  // A small text field over the cell: Enter or leaving it keeps the number, Escape keeps the old one.
  #open(row, column, typed) {
    const cell = this.cells[row][column];
    const before = this.edit?.value(row, column);
    if (before === undefined || cell === this.editing) return;
    const field = node("input", { inputmode: "decimal", "aria-label": `new value, row ${row}, column ${column}` });
    const start = String(before);
    field.value = typed ?? start;
    const close = (keep) => {
      if (this.editing !== cell) return;
      this.#cancel();
      const text = field.value.trim();
      if (keep && text !== start) this.edit.commit(row, column, text);
    };
    field.addEventListener("blur", () => close(true));
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault();
      close(event.key === "Enter");
      cell.focus();
    });
    this.editing = cell;
    cell.replaceChildren(field);
    field.focus();
    if (typed === undefined) field.select();
  }
}

// Everything the view shows follows from these few values of the model.
function read(model) {
  const settings = Object.fromEntries(SETTINGS.map((name) => [name, model.get(name)]));
  const { input_size: n, kernel_size: k, padding: p } = settings;
  const pictures = model.get("input_presets"), kernels = model.get("kernel_presets");
  const input = crop(pictures[model.get("input_index")] ?? model.get("pixels"), n);
  const kernel = kernels[model.get("kernel_index")]?.[k - 1] ?? crop(model.get("weights"), k);
  const inside = (i) => i >= p && i < n + p;
  const side = Array.from({ length: n + 2 * p }, (_, i) => i);
  const padded = side.map((i) => side.map((j) => (inside(i) && inside(j) ? input[i - p][j - p] : 0)));
  return { settings, input, kernel, padded, inside, out: outputSize(settings) };
}

function render({ model, el }) {
  // JupyterLab's single-key shortcuts must not act on keys that are meant for a cell of the bench.
  el.setAttribute("data-lm-suppress-shortcuts", "true");
  el.classList.add("bench");
  let state = read(model), sharing;

  const goTo = (row, column) => {
    model.set("step", row * state.out + column);
    model.save_changes();
  };
  const editor = (part, trait, offset, value) => ({
    value,
    commit: (row, column, text) => {
      const typed = NUMBER.test(text) ? +text.replace(",", ".") : NaN;
      if (!(Math.abs(typed) <= 1e6))
        return write(status, `"${text}" is not a number up to a million; the cell keeps ${value(row, column)}.`);
      // What is edited starts as what is shown, inside what was typed before at larger sizes.
      const canvas = (part === "input" && model.get("input_presets")[model.get("input_index")]) || model.get(trait);
      const matrix = canvas.map((line, i) => line.map((old, j) => state[part][i]?.[j] ?? old));
      matrix[row - offset()][column - offset()] = typed;
      model.set(trait, matrix);
      model.set(`${part}_index`, model.get(`${part}_presets`).length); // "my own" follows the ready-made ones
      model.save_changes();
    },
  });

  const padding = () => state.settings.padding;
  const input = new Grid("Input with its padding", {
    edit: editor("input", "pixels", padding, (row, column) => state.input[row - padding()]?.[column - padding()]),
  });
  const kernel = new Grid("Kernel", { largestCell: 67, edit: editor("kernel", "weights", () => 0, (row, column) => state.kernel[row][column]) });
  const products = new Grid("Products under the window", { largestCell: 67 });
  const output = new Grid("Output", { visit: goTo });

  const legend = node("p", { class: "bench-legend" });
  for (const [name, text] of LEGEND) legend.append(node("span", {}, node("span", { class: `swatch ${name}` }), text));
  input.panel.append(legend);
  const sum = node("p", { class: "bench-sum" });
  products.panel.append(sum);
  const formula = node("p", { class: "bench-formula" }), unread = node("p", { class: "bench-unread" });
  const code = node("code"), copy = node("button", { type: "button", class: "jupyter-button" }, "Copy");
  const status = node("p", { role: "status", class: "bench-status" });
  copy.addEventListener("click", async () => {
    try { await navigator.clipboard.writeText(code.textContent); write(status, "Copied."); }
    catch { getSelection().selectAllChildren(code); write(status, "The line is selected: copy it with Ctrl+C or ⌘C."); }
  });
  const middle = node("div", { class: "bench-middle" }, kernel.panel, products.panel);
  el.append(node("div", { class: "bench-panels" }, input.panel, middle, output.panel), status, formula, unread,
    node("p", { class: "bench-code" }, code, copy));

  function draw() {
    const next = read(model);
    if (next.out < 1) return;
    state = next;
    const { settings, out, padded } = state;
    const { input_size: n, kernel_size: k, stride: s, padding: p, dilation: d } = settings;
    const step = Math.min(model.get("step"), out * out - 1);
    const [row, column] = [Math.floor(step / out), step % out];
    clearTimeout(sharing);
    sharing = setTimeout(share, PAUSE, step);

    const starts = Array.from({ length: out }, (_, i) => i * s);
    const sums = starts.map((top) => starts.map((left) => total(productsAt(padded, state.kernel, top, left, d))));
    const terms = productsAt(padded, state.kernel, row * s, column * s, d);
    const reached = new Set(starts.flatMap((start) => state.kernel.map((_, tap) => start + tap * d)));
    const isTap = (i, start) => i >= start && i <= start + d * (k - 1) && (i - start) % d === 0;

    drawInput(reached, (i, j) => isTap(i, row * s) && isTap(j, column * s));
    input.enclose(row * s, column * s, d * (k - 1) + 1);
    const numbers = (grid, title, values, classes = () => "") => {
      const scale = largest(values), decimals = decimalsFor(values.length);
      grid.draw(title, values.length, (i, j) => ({ text: brief(values[i][j], decimals), exact: String(values[i][j]),
        shade: values[i][j] / scale, classes: classes(i, j) }));
    };
    numbers(kernel, `Kernel ${k}×${k}`, state.kernel);
    numbers(products, "Window × kernel", terms);
    numbers(output, `Output ${out}×${out}`, sums, (i, j) => (i === row && j === column ? "current" : ""));
    output.select(row, column);
    [input, kernel, products, output].forEach((grid) => grid.settle());
    drawText(step, row, column, terms, reached);
  }

  function drawInput(reached, isTap) {
    const { input_size: n, padding: p } = state.settings;
    const scale = largest(state.padded), size = n + 2 * p;
    input.draw(p ? `Input ${n}×${n}, padded to ${size}×${size}` : `Input ${n}×${n}`, size, (i, j) => {
      const real = state.inside(i) && state.inside(j), value = state.padded[i][j];
      const classes = [real ? "pixel" : "pad", isTap(i, j) && "tap", real && !(reached.has(i) && reached.has(j)) && "unread"];
      return { text: brief(value, decimalsFor(size)), exact: String(value), shade: value / scale, classes: classes.filter(Boolean).join(" ") };
    });
  }

  function drawText(step, row, column, terms, reached) {
    const { input_size: n, kernel_size: k, stride: s, padding: p, dilation: d } = state.settings;
    const result = number(total(terms), 4), room = n + 2 * p - d * (k - 1) - 1;
    const list = terms.flat().map((value) => number(value, 2)).join(" + ").replaceAll("+ -", "− ");
    write(sum, k <= 3 ? `${list} = ${result}` : `sum of ${k * k} products = ${result}`);
    write(status, `Step ${step}: output[${row}, ${column}] = ${result}`);
    write(formula, "output size = ⌊(input_size + 2·padding − dilation·(kernel_size − 1) − 1) / stride⌋ + 1\n" +
      `= ⌊(${n} + 2·${p} − ${d}·(${k} − 1) − 1) / ${s}⌋ + 1 = ⌊${room} / ${s}⌋ + 1 = ` +
      `${room % s ? `⌊${number(room / s, 2)}⌋ + 1 = ` : ""}${state.out}`);
    const seen = [...reached].filter(state.inside).length ** 2, rest = room % s;
    write(unread, `${room} / ${s} leaves ${rest}: the last window ends ${rest ? plural(rest, "pixel") + " before" : "at"} the edge of the ` +
      `padded input. ${n * n - seen} of ${n * n} input pixels are read by no window.`);
    write(code, `nn.Conv2d(1, 1, kernel_size=${k}, stride=${s}, padding=${p}, dilation=${d}, bias=False)`);
  }

  // What the sliders need to know; jslink carries it there, with or without a kernel. A limit that comes late does
  // no harm, as a window that does not fit is not drawn and its slider is sent back; a picture that comes late would.
  function share(step) {
    const told = [["step", step], ["step_max", state.out ** 2 - 1]];
    for (const [name, low, high] of limits(state.settings, model.get("ranges")))
      told.push([`${name}_min`, low], [`${name}_max`, high]);
    const news = told.filter(([name, value]) => model.get(name) !== value);
    news.forEach(([name, value]) => model.set(name, value));
    if (news.length) model.save_changes();
  }

  // One drawing for all the changes that one key press brings.
  let waiting = false;
  const redraw = () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => { waiting = false; draw(); });
  };
  const room = new ResizeObserver(([{ contentRect }]) => {
    if (!contentRect.width) return; // hidden
    const between = (low, share, high) => Math.min(Math.max(share * contentRect.width, low), high);
    for (const grid of [input, output]) grid.fit(between(220, 0.31, 340));
    for (const grid of [kernel, products]) grid.fit(between(150, 0.2, 200));
  });
  const watched = [...SETTINGS, "step", "pixels", "weights", "input_index", "kernel_index"].map((name) => `change:${name}`);
  watched.forEach((name) => model.on(name, redraw));
  draw();
  room.observe(el);
  return () => {
    room.disconnect();
    clearTimeout(sharing);
    watched.forEach((name) => model.off(name, redraw));
  };
}

export default { render };

// The bench of a layer that slides a window: what stands where, and what follows a click or a key.

import { codeLine, live, node, number, shape, write } from "./base.js";
import { Grid } from "./grid.js";
import { columnsOf, lookAt } from "./layer_views.js";
import { benchLine, codeOf, formulaOf, leftOver, poolSum, sumOf } from "./layer_words.js";
import { layerOf, settingsOf, troubleOf } from "./taps.js";

const WALK = 500, // milliseconds from step to step
  SETTLED = 600, // milliseconds after which a change can be undone by itself
  NARROW = 480, // pixels, as wide as a phone
  HEIGHT = 300, // pixels of the largest board, so that sliders and boards are seen together
  SMALLEST = 90;

const button = (word, act, label = word) => {
  const made = node(
    "button",
    { type: "button", class: "jupyter-button", "aria-label": label },
    word,
  );
  made.addEventListener("click", act);
  return made;
};

// What can be taken back: all settings and numbers, as they stood.
class Past {
  constructor(model) {
    this.model = model;
    this.names = model.get("names");
    this.states = [this.#now()];
  }
  #now() {
    return JSON.stringify(this.names.map((name) => this.model.get(name)));
  }
  note() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (this.states.at(-1) !== this.#now()) this.states.push(this.#now());
    }, SETTLED);
  }
  back(all) {
    clearTimeout(this.timer);
    const now = this.#now();
    while (this.states.length > 1 && (all || this.states.at(-1) === now)) this.states.pop();
    JSON.parse(this.states.at(-1)).forEach((value, i) => this.model.set(this.names[i], value));
    this.model.save_changes();
  }
}

// A slider for the step, with a button that walks; its range follows the output, here in the page.
function walker(set) {
  const slider = node("input", {
    type: "range",
    min: 0,
    class: "bench-step",
    "aria-label": "step",
  });
  let walking;
  const play = button(
    "▶ Play",
    () => {
      if (walking) return stop();
      write(play, "⏸ Pause");
      walking = setInterval(
        () => (+slider.value < +slider.max ? set(+slider.value + 1) : stop()),
        WALK,
      );
      if (slider.value === slider.max) set(0);
    },
    "Play or pause",
  );
  const stop = () => {
    clearInterval(walking);
    walking = undefined;
    write(play, "▶ Play");
  };
  slider.addEventListener("input", () => set(+slider.value));
  const says = node("span", { class: "bench-step-says" });
  const show = (steps, now) => {
    Object.assign(slider, { max: steps - 1, value: now });
    write(says, `step ${now} of ${steps - 1}`);
  };
  return { element: node("div", { class: "bench-walk" }, play, slider, says), show, stop };
}

// The boards, made when a view first needs them and kept.
class Boards {
  constructor(visit) {
    this.visit = visit;
    this.grids = new Map();
    this.shown = [];
    this.lines = shape("path", { class: "bench-join" });
    const svg = shape("svg", { class: "bench-joins", "aria-hidden": "true" }, this.lines);
    this.columns = node("div", { class: "bench-panels" });
    this.element = node("div", { class: "bench-stage" }, this.columns, svg);
  }

  #grid({ label, large, free }) {
    if (!this.grids.has(label)) {
      const grid = new Grid(label, { largestCell: large ? 44 : 67, free });
      grid.visit = (row, column) => this.visit(grid.spec, row, column);
      this.grids.set(label, grid);
    }
    return this.grids.get(label);
  }

  draw(columns) {
    const grids = columns.map((column) => column.map((spec) => this.#grid(spec)));
    const keys = JSON.stringify(columns.map((column) => column.map(({ label }) => label)));
    if (keys !== this.keys) {
      const stacks = grids.map((some, place) => {
        const size = columns[place].some(({ large }) => large) ? "" : "small";
        const style = `bench-stack of${some.length} ${size}`;
        return node("div", { class: style }, ...some.map((grid) => grid.panel));
      });
      this.columns.replaceChildren(...stacks);
      Object.assign(this, { keys, shown: columns });
      this.fit();
    }
    this.shown = columns;
    columns.flat().forEach((spec, place) => this.#paint(grids.flat()[place], spec));
    requestAnimationFrame(() => this.join());
  }

  // How cells are marked now, for the legend.
  marks() {
    const grids = this.shown.flat().map(({ label }) => this.grids.get(label));
    return new Set(grids.flatMap((grid) => [...grid.marks].join(" ").split(" ")));
  }

  #paint(grid, spec) {
    Object.assign(grid, { spec, edit: spec.edit, silent: spec.silent });
    grid.numbers(spec.title, spec.values, spec.classes);
    if (spec.selected) grid.select(...spec.selected);
    if (spec.frame) grid.enclose(...spec.frame);
    else grid.frame.removeAttribute("style");
    grid.settle();
  }

  fit(width = this.width ?? 900) {
    this.width = width;
    const narrow = width < NARROW;
    this.columns.classList.toggle("narrow", narrow);
    for (const column of this.shown)
      for (const { label, large, free } of column) {
        const count = column.length;
        const share = this.shown.length > 3 ? 0.235 : large ? 0.31 : 0.2;
        const most = count === 1 ? HEIGHT : HEIGHT / (count === 3 ? 2.5 : 2);
        const beside = width / Math.max(count, 2) - 10;
        const side = narrow ? beside : Math.max(Math.min(share * width, most), SMALLEST);
        this.grids.get(label).fit(free ? width - 20 : side, count > 1 ? 6 : 8);
      }
  }

  // Lines from the window to its output; they move with the step.
  join() {
    const frames = this.columns.querySelectorAll(".bench-frame[style]");
    const frame = frames[0];
    const cell = this.columns.querySelector(".bench-grid .current") ?? frames[1];
    if (!frame || !cell || !this.element.isConnected) return this.lines.setAttribute("d", "");
    const [origin, from, to] = [this.element, frame, cell].map((one) =>
      one.getBoundingClientRect(),
    );
    const scale = origin.width / this.element.offsetWidth || 1; // of a slide
    const x = (place) => ((place - origin.left) / scale).toFixed(1);
    const y = (place) => ((place - origin.top) / scale).toFixed(1);
    const corners = ["top", "bottom"].map(
      (side) => `M${x(from.right)} ${y(from[side])}L${x(to.left)} ${y(to[side])}`,
    );
    this.lines.setAttribute("d", from.right < to.left ? corners.join("") : "");
  }
}

const LEGEND = {
  tap: "in the window",
  pad: "padding",
  beyond: "beyond the padding",
  unread: "read by no window",
};

function makeLines() {
  const lines = {};
  for (const name of ["sum", "status", "formula", "unread"])
    lines[name] = node("p", { class: `bench-${name}` });
  lines.status.setAttribute("role", "status");
  lines.legend = node("p", { class: "bench-legend" });
  for (const [name, text] of Object.entries(LEGEND))
    lines.legend.append(
      node("span", { class: `of-${name}` }, node("span", { class: `swatch ${name}` }), text),
    );
  return lines;
}

function drawLines(lines, look, columns, marks) {
  const { settings, view, row, column, channel, shapes, output, now, step } = look;
  const boards = columns.flat();
  const place = [...(shapes.output[0] > 1 ? [channel] : []), row, column].join(", ");
  const result = `output[${place}] = ${number(output[now], 4)}`;
  write(
    lines.status,
    view === "stamps" ? `Step ${step}: input[${row}, ${column}]` : `Step ${step}: ${result}`,
  );
  const of = (name) =>
    boards.filter((board) => board.label.startsWith(name)).map((board) => board.values.flat());
  const finite = (some) => some.map((values) => values.filter((value) => !Number.isNaN(value)));
  let sum = "";
  if (view === "forward")
    sum = settings.convolves
      ? sumOf(look, finite(of("Products")))
      : poolSum(look, of("Values")[0], of("Gradient")[0]);
  if (view === "backward" && settings.bias)
    sum = `gradient of the bias: ${look.back.bias.map((value) => number(value, 4)).join(", ")}`;
  write(lines.sum, sum);
  write(lines.formula, formulaOf(look));
  write(lines.unread, leftOver(look));
  for (const name of Object.keys(LEGEND))
    lines.legend.querySelector(`.of-${name}`).hidden = !marks.has(name);
}

// Buttons for the views that the layer has, and for what goes with them.
function bar(model, set, past) {
  const names = ["forward", "backward", "stamps", "matrix"];
  const views = names.map((name) => button(name, () => set({ view: name })));
  const alone = button("one output alone", () => set({ alone: !model.get("alone") }));
  const turned = button("transpose", () => set({ turned: !model.get("turned") }));
  const undo = button("Undo", () => past().back(false));
  const reset = button("Reset", () => past().back(true));
  const show = ({ views: has, view }) => {
    views.forEach((one, i) => {
      one.hidden = !has.includes(names[i]);
      one.setAttribute("aria-pressed", String(names[i] === view));
    });
    alone.hidden = view !== "backward";
    turned.hidden = view !== "matrix";
    alone.setAttribute("aria-pressed", String(model.get("alone")));
    turned.setAttribute("aria-pressed", String(model.get("turned")));
  };
  return {
    element: node("div", { class: "bench-bar" }, ...views, alone, turned, undo, reset),
    show,
  };
}

class LayerView {
  constructor(model, el) {
    Object.assign(this, { model, el });
    this.walk = walker((step) => this.set({ step }));
    this.bar = bar(
      model,
      (values) => this.set(values),
      () => this.past,
    );
    this.boards = new Boards((...at) => this.#visit(...at));
    this.lines = { ...makeLines(), ...codeLine() };
    this.copy = button("Copy the bench", () => this.#copy());
    this.lines.line.firstChild.append(this.copy);
    this.trouble = node("p", { class: "bench-trouble", role: "status" });
    const { legend, sum, status, formula, unread, line } = this.lines;
    this.work = node("div", {}, this.boards.element, legend, sum, status, formula, unread);
    el.append(this.walk.element, this.bar.element, this.trouble, this.work, line);
  }

  set(values) {
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.model.save_changes();
  }

  #visit(spec, row, column) {
    const { visit, place } = spec;
    if (visit) this.set(visit(row, column));
    else if (place)
      this.set({
        channel: place.channel ?? this.look.channel,
        step: row * place.width + column,
      });
  }

  async #copy() {
    const text = benchLine(this.model, this.layer, this.lines.code.textContent);
    const copied = navigator.clipboard?.writeText(text) ?? Promise.reject();
    await copied.then(
      () => write(this.lines.note, "Copied: a line of Python with all settings."),
      () => write(this.lines.note, text),
    );
  }

  // Which controls are seen depends on the layer; at the first drawing they are not there yet.
  mark() {
    const whole = this.el.closest(".widget-vbox") ?? this.el;
    const { kind } = settingsOf(this.model);
    Object.assign(whole.dataset, { kind, locked: this.model.get("locked") });
  }

  draw() {
    const { model, lines } = this;
    const settings = settingsOf(model);
    this.mark();
    this.past?.note();
    const taken = model.get("kinds")[settings.kind];
    write(lines.code, codeOf(settings, taken, model.get("usual")[settings.kind]));
    let says = troubleOf(settings, model.get("troubles"));
    this.work.hidden = this.copy.hidden = Boolean(says);
    if (!says) {
      const made = JSON.stringify(settings);
      if (this.made !== made) Object.assign(this, { layer: layerOf(settings), made });
      says = this.#show();
    }
    write(this.trouble, says);
    write(lines.note, "");
  }

  // Draw the boards, or return why they cannot be read.
  #show() {
    this.look = lookAt(this.model, this.layer);
    const columns = columnsOf(this.look);
    this.bar.show(this.look);
    this.walk.show(this.look.steps, this.look.step);
    const large = typeof columns === "string";
    this.boards.element.hidden = large;
    if (large) return columns;
    this.boards.draw(columns);
    drawLines(this.lines, this.look, columns, this.boards.marks());
    return "";
  }
}

function render({ model, el }) {
  const view = new LayerView(model, el);
  const fit = (between) => {
    view.mark();
    view.boards.fit(between(0, 1, 1e6));
    view.boards.join();
  };
  const end = live(model, el, model.get("names"), () => view.draw(), fit);
  view.past = new Past(model);
  return () => {
    view.walk.stop();
    end();
  };
}

export default { render };

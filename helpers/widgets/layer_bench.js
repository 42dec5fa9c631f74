// The bench of a layer that slides a window: what stands where, and what follows a click or a key.

import { codeLine, live, node, shape, write } from "./base.js";
import { Grid } from "./grid.js";
import { columnsOf, lookAt, viewsOf } from "./layer_views.js";
import { benchLine, codeOf, saysOf } from "./layer_words.js";
import { layerOf, settingsOf, troubleOf } from "./taps.js";

const WALK = 500, // milliseconds from step to step
  SETTLED = 600, // milliseconds after which a change can be undone by itself
  NARROW = 480, // pixels, as wide as a phone
  HEIGHT = 300, // pixels of the largest board, so that sliders and boards are seen together
  SMALLEST = 90;

function button(word, act, label = word) {
  const attributes = { type: "button", class: "jupyter-button", "aria-label": label };
  const made = node("button", attributes, word);
  made.addEventListener("click", act);
  return made;
}

// What can be taken back: all settings and numbers, as they stood.
function pastOf(model) {
  const names = model.get("names");
  const now = () => JSON.stringify(names.map((name) => model.get(name)));
  const states = [now()];
  let timer;
  const note = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (states.at(-1) !== now()) states.push(now());
    }, SETTLED);
  };
  const back = (all) => {
    clearTimeout(timer);
    while (states.length > 1 && (all || states.at(-1) === now())) states.pop();
    JSON.parse(states.at(-1)).forEach((value, i) => model.set(names[i], value));
    model.save_changes();
  };
  return { note, back };
}

// A slider for the step, with a button that walks; its range follows the output, here in the page.
function walker(set) {
  const slider = node("input", {
    type: "range",
    min: 0,
    max: 0,
    class: "bench-step",
    "aria-label": "step",
  });
  const says = node("span", { class: "bench-step-says" });
  let walking;
  const stop = () => {
    walking = clearInterval(walking);
    write(play, "▶ Play");
  };
  const next = () => (+slider.value < +slider.max ? set({ step: +slider.value + 1 }) : stop());
  const start = () => {
    walking = setInterval(next, WALK);
    write(play, "⏸ Pause");
    if (slider.value === slider.max) set({ step: 0 });
  };
  const play = button("▶ Play", () => (walking ? stop() : start()), "Play or pause");
  slider.addEventListener("input", () => set({ step: +slider.value }));
  const show = ({ steps, step }) => {
    Object.assign(slider, { max: steps - 1, value: step });
    write(says, `step ${step} of ${steps - 1}`);
  };
  return { element: node("div", { class: "bench-walk" }, play, slider, says), show, stop };
}

// Buttons for the views that the layer has, and for what goes with them.
function bar(model, set, back) {
  const flip = (name) => () => set({ [name]: !model.get(name) });
  const switches = model.get("views").map((view) => [view, button(view, () => set({ view }))]);
  switches.push(["alone", button("one output alone", flip("alone"))]);
  switches.push(["transposed", button("transpose", flip("transposed"))]);
  const others = [button("Undo", () => back(false)), button("Reset", () => back(true))];
  const show = ({ views, view }) => {
    const shown = [...views, { backward: "alone", matrix: "transposed" }[view]];
    for (const [name, made] of switches) {
      made.hidden = !shown.includes(name);
      made.setAttribute("aria-pressed", String(name === view || model.get(name) === true));
    }
  };
  const made = switches.map(([, one]) => one);
  return { element: node("div", { class: "bench-bar" }, ...made, ...others), show };
}

// The boards, made when a view first needs them and kept.
class Boards {
  constructor(set) {
    Object.assign(this, { set, grids: new Map(), shown: [], width: 900 });
    this.lines = shape("path", { class: "bench-join" });
    const svg = shape("svg", { class: "bench-joins", "aria-hidden": "true" }, this.lines);
    this.columns = node("div", { class: "bench-panels" });
    this.element = node("div", { class: "bench-stage" }, this.columns, svg);
  }

  #grid({ label, large, free }) {
    if (!this.grids.has(label)) {
      const grid = new Grid(label, { largestCell: large ? 44 : 67, free });
      grid.visit = (row, column) => {
        if (grid.spec.visit) this.set(grid.spec.visit(row, column));
      };
      this.grids.set(label, grid);
    }
    return this.grids.get(label);
  }

  draw(columns) {
    const names = JSON.stringify(columns.map((column) => column.map(({ label }) => label)));
    this.shown = columns;
    if (names !== this.names) {
      const stacks = columns.map((column) => {
        const size = column.some(({ large }) => large) ? "" : "small";
        const panels = column.map((spec) => this.#grid(spec).panel);
        return node("div", { class: `bench-stack of${column.length} ${size}` }, ...panels);
      });
      this.columns.replaceChildren(...stacks);
      this.names = names;
      this.fit();
    }
    for (const spec of columns.flat()) this.#paint(this.#grid(spec), spec);
    requestAnimationFrame(() => this.join());
  }

  #paint(grid, spec) {
    Object.assign(grid, { spec, edit: spec.edit, silent: spec.silent });
    grid.numbers(spec.title, spec.values, spec.classes);
    if (spec.selected) grid.select(...spec.selected);
    if (spec.frame) grid.enclose(...spec.frame);
    else grid.frame.removeAttribute("style");
    grid.settle();
  }

  fit(width = this.width) {
    this.width = width;
    const narrow = width < NARROW;
    this.columns.classList.toggle("narrow", narrow);
    for (const column of this.shown)
      for (const spec of column) {
        const count = column.length;
        const share = this.shown.length > 3 ? 0.235 : spec.large ? 0.31 : 0.2;
        const most = count === 1 ? HEIGHT : HEIGHT / (count === 3 ? 2.5 : 2);
        const beside = width / Math.max(count, 2) - 10;
        const side = narrow ? beside : Math.max(Math.min(share * width, most), SMALLEST);
        this.#grid(spec).fit(spec.free ? width - 20 : side, count > 1 ? 6 : 8);
      }
  }

  // Lines from the window to its output; they move with the step.
  join() {
    const [frame, other] = this.columns.querySelectorAll(".bench-frame[style]");
    const cell = this.columns.querySelector(".bench-grid .current") ?? other;
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

class LayerView {
  constructor(model, el) {
    Object.assign(this, { model, el, past: pastOf(model) });
    const set = (values) => {
      for (const [name, value] of Object.entries(values)) model.set(name, value);
      model.save_changes();
    };
    this.walk = walker(set);
    this.bar = bar(model, set, this.past.back);
    this.boards = new Boards(set);
    this.code = codeLine();
    this.copy = button("Copy the bench", () => this.#copy());
    this.code.line.firstChild.append(this.copy);
    this.trouble = node("p", { class: "bench-trouble", role: "status" });
    this.legend = Object.entries(LEGEND).map(([name, text]) =>
      node("span", { class: `of-${name}` }, node("span", { class: `swatch ${name}` }), text),
    );
    const lines = ["sum", "status", "formula", "unread"];
    this.lines = lines.map((name) => node("p", { class: `bench-${name}` }));
    this.lines[1].setAttribute("role", "status");
    const legend = node("p", { class: "bench-legend" }, ...this.legend);
    this.work = node("div", {}, this.boards.element, legend, ...this.lines);
    el.append(this.walk.element, this.bar.element, this.trouble, this.work, this.code.line);
  }

  async #copy() {
    const text = benchLine(this.model, this.layer, this.code.code.textContent);
    const copied = navigator.clipboard?.writeText(text) ?? Promise.reject();
    await copied.then(
      () => write(this.code.note, "Copied: a line of Python with all settings."),
      () => write(this.code.note, text),
    );
  }

  // Which controls are seen depends on the layer; at the first drawing they are not there yet.
  mark() {
    const whole = this.el.closest(".widget-vbox") ?? this.el;
    const { kind } = settingsOf(this.model);
    Object.assign(whole.dataset, { kind, locked: this.model.get("locked") });
  }

  draw() {
    const settings = settingsOf(this.model);
    this.mark();
    this.past.note();
    write(this.code.code, codeOf(settings, this.model));
    this.bar.show(viewsOf(this.model, settings));
    const trouble = troubleOf(settings, this.model.get("troubles"));
    const says = trouble || this.#show(settings);
    this.copy.hidden = Boolean(trouble);
    this.work.hidden = Boolean(says);
    write(this.trouble, says);
    write(this.code.note, "");
  }

  // Draw the boards, or return why they cannot be read.
  #show(settings) {
    const made = JSON.stringify(settings);
    if (this.made !== made) Object.assign(this, { layer: layerOf(settings), made });
    const look = lookAt(this.model, this.layer);
    const columns = columnsOf(look);
    this.walk.show(look);
    if (typeof columns === "string") return columns;
    this.boards.draw(columns);
    saysOf(look, columns.flat()).forEach((text, i) => write(this.lines[i], text));
    const marked = (name) => this.boards.columns.querySelector(`[role=gridcell].${name}`);
    Object.keys(LEGEND).forEach((name, i) => (this.legend[i].hidden = !marked(name)));
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
  return () => {
    view.walk.stop();
    end();
  };
}

export default { render };

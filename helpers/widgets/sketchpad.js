// The sketchpad. The drawing lives here and never waits. What the network makes of it is computed
// here too; where that cannot be, Python is asked with the strokes.

import { node, write, live, onRestart, RESTARTED } from "./base.js";
import { GREYS, bytesOf, paint, Shelf } from "./heat.js";
import { Pad } from "./pad.js";
import { Reader } from "./reader.js";

const ANSWER = ["answer", "picture", "probabilities", "maps", "nearest"];
const PAUSE = 80,
  PATIENCE = 3000; // milliseconds: between two questions, and for an answer
const SIDE = 28; // pixels of the picture
const NO_KERNEL = "No answer has come: the network needs a running kernel. You can go on drawing.";
const KEYS =
  "Draw with mouse, pen or finger. By keyboard: arrow keys move the cursor (with Shift four " +
  "steps at once), Space lowers and lifts the pen, Backspace undoes the last stroke.";

// A row for each digit: its bar, its probability, and a mark for the largest.
class Bars {
  constructor() {
    this.rows = Array.from({ length: 10 }, (_, digit) => {
      const name = node("th", { scope: "row" }, String(digit)),
        bar = node("span"),
        text = node("td");
      return { bar, text, row: node("tr", {}, name, node("td", {}, bar), text) };
    });
    const head = ["digit", "bar", "probability"].map((name) => node("th", { scope: "col" }, name));
    this.element = node(
      "table",
      { class: "sketch-bars", "aria-label": "The probability of each digit" },
      node("thead", {}, node("tr", {}, ...head)),
      node("tbody", {}, ...this.rows.map(({ row }) => row)),
    );
  }

  draw(probabilities) {
    const most = Math.max(...probabilities);
    this.rows.forEach(({ bar, text, row }, digit) => {
      const chance = probabilities[digit] ?? 0;
      bar.style.transform = `scaleX(${chance})`;
      write(text, `${(100 * chance).toFixed(1)} %${chance === most ? " ◀" : ""}`);
      row.className = chance === most ? "most" : "";
    });
  }
}

function send(model, values) {
  model.set(values);
  try {
    model.save_changes();
  } catch {
    /* the kernel is gone */
  }
}

// Computes answers in the page, at most one a frame. Python only hears what is drawn.
class Here {
  by = "Computed in this page.";

  constructor(model, sketch) {
    Object.assign(this, { model, sketch });
    this.reader = new Reader(model.get("page"), () => this.#wake());
  }

  // Without a pause, as at pen up, there is nothing new to answer.
  ask(pause = PAUSE) {
    clearTimeout(this.timer);
    if (!pause) return this.#tell();
    this.timer = setTimeout(() => this.#tell(), pause);
    this.#wake();
  }

  #wake() {
    this.frame ??= requestAnimationFrame(() => this.sketch.draw());
  }

  #tell() {
    send(this.model, { strokes: structuredClone(this.sketch.pad.strokes) });
  }

  get open() {
    return this.frame !== undefined;
  }

  heard() {
    return true;
  }

  now() {
    cancelAnimationFrame(this.frame);
    this.frame = undefined;
    const [pen, centred] = ["pen", "centred"].map((name) => this.model.get(name));
    return this.reader.read(this.sketch.pad.strokes, pen, centred);
  }

  end() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
  }
}

// Sends the drawing: one question at a time, a few in a second, and the last state always.
class Questions {
  by = "Computed by the kernel.";

  constructor(model, sketch) {
    Object.assign(this, { model, sketch, at: -Infinity });
  }

  ask(pause = PAUSE) {
    Object.assign(this, { due: true, pause });
    clearTimeout(this.timer);
    const left = this.at + (this.waits ? PATIENCE : pause) - performance.now();
    if (left > 0) this.timer = setTimeout(() => this.#send(), left);
    else this.#send();
  }

  #send() {
    Object.assign(this, { due: false, waits: true, at: performance.now() });
    this.silence ??= setTimeout(() => this.sketch.complain(), PATIENCE);
    const strokes = structuredClone(this.sketch.pad.strokes);
    send(this.model, { strokes, asked: this.model.get("asked") + 1 });
  }

  // Whether something drawn has no answer yet.
  get open() {
    return Boolean(this.due || this.waits);
  }

  // Whether the last question has its answer.
  heard() {
    if (this.model.get("answered") < this.model.get("asked")) return false;
    clearTimeout(this.silence);
    Object.assign(this, { silence: undefined, waits: false });
    if (this.due) this.ask(this.pause);
    return true;
  }

  now() {
    const found = Object.fromEntries(ANSWER.map((name) => [name, this.model.get(name)]));
    return { ...found, picture: bytesOf(found.picture) };
  }

  end() {
    clearTimeout(this.timer);
    clearTimeout(this.silence);
  }
}

const panels = (...parts) => node("div", { class: "bench-panels" }, ...parts);
const titled = (title, ...parts) => node("div", {}, node("h4", {}, title), ...parts);

// The pad, where its answers come from, and what the network makes of the drawing.
class Sketch {
  constructor(model) {
    const words = (attributes, ...text) =>
      node("p", { class: "sketch-small", ...attributes }, ...text);
    this.model = model;
    this.pad = new Pad(this);
    this.answers = model.get("page") ? new Here(model, this) : new Questions(model, this);
    this.says = node("p", { role: "status", class: "bench-status" });
    [this.hint, this.place] = [words(), words({ role: "status" })];
    this.by = words({}, this.answers.by);
    this.help = words({ id: this.pad.canvas.getAttribute("aria-describedby") }, KEYS);
    this.seen = node("canvas", { role: "img", class: "heat sketch-seen" });
    this.bars = new Bars();
    [this.maps, this.nearest] = [new Shelf("sketch-maps"), new Shelf("sketch-nearest")];
  }

  fill(el) {
    const acts = {
      Undo: () => this.undo(),
      Clear: () => this.change([]),
      Example: () => this.change(this.model.get("example")),
    };
    const buttons = Object.entries(acts).map(([name, act]) => {
      const button = node("button", { type: "button", class: "jupyter-button" }, name);
      button.addEventListener("click", act);
      return button;
    });
    const below = [node("div", { class: "sketch-buttons" }, ...buttons), this.hint, this.place];
    const left = titled("Your drawing", this.pad.element, ...below, this.help);
    left.className = "sketch-left";
    const picture = titled("The network sees", this.seen),
      bars = titled("Its probabilities", this.bars.element, this.by),
      results = panels(picture, bars, this.maps.element),
      middle = [this.says, results, this.nearest.element];
    el.append(panels(left, node("div", { class: "sketch-middle" }, ...middle)));
  }

  put(strokes) {
    this.pad.strokes = structuredClone(strokes);
    this.example = JSON.stringify(strokes) === JSON.stringify(this.model.get("example"));
    write(this.hint, this.example ? "An example: your first stroke wipes it away." : "");
    this.pad.redraw();
  }

  begin() {
    if (this.example) this.put([]);
    this.says.setAttribute("aria-live", "off"); // else every change would be read out
  }

  lifted() {
    this.says.setAttribute("aria-live", "polite");
    this.ask(0);
    if (!this.answers.open) this.says.replaceChildren(this.says.textContent);
  }

  change(strokes) {
    this.pad.stop();
    this.put(strokes);
    this.lifted();
    this.show(this.answers.now());
  }

  undo() {
    this.change(this.pad.strokes.slice(0, -1));
  }

  ask(pause) {
    this.answers.ask(pause);
    this.busy();
  }

  // No answer has come for long.
  complain() {
    this.quiet = true;
    this.draw();
  }

  // The network is gone, if it was the kernel that had it.
  restarted() {
    if (this.answers instanceof Here) return;
    this.lost = RESTARTED;
    this.draw();
  }

  // Until the answer is there, the bars are not about what is drawn.
  busy() {
    this.bars.element.setAttribute("aria-busy", this.answers.open);
  }

  draw() {
    const { model, pad, told } = this,
      [pen, given] = ["pen", "given"].map((name) => model.get(name));
    if (this.answers.heard()) this.quiet = false;
    if (pen !== pad.pen) Object.assign(pad, { pen }).redraw();
    this.told = given;
    if (told === undefined) this.put(model.get("strokes"));
    else if (given !== told) return this.change(model.get("strokes")); // else our own come back
    this.show(this.answers.now());
  }

  show({ answer, picture, probabilities, maps, nearest }) {
    write(this.says, this.lost ?? (this.quiet ? NO_KERNEL : answer));
    this.busy();
    paint(this.seen, SIDE, SIDE, picture, GREYS);
    this.seen.setAttribute("aria-label", `The picture of 28×28 that the network sees. ${answer}`);
    this.bars.draw(probabilities);
    this.maps.draw(maps);
    this.nearest.draw(nearest);
  }
}

function render({ model, el }) {
  const sketch = new Sketch(model),
    names = ["given", "pen", "centred", "answered", ...ANSWER];
  sketch.fill(el);
  const draw = () => sketch.draw();
  const end = live(model, el, names, draw, () => sketch.pad.measure());
  const forget = onRestart(model, el, () => sketch.restarted());
  return () => {
    forget();
    sketch.answers.end();
    end();
  };
}

export default { render };

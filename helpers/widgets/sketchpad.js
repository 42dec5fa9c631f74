// The sketchpad. The drawing lives here and never waits; Python, asked with the strokes, says what
// the network makes of it.

import { ARROWS, node, write, live } from "./base.js";
import { GREYS, bytesOf, paint, Shelf } from "./heat.js";

const PAUSE = 80,
  PATIENCE = 3000; // milliseconds: between two questions, and for an answer
const SIDE = 28; // pixels of the picture
const GAP = 0.004; // of the side: points nearer to each other than that look the same
const NO_KERNEL = "No answer has come: the network needs a running kernel. You can go on drawing.";
const KEYS =
  "Draw with mouse, pen or finger. By keyboard: arrow keys move the cursor (with Shift four " +
  "steps at once), Space lowers and lifts the pen, Backspace undoes the last stroke.";

// White strokes on black: mouse, pen and finger draw through one pointer at a time, and the
// keyboard moves a cursor that is a pen as well. A new point draws one segment; nothing here reads
// the page's layout but `measure`.
class Pad {
  constructor(sketch) {
    this.canvas = node("canvas", {
      class: "sketch",
      tabindex: 0,
      role: "application",
      "aria-roledescription": "drawing pad",
      "aria-label": "Pad to draw a digit on",
      "aria-describedby": `sketch-help-${Math.random()}`,
    });
    this.cursor = node("span", { class: "sketch-cursor", "aria-hidden": "true" });
    this.element = node("div", { class: "sketch-pad" }, this.canvas, this.cursor);
    this.context = this.canvas.getContext("2d");
    Object.assign(this, { sketch, strokes: [], pen: 0.08, at: [0.5, 0.5], down: false });
    for (const [name, act] of Object.entries({
      pointerdown: this.#press,
      pointermove: this.#move,
      keydown: this.#key,
      wheel: this.#hold,
      pointerup: this.#release,
      pointercancel: this.#release,
      lostpointercapture: this.#release,
      blur: this.#lift,
    }))
      this.canvas.addEventListener(name, act.bind(this));
  }

  measure() {
    const { left, top, width } = this.canvas.getBoundingClientRect();
    const pixels = Math.round(width * devicePixelRatio);
    Object.assign(this, { left, top, side: width });
    if (!pixels || this.canvas.width === pixels) return;
    Object.assign(this.canvas, { width: pixels, height: pixels });
    this.redraw();
  }

  redraw() {
    const { context } = this,
      { width } = this.canvas;
    context.setTransform(width, 0, 0, width, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, 1, 1);
    Object.assign(context, { strokeStyle: "#fff", lineWidth: this.pen });
    Object.assign(context, { lineCap: "round", lineJoin: "round" });
    this.strokes.forEach((stroke) => this.#draw(stroke));
  }

  #draw([first, ...others]) {
    this.context.beginPath();
    this.context.moveTo(...first);
    (others.length ? others : [first]).forEach((point) => this.context.lineTo(...point));
    this.context.stroke();
  }

  #begin(point) {
    this.sketch.begin();
    this.strokes.push([point]);
    this.#draw([point]);
    this.sketch.ask();
  }

  #extend(points) {
    const stroke = this.strokes.at(-1),
      from = stroke.at(-1);
    let last = from;
    const added = points.filter((point) => apart(point, last) > GAP && (last = point));
    if (!added.length) return;
    stroke.push(...added);
    this.#draw([from, ...added]);
    this.sketch.ask();
  }

  #place({ clientX, clientY }) {
    return [(clientX - this.left) / this.side, (clientY - this.top) / this.side].map(within);
  }

  #press(event) {
    if (this.pointer !== undefined || event.button) return;
    this.#lift();
    this.pointer = event.pointerId;
    try {
      this.canvas.setPointerCapture(event.pointerId);
    } catch {
      /* it has gone already */
    }
    this.measure(); // where the pad is, as the page may have scrolled
    this.#begin(this.#place(event));
  }

  #move(event) {
    if (event.pointerId !== this.pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    this.#extend((events.length ? events : [event]).map((one) => this.#place(one)));
  }

  #release(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = undefined;
    this.sketch.lifted();
  }

  // While a stroke is drawn, neither wheel nor key moves the page below the pen.
  #hold(event) {
    if (this.pointer !== undefined) event.preventDefault();
  }

  #key(event) {
    const { key, shiftKey } = event,
      command = event.ctrlKey || event.metaKey;
    if (this.pointer !== undefined) return this.#hold(event);
    if (key in ARROWS && !command) this.#step(ARROWS[key], (shiftKey ? 4 : 1) / SIDE);
    else if (key === " " && !command && !shiftKey) this.#toggle();
    else if (key === "Backspace" || (command && key === "z")) this.sketch.undo();
    else return;
    event.preventDefault();
    this.#show();
  }

  #step([down, right], far) {
    this.at = [within(this.at[0] + right * far), within(this.at[1] + down * far)];
    if (this.down) this.#extend([this.at]);
  }

  #toggle() {
    if (this.down) return this.#lift();
    this.down = true;
    this.#begin(this.at);
  }

  #lift() {
    if (!this.down) return;
    this.stop();
    this.sketch.lifted();
  }

  // Whatever draws ends here: the strokes are about to be others.
  stop() {
    const { down } = this;
    Object.assign(this, { pointer: undefined, down: false });
    if (down) this.#show();
  }

  #show() {
    const [x, y] = this.at.map((share) => `${Math.round(100 * share)} %`);
    Object.assign(this.cursor.style, { left: x, top: y });
    this.cursor.className = `sketch-cursor${this.down ? " down" : ""}`;
    const where = `The cursor is at ${x} from the left and ${y} from the top`;
    write(this.sketch.place, `${where}; the pen is ${this.down ? "down" : "up"}.`);
  }
}

const apart = ([x, y], [left, top]) => Math.hypot(x - left, y - top);
const within = (share) => Math.round(1e4 * Math.min(Math.max(share, 0), 1)) / 1e4;

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
      const share = probabilities[digit] ?? 0;
      bar.style.transform = `scaleX(${share})`;
      write(text, `${(100 * share).toFixed(1)} %${share === most ? " ◀" : ""}`);
      row.className = share === most ? "most" : "";
    });
  }
}

// Sends the drawing: one question at a time, a few in a second, and the last state always.
class Questions {
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
    this.model.set({ strokes, asked: this.model.get("asked") + 1 });
    try {
      this.model.save_changes();
    } catch {
      /* the kernel is gone, which `complain` says */
    }
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

  end() {
    clearTimeout(this.timer);
    clearTimeout(this.silence);
  }
}

const panels = (...parts) => node("div", { class: "bench-panels" }, ...parts);
const titled = (title, ...parts) => node("div", {}, node("h4", {}, title), ...parts);

// The pad, the questions that it asks, and what the network makes of the drawing.
class Sketch {
  constructor(model) {
    const words = (attributes, ...text) =>
      node("p", { class: "sketch-small", ...attributes }, ...text);
    this.model = model;
    this.pad = new Pad(this);
    this.questions = new Questions(model, this);
    this.says = node("p", { role: "status", class: "bench-status" });
    [this.hint, this.place] = [words(), words({ role: "status" })];
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
      bars = titled("Its probabilities", this.bars.element),
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
  }

  change(strokes) {
    this.pad.stop();
    this.put(strokes);
    this.lifted();
  }

  undo() {
    this.change(this.pad.strokes.slice(0, -1));
  }

  ask(pause) {
    this.questions.ask(pause);
    this.busy();
  }

  // No answer has come for long.
  complain() {
    this.quiet = true;
    this.draw();
  }

  // Until the answer is there, the bars are not about what is drawn.
  busy() {
    this.bars.element.setAttribute("aria-busy", this.questions.open);
  }

  draw() {
    const { model, pad, told } = this,
      [pen, given, answer] = ["pen", "given", "answer"].map((name) => model.get(name));
    if (this.questions.heard()) this.quiet = false;
    if (pen !== pad.pen) Object.assign(pad, { pen }).redraw();
    this.told = given;
    if (told === undefined) this.put(model.get("strokes"));
    else if (given !== told) this.change(model.get("strokes")); // else our own come back
    write(this.says, this.quiet ? NO_KERNEL : answer);
    this.busy();
    paint(this.seen, SIDE, SIDE, bytesOf(model.get("picture")), GREYS);
    this.seen.setAttribute("aria-label", `The picture of 28×28 that the network sees. ${answer}`);
    this.bars.draw(model.get("probabilities"));
    this.maps.draw(model.get("maps"));
    this.nearest.draw(model.get("nearest"));
  }
}

function render({ model, el }) {
  const sketch = new Sketch(model),
    names = ["given", "pen", "answered", "answer", "picture", "probabilities", "maps", "nearest"];
  sketch.fill(el);
  const draw = () => sketch.draw();
  const end = live(model, el, names, draw, () => sketch.pad.measure());
  return () => {
    sketch.questions.end();
    end();
  };
}

export default { render };

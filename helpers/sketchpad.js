// The sketchpad. The drawing lives here and never waits; Python, asked with the strokes, says what the network makes of it.

const PAUSE = 80, PATIENCE = 2000, SILENCE = 3000; // milliseconds: between two questions, for an answer, until that is said
const GAP = 0.004; // of the side: points nearer to each other than that look the same
const NO_KERNEL = "No answer has come: the network needs a running kernel. You can go on drawing.";
const KEYS = "Draw with mouse, pen or finger. By keyboard: arrow keys move the cursor (with Shift four steps at once), "
  + "Space lowers and lifts the pen, Backspace undoes the last stroke.";

// White strokes on black. A new point draws one segment; nothing here reads the page's layout but `measure`.
class Pad {
  constructor() {
    this.canvas = node("canvas", { class: "sketch", tabindex: 0, role: "application", "aria-roledescription": "drawing pad",
      "aria-label": "Pad to draw a digit on", "aria-describedby": `sketch-help-${Math.random()}` });
    this.cursor = node("span", { class: "sketch-cursor", "aria-hidden": "true" });
    this.element = node("div", { class: "sketch-pad" }, this.canvas, this.cursor);
    this.context = this.canvas.getContext("2d");
    this.strokes = [];
    this.pen = 0.08;
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
    const { context, canvas: { width } } = this;
    context.setTransform(width, 0, 0, width, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, 1, 1);
    Object.assign(context, { strokeStyle: "#fff", lineCap: "round", lineJoin: "round", lineWidth: this.pen });
    this.strokes.forEach((stroke) => this.#draw(stroke));
  }

  #draw(points) {
    this.context.beginPath();
    this.context.moveTo(...points[0]);
    (points.length > 1 ? points.slice(1) : points).forEach((point) => this.context.lineTo(...point));
    this.context.stroke();
  }

  start(point) {
    this.strokes.push([point]);
    this.#draw([point]);
  }

  extend(points) {
    const stroke = this.strokes.at(-1), from = stroke.at(-1);
    let last = from;
    const added = points.filter(([x, y]) => Math.hypot(x - last[0], y - last[1]) > GAP && (last = [x, y]));
    if (!added.length) return false;
    stroke.push(...added);
    this.#draw([from, ...added]);
    return true;
  }

  place({ clientX, clientY }) {
    return [(clientX - this.left) / this.side, (clientY - this.top) / this.side].map(within);
  }
}

const within = (share) => Math.round(1e4 * Math.min(Math.max(share, 0), 1)) / 1e4;

// A row for each digit: its bar, its probability, and a mark for the largest.
class Bars {
  constructor() {
    this.rows = Array.from({ length: 10 }, (_, digit) => {
      const bar = node("span"), text = node("td");
      return { bar, text, row: node("tr", {}, node("th", { scope: "row" }, String(digit)), node("td", {}, bar), text) };
    });
    const head = ["digit", "bar", "probability"].map((name) => node("th", { scope: "col" }, name));
    this.element = node("table", { class: "sketch-bars", "aria-label": "The probability of each digit" },
      node("thead", {}, node("tr", {}, ...head)), node("tbody", {}, ...this.rows.map(({ row }) => row)));
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
  constructor(model, state, silent) {
    Object.assign(this, { model, state, silent, at: -Infinity });
  }

  ask(pause = PAUSE) {
    Object.assign(this, { due: true, pause });
    clearTimeout(this.timer);
    const open = this.model.get("asked") > this.model.get("answered") && this.waits;
    const left = this.at + (open ? PATIENCE : pause) - performance.now();
    if (left > 0) this.timer = setTimeout(() => this.#send(), left);
    else this.#send();
  }

  #send() {
    Object.assign(this, { due: false, waits: true, at: performance.now() });
    this.silence ??= setTimeout(this.silent, SILENCE);
    this.model.set({ strokes: this.state(), asked: this.model.get("asked") + 1 });
    try { this.model.save_changes(); } catch { /* the kernel is gone, which `silent` says */ }
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

// The maps of one layer under its name.
class Layer extends Strip {
  constructor(place) {
    super();
    this.title = place.appendChild(node("h4"));
    place.append(this.element);
  }
}

// Mouse, pen and finger draw through one pointer at a time; the keyboard moves a cursor that is a pen as well.
class Hand {
  constructor(pad, { begin, moved, lifted, undo, tell }) {
    Object.assign(this, { pad, begin, moved, lifted, undo, tell, at: [0.5, 0.5], down: false });
    for (const [name, act] of Object.entries({ pointerdown: this.#press, pointermove: this.#move, keydown: this.#key,
      pointerup: this.#release, pointercancel: this.#release, lostpointercapture: this.#release, blur: this.lift }))
      pad.canvas.addEventListener(name, act.bind(this));
  }

  #press(event) {
    if (this.pointer !== undefined || event.button) return;
    this.lift();
    this.pointer = event.pointerId;
    try { event.target.setPointerCapture(event.pointerId); } catch { /* it has gone already */ }
    this.pad.measure(); // where the pad is, as the page may have scrolled
    this.begin(this.pad.place(event));
  }

  #move(event) {
    if (event.pointerId !== this.pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    if (this.pad.extend((events.length ? events : [event]).map((one) => this.pad.place(one)))) this.moved();
  }

  #release(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = undefined;
    this.lifted();
  }

  // Whatever draws ends here: the strokes are about to be others.
  stop() {
    this.pointer = undefined;
    if (!this.down) return;
    this.down = false;
    this.show();
  }

  lift() {
    if (!this.down) return;
    this.down = false;
    this.lifted();
    this.show();
  }

  #key(event) {
    const { key } = event, step = (event.shiftKey ? 4 : 1) / 28, command = event.ctrlKey || event.metaKey;
    if (this.pointer !== undefined) return;
    if (key in ARROWS && !command) {
      const [down, right] = ARROWS[key];
      this.at = [within(this.at[0] + right * step), within(this.at[1] + down * step)];
      if (this.down && this.pad.extend([this.at])) this.moved();
    } else if ((key === " " || key === "Enter") && !command && !event.shiftKey) {
      if (this.down) this.lift();
      else {
        this.down = true;
        this.begin(this.at);
      }
    } else if (key === "Backspace" || key === "Delete" || (command && key === "z")) this.undo();
    else if (key === "Escape") this.lift();
    else return;
    event.preventDefault();
    this.show();
  }

  show() {
    const [x, y] = this.at.map((share) => `${Math.round(100 * share)} %`);
    Object.assign(this.pad.cursor.style, { left: x, top: y });
    this.pad.cursor.className = `sketch-cursor${this.down ? " down" : ""}`;
    this.tell(`The cursor is at ${x} from the left and ${y} from the top; the pen is ${this.down ? "down" : "up"}.`);
  }
}

function render({ model, el }) {
  const pad = new Pad(), bars = new Bars(), seen = node("canvas", { role: "img", class: "heat sketch-seen" });
  const says = node("p", { role: "status", class: "bench-status" }), place = node("p", { role: "status", class: "sketch-small" });
  const help = node("p", { id: pad.canvas.getAttribute("aria-describedby"), class: "sketch-small" }, KEYS);
  const maps = node("div", { class: "sketch-maps" }), strips = [], nearest = new Strip(), near = node("h4"), hint = node("p", { class: "sketch-small" });
  let quiet = false, shown = [], example = false, told;
  const questions = new Questions(model, () => pad.strokes.map((stroke) => [...stroke]), () => { quiet = true; draw(); });

  const put = (strokes) => {
    pad.strokes = strokes.map((stroke) => [...stroke]);
    says.setAttribute("aria-live", "polite");
    example = same(strokes, model.get("example"));
    write(hint, example ? "An example: your first stroke wipes it away." : "");
    pad.redraw();
  };
  const ask = (pause) => {
    questions.ask(pause);
    bars.element.setAttribute("aria-busy", questions.open);
  };
  const change = (strokes) => { hand.stop(); put(strokes); ask(0); };
  const hand = new Hand(pad, {
    begin: (point) => {
      if (example) put([]);
      says.setAttribute("aria-live", "off"); // else every change on the way would be read out
      pad.start(point);
      ask();
    },
    moved: () => ask(),
    lifted: () => { says.setAttribute("aria-live", "polite"); ask(0); },
    undo: () => change(pad.strokes.slice(0, -1)),
    tell: (words) => write(place, words),
  });
  const button = (name, act) => {
    const made = node("button", { type: "button", class: "jupyter-button" }, name);
    made.addEventListener("click", act);
    return made;
  };
  const buttons = node("div", { class: "sketch-buttons" }, button("Undo", () => change(pad.strokes.slice(0, -1))),
    button("Clear", () => change([])), button("Example", () => change(model.get("example"))));
  el.append(node("div", { class: "bench-panels" },
    node("div", { class: "sketch-left" }, node("h4", {}, "Your drawing"), pad.element, buttons, hint, place, help),
    node("div", { class: "sketch-middle" }, says, node("div", { class: "bench-panels" },
      node("div", {}, node("h4", {}, "The network sees"), seen), node("div", {}, node("h4", {}, "Its probabilities"), bars.element), maps), near, nearest.element)));

  function draw() {
    const [strokes, given, pen, answer, ...results] = ["strokes", "given", "pen", "answer", "picture", "probabilities", "maps", "nearest"].map((name) => model.get(name));
    if (questions.heard()) quiet = false;
    if (pen !== pad.pen) { pad.pen = pen; pad.redraw(); }
    if (given !== told) { // else they are our own, which the kernel sends back
      hand.stop();
      put(strokes);
      if (told !== undefined) ask(0); // what was under way to the kernel may have overtaken them there
      told = given;
    }
    bars.element.setAttribute("aria-busy", questions.open);
    write(says, quiet ? NO_KERNEL : answer);
    if (results.some((result, i) => result !== shown[i])) show(...results);
    shown = results;
  }

  function show(picture, probabilities, layers, { labels, distances, pixels }) {
    paint(seen, 28, 28, bytesOf(picture), GREYS);
    seen.setAttribute("aria-label", `The picture of 28×28 that the network sees. ${model.get("answer")}`);
    bars.draw(probabilities);
    layers.forEach(({ name, shape: [count, rows, columns], pixels: bytes }, i) => {
      strips[i] ??= new Layer(maps);
      write(strips[i].title, `${name} after ReLU: ${count} maps of ${rows}×${columns}`);
      strips[i].draw(Array.from({ length: count }, (_, map) => `map ${map}`), rows, columns, bytesOf(bytes), GREYS);
    });
    write(near, labels.length ? `Nearest of ${model.get("compared").toLocaleString("en")} training digits (${model.get("source")}), with their distance` : "");
    nearest.draw(labels.map((label, i) => `${label} (${distances[i].toFixed(1)})`), 28, 28, bytesOf(pixels), GREYS);
  }

  const end = live(model, el, ["given", "pen", "answered", "answer", "picture", "probabilities", "maps", "nearest"], draw, () => pad.measure());
  return () => { questions.end(); end(); };
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

export default { render };

// The drawing surface of the sketchpad.

import { ARROWS, node, write } from "./base.js";
import { within } from "./strokes.js";

const CELLS = 28; // steps of the keyboard's cursor along a side
const GAP = 0.004; // of the side: points nearer to each other than that look the same

// White strokes on black: mouse, pen and finger draw through one pointer at a time, and the
// keyboard moves a cursor that is a pen as well. A new point draws one segment; nothing here reads
// the page's layout but `measure`.
export class Pad {
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
    const added = points.filter((point) => gapOf(point, last) > GAP && (last = point));
    if (!added.length) return;
    stroke.push(...added);
    this.#draw([from, ...added]);
    this.sketch.ask();
  }

  #place({ clientX, clientY }) {
    return [(clientX - this.left) / this.side, (clientY - this.top) / this.side].map(share);
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
    if (key in ARROWS && !command) this.#step(ARROWS[key], (shiftKey ? 4 : 1) / CELLS);
    else if (key === " " && !command && !shiftKey) this.#toggle();
    else if (key === "Backspace" || (command && key === "z")) this.sketch.undo();
    else return;
    event.preventDefault();
    this.#show();
  }

  #step([down, right], far) {
    this.at = [share(this.at[0] + right * far), share(this.at[1] + down * far)];
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
    const [x, y] = this.at.map((part) => `${Math.round(100 * part)} %`);
    Object.assign(this.cursor.style, { left: x, top: y });
    this.cursor.className = `sketch-cursor${this.down ? " down" : ""}`;
    const where = `The cursor is at ${x} from the left and ${y} from the top`;
    write(this.sketch.place, `${where}; the pen is ${this.down ? "down" : "up"}.`);
  }
}

const gapOf = ([x, y], [left, top]) => Math.hypot(x - left, y - top);
const share = (value) => Math.round(1e4 * within(value, 0, 1)) / 1e4;

// The map of digits: a point on a plane, and the digit that the decoder makes of it, here in the
// page. tests/page/test_digit_map_page.py compares it with torch.

import { ARROWS, codeLine, live, node, write } from "./base.js";
import { GREYS, paint } from "./heat.js";
import { run, unpackedLayers } from "./network.js";

const SIDE = 28; // pixels of a digit
const NARROW = 560, // pixels, as wide as a phone
  AXIS = 56, // pixels beside the plane
  WIDEST = 400; // pixels of the plane
const DOT = 2.5; // pixels
const KEYS = "Drag the point, or move it with the arrow keys, with Shift ten times as far.";
const NUMBERS = ["number_0", "number_1"];
// For the digits 0 to 9, told apart by every kind of colour vision.
// Source: Petroff 2021, https://arxiv.org/abs/2107.02270
const CLASSES = [
  ...["#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"],
  ...["#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"],
];
const UNNAMED = CLASSES[8]; // a point without a label

// The nearest step of an axis; + 0, as there is no −0 in a text.
const nearestStep = (value, { low, step, decimals }) =>
  +(low + Math.round((value - low) / step) * step).toFixed(decimals) + 0;
const wideOf = ({ low, high }) => high - low;
const shareOf = (value, axis) => (value - axis.low) / wideOf(axis);
const valueAt = (share, axis) => axis.low + share * wideOf(axis);
// Shares of the plane, from its lower left corner.
const placeOf = ([x, y]) => ({ left: `${100 * x}%`, top: `${100 * (1 - y)}%` });
const put = (element, shares) => Object.assign(element.style, placeOf(shares)) && element;

function decoded(layers, points) {
  const data = Float32Array.from(points.flat());
  const greys = run(layers, { shape: [points.length, 2], data }).data;
  return Uint8ClampedArray.from(greys, (grey) => 255 * grey);
}

// The digits all over the plane as one picture, the top row first: each that of its own middle.
function mapOf(layers, [x, y], across) {
  const middles = Array.from({ length: across }, (_, i) => (i + 0.5) / across);
  const points = middles.flatMap((up) =>
    middles.map((right) => [valueAt(right, x), valueAt(1 - up, y)]),
  );
  const wide = across * SIDE,
    picture = new Uint8ClampedArray(wide * wide);
  decoded(layers, points).forEach((byte, at) => {
    const line = Math.floor(at / SIDE), // of a digit
      tile = Math.floor(line / SIDE);
    const row = Math.floor(tile / across) * SIDE + (line % SIDE);
    picture[row * wide + (tile % across) * SIDE + (at % SIDE)] = byte;
  });
  return [wide, wide, picture];
}

// The numbers at the ticks of an axis, and its name.
function scale(axis, i) {
  const count = Math.round(wideOf(axis) / axis.tick);
  const ticks = Array.from({ length: count + 1 }, (_, tick) => {
    const share = tick / count,
      text = String(nearestStep(axis.low + tick * axis.tick, axis));
    return put(node("span", {}, text.replace("-", "−")), i ? [0, share] : [share, 0]);
  });
  const name = node("b", {}, `number ${i}`);
  return node("div", { class: `map-scale of${i}`, "aria-hidden": "true" }, ...ticks, name);
}

// The plane, with a point that pointer and arrow keys move.
class Plane {
  constructor(model, map) {
    Object.assign(this, { model, makeMap: map, axes: model.get("axes") });
    this.dots = node("canvas");
    this.map = node("canvas", { class: "heat" });
    const names = model
      .get("names")
      .map(([digit, ...shares]) =>
        put(node("span", { style: `border-color: ${CLASSES[digit]}` }, `${digit}`), shares),
      );
    this.names = node("div", { class: "map-names" }, ...names);
    this.point = node("span", { class: "map-point" });
    const id = `map-help-${Math.random()}`;
    this.help = node("p", { id, class: "map-help" }, KEYS);
    const about = { "aria-label": "Plane of number 0 and number 1", "aria-describedby": id };
    const role = { role: "application", "aria-roledescription": "plane", tabindex: 0 };
    const parts = [this.dots, this.map, this.names, this.point];
    parts.forEach((part) => part.setAttribute("aria-hidden", "true"));
    this.element = node("div", { class: "map-plane", ...role, ...about }, ...parts);
    for (const [name, act] of Object.entries({
      pointerdown: this.#press,
      pointermove: this.#move,
      pointerup: this.#release,
      pointercancel: this.#release,
      lostpointercapture: this.#release,
      wheel: this.#hold,
      keydown: this.#key,
    }))
      this.element.addEventListener(name, act.bind(this));
  }

  #press(event) {
    if (this.held || event.button) return;
    this.pointer = event.pointerId;
    try {
      this.element.setPointerCapture(event.pointerId);
    } catch {
      /* it has gone already */
    }
    this.box = this.element.getBoundingClientRect();
    this.#move(event);
  }

  #move(event) {
    if (event.pointerId !== this.pointer) return;
    const { left, bottom, width, height } = this.box;
    this.#put([(event.clientX - left) / width, (bottom - event.clientY) / height]);
  }

  #release(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = undefined;
    this.released();
  }

  // While the point is dragged, the wheel does not move the page below it.
  #hold(event) {
    if (this.held) event.preventDefault();
  }

  #key(event) {
    const { key, shiftKey } = event;
    if (!(key in ARROWS) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const [down, right] = ARROWS[key],
      steps = shiftKey ? 10 : 1;
    const ways = [right, -down].map((way) => way * steps);
    const far = ways.map((way, i) => (way * this.axes[i].step) / wideOf(this.axes[i]));
    this.#put(this.shares().map((share, i) => share + far[i]));
  }

  #put(shares) {
    shares.forEach((share, i) => {
      const axis = this.axes[i],
        value = valueAt(Math.min(Math.max(share, 0), 1), axis);
      this.model.set(NUMBERS[i], nearestStep(value, axis));
    });
    this.model.save_changes();
  }

  get held() {
    return this.pointer !== undefined;
  }

  values() {
    return NUMBERS.map((name, i) => nearestStep(this.model.get(name), this.axes[i]));
  }

  shares() {
    return this.values().map((value, i) => shareOf(value, this.axes[i]));
  }

  draw() {
    put(this.point, this.shares());
    const all = this.model.get("all");
    this.map.hidden = !all;
    this.dots.hidden = this.names.hidden = all;
    if (!all || this.painted) return;
    this.painted = true;
    paint(this.map, ...this.makeMap(), GREYS);
  }

  // As sharp as the screen is.
  drawDots(side) {
    const size = Math.round(side * devicePixelRatio),
      labels = this.model.get("labels");
    if (this.dots.width === size) return;
    Object.assign(this.dots, { width: size, height: size });
    const pen = this.dots.getContext("2d");
    this.model.get("points").forEach(([x, y], i) => {
      pen.fillStyle = CLASSES[labels[i]] ?? UNNAMED;
      pen.beginPath();
      pen.arc(x * size, (1 - y) * size, DOT * devicePixelRatio, 0, 2 * Math.PI);
      pen.fill();
    });
  }
}

// Which digit is nearest to the point, in words; "" where none has a label.
function nearest(model, shares, axes) {
  const [points, labels] = ["points", "labels"].map((name) => model.get(name));
  const apart = (point) =>
    Math.hypot(...axes.map((axis, i) => (point[i] - shares[i]) * wideOf(axis)));
  const far = points.map(apart);
  const digit = labels[far.indexOf(Math.min(...far))];
  if (!(digit >= 0)) return "";
  return `The nearest of ${points.length} encoded digits is ${digit === 8 ? "an" : "a"} ${digit}.`;
}

function titleOf(model) {
  if (model.get("all")) return "Digits decoded all over the plane";
  const count = model.get("points").length;
  return count ? `The plane, with ${count} encoded digits` : "The plane of the two numbers";
}

// The numbers and the nearest digit are read out, but not at each move of a drag.
function words(plane) {
  const [numbers, near] = [node("p", { class: "bench-status" }), node("p")];
  const element = node("div", { role: "status", "aria-atomic": "true" }, numbers, near);
  plane.released = () => {
    element.setAttribute("aria-live", "polite");
    numbers.replaceChildren(numbers.textContent);
  };
  const draw = (texts, shares) => {
    if (plane.held) element.setAttribute("aria-live", "off");
    write(numbers, `number 0: ${texts[0]}, number 1: ${texts[1]}`);
    write(near, nearest(plane.model, shares, plane.axes));
  };
  return { element, draw };
}

function render({ model, el }) {
  const [axes, across] = ["axes", "across"].map((name) => model.get(name));
  const layers = unpackedLayers(model.get("layers"));
  const plane = new Plane(model, () => mapOf(layers, axes, across));
  const said = words(plane);
  const title = node("h4");
  const digit = node("canvas", { role: "img", class: "heat map-digit" });
  const { line, code } = codeLine();
  const frame = node("div", { class: "map-frame" }, plane.element, ...axes.map(scale));
  const right = node("div", {}, node("h4", {}, "The decoded digit"), digit);
  const panels = node("div", { class: "bench-panels digit-map" }, node("div", {}, title, frame));
  panels.append(node("div", { class: "map-right" }, right, said.element));
  el.append(panels, plane.help, line);

  function draw() {
    const values = plane.values();
    const texts = values.map((value, i) => value.toFixed(axes[i].decimals));
    plane.draw();
    paint(digit, SIDE, SIDE, decoded(layers, [values]), GREYS);
    digit.setAttribute("aria-label", `The digit decoded from ${texts.join(" and ")}`);
    write(title, titleOf(model));
    said.draw(texts, plane.shares());
    write(code, `decoder(torch.tensor([[${texts.join(", ")}]]))`);
  }

  const fit = (between) => {
    const width = between(0, 1, Infinity),
      narrow = width < NARROW;
    const side = Math.floor(narrow ? Math.min(width - AXIS, WIDEST) : between(0, 0.5, WIDEST));
    panels.classList.toggle("narrow", narrow);
    panels.style.setProperty("--side", `${side}px`);
    const zoom = narrow ? 6 : Math.floor((0.7 * side) / SIDE); // pixels of a digit's pixel
    panels.style.setProperty("--digit", `${zoom * SIDE}px`);
    plane.drawDots(side);
  };
  return live(model, el, [...NUMBERS, "all"], draw, fit);
}

export default { render };

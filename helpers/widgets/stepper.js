// The backward stepper. Python holds the gradients; the page shows those of the node where the step
// stands.

import { node, shape, write, live } from "./base.js";
import { bytesOf, paint, themed, steady } from "./heat.js";

const ROW = 40,
  BOX = 31,
  LETTER = 7; // pixels

// The graph, drawn once; `mark` shows how far the gradients have come.
class Graph {
  constructor(nodes, edges, visit) {
    const points = [...nodes.map(({ place }) => place), ...edges.flatMap(([, , route]) => route)];
    const used = points.map(([x]) => x);
    this.columns = this.#columns(nodes, used);
    this.edges = edges.map(([from, , route]) => [from, this.#edge(route)]);
    this.boxes = nodes.map((one, number) => this.#box(one, () => visit(number)));
    const [last] = [...this.columns.values()].slice(-1),
      width = last.middle + last.wide / 2 + 4;
    const height = ROW * (1 + Math.max(...points.map(([, y]) => y)));
    Object.assign(this, { width, height, scale: 1, room: Infinity });
    this.svg = shape("svg", { width, viewBox: `0 0 ${width} ${height}`, role: "img" });
    // in a narrow window the words get smaller, but not too small
    this.svg.style.minWidth = `${0.75 * width}px`;
    this.svg.append(...this.edges.map(([, line]) => line), ...this.boxes);
    this.element = node(
      "div",
      { class: "graph-scroll", tabindex: 0, "aria-label": "The graph" },
      this.svg,
    );
    this.nodes = nodes;
  }

  // Each column is as wide as its longest words; one that only edges pass is narrow.
  #columns(nodes, used) {
    const letters = (column) =>
      nodes
        .filter(({ place }) => place[0] === column)
        .flatMap(({ words }) => words.map((word) => word.length));
    let left = 4;
    return new Map(
      [...new Set(used)]
        .sort((a, b) => a - b)
        .map((column) => {
          const wide = Math.max(0, ...letters(column)) * LETTER + 14,
            middle = left + wide / 2;
          left += wide + 14;
          return [column, { wide, middle }];
        }),
    );
  }

  #at([column, row]) {
    return [this.columns.get(column).middle, (row + 0.5) * ROW];
  }

  #edge(route) {
    const half = BOX / 2,
      last = route.length - 1;
    const path = route.map((point, i) => {
      const [x, y] = this.#at(point);
      return `${i ? "L" : "M"}${x} ${y + (i === 0 ? half : i === last ? -half - 4 : 0)}`;
    });
    const [x, y] = this.#at(route[last]),
      tip = y - half;
    return shape("path", {
      d: `${path.join("")}M${x - 3} ${tip - 5}L${x} ${tip}L${x + 3} ${tip - 5}Z`,
      class: "graph-edge",
    });
  }

  #box({ words, place, leaf }, visit) {
    const [x, y] = this.#at(place);
    const { wide } = this.columns.get(place[0]);
    const size = { x: x - wide / 2, y: y - BOX / 2, width: wide, height: BOX, rx: leaf ? 0 : 6 };
    const text = words.map((word, i) => shape("text", { x, y: y - 2 + 13 * i }, word));
    const box = shape("g", { class: "graph-node" }, shape("rect", size), ...text);
    box.addEventListener("click", visit);
    return box;
  }

  // To be called where the page has just been laid out: reading sizes elsewhere would have it laid
  // out once more.
  measure() {
    this.scale = this.svg.clientWidth / this.width;
    this.room = this.element.clientHeight;
  }

  mark(step) {
    const kind = (number) => (number === step ? "current" : number < step ? "done" : "waiting");
    this.boxes.forEach((box, number) =>
      this.#name(box, `graph-node ${this.nodes[number].leaf ? "leaf " : ""}${kind(number)}`),
    );
    this.edges.forEach(([from, line]) => this.#name(line, `graph-edge ${kind(from)}`));
    const says = `A graph of ${this.nodes.length} nodes. ${this.nodes[step].says}`;
    this.svg.setAttribute("aria-label", says);
    if (this.scale * this.height > this.room + 1)
      this.#scrollTo(this.scale * this.#at(this.nodes[step].place)[1]);
  }

  #scrollTo(y) {
    const above = this.element.scrollTop;
    if (y - ROW < above || y + ROW > above + this.room) this.element.scrollTop = y - this.room / 2;
  }

  #name(element, name) {
    if (element.getAttribute("class") !== name) element.setAttribute("class", name);
  }
}

// A gradient in words and, where it has one, as a picture.
class Piece {
  constructor(album) {
    this.album = album;
    this.name = node("strong");
    this.says = node("span");
    this.canvas = node("canvas", { "aria-hidden": "true", class: "heat" });
    const words = node("p", {}, this.name, " ", this.says);
    this.element = node("div", { class: "piece" }, words, this.canvas);
  }

  show(piece, colours) {
    this.element.hidden = !piece;
    if (!piece) return;
    write(this.name, piece.name);
    write(this.says, piece.says);
    this.canvas.hidden = piece.picture < 0;
    if (piece.picture >= 0) this.#paint(piece.picture, colours);
  }

  #paint(picture, colours) {
    const { rows, columns, numbers } = this.album[picture];
    const fit = Math.min(300 / columns, 160 / rows, 16),
      cell = fit < 1 ? Math.max(fit, 0.5) : Math.floor(fit);
    Object.assign(this.canvas.style, {
      width: `${columns * cell}px`,
      imageRendering: cell < 1 ? "auto" : "",
    });
    paint(this.canvas, rows, columns, numbers, colours);
  }
}

// The `.grad` of each leaf, before and after the step that reaches it.
function gradTable(leaves) {
  const cells = leaves.map(() => node("td"));
  const heading = (scope) => (text) => node("th", { scope }, text);
  const rows = leaves.map(([, name, size], i) =>
    node("tr", {}, heading("row")(name), node("td", {}, size), cells[i]),
  );
  const head = node("tr", {}, ...["leaf", "shape", ".grad would be"].map(heading("col")));
  const parts = [node("thead", {}, head), node("tbody", {}, ...rows)];
  const mark = (step) =>
    leaves.forEach(([number, , , before, after], i) => {
      write(cells[i], step >= number ? after : before);
      rows[i].className = step === number ? "filled" : "";
    });
  const element = node(
    "div",
    { class: "grad-scroll" },
    node("table", { class: "trace" }, ...parts),
  );
  return { element, mark };
}

// What is said of one node: as many pieces as the node with the most gradients has.
class Words {
  constructor(nodes, pictures) {
    const signed = (text) => bytesOf(text).map((byte) => byte + 128);
    const album = pictures.map(([rows, columns, text]) => ({
      rows,
      columns,
      numbers: signed(text),
    }));
    const most = (part) => Math.max(1, ...nodes.map((one) => one[part].length));
    const pieces = (part) => Array.from({ length: most(part) }, () => new Piece(album));
    this.status = node("p", { role: "status", class: "bench-status" });
    this.rule = node("p");
    this.saved = node("p", { class: "saved" });
    this.passes = node("p");
    this.arriving = pieces("arriving");
    this.leaving = pieces("leaving");
    const elements = (some) => some.map((piece) => piece.element);
    const lines = [this.status, this.rule, this.saved, ...elements(this.arriving), this.passes];
    this.element = node("div", { class: "stepper-says" }, ...lines, ...elements(this.leaving));
  }

  draw(one, colours) {
    write(this.status, one.says);
    write(this.rule, one.rule);
    write(this.saved, one.saved && `Saved in forward, by torch's names: ${one.saved}.`);
    write(this.passes, one.leaf ? "" : "It passes on:");
    this.arriving.forEach((piece, i) => piece.show(one.arriving[i], colours));
    this.leaving.forEach((piece, i) => piece.show(one.leaving[i], colours));
  }
}

function render({ model, el }) {
  const { nodes, edges, leaves, pictures } = model.get("graph");
  const graph = new Graph(nodes, edges, (step) => {
    model.set("step", step);
    model.save_changes();
  });
  const words = new Words(nodes, pictures);
  const table = gradTable(leaves);
  const beside = node("div", { class: "stepper-beside" }, words.element, table.element);
  el.append(node("div", { class: "stepper" }, graph.element, beside));
  const theme = themed(el);

  function draw() {
    const step = Math.min(Math.max(model.get("step"), 0), nodes.length - 1);
    graph.mark(step);
    words.draw(nodes[step], theme.palette());
    table.mark(step);
  }

  const measure = () => graph.measure();
  return live(model, el, ["step"], draw, steady(beside, theme, draw, measure));
}

export default { render };

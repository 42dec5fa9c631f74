// The live view of a training run: a bar, a sentence, and the curves of the runs so far. Python sends what is drawn.

import { dress, node, write, live } from "./base.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDE = 440,
  HIGH = 230,
  LEFT = 52,
  RIGHT = 8,
  TOP = 8,
  BOTTOM = 38; // units of the drawing
const LOGARITHM = { of: Math.log10, ticks: [...Array(12)].map((_, power) => +`1e${power - 4}`) };
const SHARE = { of: (value) => value, ticks: [0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1] };

const shape = (tag, attributes, ...children) =>
  dress(document.createElementNS(SVG, tag), attributes, children);

// One curve for each run over the batches, with a mark for each epoch's validation.
class Chart {
  constructor(title, up, scale, value, place) {
    Object.assign(this, { scale, value, place });
    this.ink = shape("g", {});
    const labels = [
      shape("text", { x: (LEFT + WIDE) / 2, y: HIGH - 4, class: "curve-middle" }, "batches"),
      shape(
        "text",
        {
          transform: `translate(11 ${(TOP + HIGH - BOTTOM) / 2}) rotate(-90)`,
          class: "curve-middle",
        },
        up,
      ),
    ];
    this.svg = shape(
      "svg",
      { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": title },
      this.ink,
      ...labels,
    );
    this.title = node("h4", {}, title);
    this.element = node("div", { class: "curve" }, this.title, this.svg);
  }

  draw(runs) {
    const { of, ticks } = this.scale;
    const all = runs
      .flatMap((run) => [...run[this.value], ...run.validation.map((row) => row[this.place])])
      .filter(Number.isFinite);
    const last = Math.max(1, ...runs.flatMap(({ steps }) => steps.slice(-1)));
    const low = of(Math.max(Math.min(...all, 1), 1e-4)),
      high = Math.max(of(Math.max(...all, 0.001)), low + 0.05);
    const across = (batches) => LEFT + ((WIDE - LEFT - RIGHT) * batches) / last;
    const up = (value) =>
      HIGH - BOTTOM - ((HIGH - TOP - BOTTOM) * (of(Math.max(value, 1e-4)) - low)) / (high - low);
    const seen = ticks.filter((tick) => of(tick) >= low - 1e-3 && of(tick) <= high + 1e-9);
    const marks = seen.flatMap((tick) => [
      shape("line", {
        x1: LEFT,
        x2: WIDE - RIGHT,
        y1: up(tick),
        y2: up(tick),
        class: "curve-line",
      }),
      shape("text", { x: LEFT - 5, y: up(tick) + 4, class: "curve-end" }, String(tick)),
    ]);
    const ends = [
      [0, "0"],
      [last, String(last)],
    ].map(([batches, text]) =>
      shape(
        "text",
        {
          x: across(batches),
          y: HIGH - BOTTOM + 15,
          class: batches ? "curve-end" : "curve-middle",
        },
        text,
      ),
    );
    this.ink.replaceChildren(
      ...marks,
      ...ends,
      ...runs.flatMap((run, i) => this.#run(run, i, i === runs.length - 1, across, up)),
    );
  }

  #run(run, i, newest, across, up) {
    const points = run[this.value].map((value, j) =>
      Number.isFinite(value) ? `${across(run.steps[j])},${up(value)}` : "",
    );
    const style = `curve-run curve-${i % 4}${newest ? " newest" : ""}`;
    const circles = run.validation
      .filter((row) => Number.isFinite(row[this.place]))
      .map((row) =>
        shape("circle", { cx: across(row[0]), cy: up(row[this.place]), r: 4.5, class: style }),
      );
    const [x, y] = points.length === 1 ? points[0].split(",") : []; // a line of one point would not be seen
    const dot = x ? [shape("circle", { cx: x, cy: y, r: 2, class: `${style} dot` })] : [];
    return [
      shape("polyline", { points: points.join(" ").trim(), class: style }),
      ...dot,
      ...circles,
    ];
  }
}

function render({ model, el }) {
  const charts = [
    new Chart(`loss, ${model.get("source")}`, "cross entropy", LOGARITHM, "losses", 1),
    new Chart(`accuracy, ${model.get("source")}`, "share that is right", SHARE, "accuracies", 2),
  ];
  const bar = node("progress", { max: 1, "aria-label": "How far the training is" });
  const says = node("p", { role: "status", class: "bench-status" });
  const legend = node("ul", { class: "curve-names" });
  el.append(
    bar,
    says,
    node("div", { class: "bench-panels" }, ...charts.map(({ element }) => element)),
    legend,
  );

  function sample(i) {
    return shape(
      "svg",
      { viewBox: "0 0 40 10", width: 40, height: 10, "aria-hidden": "true" },
      shape("polyline", { points: "0,5 40,5", class: `curve-run curve-${i % 4} newest` }),
    );
  }

  function draw() {
    const [runs, names] = [model.get("runs"), model.get("names")];
    bar.value = model.get("done");
    says.setAttribute("aria-live", model.get("done") < 1 ? "off" : "polite"); // else it would be read ten times a second
    write(says, model.get("says"));
    charts.forEach((chart) => chart.draw(runs));
    legend.replaceChildren(
      node("li", {}, "Line: training, circles: validation."),
      ...runs.map((run, i) => node("li", {}, sample(i), ` ${outcome(names[i], run)}`)),
    );
  }

  return live(model, el, ["runs", "says"], draw, () => {});
}

function outcome(name, { validation }) {
  const [, loss, right] = validation.at(-1) ?? [];
  const end =
    right === undefined
      ? ""
      : `validation loss ${loss.toFixed(3)}, accuracy ${(100 * right).toFixed(2)} %`;
  return [name, end].filter(Boolean).join(": ") || "this run";
}

export default { render };

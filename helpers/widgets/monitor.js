// The live view of a training run: a bar, a sentence, and the curves of the runs so far.

import { node, shape, write, live, onRestart, RESTARTED } from "./base.js";

const [WIDE, HIGH, LEFT, RIGHT, TOP, BOTTOM] = [440, 230, 52, 8, 8, 38]; // units of the drawing
const PATIENCE = 3000; // milliseconds that an answer may take
const SILENT =
  "No answer has come: a run needs a running kernel. Run the cell of this bench again, " +
  "then press Train; while another cell is running, wait for that first.";
const LOGARITHM = { of: Math.log10, ticks: [...Array(12)].map((_, power) => +`1e${power - 4}`) };
const SHARE = { of: (value) => value, ticks: [0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1] };

const text = (x, y, style, words) => shape("text", { x, y, class: style }, words);

// One curve for each run over the batches, with a mark for each epoch's validation.
class Chart {
  constructor(title, up, scale, value, place) {
    Object.assign(this, { scale, value, place });
    this.ink = shape("g", {});
    const below = text((LEFT + WIDE) / 2, HIGH - 4, "curve-middle", "batches");
    const beside = text(0, 0, "curve-middle", up);
    beside.setAttribute("transform", `translate(11 ${(TOP + HIGH - BOTTOM) / 2}) rotate(-90)`);
    const frame = { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": title };
    const svg = shape("svg", frame, this.ink, below, beside);
    this.element = node("div", { class: "curve" }, node("h4", {}, title), svg);
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
    const marks = seen.flatMap((tick) => {
      const y = up(tick);
      const line = shape("line", { x1: LEFT, x2: WIDE - RIGHT, y1: y, y2: y, class: "curve-line" });
      return [line, text(LEFT - 5, y + 4, "curve-end", String(tick))];
    });
    const ends = [
      text(LEFT, HIGH - BOTTOM + 15, "curve-middle", "0"),
      text(WIDE - RIGHT, HIGH - BOTTOM + 15, "curve-end", String(last)),
    ];
    const newest = runs.length - 1;
    const lines = runs.flatMap((run, i) => this.#run(run, i, i === newest, across, up));
    this.ink.replaceChildren(...marks, ...ends, ...lines);
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

// A piece of a run's line, for the legend.
function sample(i) {
  const line = shape("polyline", { points: "0,5 40,5", class: `curve-run curve-${i % 4} newest` });
  const size = { viewBox: "0 0 40 10", width: 40, height: 10, "aria-hidden": "true" };
  return shape("svg", size, line);
}

// Say so where nobody answers a press of the button; returns what ends the waiting.
function listen(model, el) {
  let silence,
    lost = false;
  const answered = () => clearTimeout(silence);
  const giveUp = () => {
    model.set("says", lost ? RESTARTED : SILENT);
    model.set("asked", false); // its button springs back
  };
  const wait = () => {
    answered();
    if (model.get("asked")) silence = setTimeout(giveUp, lost ? 0 : PATIENCE);
  };
  const forget = onRestart(model, el, () => {
    lost = true;
    answered();
    giveUp();
  });
  model.on("change:asked", wait);
  model.on("change:says", answered);
  return () => {
    answered();
    forget();
    model.off("change:asked", wait);
    model.off("change:says", answered);
  };
}

function render({ model, el }) {
  const [loss, right] = ["loss", "accuracy"].map((name) => `${name}, ${model.get("source")}`);
  const charts = [
    new Chart(loss, "cross entropy, logarithmic", LOGARITHM, "losses", 1),
    new Chart(right, "share that is right", SHARE, "accuracies", 2),
  ];
  const bar = node("progress", { max: 1, "aria-label": "How far the training is" });
  const says = node("p", { role: "status", class: "bench-status" });
  const legend = node("ul", { class: "curve-names" });
  const panels = node("div", { class: "bench-panels" }, ...charts.map(({ element }) => element));
  el.append(bar, says, panels, legend);

  function draw() {
    const [runs, names, done] = ["runs", "names", "done"].map((name) => model.get(name));
    bar.value = done;
    // Else it would be read ten times a second.
    says.setAttribute("aria-live", done > 0 && done < 1 ? "off" : "polite");
    write(says, model.get("says"));
    charts.forEach((chart) => chart.draw(runs));
    const row = (run, i) => node("li", {}, sample(i), ` ${outcome(names[i], run)}`);
    const head = node("li", {}, "Line: training, circles: validation.");
    legend.replaceChildren(head, ...runs.map(row));
  }

  const [forget, end] = [listen(model, el), live(model, el, ["runs", "says"], draw, () => {})];
  return () => {
    forget();
    end();
  };
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

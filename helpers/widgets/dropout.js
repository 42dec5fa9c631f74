// The dropout bench. Python holds the truth; tests/page/test_dropout.py compares every number shown
// here with it.

import { total, square, number, node, write, codeLine, live } from "./base.js";
import { Grid } from "./grid.js";

// What a mask makes of the numbers, and how often that has been so far.
function drawn(model) {
  const [values, chances, draw, training] = ["values", "chances", "draw", "training"].map((name) =>
    model.get(name),
  );
  const p = training ? model.get("p") : 0;
  const percent = Math.round(100 * p);
  const size = values.length;
  const survives = (chance) => Number(chance >= percent);
  const after = (chance, i, j) => (survives(chance) * values[i][j]) / (1 - p);
  const outputs = (mask) => square(size, (i, j) => after(mask[i][j], i, j));
  const outputsSoFar = chances.slice(0, draw).map(outputs);
  const means = square(size, (i, j) => total([outputsSoFar.map((one) => one[i][j])]) / draw);
  const now = chances[draw - 1];
  const mask = square(size, (i, j) => survives(now[i][j]));
  return { values, draw, training, p, size, mask, outputs: outputsSoFar.at(-1), means };
}

function drawBoards([input, mask, output, mean], state) {
  const { values, size, draw } = state;
  const cross = (i, j) => (state.mask[i][j] ? "" : "unread");
  input.numbers(`Input ${size}×${size}`, values, (i, j) => `pixel ${cross(i, j)}`);
  mask.numbers("Mask: 1 survives", state.mask, cross);
  output.numbers("Output", state.outputs, cross);
  mean.numbers(draw === 1 ? "Mean of 1 draw" : `Mean of ${draw} draws`, state.means);
}

function drawLines({ status, kept, sums }, { values, draw, training, p, size, mask, ...all }) {
  const dropped = size * size - total(mask);
  const fallen = `Draw ${draw}: ${dropped} of ${size * size} numbers are dropped.`;
  write(status, training ? fallen : "eval: no number is dropped.");
  const by = [1 - p, 1 / (1 - p)].map((share) => number(share, 2));
  const divided = `divided by 1 − p = ${by[0]}, that is, multiplied by ${by[1]}`;
  write(kept, training ? `Each survivor is ${divided}.` : "Each number passes as it is.");
  const [from, to, middle] = [values, all.outputs, all.means].map((one) => number(total(one), 2));
  write(sums, `Sum of the input ${from}, of the output ${to}, of the mean ${middle}.`);
}

function render({ model, el }) {
  const boards = ["Input", "Mask", "Output", "Mean"].map((name) => new Grid(name));
  const status = node("p", { role: "status", class: "bench-status" });
  const lines = { status, kept: node("p"), sums: node("p") };
  const { line, code } = codeLine();
  const panels = node("div", { class: "bench-panels" }, ...boards.map((board) => board.panel));
  el.append(panels, ...Object.values(lines), line);

  function draw() {
    const state = drawn(model);
    drawBoards(boards, state);
    drawLines(lines, state);
    write(
      code,
      `nn.Dropout(p=${model.get("p").toFixed(2)}).${state.training ? "train" : "eval"}()`,
    );
  }

  const fit = (between) => boards.forEach((board) => board.fit(between(200, 0.235, 300)));
  return live(model, el, ["p", "draw", "training"], draw, fit);
}

export default { render };

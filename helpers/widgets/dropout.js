// The dropout bench. Python holds the truth; tests/page/test_dropout.py compares every number shown
// here with it.

import { total, square, number, node, write, codeLine, live } from "./base.js";
import { Grid } from "./grid.js";

function render({ model, el }) {
  const boards = ["Input", "Mask", "Output", "Mean"].map((name) => new Grid(name));
  const [input, mask, output, mean] = boards;
  const kept = node("p"),
    sums = node("p"),
    status = node("p", { role: "status", class: "bench-status" });
  const { line, code } = codeLine();
  el.append(
    node("div", { class: "bench-panels" }, ...boards.map((board) => board.panel)),
    status,
    kept,
    sums,
    line,
  );

  function draw() {
    const [values, chances, number_, training] = ["values", "chances", "draw", "training"].map(
      (name) => model.get(name),
    );
    const p = training ? model.get("p") : 0,
      percent = Math.round(100 * p),
      size = values.length;
    const survives = (chance) => Number(chance >= percent);
    const after = (chance, i, j) => (survives(chance) * values[i][j]) / (1 - p);
    const now = chances[number_ - 1],
      outputs = square(size, (i, j) => after(now[i][j], i, j));
    const means = square(
      size,
      (i, j) =>
        total([chances.slice(0, number_).map((chance) => after(chance[i][j], i, j))]) / number_,
    );
    const dropped = size * size - total(now.map((row) => row.map(survives)));
    const cross = (i, j) => (survives(now[i][j]) ? "" : "unread");

    input.numbers(`Input ${size}×${size}`, values, (i, j) => `pixel ${cross(i, j)}`);
    mask.numbers(
      "Mask: 1 survives",
      square(size, (i, j) => survives(now[i][j])),
      cross,
    );
    output.numbers("Output", outputs, cross);
    mean.numbers(number_ === 1 ? "Mean of 1 draw" : `Mean of ${number_} draws`, means);
    const fallen = `Draw ${number_}: ${dropped} of ${size * size} numbers are dropped.`;
    write(status, training ? fallen : "eval: no number is dropped.");
    const by = [1 - p, 1 / (1 - p)].map((share) => number(share, 2));
    const divided = `divided by 1 − p = ${by[0]}, that is, multiplied by ${by[1]}`;
    write(kept, training ? `Each survivor is ${divided}.` : "Each number passes as it is.");
    const [from, to, middle] = [values, outputs, means].map((one) => number(total(one), 2));
    write(sums, `Sum of the input ${from}, of the output ${to}, of the mean ${middle}.`);
    write(code, `nn.Dropout(p=${model.get("p").toFixed(2)}).${training ? "train" : "eval"}()`);
  }

  return live(model, el, ["p", "draw", "training"], draw, (between) =>
    boards.forEach((board) => board.fit(between(200, 0.235, 300))),
  );
}

export default { render };

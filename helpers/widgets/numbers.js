// The numbers that a bench shows: ready-made ones or what was typed, as torch lays them out.

import { typed } from "./base.js";

export const places = (shape) =>
  shape.reduce(
    (all, size) => all.flatMap((at) => Array.from({ length: size }, (_, i) => [...at, i])),
    [[]],
  );

const own = (values, at, missing) => at.reduce((inner, i) => inner?.[i], values) ?? missing;

export const inputOf = (model, shape) => {
  const [ready, first] = [model.get("input_presets"), model.get("input_index")];
  const picture = (channel) => ready[(first + channel) % ready.length];
  return places(shape).map(([c, i, j]) =>
    first < ready.length ? picture(c)[i][j] : own(model.get("input_own"), [c, i, j], 0),
  );
};

// The kernel of each output channel is the next of the ready-made ones.
export function weightOf(model, { shapes, settings, makes }) {
  const [ready, first] = [model.get("weight_presets"), model.get("weight_index")];
  const [high, wide] = settings.kernel_size.map((size) => size - 1);
  const group = (place) => Math.floor(place / (shapes.weight[0] / settings.groups));
  const channel = (a, b) => (settings.transposed ? group(a) * makes + b : a);
  const made = (place) => ready[place % ready.length][high][wide];
  return places(shapes.weight).map(([a, b, i, j]) => {
    if (first >= ready.length) return own(model.get("weight_own"), [a, b, i, j], 0);
    const { rows, over } = made(first + channel(a, b));
    return rows[i][j] / over;
  });
}

export const biasOf = (model, { settings }) =>
  settings.bias
    ? places([settings.out_channels]).map((at) => own(model.get("bias_own"), at, 0))
    : [];

export const sentOf = (model, { shapes }) =>
  places(shapes.output).map((at) => own(model.get("sent_own"), at, 1));

// What was typed before, at larger sizes too, with all that is shown now put over it.
function merged(values, shape, shown) {
  const copy = structuredClone(values);
  places(shape).forEach((at, place) => {
    const last = at.at(-1);
    let inner = copy;
    for (const i of at.slice(0, -1)) inner = inner[i] ??= [];
    inner[last] = shown[place];
  });
  return copy;
}

// How numbers are typed into a part of the bench: `at(row, column)` is the place on the board, or
// undefined where nothing can be typed. The answer is a refusal, or "".
export function editor(model, part, shape, shown, at) {
  const value = (row, column) => shown[at(row, column)];
  const commit = (row, column, text) => {
    const number = typed(text);
    if (!(Math.abs(number) <= 1e6))
      return `"${text}" is not a number up to a million, such as 2, −0.5 or 1/3.`;
    const numbers = [...shown];
    numbers[at(row, column)] = number;
    model.set(`${part}_own`, merged(model.get(`${part}_own`), shape, numbers));
    const ready = model.get(`${part}_presets`);
    if (ready) model.set(`${part}_index`, ready.length); // "my own" follows the ready-made ones
    model.save_changes();
    return "";
  };
  return { value, commit };
}

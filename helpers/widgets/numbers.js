// The numbers that a bench shows: ready-made ones or what was typed, as torch lays them out.

import { typed } from "./base.js";
import { ranges } from "./taps.js";

// The places of all numbers of a shape, in torch's order.
const places = (shape) =>
  shape.reduce((all, size) => all.flatMap((at) => ranges(size).map((i) => [...at, i])), [[]]);

// Numbers in a row, as lists of lists.
export function shaped(flat, [count, ...rest]) {
  const size = flat.length / count;
  const part = (i) => shaped(flat.slice(i * size, (i + 1) * size), rest);
  return rest.length ? ranges(count).map(part) : [...flat];
}

const own = (model, part, shape, missing = 0) =>
  places(shape).map(
    (at) => at.reduce((inner, i) => inner?.[i], model.get(`${part}_own`)) ?? missing,
  );

// "my own" follows the ready-made ones.
const last = (model, part) => model.get(`${part}_names`).length - 1;
export const isOwn = (model, part) => model.get(`${part}_index`) === last(model, part);

export function inputOf(model, shape) {
  const [ready, first] = [model.get("input_presets"), model.get("input_index")];
  if (isOwn(model, "input")) return own(model, "input", shape);
  return places(shape).map(([c, i, j]) => ready[(first + c) % ready.length][i][j]);
}

// The kernel of each output channel is the next of the ready-made ones.
export function weightOf(model, { shapes, settings, makes, convolves }) {
  if (!convolves) return [];
  if (isOwn(model, "weight")) return own(model, "weight", shapes.weight);
  const [high, wide] = settings.kernel_size;
  const ready = model.get("weight_presets")[high - 1][wide - 1];
  const group = (a) => Math.floor((a * settings.groups) / shapes.weight[0]);
  return places(shapes.weight).map(([a, b, i, j]) => {
    const channel = settings.transposed ? group(a) * makes + b : a;
    const { rows, over } = ready[(model.get("weight_index") + channel) % ready.length];
    return rows[i][j] / over;
  });
}

export const biasOf = (model, { settings }) =>
  settings.bias ? own(model, "bias", [settings.out_channels]) : [];

export const sentOf = (model, { shapes }) => own(model, "sent", shapes.output, 1);

// What was typed before, at larger sizes too, with all that is shown now put over it.
function merged(before, now) {
  if (!Array.isArray(now)) return now;
  const kept = (before ?? []).slice(now.length);
  return [...now.map((one, i) => merged(before?.[i], one)), ...kept];
}

// How numbers are typed into a part of the bench: `at(row, column)` is the place on the board, or
// undefined where nothing can be typed. The answer is a refusal, or "".
export function editor(model, part, shape, shown, at) {
  const value = (row, column) => shown[at(row, column)];
  const commit = (row, column, text) => {
    const number = typed(text);
    if (!(Math.abs(number) <= 1e6))
      return `"${text}" is not a number up to a million, such as 2, −0.5 or 1/3.`;
    const numbers = shaped(shown.with(at(row, column), number), shape);
    model.set(`${part}_own`, merged(model.get(`${part}_own`), numbers));
    if (model.get(`${part}_names`)) model.set(`${part}_index`, last(model, part));
    model.save_changes();
    return "";
  };
  return { value, commit };
}

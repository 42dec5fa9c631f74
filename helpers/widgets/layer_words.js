// What the bench says in words: the layer and the bench as lines of Python, the sum of one window,
// the formula of the size, and what is left over.

import { number, plural, total } from "./base.js";
import { lookAt } from "./layer_views.js";
import { isOwn, sentOf, shaped } from "./numbers.js";
import { sizeOf } from "./taps.js";

const tuple = ([high, wide]) => (high === wide ? `${high}` : `(${high}, ${wide})`);

// A value as Python writes it.
function python(value) {
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return `'${value}'`;
  return Array.isArray(value) ? `[${value.map(python).join(", ")}]` : String(value);
}

// What is usual is left out, but not what the formula of the size has.
export function codeOf(settings, model) {
  const usual = model.get("usual")[settings.kind];
  const told = model.get("kinds")[settings.kind].map((name) => {
    const value = settings.same && name === "padding" ? "same" : settings[name];
    if (["in_channels", "out_channels"].includes(name)) return value;
    const text = Array.isArray(value) ? tuple(value) : python(value);
    return name === "same" || text === python(usual[name]) ? "" : `${name}=${text}`;
  });
  return `nn.${settings.kind}(${told.filter(Boolean).join(", ")})`;
}

// The bench as a line of Python that carries all its settings.
export function benchLine(model, layer, code) {
  const look = lookAt(model, layer);
  const { settings, convolves } = layer;
  const told = [code];
  const tell = (name, value) => told.push(`${name}=${value}`);
  const numbers = (part) =>
    python(
      isOwn(model, part)
        ? shaped(look[part], layer.shapes[part])
        : model.get(`${part}_names`)[model.get(`${part}_index`)],
    );
  tell("picture", numbers("input"));
  if (!isOwn(model, "input")) {
    tell("size", tuple(settings.input_size));
    if (!convolves && settings.in_channels > 1) tell("in_channels", settings.in_channels);
  }
  if (convolves) tell("weight", numbers("weight"));
  if (settings.bias) tell("bias", python(look.bias));
  const typed = model.get("sent_own").length > 0;
  const sent = typed ? shaped(sentOf(model, layer), layer.shapes.output) : [];
  const state = { ...look, sent };
  const usual = { sent: [], step: 0, channel: 0, view: "forward", alone: false, transposed: false };
  for (const name of Object.keys(usual))
    if (String(state[name]) !== String(usual[name])) tell(name, python(state[name]));
  return `LayerBench(${told.join(", ")})`;
}

const joined = (values, sign) =>
  values
    .map((value) => number(value, 2))
    .join(sign)
    .replaceAll("+ -", "− ");
const equals = (values) =>
  values.every((value) => Math.abs(value - +value.toFixed(2)) < 1e-9) ? "=" : "≈";

// What is said below the boards, line by line: the sum, the step, the size, what is left over.
export function saysOf(look, boards) {
  const { settings, view, row, column, channel, shapes, output, now, step } = look;
  const place = [...(shapes.output[0] > 1 ? [channel] : []), row, column].join(", ");
  const result = `output[${place}] = ${number(output[now], 4)}`;
  const status = view === "stamps" ? `input[${row}, ${column}]` : result;
  const numbers = (name) =>
    boards.filter(({ label }) => label.startsWith(name)).map(({ values }) => values.flat());
  let sum = "";
  if (view === "forward")
    sum = settings.convolves
      ? sumOf(look, numbers("Products"))
      : poolSum(look, numbers("Values")[0], numbers("Gradient of the window")[0]);
  if (view === "backward" && settings.bias)
    sum = `gradient of the bias: ${look.back.bias.map((value) => number(value, 4)).join(", ")}`;
  return [sum, `Step ${step}: ${status}`, formulaOf(look), leftOver(look)];
}

// The sum of one window; `products` are those of each channel, NaN where it reads nothing.
function sumOf({ settings, now, output, bias, channel, channels }, products) {
  const terms = products.map((some) => some.filter((value) => !Number.isNaN(value)));
  const result = number(output[now], 4);
  const added = settings.bias ? ` + bias ${number(bias[channel], 2).replace("-", "−")}` : "";
  if (channels.length > 1) {
    const sums = terms.map((some) => total([some]));
    const parts = sums.map((sum, place) => `channel ${channels[place]}: ${number(sum, 2)}`);
    return `${parts.join(", ")}${added}: together ${equals(sums)} ${result}`;
  }
  const flat = terms.flat();
  if (flat.length > 9) return `sum of ${plural(flat.length, "product")}${added} = ${result}`;
  return `${joined(flat, " + ") || "no product"}${added} ${equals(flat)} ${result}`;
}

// The same of a pooling; `read` are the numbers of the window, `weights` what each weighs.
function poolSum({ settings, output, now }, read, weights) {
  const result = number(output[now], 4);
  const listed = (values, sign) =>
    values.length > 9 ? plural(values.length, "number") : joined(values, sign);
  if (settings.kind === "MaxPool2d") {
    const seen = read.filter((value) => value > -Infinity);
    const equal = seen.filter((value) => value === output[now]).length;
    const tie = equal > 1 ? `. ${equal} are equal: the first gets the gradient.` : "";
    return `largest of ${listed(seen, ", ")} = ${result}${tie}`;
  }
  const counted = read.filter((value, place) => weights[place] > 0 && !Number.isNaN(value));
  const list = listed(counted, " + ");
  const sum = counted.length > 9 ? `sum of ${list}` : `(${list})`;
  return `${sum} / ${Math.round(1 / Math.max(...weights))} ${equals(counted)} ${result}`;
}

const alike = ([rows, columns]) => JSON.stringify(rows) === JSON.stringify(columns);

// The formula of the size, with the numbers of each side that differs.
function formulaOf({ settings, sides, shapes, model }) {
  const names = alike(sides) ? ["="] : ["height =", "width ="];
  const sizes = names.map((name, axis) => `${name} ${sizeIn(sides[axis], model.get("pairs"))}`);
  const rule = settings.same
    ? "input_size: padding='same' adds dilation·(kernel_size − 1) pixels"
    : quotient(settings, model.get("pairs"));
  const several = Math.max(shapes.input[0], shapes.output[0]) > 1;
  const parts = settings.convolves ? ["input", "weight", "output"] : ["input", "output"];
  const told = parts.map((part) => `${part} ${shapes[part].join("×")}`).join(", ");
  return [...(several ? [told] : []), `output size = ${rule}`, ...sizes].join("\n");
}

const rounded = (ceil, text) => (ceil ? `⌈${text}⌉` : `⌊${text}⌋`);

// The formula of the size in names or in numbers.
function quotient({ kind, transposed, ceil_mode: ceil }, [n, k, s, p, d, rest]) {
  if (transposed) return `(${n} − 1)·${s} − 2·${p} + ${d}·(${k} − 1) + ${rest} + 1`;
  const window = kind === "AvgPool2d" ? k : `${d}·(${k} − 1) − 1`;
  return `${rounded(ceil, `(${n} + 2·${p} − ${window}) / ${s}`)} + 1`;
}

// The size of a side, computed with its numbers.
function sizeIn(side, names) {
  const { transposed, same, ceil_mode: ceil, more, out } = side;
  if (same) return `${side.input_size}, with ${side.before} before and ${side.after} behind`;
  const filled = quotient(
    side,
    names.map((name) => side[name]),
  );
  if (transposed) return `${filled} = ${out}`;
  const steps = -more / side.stride;
  const whole = Number.isInteger(steps) ? steps : rounded(ceil, number(steps, 2));
  if (!ceil || Math.ceil(steps) + 1 === out) return `${filled} = ${whole} + 1 = ${out}`;
  const dropped = "as the last window would start in the padding at the end and is dropped";
  return `${filled} = ${whole} + 1 − 1 = ${out}, ${dropped}`;
}

// What the windows leave: where the last one ends, and which pixels none reads; of a transposed
// layer, how many products reach an output.
function leftOver({ settings, sides, shapes, layer }) {
  if (settings.transposed) {
    const reached = new Array(sizeOf(shapes.output)).fill(0);
    layer.taps.output.forEach((place) => reached[place]++);
    const [least, most] = [Math.min(...reached), Math.max(...reached)];
    return `Each output is the sum of ${least === most ? least : `${least} to ${most}`} products.`;
  }
  const names = alike(sides) ? [""] : ["Height: ", "Width: "];
  const ends = names.map((name, axis) => {
    const { more, stride: s, out } = sides[axis];
    const over = s * (out - 1) + more;
    const pixels = `${plural(Math.abs(over), "pixel")} ${over > 0 ? "beyond" : "before"}`;
    const rest = `${-more} / ${s} leaves ${((-more % s) + s) % s}`;
    const edge = `${over ? pixels : "at"} the edge of the padded input`;
    return `${name}${rest}: the last window ends ${edge}.`;
  });
  const pixels = shapes.input[1] * shapes.input[2];
  const [rows, columns] = sides.map(
    ({ cells }) => cells.filter(({ kind, unread }) => kind === "pixel" && !unread).length,
  );
  const missed = `${pixels - rows * columns} of ${pixels} input pixels`;
  return `${ends.join(" ")} ${missed} are read by no window.`;
}

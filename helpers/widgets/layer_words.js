// What the bench says in words: the layer and the bench as lines of Python, the sum of one window,
// the formula of the size, and what is left over.

import { number, plural } from "./base.js";
import { lookAt } from "./layer_views.js";
import { sentOf } from "./numbers.js";

const plain = (pair) =>
  Array.isArray(pair) && pair[0] === pair[1] ? String(pair[0]) : `(${pair[0]}, ${pair[1]})`;

// A value as Python writes it.
function python(value) {
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return `'${value}'`;
  return Array.isArray(value) ? plain(value) : String(value);
}

// What is usual is left out, but not what the formula of the size has.
export function codeOf(settings, taken, neutral) {
  const { kind } = settings;
  const usual = { ...neutral, bias: true };
  const counts = ["in_channels", "out_channels"].filter((name) => taken.includes(name));
  const seen = ["kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"];
  if (kind === "Conv2d") seen.push("dilation");
  const others = taken.filter((name) => !counts.includes(name) && name !== "same");
  const told = others.map((name) => {
    const value = settings.same && name === "padding" ? "same" : settings[name];
    const said = seen.includes(name) || String(value) !== String(usual[name]);
    return said ? `${name}=${python(value)}` : "";
  });
  return `nn.${kind}(${[...counts.map((name) => settings[name]), ...told].filter(Boolean).join(", ")})`;
}

const nested = (values) =>
  Array.isArray(values) ? `[${values.map(nested).join(", ")}]` : `${values}`;

function shaped(flat, shape) {
  if (shape.length === 1) return flat;
  const size = flat.length / shape[0];
  return Array.from({ length: shape[0] }, (_, i) =>
    shaped(flat.slice(i * size, (i + 1) * size), shape.slice(1)),
  );
}

// The bench as a line of Python that carries all its settings.
export function benchLine(model, layer, code) {
  const look = lookAt(model, layer);
  const { shapes, settings, view, step, channel, alone } = look;
  const ready = (part) => model.get(`${part}_names`).at(model.get(`${part}_index`));
  const own = "my own";
  const told = [code];
  if (ready("input") === own) told.push(`picture=${nested(shaped(look.input, shapes.input))}`);
  else told.push(`picture='${ready("input")}'`, `size=${plain(settings.input_size)}`);
  if (!layer.convolves && ready("input") !== own && settings.in_channels > 1)
    told.push(`in_channels=${settings.in_channels}`);
  if (layer.convolves && ready("weight") === own)
    told.push(`weight=${nested(shaped(look.weight, shapes.weight))}`);
  else if (layer.convolves) told.push(`weight='${ready("weight")}'`);
  if (settings.bias) told.push(`bias=${nested(look.bias)}`);
  if (model.get("sent_own").length)
    told.push(`sent=${nested(shaped(sentOf(model, layer), shapes.output))}`);
  for (const [name, value] of Object.entries({ step, channel }))
    if (value) told.push(`${name}=${value}`);
  if (view !== "forward") told.push(`view='${view}'`);
  if (alone) told.push("alone=True");
  return `LayerBench(${told.join(", ")})`;
}

const joined = (values, sign) =>
  values
    .map((value) => number(value, 2))
    .join(sign)
    .replaceAll("+ -", "− ");
const exact = (values) => values.every((value) => Math.abs(value - +value.toFixed(2)) < 1e-9);

// The sum of one window; `terms` are its products, channel by channel.
export function sumOf(look, terms) {
  const { settings, now, output, bias, channel, channels } = look;
  const result = number(output[now], 4);
  const flat = terms.flat();
  const added = settings.bias
    ? ` + bias ${number(bias[channel], 2)}`.replace("+ bias -", "+ bias −")
    : "";
  if (channels.length > 1) {
    const sums = terms.map((some) => some.reduce((sum, value) => sum + value, 0));
    const parts = sums.map((sum, place) => `channel ${channels[place]}: ${number(sum, 2)}`);
    return `${parts.join(", ")}${added}: together ${exact(sums) ? "=" : "≈"} ${result}`;
  }
  const long = flat.length > 9;
  const list = long ? `sum of ${plural(flat.length, "product")}` : joined(flat, " + ");
  return `${list || "no product"}${added} ${long || exact(flat) ? "=" : "≈"} ${result}`;
}

// The same of a pooling; `read` are the numbers of the window, `weights` what each weighs.
export function poolSum({ settings, output, now }, read, weights) {
  const result = number(output[now], 4);
  if (settings.kind === "MaxPool2d") {
    const seen = read.filter((value) => value > -Infinity);
    const list = seen.length > 9 ? plural(seen.length, "number") : joined(seen, ", ");
    const equal = seen.filter((value) => value === output[now]).length;
    return `largest of ${list} = ${result}${equal > 1 ? `. ${equal} are equal: the first gets the gradient.` : ""}`;
  }
  const counted = read.filter((value, place) => weights[place] > 0 && !Number.isNaN(value));
  const divisor = Math.round(1 / Math.max(...weights));
  const list =
    counted.length > 9
      ? `sum of ${plural(counted.length, "number")}`
      : `(${joined(counted, " + ")})`;
  return `${list} / ${divisor} ${exact(counted) ? "=" : "≈"} ${result}`;
}

// The formula of the size, with the numbers of each side that differs.
export function formulaOf({ settings, sides, shapes }) {
  const alike = JSON.stringify(sides[0]) === JSON.stringify(sides[1]);
  const names = alike ? ["size"] : ["height", "width"];
  const sizes = names.map((name, axis) => filled(settings, sides[axis], name));
  const several = Math.max(...["input", "output"].map((part) => shapes[part][0])) > 1;
  const parts = settings.convolves ? ["input", "weight", "output"] : ["input", "output"];
  const told = parts.map((part) => `${part} ${shapes[part].join("×")}`).join(", ");
  return [...(several ? [told] : []), rule(settings), ...sizes].join("\n");
}

function rule({ kind, transposed, same, ceil_mode: ceil }) {
  if (transposed)
    return "output size = (input_size − 1)·stride − 2·padding + dilation·(kernel_size − 1) + output_padding + 1";
  if (same)
    return "output size = input_size: padding='same' adds dilation·(kernel_size − 1) pixels";
  const [open, close] = ceil ? "⌈⌉" : "⌊⌋";
  const window = kind === "AvgPool2d" ? "kernel_size" : "dilation·(kernel_size − 1) − 1";
  return `output size = ${open}(input_size + 2·padding − ${window}) / stride${close} + 1`;
}

function filled({ kind, transposed, same, ceil_mode: ceil }, side, name) {
  const { input_size: n, kernel_size: k, stride: s, padding: p, dilation: d } = side;
  const start = name === "size" ? "=" : `${name} =`;
  if (transposed)
    return `${start} (${n} − 1)·${s} − 2·${p} + ${d}·(${k} − 1) + ${side.output_padding} + 1 = ${side.out}`;
  if (same) return `${start} ${n}, with ${side.before} before and ${side.after} behind`;
  const [open, close] = ceil ? "⌈⌉" : "⌊⌋";
  const window = kind === "AvgPool2d" ? `${k}` : `${d}·(${k} − 1) − 1`;
  const dropped = ceil && Math.ceil(-side.more / s) + 1 > side.out;
  const quotient = Number.isInteger(side.more / s)
    ? -side.more / s
    : `${open}${number(-side.more / s, 2)}${close}`;
  return (
    `${start} ${open}(${n} + 2·${p} − ${window}) / ${s}${close} + 1 = ${quotient} + 1${dropped ? " − 1" : ""} = ${side.out}` +
    (dropped ? ", as the last window would start in the padding at the end and is dropped" : "")
  );
}

// What the windows leave: where the last one ends, and which pixels none reads; of a transposed
// layer, how many products reach an output.
export function leftOver({ settings, sides, shapes, layer }) {
  if (settings.transposed) {
    const reached = new Array(shapes.output.reduce((a, b) => a * b, 1)).fill(0);
    layer.taps.output.forEach((place) => reached[place]++);
    const [least, most] = [Math.min(...reached), Math.max(...reached)];
    return `Each output is the sum of ${least === most ? least : `${least} to ${most}`} products.`;
  }
  const names =
    JSON.stringify(sides[0]) === JSON.stringify(sides[1]) ? [""] : ["Height: ", "Width: "];
  const ends = names.map((name, axis) => {
    const { more, stride: s, out } = sides[axis];
    const over = s * (out - 1) + more;
    const place = over
      ? `${plural(Math.abs(over), "pixel")} ${over > 0 ? "beyond" : "before"}`
      : "at";
    return `${name}${-more} / ${s} leaves ${((-more % s) + s) % s}: the last window ends ${place} the edge of the padded input.`;
  });
  const [, height, width] = shapes.input;
  const read = sides.map(
    (side) => new Set(side.taps.map((tap) => tap.input).filter((i) => i >= 0)).size,
  );
  return `${ends.join(" ")} ${height * width - read[0] * read[1]} of ${height * width} input pixels are read by no window.`;
}

// The tracer's layers. The page edits them, and works out every shape, count and sentence itself, with or without a
// kernel. Python holds the truth; the tests compare all that is shown here with it.

import { plural, node, write, codeLine, live } from "./base.js";

const WINDOWS = ["Conv2d", "MaxPool2d", "AvgPool2d"];
const MOST_WEIGHTS = 2n ** 61n; // as float32 they would have more bytes than a 64-bit integer counts
const LARGE = 10n ** 9n; // bytes of float32 that a layer may take before that is said
const NEIGHBOURS = 8; // pixels more and fewer at which pictures that would fit are looked for

// Sizes and counts are BigInts: they go beyond what a number holds exactly.
const prod = (sizes) => sizes.reduce((product, size) => product * size, 1n);
const times = (shape) => shape.join("×");
const multiplied = (shape) => `${shape.join("·")} = ${prod(shape)}`;
const commas = (count) => count.toLocaleString("en-US");
const many = (count, word) => plural(count === 1n ? 1 : count, word);
const isWindow = ({ kind }) => WINDOWS.includes(kind);

// The layer with whole numbers of any size, and with the settings that follow from the shape that arrives.
function filled({ kind, ...how }, at, derive) {
  const part = kind === "Conv2d" ? { kind, in_channels: at[0] } : { kind };
  for (const [name, value] of Object.entries(how)) part[name] = BigInt(value);
  if (kind === "Linear" && derive) part.in_features = prod(at);
  return part;
}

function parametersOf({
  kind,
  in_channels,
  kernel_size: k,
  in_features,
  out_channels,
  out_features,
}) {
  if (kind !== "Conv2d" && kind !== "Linear") return { count: 0n, weights: 0n, rule: "" };
  const inner = kind === "Linear" ? [in_features] : [in_channels, k, k],
    outer = out_channels ?? out_features;
  const weights = prod(inner) * outer;
  return { count: weights + outer, weights, rule: `(${inner.join("·")} + 1)·${outer}` };
}

function shapeAfter(
  { kind, out_channels, out_features, kernel_size: k, stride: s, padding: p },
  at,
) {
  if (kind === "Flatten") return [prod(at)];
  if (kind === "Linear") return [...at.slice(0, -1), out_features];
  if (!isWindow({ kind })) return at;
  return [out_channels ?? at[0], ...at.slice(1).map((side) => (side + 2n * p - k) / s + 1n)];
}

function sizeRule(part, before, after) {
  const { kernel_size: k, stride: s, padding: p } = part;
  const rules = before
    .slice(1)
    .map((side, axis) => `⌊(${side} + 2·${p} − ${k}) / ${s}⌋ + 1 = ${after[axis + 1]}`);
  if (isWindow(part)) return [...new Set(rules)].join(", ");
  return after.length < before.length ? multiplied(before) : "";
}

// What has been found about a layer that fits; `texts` are shape and why, parameters and why.
function rowOf(name, part, before) {
  const shape = shapeAfter(part, before),
    numbers = prod(shape),
    { count, rule } = parametersOf(part);
  const texts = [times(shape), sizeRule(part, before, shape), count ? commas(count) : "", rule];
  return { name, shape, count, most: count > numbers ? count : numbers, texts };
}

// One sentence where a layer does not take what arrives; `volume` is the last shape with several axes.
function misfit(name, part, at, volume) {
  const wanted = part.in_features ?? at.at(-1);
  if (wanted !== at.at(-1)) return linearMisfit(`${name} takes`, wanted, at, volume);
  if (!isWindow(part)) return "";
  return at.length > 1
    ? windowMisfit(name, part, at)
    : `${name} takes a volume C×H×W, and a row of ${many(at[0], "number")} arrives. Put it before the flattening.`;
}

function linearMisfit(takes, wanted, at, volume) {
  if (at.length > 1)
    return (
      `${takes} a row of in_features=${wanted} numbers, and a volume of ${times(at)} arrives: ` +
      `flatten it first, which makes ${multiplied(at)}.`
    );
  const origin =
    prod(volume) === at[0] ? `, as ${times(volume)} flattened is ${multiplied(volume)}` : "";
  return `${takes} in_features=${wanted}, and ${at} numbers arrive${origin}. Write in_features=${at}.`;
}

function windowMisfit(name, { kind, kernel_size: k, padding: p }, at) {
  const padded = kind !== "Conv2d" && 2n * p > k,
    side = at.slice(1).find((size) => padded || k > size + 2n * p);
  if (side === undefined) return "";
  if (k <= side + 2n * p)
    return `${name}: padding ${p} is more than half of kernel_size ${k}: use ${k / 2n} or less.`;
  return (
    `${name}: A window of ${k} (kernel_size ${k}, dilation 1) does not fit into ${many(side + 2n * p, "pixel")} ` +
    `(input_size ${side}, padding ${p}). Use a smaller window, more padding or a larger picture.`
  );
}

// Follow one picture through the layers: `parts` are the layers with all their settings, `rows` those that fit.
function trace(layers, shape, derive) {
  const found = { parts: [], rows: [], count: 0n, trouble: "", remark: "" };
  let at = shape,
    volume = shape;
  for (const [place, layer] of layers.entries()) {
    const name = `layer ${place + 1} (${layer.kind})`,
      part = filled(layer, at, derive && !found.trouble);
    const { count, weights } = parametersOf(part);
    if (weights >= MOST_WEIGHTS) {
      found.trouble ||= `${name} would hold more numbers than torch can count.`;
      break;
    }
    volume = at.length > 1 ? at : volume;
    found.parts.push(part);
    found.count += count;
    const wrong = misfit(name, part, at, volume);
    if (!found.trouble) record(found, name, part, at, wrong);
    if (!wrong) at = shapeAfter(part, at);
  }
  return found;
}

// Note what a layer makes of the shape that arrives, or what is wrong where it does not take it.
function record(found, name, part, at, wrong) {
  const linear = part.kind === "Linear",
    volume = at.length > 1;
  if (wrong) return Object.assign(found, { trouble: wrong, aboutTheRow: linear && !volume });
  if (linear && volume) found.remark ||= `${name} took the last axis alone: no Flatten?`;
  found.rows.push(rowOf(name, part, at));
}

// What the page says about the layers of a model; with `derive`, what follows from the layers before is filled in.
function traced(model, derive = model.get("derive")) {
  const side = model.get("side"),
    shape = (size) => [model.get("channels"), size, size].map(BigInt);
  const found = trace(model.get("layers"), shape(side), derive),
    { parts, rows, remark } = found;
  if (found.aboutTheRow)
    found.trouble += neighbours(side, (size) => !trace(parts, shape(size), false).trouble);
  found.ending = [`${commas(found.count)} parameters in all.`, large(rows), remark]
    .filter(Boolean)
    .join(" ");
  found.code = `nn.Sequential(${parts.map(code).join(", ")})`;
  return found;
}

function neighbours(side, fits) {
  const sides = Array.from({ length: 2 * NEIGHBOURS + 1 }, (_, i) => side - NEIGHBOURS + i);
  const fit = sides.filter((size) => size > 0 && fits(size)),
    span = [...new Set([fit[0], fit.at(-1)])];
  return fit.length
    ? ` Or feed pictures of ${span.map((size) => `${size}×${size}`).join(" to ")}: those fit.`
    : "";
}

function large(rows) {
  const row = rows.reduce((most, row) => (most && most.most >= row.most ? most : row), undefined);
  if (!row || 4n * row.most <= LARGE) return "";
  const part =
    row.count === row.most ? `parameters of ${row.name}` : `output of ${row.name} for one picture`;
  return `The ${part} would take ${gigabytes(Number(4n * row.most))} GB as float32. Nothing of it was allocated here.`;
}

function gigabytes(size) {
  const value = size / 1e9;
  // Python rounds a half to the even digit, and toFixed rounds it up.
  const over = (value * 4) % 2 === 1 && /[13579]$/.test(value.toFixed(1));
  return (+(over ? value - 0.01 : value).toFixed(1)).toLocaleString("en-US", {
    minimumFractionDigits: 1,
  });
}

// The layer as a line of Python with its defaults left out.
function code({ kind, ...how }) {
  const usual = { padding: 0n, stride: kind === "Conv2d" ? 1n : undefined };
  const said = Object.entries(how).filter(([name, value]) => value !== usual[name]);
  const words = said.map(([name, value]) =>
    name.endsWith("channels") ? value : `${name}=${value}`,
  );
  return `nn.${kind}(${kind === "Dropout" ? "p=0.5" : words.join(", ")})`;
}

const HEADS = ["", "layer", "settings", "shape, and why", "parameters, and why", ""];

// How the layers of a model are changed: each edit is of a copy, and the kernel hears of it where there is one.
class Layers {
  constructor(model) {
    this.model = model;
    this.kinds = model.get("kinds");
  }

  get all() {
    return this.model.get("layers");
  }

  change(edit) {
    const layers = structuredClone(this.all);
    edit(layers);
    this.model.set("layers", layers);
    const stacks = this.model.get("stacks"),
      stack = stacks[this.model.get("network_index")];
    // "my own" follows the ready-made ones.
    if (JSON.stringify(stack) !== JSON.stringify(layers))
      this.model.set("network_index", stacks.length);
    this.model.save_changes();
  }

  // Take the ready-made stack whose name has been chosen.
  choose() {
    const stack = this.model.get("stacks")[this.model.get("network_index")];
    if (stack) this.change((layers) => layers.splice(0, Infinity, ...stack));
  }

  // What followed from the layers before stays as it is once it follows no more.
  keep() {
    if (this.model.get("derive")) return;
    const { parts } = traced(this.model, true);
    this.change((layers) =>
      parts.forEach(({ kind, in_features }, place) => {
        if (kind === "Linear") layers[place].in_features = Number(in_features);
      }),
    );
  }

  fresh(kind) {
    return {
      kind,
      ...Object.fromEntries(
        Object.entries(this.kinds[kind]).map(([name, range]) => [name, range[2]]),
      ),
    };
  }
}

// A number of one layer: Enter or leaving the field keeps it, a number that is out of range is answered by `refuse`.
function numberField(layers, place, name, refuse) {
  const [low, high] = layers.kinds[layers.all[place].kind][name];
  const input = node("input", {
    type: "number",
    name,
    min: low,
    max: high,
    step: 1,
    "data-tool": name,
    "aria-label": `${name} of layer ${place + 1}`,
  });
  const keep = () => {
    const before = layers.all[place]?.[name],
      number = +input.value;
    if (input.value === String(before)) return;
    if (input.value && Number.isInteger(number) && low <= number && number <= high)
      return layers.change((all) => {
        all[place][name] = number;
      });
    refuse(
      `${name} takes a whole number from ${low} to ${high}, not "${input.value}"; it stays ${before}.`,
    );
    input.value = before;
  };
  input.addEventListener("change", keep);
  input.addEventListener("keydown", (event) => event.key === "Enter" && keep());
  return input;
}

// The row of one layer; `follow(place, tool)` says where the focus goes when the rows are made anew.
function layerRow(layers, place, refuse, follow) {
  const { kind } = layers.all[place],
    number = place + 1,
    last = layers.all.length - 1;
  const tool = (text, label, to, edit) => {
    const button = node(
      "button",
      {
        type: "button",
        class: "jupyter-button",
        "data-tool": text,
        "aria-label": label,
        title: label,
      },
      text,
    );
    button.addEventListener("click", () => {
      follow(to, text);
      layers.change(edit);
    });
    return button;
  };
  const mover = (text, way, to) =>
    tool(text, `Move layer ${number} ${way}`, to, (all) => {
      [all[place], all[to]] = [all[to], all[place]];
    });
  const select = node(
    "select",
    { "data-tool": "kind", "aria-label": `kind of layer ${number}` },
    ...Object.keys(layers.kinds).map((name) => node("option", {}, name)),
  );
  select.value = kind;
  select.addEventListener("change", () => {
    follow(place, "kind");
    layers.change((all) => {
      all[place] = layers.fresh(select.value);
    });
  });
  const fields = Object.keys(layers.kinds[kind]).map((name) =>
    numberField(layers, place, name, refuse),
  );
  const found = ["", "rule", "", "rule"].map((name) => node("span", { class: name }));
  const row = node(
    "tr",
    {},
    node("th", {}, String(number)),
    node("td", {}, select),
    node("td", {}, ...fields.map((input) => node("label", {}, `${input.name} `, input))),
    node("td", {}, ...found.slice(0, 2)),
    node("td", {}, ...found.slice(2)),
    node(
      "td",
      {},
      mover("↑", "up", Math.max(place - 1, 0)),
      mover("↓", "down", Math.min(place + 1, last)),
      tool("✕", `Remove layer ${number}`, Math.min(place, last - 1), (all) => all.splice(place, 1)),
    ),
  );
  return { row, fields, found };
}

// The rows of the layers. They are made anew where other kinds of layers stand there, and else only filled in.
class Rows {
  constructor(layers, add, note) {
    Object.assign(this, { layers, add, note, body: node("tbody"), all: [], kinds: "" });
  }

  #make(kinds) {
    const refuse = (text) => write(this.note, text),
      follow = (...to) => {
        this.focus = to;
      };
    this.kinds = kinds;
    this.all = this.layers.all.map((_, place) => layerRow(this.layers, place, refuse, follow));
    this.body.replaceChildren(...this.all.map(({ row }) => row));
    const [place, tool] = this.focus ?? [];
    if (this.focus)
      (this.all[place]?.row.querySelector(`[data-tool="${tool}"]`) ?? this.add).focus();
    this.focus = undefined;
  }

  draw({ parts, rows, trouble }, derive) {
    const kinds = this.layers.all.map((layer) => layer.kind).join();
    if (kinds !== this.kinds) this.#make(kinds);
    else write(this.note, "");
    this.all.forEach(({ row, fields, found }, place) => {
      const wrong = trouble !== "" && place === rows.length,
        texts = rows[place]?.texts ?? [wrong ? "✗" : ""];
      for (const input of fields) {
        const value = String((parts[place] ?? this.layers.all[place])[input.name]);
        if (input.value !== value) input.value = value;
        input.disabled = input.name === "in_features" && derive;
      }
      found.forEach((part, column) => write(part, texts[column] ?? ""));
      row.classList.toggle("wrong", wrong);
    });
  }
}

function render({ model, el }) {
  const layers = new Layers(model),
    { line, code: text, note } = codeLine(),
    ending = node("p");
  const status = node("p", { role: "status", class: "bench-status" });
  const head = node("thead", {}, node("tr", {}, ...HEADS.map((name) => node("th", {}, name))));
  const add = node("button", { type: "button", class: "jupyter-button" }, "Add a layer");
  const rows = new Rows(layers, add, note);
  add.addEventListener("click", () => layers.change((all) => all.push(layers.fresh("ReLU"))));
  el.append(
    node("div", { class: "trace-scroll" }, node("table", { class: "trace" }, head, rows.body)),
    add,
    status,
    ending,
    line,
  );

  function draw() {
    const found = traced(model);
    rows.draw(found, model.get("derive"));
    add.disabled = layers.all.length >= model.get("most");
    write(status, found.trouble && `✗ ${found.trouble}`);
    write(ending, found.ending);
    write(text, found.code);
  }

  const heard = {
    "change:network_index": () => layers.choose(),
    "change:derive": () => layers.keep(),
  };
  for (const [name, act] of Object.entries(heard)) model.on(name, act);
  const end = live(model, el, ["layers", "channels", "side", "derive"], draw, () => {});
  return () => {
    end();
    for (const [name, act] of Object.entries(heard)) model.off(name, act);
  };
}

export default { render };

// The tracer's layers. The page edits them, and works out every shape, count and sentence itself,
// with or without a kernel. Python holds the truth; the tests compare all that is shown here.

import { plural, node, write, codeLine, live } from "./base.js";

const LARGE = 1e9; // bytes of float32 that a layer may take before that is said
const NEIGHBOURS = 8; // pixels more and fewer at which pictures that would fit are looked for

const prod = (sizes) => sizes.reduce((product, size) => product * size, 1);
const times = (shape) => shape.join("×");
const multiplied = (shape) => `${shape.join("·")} = ${prod(shape)}`;
const commas = (count) => count.toLocaleString("en-US");
const isWindow = (part) => part.kernel_size !== undefined;
const isDense = (part) => part.kind === "Linear";

function parametersOf(part) {
  const { kernel_size: k } = part;
  const inner = isDense(part) ? [part.in_features] : [part.in_channels, k, k];
  const outer = part.out_features ?? part.out_channels;
  if (outer === undefined) return { count: 0, rule: "" };
  return { count: (prod(inner) + 1) * outer, rule: `(${inner.join("·")} + 1)·${outer}` };
}

function shapeAfter(part, before) {
  const { kernel_size: k, stride: s, padding: p } = part;
  if (part.kind === "Flatten") return [prod(before)];
  if (isDense(part)) return [...before.slice(0, -1), part.out_features];
  if (!isWindow(part)) return before;
  const sides = before.slice(1).map((side) => Math.floor((side + 2 * p - k) / s) + 1);
  return [part.out_channels ?? before[0], ...sides];
}

function sizeRule(part, before, after) {
  if (!isWindow(part)) return after.length < before.length ? multiplied(before) : "";
  const { kernel_size: k, stride: s, padding: p } = part;
  const rule = (side, axis) => `⌊(${side} + 2·${p} − ${k}) / ${s}⌋ + 1 = ${after[axis + 1]}`;
  return [...new Set(before.slice(1).map(rule))].join(", ");
}

// What is found about a layer that fits; `texts` are shape and why, parameters and why.
function rowOf(name, part, before) {
  const shape = shapeAfter(part, before);
  const { count, rule } = parametersOf(part);
  const texts = [times(shape), sizeRule(part, before, shape), count ? commas(count) : "", rule];
  return { name, shape, count, texts };
}

// One sentence where a layer does not take what arrives; `volume` is the last shape with axes.
function misfitOf(name, part, at, volume) {
  if (isDense(part)) return denseMisfit(name, part.in_features, at, volume);
  if (!isWindow(part)) return "";
  if (at.length > 1) return windowMisfit(name, part, at);
  const row = `a row of ${plural(at[0], "number")} arrives`;
  return `${name} takes a volume C×H×W, and ${row}. Put it before the flattening.`;
}

function denseMisfit(name, wanted, at, volume) {
  const takes = `in_features=${wanted}`;
  if (wanted === at.at(-1)) return "";
  if (at.length > 1) {
    const arrives = `a volume of ${times(at)} arrives`;
    const way = `flatten it first, which makes ${multiplied(at)}`;
    return `${name} takes a row of ${takes} numbers, and ${arrives}: ${way}.`;
  }
  const known = prod(volume) === at[0];
  const origin = known ? `, as ${times(volume)} flattened is ${multiplied(volume)}` : "";
  return `${name} takes ${takes}, and ${at} numbers arrive${origin}. Write in_features=${at}.`;
}

function windowMisfit(name, { kind, kernel_size: k, padding: p }, at) {
  const side = at.slice(1).find((size) => k > size + 2 * p);
  if (side !== undefined) {
    const window = `A window of ${k} (kernel_size ${k}, dilation 1)`;
    const room = `${plural(side + 2 * p, "pixel")} (input_size ${side}, padding ${p})`;
    const ways = "Use a smaller window, more padding or a larger picture.";
    return `${name}: ${window} does not fit into ${room}. ${ways}`;
  }
  if (kind === "Conv2d" || 2 * p <= k) return "";
  const most = `kernel_size ${k}: use ${Math.floor(k / 2)} or less`;
  return `${name}: padding ${p} is more than half of ${most}.`;
}

// Follow one picture through the layers: `parts` are the layers with all their settings, `rows`
// those that fit. in_features follow up to `most`, or not at all where that is 0.
function trace(layers, shape, most = 0) {
  const found = { parts: [], rows: [], count: 0, misfit: "", remark: "" };
  let [at, volume, channels] = [shape, shape, shape[0]];
  for (const [place, { kind, ...how }] of layers.entries()) {
    const name = `layer ${place + 1} (${kind})`,
      part = { kind, ...(kind === "Conv2d" && { in_channels: channels }), ...how };
    channels = part.out_channels ?? channels;
    if (isDense(part) && most && !found.misfit) part.in_features = Math.min(prod(at), most);
    found.parts.push(part);
    found.count += parametersOf(part).count;
    if (found.misfit) continue;
    volume = at.length > 1 ? at : volume;
    found.misfit = misfitOf(name, part, at, volume);
    found.ofTheRow = isDense(part) && at.length === 1;
    if (found.misfit) continue;
    if (isDense(part) && at.length > 1)
      found.remark ||= `${name} took the last axis alone: no Flatten?`;
    found.rows.push(rowOf(name, part, at));
    at = found.rows.at(-1).shape;
  }
  return found;
}

// What the page says about the layers of a model; with `derive`, what follows is filled in.
function traced(model, derive = model.get("derive")) {
  const side = model.get("side"),
    shape = (size) => [model.get("channels"), size, size];
  const [, most] = model.get("kinds").Linear.in_features;
  const found = trace(model.get("layers"), shape(side), derive ? most : 0),
    { parts, rows, misfit, remark } = found;
  const fits = (size) => !trace(parts, shape(size)).misfit;
  found.trouble = misfit + (misfit && found.ofTheRow ? neighbours(side, fits) : "");
  const ending = [`${commas(found.count)} parameters in all.`, memory(rows), remark];
  found.ending = ending.filter(Boolean).join(" ");
  found.code = `nn.Sequential(${parts.map(code).join(", ")})`;
  return found;
}

function neighbours(side, fits) {
  const sides = Array.from({ length: 2 * NEIGHBOURS + 1 }, (_, i) => side - NEIGHBOURS + i);
  const fit = sides.filter((size) => size > 0 && fits(size)),
    span = [...new Set([fit[0], fit.at(-1)])].map((size) => `${size}×${size}`);
  return fit.length ? ` Or feed pictures of ${span.join(" to ")}: those fit.` : "";
}

function memory(rows) {
  const weights = rows.map(({ count, name }) => [count, `parameters of ${name}`]);
  const outputs = rows.map(({ shape, name }) => [prod(shape), `output of ${name} for one picture`]);
  const [numbers, part] = [...weights, ...outputs].reduce((a, b) => (b[0] > a[0] ? b : a), [0]);
  if (4 * numbers <= LARGE) return "";
  const tenths = Math.floor((40 * numbers + LARGE / 2) / LARGE);
  const size = (tenths / 10).toLocaleString("en-US", { minimumFractionDigits: 1 });
  return `The ${part} would take ${size} GB as float32. Nothing of it was allocated here.`;
}

// The layer as a line of Python with its defaults left out.
function code({ kind, ...how }) {
  const usual = { padding: 0, stride: kind === "Conv2d" ? 1 : undefined };
  const said = Object.entries(how).filter(([name, value]) => value !== usual[name]);
  const words = said.map(([name, value]) =>
    name.endsWith("channels") ? value : `${name}=${value}`,
  );
  return `nn.${kind}(${kind === "Dropout" ? "p=0.5" : words.join(", ")})`;
}

const HEADS = ["", "layer", "settings", "shape, and why", "parameters, and why", ""];

// Edit a copy of a model's layers; the kernel hears of it where there is one.
function change(model, edit) {
  const layers = structuredClone(model.get("layers"));
  edit(layers);
  model.set("layers", layers);
  const stacks = model.get("stacks"),
    stack = stacks[model.get("network_index")];
  // "my own" follows the ready-made ones.
  if (JSON.stringify(stack) !== JSON.stringify(layers)) model.set("network_index", stacks.length);
  model.save_changes();
}

// Take the ready-made stack whose name has been chosen.
function choose(model) {
  const stack = model.get("stacks")[model.get("network_index")];
  if (stack) change(model, (layers) => layers.splice(0, Infinity, ...stack));
}

// What followed from the layers before stays as it is once it follows no more.
function keep(model) {
  if (model.get("derive")) return;
  const { parts } = traced(model, true);
  change(model, (layers) => {
    for (const [place, part] of parts.entries())
      if (isDense(part)) layers[place].in_features = part.in_features;
  });
}

const button = (text, attributes) =>
  node("button", { type: "button", class: "jupyter-button", ...attributes }, text);

// A number of one layer: Enter or leaving the field keeps it, one out of range goes to `refuse`.
function numberField(model, place, name, refuse) {
  const layer = () => model.get("layers")[place];
  const [min, max] = model.get("kinds")[layer().kind][name];
  const names = { name, "data-tool": name, "aria-label": `${name} of layer ${place + 1}` };
  const input = node("input", { type: "number", min, max, step: 1, ...names });
  const take = () => {
    const before = layer()?.[name];
    if (input.value === String(before)) return;
    if (input.value && input.validity.valid) {
      change(model, (all) => Object.assign(all[place], { [name]: +input.value }));
      return;
    }
    const wanted = `${name} takes a whole number from ${min} to ${max}`;
    refuse(`${wanted}, not "${input.value}"; it stays ${before}.`);
    input.value = before;
  };
  input.addEventListener("change", take);
  // JupyterLab keeps to itself the Enter that would make a change of what is typed
  input.addEventListener("keydown", (event) => event.key === "Enter" && take());
  return input;
}

// The buttons behind a layer; `follow(place, tool)` says where the focus goes once it has moved.
function layerTools(model, place, follow) {
  const last = model.get("layers").length - 1;
  const tool = (text, label, to, edit) => {
    const made = button(text, { "data-tool": text, "aria-label": label, title: label });
    made.addEventListener("click", () => {
      follow(to, text);
      change(model, edit);
    });
    return made;
  };
  const mover = (text, way, to) =>
    tool(text, `Move layer ${place + 1} ${way}`, to, (all) => {
      [all[place], all[to]] = [all[to], all[place]];
    });
  return [
    mover("↑", "up", Math.max(place - 1, 0)),
    mover("↓", "down", Math.min(place + 1, last)),
    tool("✕", `Remove layer ${place + 1}`, Math.min(place, last - 1), (all) =>
      all.splice(place, 1),
    ),
  ];
}

function kindChoice(model, place, follow) {
  const names = { "data-tool": "kind", "aria-label": `kind of layer ${place + 1}` };
  const options = Object.keys(model.get("kinds")).map((name) => node("option", {}, name));
  const select = node("select", names, ...options);
  select.value = model.get("layers")[place].kind;
  select.addEventListener("change", () => {
    follow(place, "kind");
    change(model, (all) => all.splice(place, 1, { ...model.get("fresh")[select.value] }));
  });
  return select;
}

function layerRow(model, place, refuse, follow) {
  const names = Object.keys(model.get("kinds")[model.get("layers")[place].kind]);
  const fields = names.map((name) => numberField(model, place, name, refuse));
  const found = ["", "rule", "", "rule"].map((name) => node("span", { class: name }));
  const cells = [
    [kindChoice(model, place, follow)],
    fields.map((input) => node("label", {}, `${input.name} `, input)),
    found.slice(0, 2),
    found.slice(2),
    layerTools(model, place, follow),
  ];
  const columns = cells.map((parts) => node("td", {}, ...parts));
  return { row: node("tr", {}, node("th", {}, String(place + 1)), ...columns), fields, found };
}

// The rows of the layers. They are made anew where other kinds of layers stand there, and else only
// filled in.
class Rows {
  constructor(model, add, note) {
    Object.assign(this, { model, add, note, body: node("tbody"), all: [], kinds: "" });
  }

  #make(layers) {
    const refuse = (text) => write(this.note, text);
    const follow = (...to) => {
      this.focus = to;
    };
    this.all = layers.map((_, place) => layerRow(this.model, place, refuse, follow));
    this.body.replaceChildren(...this.all.map(({ row }) => row));
    if (!this.focus) return;
    const [place, tool] = this.focus;
    (this.all[place]?.row.querySelector(`[data-tool="${tool}"]`) ?? this.add).focus();
    this.focus = undefined;
  }

  draw({ parts, rows, misfit }, derive) {
    const kinds = parts.map((part) => part.kind).join();
    if (kinds !== this.kinds) this.#make(parts);
    else write(this.note, "");
    this.kinds = kinds;
    this.all.forEach(({ row, fields, found }, place) => {
      const wrong = misfit !== "" && place === rows.length,
        texts = rows[place]?.texts ?? [wrong ? "✗" : ""];
      for (const input of fields) {
        const value = String(parts[place][input.name]);
        if (input.value !== value) input.value = value;
        input.disabled = input.name === "in_features" && derive;
      }
      found.forEach((part, column) => write(part, texts[column] ?? ""));
      row.classList.toggle("wrong", wrong);
    });
  }
}

function render({ model, el }) {
  const { line, code: text, note } = codeLine(),
    ending = node("p");
  const status = node("p", { role: "status", class: "bench-status" });
  const head = node("thead", {}, node("tr", {}, ...HEADS.map((name) => node("th", {}, name))));
  const add = button("Add a layer");
  const rows = new Rows(model, add, note);
  const table = node("table", { class: "trace" }, head, rows.body);
  add.addEventListener("click", () =>
    change(model, (all) => all.push({ ...model.get("fresh").ReLU })),
  );
  el.append(node("div", { class: "trace-scroll" }, table), add, status, ending, line);

  function draw() {
    const found = traced(model);
    rows.draw(found, model.get("derive"));
    add.disabled = found.parts.length >= model.get("most");
    write(status, found.trouble && `✗ ${found.trouble}`);
    write(ending, found.ending);
    write(text, found.code);
  }

  const heard = [
    ["change:network_index", () => choose(model)],
    ["change:derive", () => keep(model)],
  ];
  for (const [name, act] of heard) model.on(name, act);
  const end = live(model, el, ["layers", "channels", "side", "derive"], draw, () => {});
  return () => {
    end();
    for (const [name, act] of heard) model.off(name, act);
  };
}

export default { render };

// The tracer's layers. The page edits them; the kernel works out every shape, count and sentence.

const HEADS = ["", "layer", "settings", "shape, and why", "parameters, and why", ""];

// How the layers of a model are changed: each edit is of a copy, and the kernel hears of it.
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
    this.model.save_changes();
  }

  add() {
    this.change((layers) => layers.push(this.fresh("ReLU")));
  }

  remove(place) {
    this.change((layers) => layers.splice(place, 1));
  }

  swap(place, other) {
    if (this.all[other]) this.change((layers) => { [layers[place], layers[other]] = [layers[other], layers[place]]; });
  }

  fresh(kind) {
    return { kind, ...Object.fromEntries(Object.entries(this.kinds[kind]).map(([name, range]) => [name, range[2]])) };
  }
}

// A number of one layer: Enter or leaving the field keeps it, a number that is out of range is answered by `refuse`.
function numberField(layers, place, name, refuse) {
  const [low, high] = layers.kinds[layers.all[place].kind][name];
  const input = node("input", { type: "number", name, min: low, max: high, step: 1, "data-tool": name, "aria-label": `${name} of layer ${place + 1}` });
  const keep = () => {
    const before = layers.all[place]?.[name], number = +input.value;
    if (input.value === String(before)) return;
    if (input.value && Number.isInteger(number) && low <= number && number <= high)
      return layers.change((all) => { all[place][name] = number; });
    refuse(`${name} takes a whole number from ${low} to ${high}, not "${input.value}"; it stays ${before}.`);
    input.value = before;
  };
  input.addEventListener("change", keep);
  input.addEventListener("keydown", (event) => event.key === "Enter" && keep());
  return input;
}

// The row of one layer; `follow(place, tool)` says where the focus goes when the rows are made anew.
function layerRow(layers, place, refuse, follow) {
  const { kind } = layers.all[place], number = place + 1;
  const tool = (text, label, to, act) => {
    const button = node("button", { type: "button", class: "jupyter-button", "data-tool": text, "aria-label": label, title: label }, text);
    button.addEventListener("click", () => { follow(to, text); act(); });
    return button;
  };
  const select = node("select", { "data-tool": "kind", "aria-label": `kind of layer ${number}` }, ...Object.keys(layers.kinds).map((name) => node("option", {}, name)));
  select.value = kind;
  select.addEventListener("change", () => {
    follow(place, "kind");
    layers.change((all) => { all[place] = layers.fresh(select.value); });
  });
  const fields = Object.keys(layers.kinds[kind]).map((name) => numberField(layers, place, name, refuse));
  const found = ["", "rule", "", "rule"].map((name) => node("span", { class: name }));
  const last = layers.all.length - 1;
  const row = node("tr", {}, node("th", {}, String(number)), node("td", {}, select),
    node("td", {}, ...fields.map((input) => node("label", {}, `${input.name} `, input))),
    node("td", {}, ...found.slice(0, 2)), node("td", {}, ...found.slice(2)),
    node("td", {}, tool("↑", `Move layer ${number} up`, Math.max(place - 1, 0), () => layers.swap(place, place - 1)),
      tool("↓", `Move layer ${number} down`, Math.min(place + 1, last), () => layers.swap(place, place + 1)),
      tool("✕", `Remove layer ${number}`, Math.min(place, last - 1), () => layers.remove(place))));
  return { row, fields, found };
}

function render({ model, el }) {
  const layers = new Layers(model), body = node("tbody"), ending = node("p"), { line, code, note } = codeLine();
  const status = node("p", { role: "status", class: "bench-status" });
  const head = node("thead", {}, node("tr", {}, ...HEADS.map((text) => node("th", {}, text))));
  const add = node("button", { type: "button", class: "jupyter-button" }, "Add a layer");
  add.addEventListener("click", () => layers.add());
  el.append(node("div", { class: "trace-scroll" }, node("table", { class: "trace" }, head, body)), add, status, ending, line);
  let rows = [], drawn = "", focus;

  function makeRows() {
    rows = layers.all.map((_, place) => layerRow(layers, place, (text) => write(note, text), (...to) => { focus = to; }));
    body.replaceChildren(...rows.map(({ row }) => row));
    if (!focus) return;
    const row = rows[focus[0]]?.row;
    (row?.querySelector(`[data-tool="${focus[1]}"]`) ?? add).focus();
    focus = undefined;
  }

  function draw() {
    const kinds = layers.all.map((layer) => layer.kind).join(), results = model.get("results"), trouble = model.get("trouble");
    if (kinds !== drawn) makeRows();
    else write(note, "");
    drawn = kinds;
    rows.forEach(({ row, fields, found }, place) => {
      for (const input of fields) {
        const value = String(layers.all[place][input.name]);
        if (input.value !== value) input.value = value;
        input.disabled = input.name === "in_features" && model.get("derive");
      }
      const wrong = trouble !== "" && place === results.length;
      found.forEach((part, column) => write(part, results[place]?.[column] ?? (wrong && column === 0 ? "✗" : "")));
      row.classList.toggle("wrong", wrong);
    });
    add.disabled = layers.all.length >= model.get("most");
    write(status, trouble && `✗ ${trouble}`);
    write(ending, model.get("ending"));
    write(code, model.get("code"));
  }

  return live(model, el, ["layers", "results", "trouble", "ending", "code", "derive"], draw, () => {});
}

export default { render };

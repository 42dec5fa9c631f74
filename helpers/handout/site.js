/* global require */
// What the pages of a site share: dark and light, contents, search. The file stands at the start of
// the body, so that the page has its theme before it is seen.

const KEPT = "convnets-theme",
  MOST = 12; // results
const SEARCH = { prefix: true, fuzzy: 0.2, boost: { title: 3 } };

function wear(dark) {
  document.getElementById("dark").media = dark ? "all" : "not all";
  document.body.dataset.jpThemeLight = String(!dark);
  document.body.dataset.jpThemeName = `JupyterLab ${dark ? "Dark" : "Light"}`;
}

// A browser may keep nothing for pages from a folder.
function keep(value) {
  try {
    if (value) localStorage.setItem(KEPT, value);
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
let dark = (keep() ?? system) === "dark";
wear(dark);

function part(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function themeButton() {
  const button = part("button", { type: "button" }),
    name = () => button.replaceChildren(dark ? "Light" : "Dark");
  button.addEventListener("click", () => {
    dark = !dark;
    keep(dark ? "dark" : "light");
    wear(dark);
    name();
  });
  name();
  return button;
}

// What is searched comes when it is first asked for.
function sections() {
  return new Promise((resolve, reject) => {
    const made = (MiniSearch, entries) => {
      const index = new MiniSearch({
        fields: ["title", "text"],
        storeFields: ["title", "page"],
        searchOptions: SEARCH,
      });
      index.addAll(entries);
      resolve(index);
    };
    require(["scripts/minisearch.js", "scripts/sections.js"], made, reject);
  });
}

function results(index, words) {
  const hits = index.search(words).slice(0, MOST);
  if (!hits.length) return [`Nothing is found for “${words}”.`];
  const links = hits.map(({ id, title, page }) =>
    part("li", {}, part("a", { href: id }, `${page}: ${title}`)),
  );
  return [part("ul", { "aria-label": "Found" }, ...links)];
}

function searchField() {
  const field = part("input", {
    type: "search",
    "aria-label": "Search the course",
    placeholder: "Search",
  });
  const found = part("div", { class: "site-found", role: "status" });
  let index;
  field.addEventListener("input", async () => {
    const words = field.value.trim();
    try {
      index ??= sections();
      const made = words ? results(await index, words) : [];
      if (words === field.value.trim()) found.replaceChildren(...made);
    } catch {
      index = undefined;
      found.replaceChildren("The search needs scripts that did not run here.");
    }
  });
  field.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") found.replaceChildren();
  });
  return [field, found];
}

document.addEventListener("DOMContentLoaded", () => {
  const bar = document.querySelector(".site-bar");
  if (!bar) return; // on slides
  const [field, found] = searchField();
  bar.append(field, themeButton(), found);
  const wide = matchMedia("(min-width: 901px)"),
    contents = document.querySelector(".site-contents details");
  contents.open = wide.matches;
});

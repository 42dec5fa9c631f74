/* global Reveal */
// Whatever a slide holds is made as small as it takes to be seen whole.
const HEIGHT = 720,
  BENCH = ".jupyter-widgets, .widget-box, .bench";
function shrink(box) {
  let zoom = 1;
  box.style.zoom = zoom;
  while (
    zoom > 0.4 &&
    (box.scrollHeight * zoom > HEIGHT || box.scrollWidth > box.clientWidth + 1)
  ) {
    zoom *= 0.97;
    box.style.zoom = zoom;
  }
  return zoom;
}
// Outputs that would get too small below each other stand beside each other.
function fit(box) {
  if (!box.offsetParent) return;
  box.classList.remove("beside");
  if (shrink(box) > 0.75) return;
  box.classList.add("beside");
  shrink(box);
}
function start() {
  document.querySelector("main").className = "reveal";
  for (const slide of document.querySelectorAll(".slides section")) {
    if (slide.querySelector("section")) continue;
    const box = document.createElement("div");
    box.className = "fit";
    box.append(...slide.childNodes);
    slide.append(box);
    new ResizeObserver(() => fit(box)).observe(box);
  }
  Reveal.initialize({
    width: 1280,
    height: HEIGHT,
    margin: 0,
    center: false,
    hash: true,
    transition: "none",
    slideNumber: "c/t",
    // On paper: a sheet for each slide, with all that comes by key.
    pdfSeparateFragments: false,
    pdfMaxPagesPerSlide: 1,
    viewDistance: 1000,
    mobileViewDistance: 1000,
    // Keys of a slider, a field or a bench do not turn the page, nor those that open a hint.
    keyboardCondition: ({ target, key }) =>
      !target.closest(BENCH) && !(/^( |Enter)$/.test(key) && target.closest("summary")),
  });
  // What is no longer seen takes no keys either.
  Reveal.on("slidechanged", ({ previousSlide }) => {
    if (previousSlide?.contains(document.activeElement)) document.activeElement.blur();
  });
  // Escape gives the keys back to the deck, unless the bench takes it, as a cell's field does.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target.closest(BENCH)) document.activeElement.blur();
  });
}
// For paper Reveal takes the slides out of the page for a moment; a bench drawn then is lost.
function startOnceDrawn() {
  const wanted = document.querySelectorAll("script[type$='widget-view+json']").length;
  if (document.querySelectorAll(".widget-subarea > *").length >= wanted) start();
  else setTimeout(startOnceDrawn, 100);
}
// Without Reveal the slides stand below each other, as on a page.
if (window.Reveal) (/print-pdf/.test(location.search) ? startOnceDrawn : start)();

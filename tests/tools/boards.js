// What the boards of a bench show; page.py and alive.py ask.

// By its name the cells of each board: text, or null where there is no room for texts, exact
// value, whether it is negative.
window.boardsOf = function boardsOf(root) {
  const cell = (one, bare) => [
    bare ? null : one.textContent,
    one.title || "NaN",
    one.classList.contains("negative"),
  ];
  const rows = (board) =>
    [...board.querySelectorAll("[role=row]")].map((row) =>
      [...row.children].map((one) => cell(one, board.classList.contains("bare"))),
    );
  const name = (board) => board.getAttribute("aria-label").split(" with ")[0];
  const boards = [...root.querySelectorAll("[role=grid]")];
  return Object.fromEntries(boards.map((board) => [name(board), rows(board)]));
};

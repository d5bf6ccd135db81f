"use strict";
// A click on a heading sorts the table by its column: first the largest number or the first word, then the other way round.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const key = (row, column) => {
    const cell = row.cells[column];
    return "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent.trim();
  };
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
  const sort = (column) => {
    const numbers = headings[column].classList.contains("number");
    const now = headings[column].getAttribute("aria-sort");
    const next = now === "none" ? (numbers ? "descending" : "ascending") : now === "ascending" ? "descending" : "ascending";
    headings.forEach((heading, k) => heading.setAttribute("aria-sort", k === column ? next : "none"));
    const [filled, empty] = [[], []];
    for (const row of body.rows) (["", "-"].includes(key(row, column)) ? empty : filled).push(row);
    filled.sort((a, b) => compare(key(a, column), key(b, column)) * (next === "ascending" ? 1 : -1));
    body.append(...filled, ...empty);
  };
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    button.addEventListener("click", () => sort(column));
    heading.replaceChildren(button);
    heading.setAttribute("aria-sort", "none");
  });
}
// A table that is wider than its place says so.
for (const wide of document.querySelectorAll(".wide")) {
  const hint = wide.previousElementSibling;
  new ResizeObserver(() => { hint.hidden = wide.scrollWidth <= wide.clientWidth; }).observe(wide);
}

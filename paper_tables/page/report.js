// Every table can be sorted by its heads and searched. Without this the page is whole, but still.
"use strict";

const texts = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const NEXT = { none: "ascending", ascending: "descending", descending: "none" };

// What a cell is sorted by: null if it is empty.
function key(cell, numbers) {
  if (numbers) return "value" in cell.dataset ? Number(cell.dataset.value) : null;
  const text = cell.textContent.trim();
  return text === "" || text === "-" ? null : text;
}

// Empty cells come last in both directions; equal ones stay as they were.
function sorted(rows, column, order) {
  if (order === "none") return rows;
  const cells = rows.map((row) => row.cells[column]);
  const numbers = cells.some((cell) => "value" in cell.dataset);
  const keys = new Map(rows.map((row, index) => [row, key(cells[index], numbers)]));
  const compare = numbers ? (a, b) => a - b : texts.compare;
  const sign = order === "ascending" ? 1 : -1;
  const full = rows.filter((row) => keys.get(row) !== null);
  full.sort((a, b) => sign * compare(keys.get(a), keys.get(b)));
  return [...full, ...rows.filter((row) => keys.get(row) === null)];
}

function makeSortable(table, rows) {
  const heads = [...table.tHead.rows[0].cells];
  for (const [column, head] of heads.entries()) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const order = NEXT[head.getAttribute("aria-sort") ?? "none"];
      for (const other of heads) other.removeAttribute("aria-sort");
      if (order !== "none") head.setAttribute("aria-sort", order);
      table.tBodies[0].append(...sorted(rows, column, order));
    });
  }
}

// Rows that hold every word of the search are shown.
function makeSearchable(box, rows, title) {
  const tools = document.createElement("div");
  const label = document.createElement("label");
  const field = document.createElement("input");
  const count = document.createElement("output");
  const contents = rows.map((row) =>
    [...row.cells].map((cell) => cell.textContent.toLowerCase()).join("\n"),
  );
  function search() {
    const words = field.value.toLowerCase().split(/\s+/);
    for (const [index, row] of rows.entries()) {
      row.hidden = !words.every((word) => contents[index].includes(word));
    }
    const shown = rows.filter((row) => !row.hidden).length;
    count.textContent = `${shown} of ${rows.length} rows`;
  }
  tools.className = "tools";
  field.type = "search";
  field.setAttribute("aria-label", `Search in ${title}`);
  field.addEventListener("input", search);
  label.append("Search", field);
  tools.append(label, count);
  box.before(tools);
  search();
}

for (const figure of document.querySelectorAll("figure.table")) {
  const box = figure.querySelector(".scroll");
  const table = box.querySelector("table");
  const rows = [...table.tBodies[0].rows];
  const title = figure.querySelector("figcaption").textContent;
  box.tabIndex = 0; // so that arrow keys scroll it
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", title);
  makeSortable(table, rows);
  if (rows.length > 8) makeSearchable(box, rows, title);
}

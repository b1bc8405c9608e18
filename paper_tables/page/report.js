// Every table can be sorted by its heads and searched. Without this the page is whole, but still.
"use strict";

const texts = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const NEXT = { none: "ascending", ascending: "descending", descending: "none" };

// What a cell is sorted by: null if it is empty.
function key(cell) {
  if ("value" in cell.dataset) return Number(cell.dataset.value);
  const text = cell.textContent.trim();
  return text === "" || text === "-" ? null : text;
}

function compare(a, b) {
  return typeof a === "number" ? a - b : texts.compare(a, b);
}

// Empty cells come last in both directions, as do texts among numbers; equal ones stay in order.
function sorted(rows, column, order) {
  if (order === "none") return rows;
  const keys = new Map(rows.map((row) => [row, key(row.cells[column])]));
  const numbers = [...keys.values()].some((one) => typeof one === "number");
  const full = rows.filter((row) => keys.get(row) !== null);
  const last = full.filter((row) => numbers && typeof keys.get(row) !== "number");
  const first = full.filter((row) => !last.includes(row));
  const sign = order === "ascending" ? 1 : -1;
  for (const some of [first, last]) {
    some.sort((a, b) => sign * compare(keys.get(a), keys.get(b)));
  }
  return [...first, ...last, ...rows.filter((row) => keys.get(row) === null)];
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
  const there = box.parentElement.querySelector(".tools");
  const tools = there ?? document.createElement("div");
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
    const searched = field.value.trim() !== "";
    box.parentElement.classList.toggle("searched", searched); // what was folded is looked through too
    count.textContent = searched ? `${shown} of ${rows.length} rows` : "";
  }
  tools.className = "tools";
  field.type = "search";
  field.setAttribute("aria-label", `Search in ${title}`);
  field.addEventListener("input", search);
  label.append("Search", field);
  tools.append(label, count);
  if (!there) box.before(tools);
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

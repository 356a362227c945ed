"use strict";
// Each heading of a table becomes a button that sorts by its column; without scripts the page is
// as readable, in the order in which it was written.
function order(cell) {
  return cell.dataset.order === undefined ? null : Number(cell.dataset.order);
}
function compare(first, second, column, numeric) {
  if (!numeric) {
    return first.cells[column].textContent.localeCompare(second.cells[column].textContent);
  }
  return order(first.cells[column]) - order(second.cells[column]);
}
function sort(table, heads, column) {
  const head = heads[column];
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of heads) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const numeric = rows.some((row) => order(row.cells[column]) !== null);
  const empty = (row) => (numeric ? order(row.cells[column]) === null : !row.cells[column].textContent);
  const filled = rows.filter((row) => !empty(row));
  filled.sort((a, b) => (down ? -1 : 1) * compare(a, b, column, numeric));
  body.append(...filled, ...rows.filter(empty)); // what is not there comes last, either way
}
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Sort by this column";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(table, heads, column));
    head.append(button);
  });
}

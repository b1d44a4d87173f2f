"use strict";
// Search in tables, copying of commands, folds that open for a link and for print.
(() => {
  const shown = new Map();

  function filter(name) {
    const search = document.querySelector(`input[data-table="${name}"]`);
    const select = document.querySelector(`select[data-table="${name}"]`);
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const group = select ? select.value : "";
    let n = 0;
    for (const [row, text] of shown.get(name)) {
      const fits =
        (!group || row.dataset.group === group) && words.every((word) => text.includes(word));
      row.hidden = !fits;
      n += fits ? 1 : 0;
    }
    const all = shown.get(name).length;
    const said = document.querySelector(`output[data-table="${name}"]`);
    said.textContent = n === all ? `${all} rows` : `${n} of ${all} rows`;
  }

  for (const control of document.querySelectorAll(".filter [data-table]")) {
    const name = control.dataset.table;
    if (!shown.has(name)) {
      const rows = document.getElementById(`table-${name}`).tBodies[0].rows;
      shown.set(name, Array.from(rows, (row) => [row, row.textContent.toLowerCase()]));
    }
    control.addEventListener("input", () => filter(name));
  }

  for (const button of document.querySelectorAll("button.copy")) {
    button.addEventListener("click", async () => {
      const code = button.previousElementSibling;
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "copied";
      } catch {
        // pages opened from disk may not be allowed to: the text is selected instead
        const range = document.createRange();
        range.selectNodeContents(code);
        getSelection().removeAllRanges();
        getSelection().addRange(range);
        button.textContent = "selected";
      }
      setTimeout(() => { button.textContent = "copy"; }, 2000);
    });
  }

  function open() {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    const fold = target && target.closest("details");
    if (fold && !fold.open) {
      fold.open = true;
      target.scrollIntoView({ block: "center" });
    }
  }
  addEventListener("hashchange", open);
  open();

  let folds = [];
  addEventListener("beforeprint", () => {
    folds = Array.from(document.querySelectorAll("details:not([open])"));
    for (const fold of folds) if (fold.id !== "fold-traces") fold.open = true;
  });
  addEventListener("afterprint", () => { for (const fold of folds) fold.open = false; });
})();

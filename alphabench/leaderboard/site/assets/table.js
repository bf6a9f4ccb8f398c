// Turns each plain table of records into one that sorts, filters and hides columns; without it the table stays.
(() => {
  "use strict";
  window.alphabenchMeans = {};
  const boards = new Map();

  const read = (table) => {
    const heads = [...table.tHead.rows[0].cells].map((cell, index) => ({
      field: `c${index}`, html: cell.innerHTML, name: cell.dataset.name, metric: cell.dataset.metric,
      decimals: Number(cell.dataset.decimals || 0), higher: cell.dataset.higher, hint: cell.title || undefined,
      numeric: cell.dataset.numeric === "yes", width: Math.ceil(cell.getBoundingClientRect().width), hidden: cell.dataset.hidden === "yes",
    }));
    const rows = [...table.tBodies[0].rows].map((row) => {
      const data = { id: row.dataset.key, record: row.dataset.record || "", tier: Number(row.dataset.tier ?? -1), published: row.classList.contains("published"), words: row.textContent.toLowerCase(), html: {} };
      [...row.cells].forEach((cell, index) => {
        const head = heads[index];
        data.html[head.field] = cell.innerHTML;
        const text = cell.textContent.trim();
        const value = Number.parseFloat(text);
        data[head.field] = head.numeric ? (Number.isNaN(value) ? null : value) : text;
      });
      return data;
    });
    return { heads, rows };
  };

  // Missing values stay last in either direction.
  const numbers = (a, b, rowA, rowB, column, dir) => {
    if (a === null || b === null) return a === b ? 0 : (a === null ? 1 : -1) * (dir === "asc" ? 1 : -1);
    return a - b;
  };

  const cellOf = (head, board) => (cell) => {
    const data = cell.getRow().getData();
    if (head.metric && board.category && !data.published) {
      const value = cell.getValue();
      const text = document.createElement("span");
      text.textContent = value === null ? "–" : value.toFixed(head.decimals);
      if (value !== null && value === board.best[head.field]) text.className = "best";
      return text;
    }
    return data.html[head.field];
  };

  const bestOf = (rows, heads) => {
    const best = {};
    for (const head of heads) {
      const values = rows.filter((row) => !row.published && row[head.field] !== null).map((row) => row[head.field]);
      if (head.metric && values.length && head.higher) best[head.field] = head.higher === "yes" ? Math.max(...values) : Math.min(...values);
    }
    return best;
  };

  const inCategory = (board) => board.rows.map((row) => {
    if (!board.category || row.published) return row;
    const means = (window.alphabenchMeans[board.name] || {})[row.record] || {};
    const changed = { ...row };
    for (const head of board.heads) if (head.metric) changed[head.field] = (means[head.metric] || {})[board.category] ?? null;
    return changed;
  });

  const upgrade = (table) => {
    const tools = document.getElementById(`${table.id}-tools`);
    const board = { name: table.id, category: "", best: {}, ...read(table) };
    const narrow = innerWidth < 640;
    const label = table.caption.textContent.trim();
    const holder = document.createElement("div");
    const box = table.closest(".scroll");
    const status = document.getElementById(`${table.id}-status`);
    box.after(holder);
    const grid = new Tabulator(holder, {
      data: board.rows, index: "id", renderVertical: "basic", layout: "fitDataStretch",
      // Widths come from the plain table and heights are fixed: nothing has to be measured row by row.
      rowHeight: narrow ? 52 : 36, columnHeaderSortMulti: false,
      headerSortTristate: false, placeholder: "No record fits these filters.",
      columns: board.heads.map((head, index) => ({
        title: head.html, field: head.field, frozen: index === 0, formatter: cellOf(head, board), visible: !head.hidden,
        sorter: head.numeric ? numbers : "string", hozAlign: head.numeric ? "right" : "left",
        headerHozAlign: head.numeric ? "right" : "left", headerTooltip: head.hint ?? false,
        headerSortStartingDir: head.higher === "yes" ? "desc" : "asc", resizable: false, width: index === 0 && narrow ? 136 : head.width + 12,
      })),
      rowFormatter: (row) => row.getElement().classList.toggle("published", row.getData().published),
    });
    grid.on("tableBuilt", () => {
      holder.id = `${table.id}-grid`;
      holder.setAttribute("aria-label", label);
      holder.dataset.ready = "yes";
      // The box between grid and rows is none to a screen reader; links inside take the focus.
      const inner = holder.querySelector(".tabulator-tableholder");
      inner.removeAttribute("tabindex");
      inner.setAttribute("role", "presentation");
      box.remove();
      tools.hidden = false;
      for (const column of grid.getColumns()) keyboard(grid, column, board);
      apply();
    });
    grid.on("dataSorted", (sorters) => {
      if (!sorters.length || !status) return;
      const head = board.heads.find((item) => item.field === sorters[0].field);
      status.textContent = `Sorted by ${head.name}, ${sorters[0].dir === "asc" ? "ascending" : "descending"}.`;
    });
    const apply = () => {
      const words = tools.querySelector("[data-find]").value.trim().toLowerCase();
      const tier = Number(tools.querySelector("[data-tier]").value);
      const published = tools.querySelector("[data-published]");
      grid.setFilter((row) => (row.published ? !published || published.checked : row.tier >= tier) && (!words || row.words.includes(words)));
    };
    tools.addEventListener("input", (event) => { if (event.target.matches("[data-find], [data-tier], [data-published]")) apply(); });
    tools.querySelectorAll("[data-column]").forEach((choice) => choice.addEventListener("change", () => {
      const field = `c${choice.dataset.column}`;
      if (choice.checked) grid.showColumn(field); else grid.hideColumn(field);
    }));
    const category = tools.querySelector("[data-category]");
    if (category) category.addEventListener("change", () => {
      const show = () => {
        board.category = category.value;
        const rows = inCategory(board);
        board.best = bestOf(rows, board.heads);
        const sorters = grid.getSorters().map((item) => ({ column: item.field, dir: item.dir }));
        grid.replaceData(rows).then(() => { if (sorters.length) grid.setSort(sorters); });
        if (status) status.textContent = board.category ? `Values of the category ${board.category}. Ranks are over all categories.` : "Means over all categories.";
      };
      if (window.alphabenchMeans[board.name] || !category.value) { show(); return; }
      const script = document.createElement("script");
      script.src = table.dataset.means;
      script.addEventListener("load", show);
      document.head.append(script);
    });
    boards.set(table.id, grid);
  };

  const keyboard = (grid, column, board) => {
    const element = column.getElement();
    element.tabIndex = 0;
    element.setAttribute("aria-label", (board.heads.find((head) => head.field === column.getField()) || {}).name || "");
    element.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      const now = grid.getSorters().find((item) => item.field === column.getField());
      const first = column.getDefinition().headerSortStartingDir || "asc";
      grid.setSort(column.getField(), now ? (now.dir === "asc" ? "desc" : "asc") : first);
    });
  };

  document.addEventListener("DOMContentLoaded", () => {
    const tables = [...document.querySelectorAll("table[data-board]")];
    // Two frames on: the plain table is painted before the work starts.
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => { performance.mark("table-upgrade"); tables.forEach(upgrade); }, 0)));
  });
  window.alphabenchBoards = boards;
})();

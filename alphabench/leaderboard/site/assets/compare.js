// Compares two records image by image: mean differences over categories, with bootstrap intervals over images.
(() => {
  "use strict";
  const DRAWS = 10000, SEED = 12345;
  const loaded = new Map();
  window.alphabenchRecord = (id, data) => loaded.set(id, data);

  // xoshiro128** seeded by splitmix32: a fixed stream, so that a reload shows the same bounds.
  const generator = (seed) => {
    let mix = seed >>> 0;
    const next = () => { mix = (mix + 0x9e3779b9) >>> 0; let z = mix; z = Math.imul(z ^ (z >>> 16), 0x21f0aaad); z = Math.imul(z ^ (z >>> 15), 0x735a2d97); return (z ^ (z >>> 15)) >>> 0; };
    let [a, b, c, d] = [next(), next(), next(), next()];
    return () => {
      const times5 = Math.imul(b, 5) >>> 0;
      const result = Math.imul((times5 << 7) | (times5 >>> 25), 9) >>> 0;
      const t = b << 9;
      c ^= a; d ^= b; b ^= c; a ^= d; c ^= t; d = (d << 11) | (d >>> 21);
      return result / 4294967296;
    };
  };

  // Categories that are drawn together: those of one image as one group, a single one with the smallest other.
  const groupsOf = (sizes) => {
    const names = [...sizes.keys()];
    let single = names.filter((name) => sizes.get(name) === 1).sort();
    let groups = names.filter((name) => sizes.get(name) > 1).map((name) => [name]);
    if (single.length === 1 && groups.length) {
      const partner = groups.reduce((least, group) => (sizes.get(group[0]) < sizes.get(least[0]) || (sizes.get(group[0]) === sizes.get(least[0]) && group[0] < least[0]) ? group : least));
      groups = groups.filter((group) => group !== partner);
      single = [...single, ...partner].sort();
    }
    return [...groups, ...(single.length ? [single] : [])].sort((x, y) => (x[0] < y[0] ? -1 : 1));
  };

  const quantile = (sorted, share) => {
    const place = share * (sorted.length - 1), low = Math.floor(place);
    return sorted[low] + (place - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
  };

  // In a group of k images k - 1 are drawn, which makes the variance of the mean unbiased.
  const interval = (categories, columns) => {
    if (categories.length < 2) return columns.map(() => null);
    const sizes = new Map();
    for (const name of categories) sizes.set(name, (sizes.get(name) || 0) + 1);
    const random = generator(SEED);
    const totals = columns.map(() => new Float64Array(DRAWS));
    for (const group of groupsOf(sizes)) {
      const members = categories.map((name, index) => (group.includes(name) ? index : -1)).filter((index) => index >= 0);
      const k = members.length;
      const weighted = columns.map((column) => Float64Array.from(members, (index) => column[index] / sizes.get(categories[index])));
      for (let draw = 0; draw < DRAWS; draw += 1) {
        const sums = new Float64Array(columns.length);
        for (let pick = 0; pick < k - 1; pick += 1) {
          const place = Math.floor(random() * k);
          for (let row = 0; row < sums.length; row += 1) sums[row] += weighted[row][place];
        }
        for (let row = 0; row < sums.length; row += 1) totals[row][draw] += (k * sums[row]) / (k - 1);
      }
    }
    return totals.map((total) => {
      const sorted = total.map((value) => value / sizes.size).sort();
      return { low: quantile(sorted, 0.025), high: quantile(sorted, 0.975), losses: sorted.filter((value) => value >= 0).length };
    });
  };

  const macro = (categories, values) => {
    const groups = new Map();
    categories.forEach((name, index) => { const held = groups.get(name) || [0, 0]; groups.set(name, [held[0] + values[index], held[1] + 1]); });
    return [...groups.values()].reduce((sum, [total, count]) => sum + total / count, 0) / groups.size;
  };

  const verdict = (low, high, margin) => {
    if (margin === null) return "no margin";
    if (low > 0) return "improvement";
    if (low > -margin || (low === 0 && high === 0)) return "ok";
    return high < 0 ? "regression" : "inconclusive";
  };

  const compared = (board, first, second) => {
    const place = new Map(second.samples.map((name, index) => [name, index]));
    const rows = [];
    for (const metric of board.metrics) {
      const a = first.metrics[metric.name], b = second.metrics[metric.name];
      if (metric.higher === null || !a || !b) { rows.push({ metric, why: "not measured in both, or no better direction" }); continue; }
      if (metric.kind === "set") {
        const gain = metric.higher ? b - a : a - b;
        rows.push({ metric, a, b, gain, n: first.samples.length, why: "a distance between sets of images: no interval" });
        continue;
      }
      const both = first.samples.map((name, index) => [index, place.get(name)]).filter(([x, y]) => y !== undefined && a[x] !== null && b[y] !== null);
      const count = (column) => column.filter((value) => value !== null).length;
      if (!both.length || count(a) !== both.length || count(b) !== both.length) { rows.push({ metric, why: "measured on other images" }); continue; }
      const categories = both.map(([x]) => first.categories[x]);
      const sign = metric.higher ? 1 : -1;
      rows.push({ metric, n: both.length, categories, names: both.map(([x]) => first.samples[x]), own: both.map(([x]) => a[x]), theirs: both.map(([, y]) => b[y]), gains: both.map(([x, y]) => sign * (b[y] - a[x])) });
    }
    const groups = new Map();
    for (const row of rows) if (row.gains) { const key = row.names.join("\u001f"); groups.set(key, [...(groups.get(key) || []), row]); }
    for (const together of groups.values()) {
      const bounds = interval(together[0].categories, together.map((row) => row.gains));
      together.forEach((row, index) => {
        row.a = macro(row.categories, row.own);
        row.b = macro(row.categories, row.theirs);
        row.gain = macro(row.categories, row.gains);
        const found = bounds[index];
        const rule = row.metric.margin;
        row.margin = rule ? Math.max(rule.relative ? rule.floor : 0, rule.relative ? rule.size * Math.abs(row.a) : rule.size) : null;
        if (!found) { row.why = "one image: no interval"; return; }
        row.low = Math.min(found.low, row.gain);
        row.high = Math.max(found.high, row.gain);
        row.p = (1 + found.losses) / (DRAWS + 1);
        row.verdict = verdict(row.low, row.high, row.margin);
      });
    }
    return rows;
  };
  window.alphabenchCompare = { compared, interval };

  const load = (id) => new Promise((resolve, reject) => {
    if (loaded.has(id)) { resolve(loaded.get(id)); return; }
    const script = document.createElement("script");
    script.src = `values/${id}.js`;
    script.addEventListener("load", () => resolve(loaded.get(id)));
    script.addEventListener("error", () => reject(new Error(`values/${id}.js is missing`)));
    document.head.append(script);
  });

  const cell = (tag, text, attributes = {}) => {
    const made = document.createElement(tag);
    made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const signed = (value, digits) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;

  document.addEventListener("DOMContentLoaded", () => {
    const data = JSON.parse(document.getElementById("compare-data").textContent);
    const pick = Object.fromEntries(["board", "a", "b"].map((name) => [name, document.getElementById(`pick-${name}`)]));
    const results = document.getElementById("results"), status = document.getElementById("status");
    const wanted = new URLSearchParams(location.hash.slice(1));
    data.boards.forEach((board, index) => pick.board.add(new Option(board.title, String(index))));
    const boardOf = (id) => data.boards.findIndex((board) => board.records.some((record) => record.id === id));
    const fill = () => {
      const board = data.boards[Number(pick.board.value)];
      for (const name of ["a", "b"]) {
        pick[name].replaceChildren(...board.records.map((record) => new Option(`${record.name} (${record.id.slice(0, 8)})`, record.id)));
      }
      const ids = board.records.map((record) => record.id);
      pick.a.value = ids.includes(wanted.get("a")) ? wanted.get("a") : ids[Math.min(1, ids.length - 1)];
      pick.b.value = ids.includes(wanted.get("b")) ? wanted.get("b") : ids[0];
    };
    const show = async () => {
      const board = data.boards[Number(pick.board.value)];
      const [a, b] = [pick.a.value, pick.b.value];
      status.textContent = "Comparing…";
      let first, second;
      try { [first, second] = await Promise.all([load(a), load(b)]); } catch (error) { status.textContent = `Not compared: ${error.message}.`; return; }
      const rows = compared(board, first, second);
      const names = Object.fromEntries(board.records.map((record) => [record.id, record.name]));
      const body = document.getElementById("compare-rows");
      body.replaceChildren(...rows.map((row) => {
        const line = document.createElement("tr");
        const digits = row.metric.decimals;
        line.append(cell("th", row.metric.label, { scope: "row" }));
        if (row.gain === undefined) { line.append(cell("td", row.why, { colspan: "8", class: "text muted" })); return line; }
        line.append(cell("td", row.metric.unit || "–", { class: "text" }), cell("td", row.a.toFixed(digits)), cell("td", row.b.toFixed(digits)));
        line.append(cell("td", signed(row.gain, digits), row.low > 0 ? { class: "gain" } : row.high < 0 ? { class: "loss" } : {}));
        line.append(cell("td", row.low === undefined ? "–" : `${signed(row.low, digits)} to ${signed(row.high, digits)}`));
        line.append(cell("td", row.p === undefined ? "–" : row.p.toFixed(4)));
        line.append(cell("td", row.margin === null || row.margin === undefined ? "–" : row.margin.toFixed(digits)));
        line.append(cell("td", row.verdict || row.why, { class: "text" }));
        return line;
      }));
      const judged = rows.filter((row) => row.metric.gate && row.low !== undefined && row.margin);
      document.getElementById("forest").hidden = !judged.length;
      const main = rows.find((row) => row.gains && row.metric.primary) || rows.find((row) => row.gains);
      const changed = document.getElementById("changed-rows");
      changed.replaceChildren();
      if (main) {
        const order = main.gains.map((_, index) => index).sort((x, y) => Math.abs(main.gains[y]) - Math.abs(main.gains[x]) || (main.names[x] < main.names[y] ? -1 : 1)).slice(0, 10);
        document.getElementById("changed-metric").textContent = main.metric.label;
        changed.append(...order.map((index) => {
          const line = document.createElement("tr");
          const digits = main.metric.decimals;
          line.append(cell("th", main.names[index], { scope: "row" }), cell("td", main.categories[index], { class: "text" }), cell("td", main.own[index].toFixed(digits)), cell("td", main.theirs[index].toFixed(digits)), cell("td", signed(main.gains[index], digits)));
          return line;
        }));
      }
      for (const [name, id] of [["a", a], ["b", b]]) {
        const link = document.getElementById(`link-${name}`);
        link.href = `r/${id}.html`;
        link.textContent = `${names[id]} (${id.slice(0, 8)})`;
      }
      document.getElementById("command").textContent = `alphabench leaderboard compare ${a.slice(0, 12)} ${b.slice(0, 12)}`;
      results.hidden = false;
      status.textContent = `${names[b]} compared with ${names[a]}: ${judged.map((row) => `${row.metric.name} ${row.verdict}`).join(", ") || "no metric with a margin"}.`;
      try { history.replaceState(null, "", `#a=${a}&b=${b}`); } catch { /* a file may not have a history */ }
      // Last: a chart is as wide as its box, and a box that is hidden has no width.
      if (judged.length) {
        const form = JSON.parse(document.getElementById("gain-form").textContent);
        const values = judged.map((row) => ({ label: row.metric.name, gain: row.gain / row.margin, low: row.low / row.margin, high: row.high / row.margin, words: `${signed(row.gain, row.metric.decimals)} (${signed(row.low, row.metric.decimals)} to ${signed(row.high, row.metric.decimals)})` }));
        form.layer.slice(1).forEach((layer) => { layer.data = { values }; });
        const box = document.getElementById("forest-plot");
        box.setAttribute("aria-label", judged.map((row) => `${row.metric.name}: ${row.verdict}`).join("; "));
        await window.alphabenchCharts.draw(box, form);
      }
    };
    if (!data.boards.length) return;
    pick.board.value = String(Math.max(0, boardOf(wanted.get("b")), boardOf(wanted.get("a"))));
    fill();
    pick.board.addEventListener("change", () => { fill(); show(); });
    pick.a.addEventListener("change", show);
    pick.b.addEventListener("change", show);
    document.getElementById("swap").addEventListener("click", () => { [pick.a.value, pick.b.value] = [pick.b.value, pick.a.value]; show(); });
    document.getElementById("picker").hidden = false;
    show();
  });
})();

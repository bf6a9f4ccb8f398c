// Looks at one sample: a slider between reference and prediction, alpha alone, or their difference.
(() => {
  "use strict";
  const element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };
  const layer = (source, words, slot) => {
    const made = element("div", slot ? { class: "layer", slot } : { class: "layer" });
    if (source) made.append(element("img", { src: source, alt: words, draggable: "false" }));
    else made.append(element("p", {}, `No picture of the ${words}.`));
    return made;
  };
  const shown = (value, digits = 4) => (value === null || value === undefined ? "–" : Number(value).toFixed(digits));

  const start = (root) => {
    const data = JSON.parse(document.getElementById(root.dataset.viewer).textContent);
    const stage = root.querySelector(".stage");
    const title = root.querySelector("[data-title]");
    const numbers = root.querySelector("[data-numbers]");
    const buttons = [...root.querySelectorAll("[data-sample]")];
    const state = { index: 0, look: "picture", gain: "4", zoom: "fit", own: null };

    const sizes = () => {
      const sample = data.samples[state.index];
      const room = stage.parentElement.clientWidth - 26;
      const width = sample.width || 256, height = sample.height || 256;
      stage.style.setProperty("--ratio", `${width} / ${height}`);
      const fit = Math.max(64, Math.min(room, Math.round((innerHeight * 0.7 * width) / height), width * 8));
      stage.style.setProperty("--side", `${state.zoom === "fit" ? fit : width * Number(state.zoom)}px`);
    };

    const draw = () => {
      const sample = data.samples[state.index];
      const difference = state.look.endsWith("difference");
      stage.dataset.look = state.look;
      stage.dataset.gain = difference ? state.gain : "1";
      let body;
      if (difference) {
        body = element("div", { class: "stack", role: "img", "aria-label": `Difference of reference and prediction of ${sample.sample}, times ${state.gain}` });
        body.append(layer(sample.reference, "reference"), layer(sample.prediction, "prediction"));
        body.querySelectorAll("img").forEach((image) => { image.alt = ""; });
      } else {
        body = element("img-comparison-slider", { value: "50", tabindex: "0", role: "slider", "aria-label": "Divider: reference on the left, prediction on the right. Move it with the arrow keys.", "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": "50" });
        body.append(layer(sample.reference, "reference", "first"), layer(sample.prediction, "prediction", "second"));
        body.append(element("div", { slot: "handle", class: "handle", "aria-hidden": "true" }, "◂ ▸"));
        body.addEventListener("slide", () => body.setAttribute("aria-valuenow", String(Math.round(Number(body.value)))));
      }
      stage.replaceChildren(body);
      root.querySelector("[data-gain-box]").hidden = !difference;
      root.querySelector(".sides").hidden = difference;
      title.textContent = `${sample.sample} (${sample.category})`;
      buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(index === state.index)));
      sizes();
      table(sample);
    };

    const table = (sample) => {
      const metrics = Object.keys(sample.values);
      const many = metrics.filter((name) => Object.keys(sample.values[name]).length > 1);
      const views = [...new Set(many.flatMap((name) => Object.keys(sample.values[name])))];
      const head = element("tr", {}, element("th", { scope: "col" }, "view"), ...many.map((name) => element("th", { scope: "col" }, name)));
      const rows = views.map((view) => element("tr", {}, element("th", { scope: "row" }, view), ...many.map((name) => element("td", {}, shown(sample.values[name][view], data.decimals[name])))));
      const single = metrics.filter((name) => !many.includes(name)).map((name) => {
        const [view, value] = Object.entries(sample.values[name])[0] || ["", null];
        return element("tr", {}, element("th", { scope: "row" }, name), element("td", { class: "text" }, view), element("td", {}, shown(value, data.decimals[name])));
      });
      const first = element("table", {}, element("caption", {}, `${sample.sample}: values by view`), element("thead", {}, head), element("tbody", {}, ...rows));
      const second = element("table", {}, element("caption", {}, `${sample.sample}: metrics with one view`), element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "metric"), element("th", { scope: "col", class: "text" }, "view"), element("th", { scope: "col" }, "value"))), element("tbody", {}, ...single));
      numbers.replaceChildren(...(rows.length ? [first] : []), ...(single.length ? [second] : []));
    };

    const background = (value, chosen) => {
      stage.style.setProperty("--background", value);
      root.querySelectorAll("[data-background]").forEach((button) => button.setAttribute("aria-pressed", String(button === chosen)));
    };
    const places = {
      checkerboard: "repeating-conic-gradient(#b9bec5 0 25%, #ffffff 0 50%) 0 0 / 16px 16px",
      photo: `#808080 url("${new URL(data.photo, document.baseURI).href}") center / cover`,
    };
    root.querySelectorAll("[data-background]").forEach((button) => button.addEventListener("click", () => background(places[button.dataset.background] || button.dataset.background, button)));
    root.querySelector("[data-colour]").addEventListener("input", (event) => background(event.target.value, null));
    root.querySelector("[data-own]").addEventListener("change", (event) => {
      const file = event.target.files[0];
      if (!file) return;
      if (state.own) URL.revokeObjectURL(state.own);
      state.own = URL.createObjectURL(file);
      background(`#808080 url("${state.own}") center / cover`, null);
    });
    root.querySelectorAll("[data-look-choice]").forEach((choice) => choice.addEventListener("change", () => { state.look = choice.value; draw(); }));
    root.querySelector("[data-gain-choice]").addEventListener("change", (event) => { state.gain = event.target.value; draw(); });
    root.querySelector("[data-zoom]").addEventListener("change", (event) => { state.zoom = event.target.value; sizes(); });
    buttons.forEach((button, index) => button.addEventListener("click", () => {
      state.index = index;
      draw();
      root.querySelector("[data-live]").textContent = `Showing ${data.samples[index].sample}.`;
      const box = root.querySelector(".viewer");
      if (box.getBoundingClientRect().bottom < 120) box.scrollIntoView({ block: "start" });
    }));
    const step = (by) => buttons[(state.index + by + buttons.length) % buttons.length].click();
    root.querySelector("[data-previous]").addEventListener("click", () => step(-1));
    root.querySelector("[data-next]").addEventListener("click", () => step(1));
    addEventListener("resize", sizes);
    root.hidden = false;
    draw();
  };
  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-viewer]").forEach(start));
})();

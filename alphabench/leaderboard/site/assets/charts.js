// Draws the Vega-Lite documents of a page in its own colours, again when the theme changes.
(() => {
  "use strict";
  const drawn = new Map();
  const colour = (name) => {
    const probe = document.createElement("span");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
  };
  const look = () => {
    const ink = colour("--ink"), muted = colour("--muted"), line = colour("--line"), accent = colour("--accent");
    const font = getComputedStyle(document.body).fontFamily;
    return {
      background: null, font, padding: 2,
      view: { stroke: null },
      axis: { labelColor: ink, titleColor: muted, gridColor: line, tickColor: line, domainColor: line, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", labelPadding: 6 },
      point: { color: accent }, tick: { color: ink }, rule: { color: ink }, text: { font },
    };
  };
  const draw = async (box, document_) => {
    drawn.set(box, document_);
    const words = box.getAttribute("aria-label");
    const result = await vegaEmbed(box, { ...document_, description: words, config: look() }, {
      actions: false, ast: true, renderer: "svg", mode: "vega-lite", logLevel: vega.Error, tooltip: { theme: "custom" },
    });
    box.removeAttribute("aria-busy");
    return result;
  };
  window.alphabenchCharts = { draw };
  document.addEventListener("themechange", () => { for (const [box, document_] of drawn) draw(box, document_); });
  document.addEventListener("DOMContentLoaded", () => {
    const show = (box) => draw(box, JSON.parse(document.getElementById(box.dataset.chart).textContent));
    const boxes = [...document.querySelectorAll("[data-chart]")];
    const watch = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) { watch.unobserve(entry.target); show(entry.target); }
    }, { rootMargin: "400px" });
    for (const box of boxes) watch.observe(box);
    addEventListener("beforeprint", () => { for (const box of boxes) if (!drawn.has(box)) show(box); });
  });
})();

// Light, dark, or as the system says; the choice is kept where the browser lets a file keep it.
(() => {
  "use strict";
  const root = document.documentElement;
  const names = { auto: "Theme: system", light: "Theme: light", dark: "Theme: dark" };
  const order = Object.keys(names);
  let theme = "auto";
  try { theme = localStorage.getItem("alphabench-theme") || "auto"; } catch { /* storage is off */ }
  const apply = () => {
    if (theme === "auto") delete root.dataset.theme; else root.dataset.theme = theme;
    document.dispatchEvent(new Event("themechange"));
  };
  if (!(theme in names)) theme = "auto";
  apply();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const say = () => { button.textContent = names[theme]; };
    button.hidden = false;
    say();
    button.addEventListener("click", () => {
      theme = order[(order.indexOf(theme) + 1) % order.length];
      try { localStorage.setItem("alphabench-theme", theme); } catch { /* storage is off */ }
      apply();
      say();
    });
  });
})();

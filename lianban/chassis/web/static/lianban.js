// Small comforts; every page works without them.
(() => {
  "use strict";
  const english = document.documentElement.lang === "en";

  // A second click on "submit" does nothing while the first is on its way (the server would ignore it as well).
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !form.hasAttribute("data-once")) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    form.setAttribute("aria-busy", "true");
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) {
      delete form.dataset.sent;
      form.removeAttribute("aria-busy");
    }
  });

  // What must be corrected is read first.
  const summary = document.getElementById("error-summary");
  if (summary) summary.focus();

  // Characters left in long texts, said when few are left.
  for (const text of document.querySelectorAll("textarea[data-count][maxlength]")) {
    const most = Number(text.getAttribute("maxlength"));
    const count = document.createElement("p");
    count.className = "hint count";
    count.setAttribute("aria-live", "polite");
    text.after(count);
    const show = () => {
      const left = most - text.value.length;
      count.textContent = left > most / 5 ? "" : english ? `${left} characters left` : `还可以输入 ${left} 个字`;
    };
    text.addEventListener("input", show);
    show();
  }

  // Times of the person's own zone are not shown: every date is China's. Print buttons only where there is a printer dialog.
  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }
})();

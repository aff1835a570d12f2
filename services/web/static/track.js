// Asks for the part of the page that changes and puts it in its place, as long as the page says that more will come.
// Without this script the page reloads by itself.
(() => {
  "use strict";
  const region = document.getElementById("progress");
  if (!region) return;
  const part = (from, id) => from.querySelector("#" + id);
  let failures = 0;

  const next = () => {
    const seconds = Number(region.querySelector("[data-poll]")?.dataset.poll || 0);
    if (seconds > 0) setTimeout(load, seconds * 1000 * Math.min(8, 1 + failures));
  };

  const load = async () => {
    if (document.hidden) {
      document.addEventListener("visibilitychange", load, { once: true });
      return;
    }
    try {
      const response = await fetch(region.dataset.url, { redirect: "error" });
      if (!response.ok) throw new Error(response.status);
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      for (const id of ["progress-status", "progress-body"]) {
        const old = part(region, id), now = part(fresh, id);
        if (!now || old.innerHTML === now.innerHTML) continue;
        // The status is a live region: only its text changes, so that it is read out once.
        if (id === "progress-status") old.textContent = now.textContent;
        else old.replaceChildren(...now.childNodes);
      }
      failures = 0;
    } catch {
      failures++;
    }
    next();
  };

  next();
})();

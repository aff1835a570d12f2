// Says beside the name whether it is free, while it is typed. Without this script the button beside it does the same.
(() => {
  "use strict";
  const summary = document.querySelector("[data-focus]");
  if (summary) summary.focus();

  const form = document.getElementById("request-form");
  if (!form) return;
  const name = document.getElementById("association");
  const slug = document.getElementById("slug");
  const answer = document.getElementById("slug-answer");
  let proposed = slug.value === "" ? "" : null; // what we filled in ourselves; null once somebody typed
  let timer, asked = 0;

  const element = (tag, text, className) => {
    const e = document.createElement(tag);
    e.textContent = text;
    if (className) e.className = className;
    return e;
  };

  const show = (a) => {
    const lines = [element("p", a.message, a.free ? "free" : "taken")];
    if (!a.free && a.proposal) {
      const take = element("button", answer.dataset.take.replace("…", a.proposal), "secondary compact");
      take.type = "button";
      take.addEventListener("click", () => { slug.value = a.proposal; proposed = null; ask(); slug.focus(); });
      lines[0].append(" ", take);
    }
    if (a.hosts && a.hosts.length) {
      const p = element("p", answer.dataset.hosts + " ", "hosts");
      a.hosts.forEach((h, i) => p.append(i ? ", " : "", element("code", h)));
      lines.push(p);
    }
    answer.replaceChildren(...lines);
  };

  const ask = async () => {
    const mine = ++asked;
    const query = new URLSearchParams({ name: name.value, slug: slug.value });
    try {
      const response = await fetch(form.dataset.slug + "?" + query, { headers: { Accept: "application/json" } });
      if (!response.ok || mine !== asked) return;
      const a = await response.json();
      if (mine !== asked) return;
      if (slug.value === "" && proposed !== null && a.proposal) {
        slug.value = proposed = a.proposal;
      }
      show(a);
    } catch { /* offline: the form still works */ }
  };

  const later = () => { clearTimeout(timer); timer = setTimeout(ask, 350); };

  slug.addEventListener("input", () => {
    proposed = null;
    const error = document.getElementById("slug-error");
    if (error) error.hidden = true;
    if (slug.value === "") { asked++; answer.replaceChildren(); } else later();
  });
  name.addEventListener("change", () => {
    if (proposed === null || name.value.trim() === "") return;
    slug.value = proposed = "";
    later();
  });
})();

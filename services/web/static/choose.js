// Says at once what a choice of services and of a plan takes up. Without this script the page says it when it comes
// back, and its table says it for every plan.
(() => {
  "use strict";
  const room = document.getElementById("room");
  if (!room) return;
  const says = document.getElementById("room-says");
  const bar = document.getElementById("room-bar");
  const plans = [...document.querySelectorAll("input[name=plan]")];
  const services = [...document.querySelectorAll("[data-disk]")].map((card) => ({
    box: card.querySelector("input"),
    size: card.querySelector(".service-size"),
    disk: new Map(card.dataset.disk.split(" ").map((pair) => pair.split(":"))),
    within: [...card.querySelectorAll("[data-with]")],
  }));
  let timer;

  const fill = (text, ...args) => text.replace(/\{(\d)\}/g, (_, n) => args[n]);

  // As the server writes it: one decimal, halves to the even digit.
  const size = (mib) => {
    const units = room.dataset.units.split(" ");
    let value = mib, unit = 0;
    for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
    const tenths = value * 10, low = Math.floor(tenths), rest = tenths - low;
    value = (rest > 0.5 || (rest === 0.5 && low % 2) ? low + 1 : low) / 10;
    return value.toLocaleString(document.documentElement.lang, { maximumFractionDigits: 1 }) + "\u00a0" + units[unit];
  };

  const sentences = (plan, chosen, mib) => {
    const name = plan.dataset.title, storage = Number(plan.dataset.storage);
    if (chosen.length === 0) return [room.dataset.none];
    const said = [mib ? fill(room.dataset.text, size(mib), size(storage), name) : fill(room.dataset.zero, name)];
    if (mib > storage) said.push(room.dataset.over);
    said.push(plan.dataset.accounts);
    return said;
  };

  const show = () => {
    const plan = plans.find((p) => p.checked);
    if (!plan) return;
    const chosen = services.filter((s) => s.box.checked);
    const mib = chosen.reduce((sum, s) => sum + Number(s.disk.get(plan.value)), 0);
    for (const s of services) {
      if (s.size) s.size.textContent = fill(room.dataset.each, size(Number(s.disk.get(plan.value))), plan.dataset.title);
      for (const note of s.within) {
        note.hidden = !services.some((other) => other.box.value === note.dataset.with && other.box.checked);
      }
    }
    room.classList.toggle("room-over", mib > Number(plan.dataset.storage));
    room.hidden = false;
    bar.max = Number(plan.dataset.storage);
    bar.value = Math.min(mib, bar.max);
    // Only what changed is read out, and once somebody has stopped ticking.
    clearTimeout(timer);
    timer = setTimeout(() => {
      const said = sentences(plan, chosen, mib);
      if ([...says.children].map((p) => p.textContent).join() === said.join()) return;
      says.replaceChildren(...said.map((text) => Object.assign(document.createElement("p"), { textContent: text })));
    }, 250);
  };

  for (const box of [...plans, ...services.map((s) => s.box)]) box.addEventListener("change", show);
  addEventListener("pageshow", show); // browsers keep ticks when people come back
  show();
})();

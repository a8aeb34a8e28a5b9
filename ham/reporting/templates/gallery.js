"use strict";
const form = document.getElementById("controls"), main = document.getElementById("pairs");
const pairs = Array.from(main.children), fields = ["finding", "split", "from", "to", "sort", "overlay"];
const plain = Object.fromEntries(fields.map((name) => [name, form.elements[name].value]));
const orders = {
  best: (a, b) => b.dataset.iou - a.dataset.iou,
  worst: (a, b) => a.dataset.iou - b.dataset.iou,
  score: (a, b) => b.dataset.score - a.dataset.score,
};
let chosen = null, shown = pairs;

function show() {
  const wanted = Object.fromEntries(fields.map((name) => [name, form.elements[name].value]));
  const order = orders[wanted.sort];
  const fits = (pair) =>
    (!wanted.finding || pair.dataset.finding === wanted.finding) &&
    (!wanted.split || pair.dataset.split === wanted.split) &&
    pair.dataset.iou >= Number(wanted.from) && pair.dataset.iou <= Number(wanted.to);
  for (const pair of pairs) pair.hidden = !fits(pair);
  const sorted = order ? pairs.slice().sort(order) : pairs;
  main.append(...sorted);
  shown = sorted.filter((pair) => !pair.hidden);
  document.documentElement.style.setProperty("--overlay", wanted.overlay / 100);
  document.getElementById("count").textContent = `${shown.length} of ${pairs.length} pairs`;
}

function write() {
  const view = new URLSearchParams();
  for (const name of fields) if (form.elements[name].value !== plain[name]) view.set(name, form.elements[name].value);
  if (chosen) view.set("pair", chosen.id.slice(5));
  history.replaceState(null, "", `#${view}`);
}

function choose(pair) {
  if (chosen) chosen.classList.remove("chosen");
  chosen = pair;
  if (pair) { pair.classList.add("chosen"); pair.scrollIntoView({ block: "center" }); pair.focus({ preventScroll: true }); }
}

function read() {
  const place = location.hash.slice(1);
  const view = new URLSearchParams(place.startsWith("pair-") ? `pair=${place.slice(5)}` : place);
  for (const name of fields) form.elements[name].value = view.get(name) ?? plain[name];
  show();
  choose(view.has("pair") ? document.getElementById(`pair-${view.get("pair")}`) : null);
}

form.hidden = false;
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", () => { show(); write(); });
addEventListener("hashchange", read);
addEventListener("keydown", (event) => {
  if (event.target.closest("select, input") || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key], overlay = { "+": 10, "-": -10 }[event.key];
  if (step) {
    const place = shown.indexOf(chosen);
    choose(shown[place < 0 ? 0 : Math.min(Math.max(place + step, 0), shown.length - 1)] ?? null);
  } else if (overlay) {
    form.elements.overlay.value = Number(form.elements.overlay.value) + overlay;
    show();
  } else if (event.key === "Escape") choose(null);
  else return;
  event.preventDefault();
  write();
});
read();

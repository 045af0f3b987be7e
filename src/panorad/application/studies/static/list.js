// The study list by keyboard and mouse: one row is chosen, its preview lies beside it.
import { bind } from "../web/keys.js";

let uid = "";
let waiting = 0;
let asked = null;

const rows = () => [...document.querySelectorAll("tr[data-uid]")];
const chosen = () => document.querySelector("tr.chosen");
const pane = () => document.getElementById("preview");

// What the pane shows and what its data-uid says change together: never one patient's images beside another's row.
async function show(shown, wanted) {
  asked?.abort();
  asked = new AbortController();
  try {
    const answer = await fetch(`/studies/${wanted}/preview`, { headers: { Accept: "text/html" }, redirect: "manual", signal: asked.signal });
    if (answer.type === "opaqueredirect" || answer.status === 401) return location.reload();
    if (!answer.ok) throw new Error(String(answer.status));
    const text = await answer.text();
    if (wanted !== uid) return undefined;
    shown.innerHTML = text;
    shown.dataset.uid = wanted;
  } catch {
    if (wanted !== uid) return undefined;
    shown.replaceChildren();
    delete shown.dataset.uid;
  }
  return undefined;
}

function preview() {
  clearTimeout(waiting);
  const shown = pane();
  if (!shown || getComputedStyle(shown).display === "none" || shown.dataset.uid === uid) return;
  waiting = setTimeout(() => show(shown, uid), 90);
}

function choose(row, scroll = true) {
  if (!row) return;
  chosen()?.classList.remove("chosen");
  chosen()?.removeAttribute("aria-current");
  row.classList.add("chosen");
  row.setAttribute("aria-current", "true");
  uid = row.dataset.uid;
  if (scroll) row.scrollIntoView({ block: "nearest" });
  preview();
}

function move(steps) {
  const all = rows();
  const at = all.indexOf(chosen());
  choose(all[Math.min(all.length - 1, Math.max(0, at + steps))]);
}

const open = (kind) => {
  const row = chosen();
  if (row) location.assign(row.dataset[kind]);
};
const turn = (rel) => document.querySelector(`.pager a[rel=${rel}]`)?.click();

bind({
  j: () => move(1),
  k: () => move(-1),
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  Home: () => choose(rows()[0]),
  End: () => choose(rows().at(-1)),
  Enter: () => open("href"),
  o: () => open("viewer"),
  n: () => turn("next"),
  p: () => turn("prev"),
});

const narrow = window.matchMedia("(max-width: 640px)");

document.addEventListener("click", (event) => {
  const row = event.target.closest?.("tr[data-uid]");
  if (!row || event.target.closest("a, button")) return;
  if (narrow.matches || event.detail > 1) location.assign(row.dataset.href); // a second click opens
  else choose(row, false);
});

function settle() {
  const same = rows().find((row) => row.dataset.uid === uid);
  if (narrow.matches) return;
  choose(same ?? rows()[0], false);
  if (!rows().length) uid = "";
}

// The browser tells of one search more than once; what is shown already is not asked for again, and takes no second step of Back.
document.addEventListener("htmx:beforeRequest", (event) => {
  const { elt, pathInfo } = event.detail;
  if (elt.matches?.("form.search") && pathInfo.finalRequestPath === location.pathname + location.search) event.preventDefault();
});
document.addEventListener("htmx:afterSettle", (event) => { if (event.target.id === "list") settle(); });
document.addEventListener("panorad:fresh", settle);
settle();

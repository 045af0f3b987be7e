// One table of keys to acts for the whole page. A key of two steps is written with a space; keys do nothing while somebody types.
const acts = new Map();
let first = "";
let since = 0;

const typing = (target) => target.matches?.("input, textarea, select, [contenteditable]");
const pressing = (event) => event.key === "Enter" && event.target.closest?.("a, button, summary");

export function bind(table) {
  for (const [key, act] of Object.entries(table)) acts.set(key, act);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (typing(event.target) || pressing(event) || document.querySelector("dialog[open]")) return;
  const pair = Date.now() - since < 1000 ? `${first} ${event.key}` : "";
  const act = acts.get(pair) ?? acts.get(event.key);
  first = event.key;
  since = Date.now();
  if (!act) return;
  event.preventDefault();
  act();
});

// Short messages at the foot of the page; their texts lie on the element, in the visitor's language.
const place = document.getElementById("notices");

export function notice(name, milliseconds) {
  if (!place?.dataset[name]) return;
  let line = place.querySelector(`[data-notice="${name}"]`);
  if (!line) {
    line = document.createElement("p");
    line.dataset.notice = name;
    line.textContent = place.dataset[name];
    place.append(line);
  }
  clearTimeout(Number(line.dataset.timer));
  if (milliseconds) line.dataset.timer = String(setTimeout(() => line.remove(), milliseconds));
}

export function clear(name) {
  place?.querySelector(`[data-notice="${name}"]`)?.remove();
}

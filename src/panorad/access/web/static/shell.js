// The shell's behaviour: keys that work on every page, the menu, copying, pictures that cannot be shown, notices.
import { copy } from "./copy.js";
import { bind } from "./keys.js";
import { notice } from "./notices.js";

const sheet = document.getElementById("keys");
const search = document.getElementById("search");

bind({
  "/": () => { search?.focus(); search?.select(); },
  "?": () => sheet?.showModal(),
  "g s": () => location.assign("/"),
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  document.querySelectorAll("details.menu[open]").forEach((menu) => { menu.open = false; });
  if (!event.target.matches?.("input")) return;
  event.preventDefault(); // the browser would empty a search box, and with it the list that was found
  event.target.blur();
});

document.addEventListener("click", (event) => {
  document.querySelectorAll("details.menu[open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
  const button = event.target.closest("[data-copy]");
  if (button) copy(button.dataset.copy);
});

const missing = (image) => image.classList.add("missing");
document.addEventListener("error", (event) => { if (event.target.matches?.(".film img")) missing(event.target); }, true);
document.querySelectorAll(".film img").forEach((image) => { if (image.complete && !image.naturalWidth) missing(image); });

document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status === 401) location.reload();
  else notice("failed", 6000);
});
document.addEventListener("htmx:sendError", () => notice("lost", 6000));

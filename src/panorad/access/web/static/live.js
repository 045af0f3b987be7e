// Keeps every [data-live] part of the page fresh: asks with its ETag, and only what has changed is swapped in.
import { clear, notice } from "./notices.js";

const EVERY = 4000;
let asking = false;

async function refresh(part) {
  const address = location.pathname + location.search;
  const answer = await fetch(address, { headers: { "If-None-Match": part.dataset.etag, Accept: "text/html", "panorad-unattended": "1" }, cache: "no-store", redirect: "manual" });
  if (answer.type === "opaqueredirect" || answer.status === 401) return location.reload();
  if (answer.status === 304) return undefined;
  if (!answer.ok) throw new Error(String(answer.status));
  const text = await answer.text();
  if (address !== location.pathname + location.search) return undefined;
  const fresh = new DOMParser().parseFromString(text, "text/html").getElementById(part.id);
  if (!fresh) return undefined;
  const scrolled = [...part.querySelectorAll("[data-scroll]")].map((one) => one.scrollTop);
  part.replaceWith(fresh);
  fresh.querySelectorAll("[data-scroll]").forEach((one, at) => { one.scrollTop = scrolled[at] ?? 0; });
  window.htmx?.process(fresh);
  fresh.dispatchEvent(new CustomEvent("panorad:fresh", { bubbles: true }));
  return undefined;
}

async function tick() {
  const part = document.querySelector("[data-live]");
  if (!part || asking || document.hidden || part.classList.contains("htmx-request")) return;
  asking = true;
  try {
    await refresh(part);
    clear("lost");
    document.querySelectorAll(".live").forEach((mark) => mark.classList.remove("lost"));
  } catch {
    notice("lost");
    document.querySelectorAll(".live").forEach((mark) => mark.classList.add("lost"));
  } finally {
    asking = false;
  }
}

setInterval(tick, EVERY);
document.addEventListener("visibilitychange", tick);

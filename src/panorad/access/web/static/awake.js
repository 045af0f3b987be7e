// Keeps the session alive while a hand moves here: at most one note a minute, and none that nobody's hand has caused.
// Before the idle end it asks the center (another tab may have kept the session), then says `soon`, and at the end `ended`.
const HANDS = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"];

async function ask(note, reading) {
  const options = note ? { method: "POST" } : { headers: { "panorad-unattended": "1" } };
  const answer = await fetch(`/account/${note ? "awake" : "session.json"}${reading ? "?reading=1" : ""}`, { ...options, cache: "no-store", redirect: "manual" });
  if (answer.status === 401 || answer.type === "opaqueredirect") return null;
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

// `idle`: seconds until an idle session ends. `says`: soon(seconds), fine(standing), ended(). Returns `stay` and `look`.
export function watch({ idle, reading = false, says }) {
  const beat = Math.min(60, idle / 6) * 1000;
  const warn = Math.min(120, idle / 3) * 1000;
  let moved = 0;
  let noted = Date.now();
  let ends = Date.now() + idle * 1000;
  let busy = false;
  let over = false;

  async function hear(note) {
    if (busy) return;
    busy = true;
    if (note) noted = Date.now();
    try {
      const standing = await ask(note, reading);
      const began = over;
      over = standing === null;
      if (over && !began) says.ended();
      if (!over) {
        ends = Date.now() + standing.left_s * 1000;
        if (ends - Date.now() > warn || began) says.fine(standing);
      }
    } catch {
      // the center cannot be reached: it will be asked again
    } finally {
      busy = false;
    }
  }

  async function tick() {
    if (over) return document.hidden ? undefined : hear(false);
    if (moved > noted && Date.now() - noted >= beat) return hear(true);
    if (ends - Date.now() > warn) return undefined;
    await hear(false);
    const left = ends - Date.now();
    if (!over && left <= warn) says.soon(Math.max(0, Math.ceil(left / 1000)));
    return undefined;
  }

  const touch = (event) => {
    if (!event.isTrusted || over) return;
    moved = Date.now();
    if (moved - noted >= beat) hear(true);
  };
  HANDS.forEach((name) => document.addEventListener(name, touch, { capture: true, passive: true }));
  setInterval(tick, Math.max(1000, Math.min(5000, warn / 6)));
  document.addEventListener("visibilitychange", tick);
  return { stay: () => hear(true), look: () => hear(false) };
}

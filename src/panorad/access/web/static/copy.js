// Copies a text; where the browser offers no clipboard (a plain http address), by the older command on a field out of sight.
import { notice } from "./notices.js";

function byField(text) {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "sr";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}

export async function copy(text) {
  let done = false;
  try {
    await navigator.clipboard.writeText(text);
    done = true;
  } catch {
    done = byField(text);
  }
  notice(done ? "copied" : "failed", done ? 1500 : 6000);
}

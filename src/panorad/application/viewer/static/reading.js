// Keeps the session alive while somebody reads, and says in the viewer's corner what is to be known of it. Nobody is led away from images:
// an idle end covers them, and they are there again when the same person has signed in.
import { watch } from "../web/awake.js";

const { idle, account, texts } = window.panoradReading;
const bar = document.createElement("div");
const text = document.createElement("span");
const link = document.createElement("a");
Object.assign(link, { href: "/sign-in?next=/account/back", target: "_blank", rel: "noopener", textContent: texts.again });
Object.assign(link.style, { color: "#6aa8ff", textDecoration: "underline", marginLeft: "12px" });
bar.id = "panorad-session";
bar.setAttribute("role", "status");
bar.append(text, link);

const quiet = { inset: "auto auto 12px 50%", transform: "translateX(-50%)", padding: "8px 14px", borderRadius: "8px", background: "#1a1e25" };
const curtain = { inset: "0", transform: "none", padding: "40vh 24px 0", borderRadius: "0", background: "#0d0f12", textAlign: "center" };
let shown = "";

function show(name, more = "") {
  if (name) {
    text.textContent = texts[name] + more;
    link.hidden = name === "soon";
    link.style.display = link.hidden ? "none" : "";
    const look = name === "ended" ? curtain : { ...quiet, textAlign: "left" };
    Object.assign(bar.style, { position: "fixed", zIndex: "2147483647", color: "#e6e9ee", font: "13px/1.45 system-ui, sans-serif", ...look });
    document.body.append(bar);
  } else {
    bar.remove();
  }
  shown = name;
}

const session = watch({
  idle,
  reading: true,
  says: {
    soon: (seconds) => show("soon", ` ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`),
    fine: (standing) => {
      if (shown === "ended" && standing.account !== account) return location.assign("/");
      return show(standing.over ? "over" : "");
    },
    ended: () => show("ended"),
  },
});
window.addEventListener("focus", session.look);
document.addEventListener("panorad:refused", session.look);
document.addEventListener("keydown", (event) => { if (shown === "ended") event.stopImmediatePropagation(); }, true);

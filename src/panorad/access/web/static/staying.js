// A page's part of staying signed in: a quiet notice before the idle end, and what is typed is not lost when it comes.
import { watch } from "./awake.js";

const notice = document.getElementById("awake");
const curtain = document.getElementById("curtain");
const kinds = "textarea, input:not([type=search], [type=hidden], [type=password])";

const typed = () => [...document.querySelectorAll(kinds)].some((field) => field.value !== field.defaultValue);
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;

function leave() {
  notice.hidden = true;
  if (!typed()) return location.assign(`/sign-in?ended=1&next=${encodeURIComponent(location.pathname + location.search)}`);
  document.body.classList.add("ended");
  curtain.showModal();
  return undefined;
}

function back(standing) {
  notice.hidden = true;
  if (!curtain.open) return;
  if (String(standing.account) !== notice.dataset.account) return location.assign("/");
  document.body.classList.remove("ended");
  curtain.close();
  return undefined;
}

if (notice) {
  const session = watch({
    idle: Number(notice.dataset.idle),
    says: {
      soon: (seconds) => { notice.hidden = false; notice.querySelector("b").textContent = clock(seconds); },
      fine: back,
      ended: leave,
    },
  });
  notice.querySelector("button").addEventListener("click", session.stay);
  curtain.addEventListener("cancel", (event) => event.preventDefault());
  curtain.addEventListener("close", () => { if (document.body.classList.contains("ended")) curtain.showModal(); });
  window.addEventListener("focus", session.look);
}

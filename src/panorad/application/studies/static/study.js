// Keys of a study's page.
import { bind } from "../web/keys.js";

const viewer = () => document.querySelector("[data-viewer]")?.dataset.viewer;
const back = () => document.querySelector("[data-back]")?.getAttribute("href");

bind({
  o: () => { if (viewer()) location.assign(viewer()); },
  u: () => { if (back()) location.assign(back()); },
});

// Filters the attributes while somebody types: a line stays when its tag, name or value has every word, and so do the lines around it.
const field = document.getElementById("tags-search");
const rows = [...document.querySelectorAll("#tags tbody tr")];
const count = document.getElementById("tags-count");
const none = document.getElementById("tags-none");

const plain = (text) => text.toLowerCase().replace(/[(),]/g, "");
const lines = rows.map((row) => ({ row, depth: Number(row.className.slice(1)), text: plain(row.textContent) }));

function filter() {
  const words = plain(field.value).split(/\s+/).filter(Boolean);
  const around = [];
  let shown = 0;
  for (const line of lines) {
    around.length = Math.min(around.length, line.depth);
    around[line.depth] = line;
    const fits = words.every((word) => line.text.includes(word));
    line.row.hidden = !fits;
    if (fits) {
      shown += 1;
      for (const outer of around) if (outer) outer.row.hidden = false;
    }
  }
  count.textContent = String(shown);
  none.hidden = shown > 0;
}

field?.addEventListener("input", filter);

// The case browser: a list of which only the rows in sight exist, and the case that is looked at (case.js).
const ROW = 64; // px of a row of the list, as in the style sheet
const PRINTED = 2000; // cases of one print, unless all are asked for: a browser's time for it grows with their square
const $ = (id) => document.getElementById(id);
const list = $("list"), detail = $("detail"), form = document.querySelector(".filters");

// ---------------------------------------------------------------------------------------------- filtering and sorting

let shown = [], current = 0;
data.cases.forEach((one, place) => {
  one.place = place;
  one.unparsed = one.answered === null;
  one.disagree = one.runs.some((run) => run.answered !== one.answered);
  const texts = [...one.texts, ...one.runs.map((run) => ["", run.text])].map((pair) => pair[1]);
  one.search = [one.id, one.source, one.verdict, ...one.facts, ...texts].join("\n").toLowerCase();
});
const STATES = {
  "all": () => true,
  "wrong": (one) => one.right === false,
  "right": (one) => one.right === true,
  "unparsed": (one) => one.unparsed,
  "with broken fields": (one) => one.problems.length > 0,
};
const ORDERS = { "worst first": ["quality", 1], "best first": ["quality", -1], "as in the file": ["place", 1], "by id": ["id", 1] };
data.measures.forEach((name) => {
  ORDERS[`${words(name)}, low first`] = [name, 1];
  ORDERS[`${words(name)}, high first`] = [name, -1];
});
const valueOf = (one, name) => (name in one.measures ? one.measures[name] : one[name]);

function choice(label, name, values) {
  return el("label", {}, label, el("select", { name }, ...values.map((value) => el("option", { value }, value))));
}

function buildForm() {
  form.append(
    el("label", {}, "search", el("input", { type: "search", name: "text" })),
    choice("show", "state", Object.keys(STATES)),
    ...Object.entries(data.groups).map(([name, values]) => choice(words(name), `group ${name}`, ["any", ...values])),
    choice("sort", "order", Object.keys(ORDERS)),
  );
  if (data.cases.length > PRINTED) form.append(el("label", { hidden: "" }, "print", el("select", { name: "printed" })));
  if (data.runs.length) form.append(el("label", { class: "check" }, el("input", { type: "checkbox", name: "disagree" }), "runs disagree"));
  const ranges = ["quality", ...data.measures].map((name) =>
    el("fieldset", {}, el("legend", {}, words(name)), ...["from", "to"].map((end) =>
      el("label", {}, end, el("input", { type: "number", step: "any", name: `${end} ${name}`, "aria-label": `${words(name)} ${end}` })))));
  form.append(
    el("details", {}, el("summary", {}, "ranges"), el("div", { class: "ranges" }, ...ranges)),
    el("button", { type: "reset" }, "clear"),
    el("button", { type: "button", click: saveCsv }, "save these as CSV"),
    el("output", { name: "count", "aria-live": "polite" }),
  );
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
}

function filter() {
  const chosen = new FormData(form), text = chosen.get("text").trim().toLowerCase();
  const groups = Object.keys(data.groups).map((name) => [name, chosen.get(`group ${name}`)]).filter((pair) => pair[1] !== "any");
  const ranges = ["quality", ...data.measures].map((name) => [name, chosen.get(`from ${name}`), chosen.get(`to ${name}`)])
    .filter((range) => range[1] || range[2]);
  const within = (value, low, high) => value !== null && value !== undefined && (!low || value >= +low) && (!high || value <= +high);
  const before = shown[current];
  const state = STATES[chosen.get("state")];
  shown = data.cases.filter((one) => state(one) && (!text || one.search.includes(text)) &&
    (!chosen.get("disagree") || one.disagree) && groups.every(([name, value]) => (one.groups[name] || []).includes(value)) &&
    ranges.every(([name, low, high]) => within(valueOf(one, name), low, high)));
  const [key, sign] = ORDERS[chosen.get("order")];
  shown.sort((a, b) => compare(valueOf(a, key), valueOf(b, key), sign) || a.place - b.place);
  form.elements.count.textContent = `${shown.length} of ${data.cases.length} cases`;
  space.style.height = `${shown.length * ROW}px`;
  offerParts();
  select(Math.max(0, shown.indexOf(before)), false);
}

function compare(a, b, sign) { // what has no value comes last
  const none = (value) => value === null || value === undefined;
  if (none(a) || none(b)) return none(a) - none(b);
  return sign * (a < b ? -1 : a > b ? 1 : 0);
}

// ----------------------------------------------------------------------------------------------------------- the list

const space = el("div", { role: "presentation" });

function badge(one) {
  if (one.right === null) return ["dim", one.unparsed ? "unparsed" : one.answered];
  if (!one.right) return ["bad", one.unparsed ? "unparsed" : "wrong"];
  return one.quality >= 1 ? ["good", "right"] : ["part", "verdict right"]; // the rest of the answer is not perfect
}

function small(one) {
  const [first] = one.pictures;
  if (!first) return null;
  const src = first && (first.at !== undefined ? data.pictures[first.at] : first.kind === "image" ? first.src : null);
  return src ? el("img", { src, alt: "", loading: "lazy" }) : el("span", { class: "blank" });
}

function draw() {
  const from = Math.max(0, Math.floor(list.scrollTop / ROW) - 5);
  const to = Math.min(shown.length, from + Math.ceil(list.clientHeight / ROW) + 10);
  const rows = shown.slice(from, to).map((one, i) => {
    const [kind, said] = badge(one), place = from + i, measures = data.measures.filter((name) => valueOf(one, name) !== null);
    return el("div", {
      class: "row", role: "option", id: `row${one.place}`, style: `top: ${place * ROW}px`, "aria-selected": place === current,
      "aria-posinset": place + 1, "aria-setsize": shown.length, click: () => select(place, true),
    }, small(one), el("div", {},
      el("p", {}, el("span", { class: `${kind}` }, `${said} `), one.verdict),
      el("p", { class: "dim" }, [one.source, ...measures.slice(0, 3).map((name) => `${words(name)} ${fixed(valueOf(one, name), 2)}`)].join(" · ")),
      el("p", { class: "dim" }, one.id)));
  });
  space.replaceChildren(...rows);
  const selected = shown[current];
  if (selected && current >= from && current < to) list.setAttribute("aria-activedescendant", `row${selected.place}`);
  else list.removeAttribute("aria-activedescendant");
}

function select(place, chosen) {
  current = Math.min(Math.max(place, 0), Math.max(shown.length - 1, 0));
  const top = current * ROW;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
  draw();
  detail.replaceChildren(...(shown.length ? [steps(), ...view(shown[current], true)] : ["No case is like that."]));
  showHidden(detail);
  if (chosen && shown.length) location.replace(`#case=${encodeURIComponent(shown[current].id)}`);
}

const MOVES = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
function step(event) {
  if (!(event.key in MOVES) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  select(current + MOVES[event.key], true);
}

function open() { // the case that the address names
  const match = /^#case=(.*)$/.exec(location.hash);
  if (!match) return;
  let id = match[1];
  try { id = decodeURIComponent(id); } catch { return; }
  if (shown[current] && shown[current].id === id) return;
  if (!shown.some((one) => one.id === id)) form.reset(), filter();
  const place = shown.findIndex((one) => one.id === id);
  if (place >= 0) select(place, false), $("browser").scrollIntoView();
}

function steps() {
  const one = shown[current];
  return el("div", { class: "steps" },
    el("button", { type: "button", disabled: current === 0 ? "" : null, click: () => select(current - 1, true) }, "previous"),
    el("button", { type: "button", disabled: current === shown.length - 1 ? "" : null, click: () => select(current + 1, true) }, "next"),
    el("span", { class: "dim" }, `${current + 1} of ${shown.length}`),
    el("a", { href: `#case=${encodeURIComponent(one.id)}` }, "link to this case"));
}

// ---------------------------------------------------------------------------------------------------- saving, printing

function saveCsv() {
  const safe = (value) => {
    if (value === null || value === undefined) return "";
    const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const groups = Object.keys(data.groups);
  const head = ["id", "source", "truth", "answered", "right", "quality", ...groups, ...data.measures, ...data.runs.map((run) => `${run}: answered`)];
  const lines = shown.map((one) => [one.id, one.source, one.truth, one.answered, one.right, one.quality,
    ...groups.map((name) => (one.groups[name] || []).join(" | ")), ...data.measures.map((name) => valueOf(one, name)), ...one.runs.map((run) => run.answered)]);
  const text = [head, ...lines].map((line) => line.map(safe).join(",")).join("\r\n");
  const link = el("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: "cases.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function offerParts() { // of what is shown, where one print does not hold it
  const choice = form.elements.printed, parts = [];
  if (!choice || choice.dataset.of === String(shown.length)) return;
  for (let from = 0; from < shown.length; from += PRINTED) parts.push([from, Math.min(from + PRINTED, shown.length)]);
  choice.dataset.of = shown.length;
  choice.parentElement.hidden = parts.length < 2;
  choice.replaceChildren(...parts.map(([from, to]) => el("option", { value: `${from} ${to}` }, `${from + 1} to ${to}`)),
    el("option", { value: `0 ${shown.length}` }, "all, which takes minutes"));
}

function printed() { // the cases of this print, and what they are
  const choice = form.elements.printed, part = choice && !choice.parentElement.hidden ? choice.value : `0 ${shown.length}`;
  const [from, to] = part.split(" ").map(Number), order = "as filtered and sorted";
  const said = to - from === shown.length ? `${shown.length} cases, ${order}`
    : `cases ${from + 1} to ${to} of ${shown.length}, ${order}; the field "print" above the list chooses the others, or all`;
  return [el("p", {}, said), ...shown.slice(from, to).map((one) => el("article", { class: "detail" }, ...view(one, false)))];
}

let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")].filter((one) => !form || !form.contains(one));
  opened.forEach((one) => { one.open = true; });
  if (!list) return;
  document.querySelector(".printed").replaceChildren(...printed());
  showHidden(document.querySelector(".printed"));
});
addEventListener("afterprint", () => {
  opened.forEach((one) => { one.open = false; });
  if (list) document.querySelector(".printed").replaceChildren();
});

function hint() { // a table that is wider than the page says so
  for (const one of document.querySelectorAll(".scroll")) one.classList.toggle("wide", one.scrollWidth > one.clientWidth + 1);
}
addEventListener("resize", hint);
addEventListener("load", hint);

if (list) {
  buildForm();
  list.append(space);
  list.addEventListener("scroll", draw);
  list.addEventListener("keydown", step);
  addEventListener("hashchange", open);
  addEventListener("resize", draw);
  filter();
  open();
}
hint();

"use strict";
// One case as the page shows it: its pictures with boxes, its time line, its texts. Text of the data is only ever put
// into the page as text.
const data = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";

function el(name, attributes = {}, ...children) {
  const made = ["svg", "rect", "line"].includes(name) ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}
const fixed = (value, digits = 3) => (value === null || value === undefined ? "–" : String(+value.toFixed(digits)));
const words = (name) => name.replaceAll("_", " ");

function view(one, plays) {
  const [kind, said] = badge(one);
  const reason = one.reason ? ` (${one.reason})` : "";
  const measures = Object.entries(one.measures).filter((pair) => pair[1] !== null).map(([name, value]) => `${words(name)} ${fixed(value)}`);
  const frames = one.pictures.map((picture, i) => frame(one, picture, i === 0, plays));
  const player = plays && frames.map((made) => made.querySelector("video")).find(Boolean);
  return [
    el("h3", {}, one.id),
    el("div", { class: "frames" }, ...frames),
    legend(one, plays),
    timeline(one, player),
    el("p", { class: "facts" }, el("span", { class: `badge ${kind}` }, said), ` ${one.verdict}${reason}`),
    el("p", { class: "facts" }, [...one.facts, one.source && `source ${one.source}`].filter(Boolean).join(" · ")),
    el("p", { class: "facts dim" }, [`quality ${fixed(one.quality)}`, ...measures].join(" · ")),
    ...one.problems.map((problem) => el("p", { class: "facts bad" }, problem)),
    el("div", { class: "texts" }, ...one.texts.map(([title, text]) => section(title, text)), ...one.runs.map(otherRun)),
  ].filter(Boolean);
}

const section = (title, text) => el("section", {}, el("h4", {}, title), el("p", {}, text));
function otherRun(run) {
  const verdict = run.right === null ? "" : run.right ? ", right" : ", wrong";
  return section(`${run.title}: ${run.answered || "unparsed"}${verdict}`, run.text);
}

// What is drawn of a case: the true box and onset, this run's, and each other run's with a letter and dashes of its own.
const KEYS = ["true", "pred", ...data.runs.map((_, i) => `run${i}`)];
const NAMES = ["true", data.runs.length ? "this run" : "predicted", ...data.runs];
const STYLES = 5; // of dashes and colours, in the style sheet: with more runs they come again, and letters tell them apart
const hidden = new Set();
const letter = (place) => (place < 2 ? "TP"[place] : String.fromCharCode(65 + (place - 2) % 15));
const style = (place) => (place < 2 ? KEYS[place] : `other${(place - 2) % STYLES}`);

function drawn(one) {
  return KEYS.map((key, place) => {
    const run = one.runs[place - 2];
    const boxes = (run ? run.boxes : one.boxes.filter((box) => box[0] === key)).map((box) => box.slice(1));
    return { key, place, name: NAMES[place], boxes, onset: run ? run.onset ?? undefined : one.onsets[key] };
  }).filter((mark) => mark.boxes.length || mark.onset !== undefined);
}

function legend(one, plays) {
  const marks = drawn(one);
  if (!data.runs.length || !marks.some((mark) => mark.place > 1)) return null;
  const redraw = (key) => (event) => { event.target.checked ? hidden.delete(key) : hidden.add(key); showHidden(detail); };
  return el("p", { class: "legend" }, ...marks.map(({ key, place, name }) => el("label", {},
    plays ? el("input", { type: "checkbox", "data-shows": key, change: redraw(key) }) : null,
    el("svg", { width: 44, height: 6, "aria-hidden": "true" }, el("line", { class: `box ${style(place)}`, x2: 44, y1: 3, y2: 3 })),
    el("b", {}, letter(place)), ` ${name}`)));
}

function showHidden(where) { // a run that is not wanted is in no frame and on no time line
  for (const one of where.querySelectorAll("[data-kind]")) one.classList.toggle("off", hidden.has(one.dataset.kind));
  for (const one of where.querySelectorAll("[data-shows]")) one.checked = !hidden.has(one.dataset.shows);
}

function frame(one, picture, first, plays) {
  if (picture.reason) return el("div", { class: "none dim" }, `no picture: ${picture.reason}`);
  const still = picture.at === undefined ? null : data.pictures[picture.at];
  const when = picture.second ? ` at ${picture.second.toFixed(2)} s` : "";
  const shape = picture.width ? { width: picture.width, height: picture.height } : {};
  const gone = (what) => () => made.replaceChildren(still ? el("img", { src: still, alt: `the picture${when}`, ...shape }) : "",
    ...boxes, el("p", { class: "dim" }, what));
  const boxes = first ? overlay(one) : [];
  let shows;
  if (picture.kind === "video" && plays) {
    const seen = still ? { poster: still, preload: "none", src: picture.src } : { preload: "metadata", src: `${picture.src}#t=${one.second}` };
    shows = el("video", { controls: "", muted: "", playsinline: "", "aria-label": "the video", ...seen, ...shape,
      error: gone("the video does not play here: its file is gone, or this browser does not read it") });
    if (first) follow(shows, one);
  } else if (still || picture.kind === "image") {
    shows = el("img", { src: still || picture.src, alt: `the picture${when}`, ...shape, error: gone("the picture's file is gone") });
  } else return el("div", { class: "none dim" }, "a video, which does not print");
  const made = el("div", { class: "frame" }, shows, ...boxes);
  return made;
}

function overlay(one) { // the boxes, and where other runs have some the letter of each
  const marks = drawn(one), several = marks.some((mark) => mark.place > 1), within = (at) => Math.min(Math.max(at, 0), 94);
  const each = (make) => marks.flatMap((mark) => mark.boxes.map((box) => make(mark, ...box)));
  return [
    el("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" },
      ...each(({ key, place }, x, y, width, height) => el("rect", { class: `box ${style(place)}`, "data-kind": key, x, y, width, height }))),
    ...(several ? each(({ key, place }, x, y) => el("b", { class: `tag ${style(place)}`, "data-kind": key, "aria-hidden": "true",
      style: `left: ${within(x)}%; top: ${within(y)}%; margin-left: ${1.2 * place}em` }, letter(place))) : []),
  ];
}

function follow(video, one) { // each box shows from its onset on, to the end
  const onsets = Object.fromEntries(drawn(one).map((mark) => [mark.key, mark.onset]));
  const update = () => {
    for (const box of video.parentElement.querySelectorAll("[data-kind]")) {
      const onset = onsets[box.dataset.kind];
      box.style.visibility = onset === undefined || video.currentTime + 0.04 >= onset ? "visible" : "hidden";
    }
    const now = detail.querySelector(".now");
    if (now && video.duration) now.style.left = `${(100 * video.currentTime) / video.duration}%`;
    if (!video.paused && video.isConnected) requestAnimationFrame(update);
  };
  for (const name of ["play", "seeked", "pause"]) video.addEventListener(name, update);
}

function timeline(one, player) {
  const marks = drawn(one).filter((mark) => mark.onset !== undefined), several = marks.some((mark) => mark.place > 1);
  const whole = Math.max(one.duration || 0, ...marks.map((mark) => mark.onset));
  if (!marks.length || !whole) return null;
  const named = ({ place, name }) => (place === 1 ? "predicted onset" : place ? `onset of ${name}` : "true onset");
  const said = marks.map((mark) => `${named(mark)} ${mark.onset.toFixed(2)} s`).join(", ");
  const look = (at) => () => { player.currentTime = at; player.play().catch(() => {}); };
  return el("div", {},
    el("div", { class: "time", role: "img", "aria-label": `${said}, of ${whole.toFixed(2)} s` }, el("i"),
      ...marks.map(({ key, place, onset }) => el("b", { class: style(place), "data-kind": key, style: `left: ${(100 * onset) / whole}%` },
        several ? el("span", { style: `top: ${place % 2 ? 1.6 : -0.9}rem` }, letter(place)) : null)), player ? el("b", { class: "now", style: "left: 0" }) : null),
    el("p", { class: "facts dim" }, `${said}, of ${whole.toFixed(2)} s `,
      ...(player ? marks.map((mark) => el("button", { type: "button", title: named(mark), click: look(mark.onset) },
        mark.place < 2 ? `play from the ${named(mark)}` : `play from ${letter(mark.place)}`)) : [])));
}

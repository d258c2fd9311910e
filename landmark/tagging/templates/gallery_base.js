// Elements from data. Text is only ever text: nothing here parses markup.
const REVIEW = window.LANDMARK_REVIEW || null;
const BIDI = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]/g;
const clean = (text) => String(text ?? "").replace(BIDI, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
const clip = (text, length = 120) => {
  const all = [...text];
  return all.length > length ? `${all.slice(0, length - 1).join("")}…` : text;
};

function el(tag, properties = {}, ...children) {
  const node = tag.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4))
    : document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") node.addEventListener(key, value);
    else if (key === "text") node.textContent = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** A name from outside: isolated, so that its direction of writing stays its own. */
const named = (text, properties = {}) => el("bdi", { ...properties, text: clean(text) });
const button = (text, click, properties = {}) => el("button", { type: "button", text, click, ...properties });
const ICONS = {
  close: "M5 5l14 14M19 5L5 19",
  previous: "M15 4l-8 8 8 8",
  next: "M9 4l8 8-8 8",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  home: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  help: "M12 2.5a9.5 9.5 0 1 0 0 19 9.5 9.5 0 1 0 0-19M9.3 9.2a2.8 2.8 0 1 1 4.2 2.5c-1 .6-1.5 1.1-1.5 2.3M12 17.2v.1",
  check: "M4 12.5l5.5 5.5L20 7",
  cross: "M6 6l12 12M18 6L6 18",
  pen: "M4 20l1-4L16 5l3 3L8 19z",
  undo: "M9 5L4 10l5 5M4 10h10a6 6 0 0 1 0 12h-3",
  right: "M9 6l6 6-6 6",
  list: "M4 6h16M4 12h16M4 18h10",
};
const icon = (name) =>
  el(
    "svg:svg",
    { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true", focusable: "false" },
    el("svg:path", { d: ICONS[name] }),
  );
const iconButton = (name, label, click, properties = {}) =>
  el("button", { type: "button", class: "icon-button", "aria-label": label, title: label, click, ...properties }, icon(name));

function fill(node, ...children) {
  node.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Where an original may lie: a file on this computer, beside the page or under file:///. Anything else is no link. */
function originalLink(text) {
  if (!text) return null;
  try {
    const url = new URL(text, document.baseURI);
    return url.protocol === "file:" && url.host === "" && document.location.protocol === "file:" ? url.href : null;
  } catch {
    return null;
  }
}

const HEX = /^[0-9a-f]{64}$/;
const pathOf = {
  thumb: (row) => (row.m && HEX.test(row.s) ? `thumbs/${row.s.slice(0, 2)}/${row.s}.webp` : null),
  photo: (row) => (!HEX.test(row.s) ? null : REVIEW ? `/photo/${row.s}` : originalLink(row.h)),
  why: (row, landmark) =>
    !HEX.test(row.s)
      ? null
      : row.e
        ? `why/${row.s}.webp`
        : REVIEW && landmark
          ? `/api/why/${row.s}?landmark=${encodeURIComponent(landmark)}`
          : null,
  medoid: (landmark, n) => {
    const good = (path) => typeof path === "string" && /^medoids\/[0-9a-f]{40}\.webp$/.test(path);
    return landmark ? ((good(landmark.medoids[n]) ? landmark.medoids[n] : landmark.medoids.find(good)) ?? null) : null;
  },
};

/** Says a thing to screen readers; what is seen stands elsewhere. */
const live = el("div", { class: "unseen", role: "status", "aria-live": "polite" });
let saying = 0;
function say(text) {
  clearTimeout(saying);
  saying = setTimeout(() => {
    live.textContent = text;
  }, 150);
}

const typing = (target) =>
  target instanceof Element &&
  !!target.closest("input:not([type=checkbox]):not([type=radio]), select, textarea, [role=combobox]");
const acting = (target) =>
  target instanceof Element && !!target.closest("button, a, input, select, summary, [role=treeitem], [role=option]");

/** Single-key shortcuts can be switched off, for those who speak or bump into keys (WCAG 2.1.4). */
const shortcuts = {
  get on() {
    try {
      return localStorage.getItem("landmark-shortcuts") !== "off";
    } catch {
      return true;
    }
  },
  set on(value) {
    try {
      localStorage.setItem("landmark-shortcuts", value ? "on" : "off");
    } catch {
      /* a private window keeps nothing */
    }
  },
};
const plainKey = (event) => !event.ctrlKey && !event.altKey && !event.metaKey;
const fold = (text) => String(text).normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
const fileOf = (row) => String(row.p).split(/[\\/]/).pop() || String(row.p);
function when(text) {
  const parts = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)/.exec(text || "");
  if (!parts) return "";
  const date = new Date(Date.UTC(+parts[1], parts[2] - 1, +parts[3], +parts[4], +parts[5]));
  return new Intl.DateTimeFormat(LOCALE, { dateStyle: "long", timeStyle: "short", timeZone: "UTC" }).format(date);
}
function debounced(wait, run) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...values), wait);
  };
}

// The address of the page: which view, which album, which filters, which photo.
const VIEWS = ["photos", "map", "near", ...(REVIEW ? ["review"] : [])];
let route = { view: "photos" };

function parseHash() {
  const given = new URLSearchParams(location.hash.slice(1));
  const one = (key) => (given.has(key) ? given.get(key) : undefined);
  const min = Number.parseInt(given.get("min"), 10);
  const pick = (key, values) => (values.includes(given.get(key)) ? given.get(key) : undefined);
  return {
    view: pick("view", VIEWS) ?? "photos",
    country: one("country"),
    city: one("city"),
    landmark: one("landmark"),
    q: one("q") || undefined,
    at: one("at"),
    photo: one("photo"),
    min: min > 0 && min <= 100 ? min : undefined,
    by: pick("by", Object.keys(TEXT.deciders)),
    sort: pick("sort", Object.keys(TEXT.sorts)),
    looked: pick("looked", ["yes", "no"]),
    queue: pick("queue", ["near"]),
  };
}
function hashOf(r) {
  const out = new URLSearchParams();
  for (const key of ["view", "country", "city", "landmark", "q", "min", "by", "sort", "looked", "queue", "at", "photo"])
    if (r[key] !== undefined && r[key] !== null) out.set(key, r[key]);
  return `#${out}`;
}
/** An address for a link: a whole one, since a page of "#..." links alone reads like a page of skip links. */
const linkTo = (r) => location.href.split("#")[0] + hashOf(r);
const keptFilters = () =>
  route.view === "photos" || route.view === "near"
    ? { min: route.min, by: route.by, sort: route.sort, looked: route.looked }
    : {};
function go(next, replace = false) {
  const hash = hashOf(next);
  if (hash === location.hash) return;
  history[replace ? "replaceState" : "pushState"]({ own: true }, "", hash);
  render();
}
const viewKey = (r) => hashOf({ ...r, photo: undefined, at: undefined });
const photoKey = (i) => `${i}.${(gallery.rows[i]?.s || "").slice(0, 12)}`;

/** The row of a link to a photo: its number, and the beginning of its sha256 in case the numbers are others by now. */
async function rowOf(link) {
  const parts = /^(\d+)\.([0-9a-f]{0,12})$/.exec(link || "");
  if (!parts) return undefined;
  const i = +parts[1];
  if (i < gallery.total) {
    await gallery.need(i, i + 1);
    if (gallery.rows[i]?.s.startsWith(parts[2])) return i;
  }
  if (!parts[2]) return undefined;
  await gallery.need(0, gallery.total, false);
  const found = gallery.rows.findIndex((row) => row?.s.startsWith(parts[2]));
  return found < 0 ? undefined : found;
}

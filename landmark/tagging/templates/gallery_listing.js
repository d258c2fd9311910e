// Which rows a view shows, in which order. Without filters that follows from the head alone, and no chunk is read for it.
const BINS = 20;

/** Row ranges of a view, one a landmark; the near misses are one range, and what a person rejected another. */
function rangesOf(route) {
  if (route.view === "near" || (route.view === "review" && route.queue === "near"))
    return [
      route.by === "person"
        ? { from: gallery.nearEnd, to: gallery.total, landmark: null }
        : { from: gallery.tagged, to: gallery.nearEnd, landmark: null },
    ];
  return gallery.landmarks
    .filter(
      (landmark) =>
        landmark.photos &&
        (route.country === undefined || (landmark.country || "") === route.country) &&
        (route.city === undefined || (landmark.city || "") === route.city) &&
        (route.landmark === undefined || landmark.id === route.landmark),
    )
    .map((landmark) => ({ from: landmark.first, to: landmark.first + landmark.photos, landmark }));
}

/** Positions 0 ... length-1 of a view to row numbers, with groups where the order is by place. */
class Listing {
  constructor(groups, rows = null) {
    this.groups = groups;
    this.rows = rows;
    this.length = groups.reduce((sum, group) => sum + group.count, 0);
  }
  at(position) {
    if (this.rows) return this.rows[position];
    let low = 0,
      high = this.groups.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.groups[middle].start <= position) low = middle;
      else high = middle - 1;
    }
    return this.groups[low].from + position - this.groups[low].start;
  }
  positionOf(row) {
    if (this.rows) return this.rows.indexOf(row);
    for (const group of this.groups)
      if (row >= group.from && row < group.from + group.count) return group.start + row - group.from;
    return -1;
  }
}

const ORDERS = {
  sure: (a, b) => b.c - a.c,
  unsure: (a, b) => a.c - b.c,
  newest: (a, b) => (b.t || "").localeCompare(a.t || ""),
  oldest: (a, b) => (a.t || "\uffff").localeCompare(b.t || "\uffff"),
};

const looked = (row) => row.d === "person" || saver.verdicts.has(row.s);
const filtered = (route) => !!(route.min || route.by || route.q || route.looked);
/** The order that a view has unless another is asked for. */
const orderOf = (route) =>
  route.view === "review"
    ? route.queue === "near"
      ? "sure"
      : "unsure"
    : route.sort || (route.view === "near" ? "sure" : "place");

/** Reads what it must. `going` says whether the answer is still wanted; null if not. */
async function listingOf(route, going, progress) {
  const ranges = rangesOf(route);
  const order = orderOf(route);
  const asRead = order === "place" || (route.view === "near" && order === "sure");
  if (!filtered(route) && asRead) {
    let start = 0;
    return new Listing(
      ranges
        .filter((range) => range.to > range.from)
        .map(({ from, to, landmark }) => {
          const group = { start, count: to - from, from, landmark };
          start += to - from;
          return group;
        }),
    );
  }
  const all = ranges.reduce((sum, range) => sum + range.to - range.from, 0);
  let read = 0;
  for (const range of ranges) {
    for (let from = range.from; from < range.to; from += 3000) {
      const to = Math.min(from + 3000, range.to);
      await gallery.need(from, to, false);
      read += to - from;
      if (!going()) return null;
      if (all > 3000) progress(read, all);
    }
  }
  const wanted = fold(route.q || "");
  const passes = (row) =>
    row &&
    (!route.min || row.c * 100 >= route.min || looked(row)) &&
    (!route.by || row.d === route.by) &&
    (!wanted || fold(row.p).includes(wanted)) &&
    (!route.looked || looked(row) === (route.looked === "yes"));
  const groups = [],
    rows = [];
  for (const { from, to, landmark } of ranges) {
    const start = rows.length;
    for (let i = from; i < to; i++) if (passes(gallery.rows[i])) rows.push(i);
    if (rows.length > start) groups.push({ start, count: rows.length - start, landmark });
  }
  if (asRead) return new Listing(groups, rows);
  const by = ORDERS[order];
  rows.sort((a, b) => by(gallery.rows[a], gallery.rows[b]) || a - b);
  return new Listing(rows.length ? [{ start: 0, count: rows.length, landmark: null }] : [], rows);
}

/** How many photos a view has, in words; of near misses only the likeliest are in the gallery. */
function countedOf(route, n, all) {
  const total = gallery.head.near_total;
  if (route.view === "near" && route.by !== "person" && total > all)
    return n === all ? TEXT.countOf(all, total) : TEXT.nearCountOf(n, all, total);
  return n === all ? TEXT.count(all) : TEXT.countOf(n, all);
}

/** Counts of confidence in 20 equal bins, from the head, else from rows that were read; null if neither has them. */
function histogramOf(route) {
  const bins = new Array(BINS).fill(0);
  for (const { from, to, landmark } of rangesOf(route)) {
    const ready = landmark ? landmark.histogram : from === gallery.tagged ? gallery.head.near_histogram : null;
    if (Array.isArray(ready) && ready.length === BINS) {
      ready.forEach((n, k) => {
        bins[k] += n;
      });
      continue;
    }
    for (let i = from; i < to; i++) {
      const row = gallery.rows[i];
      if (!row) return null;
      bins[Math.min(BINS - 1, Math.floor(row.c * BINS))]++;
    }
  }
  return bins;
}

// A grid of photos of which only the rows near the window are in the document.
const OVERSCAN = 600;

/** What is said of a photo by a person: a badge, or null. */
function badge(row) {
  const said = saver.verdicts.get(row.s) ?? (row.d === "person" ? { verdict: "person" } : null);
  if (!said) return null;
  const text =
    said.verdict === "correct" ? TEXT.badges.correct(clip(gallery.name(said.landmark), 40)) : (TEXT.badges[said.verdict] ?? "");
  return el(
    "span",
    { class: "badge", "data-verdict": said.verdict },
    icon({ confirm: "check", person: "check", reject: "cross", correct: "pen" }[said.verdict] ?? "check"),
    named(text),
  );
}

function photoGrid({ open, address, selecting }) {
  let listing = new Listing([]),
    lines = [],
    columns = 1,
    width = 0,
    active = 0,
    anchor = 0,
    byPlace = false;
  const drawn = new Map();
  const chosen = new Set();
  const host = el("div", {
    class: "grid",
    role: "grid",
    "aria-label": TEXT.photos,
    "aria-multiselectable": selecting ? "true" : undefined,
  });
  const note = el("p", { class: "empty", hidden: true });
  const box = el("div", {}, note, host);

  function layout() {
    width = host.clientWidth;
    if (!width) return;
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const gap = rem * 0.75;
    columns = Math.max(
      1,
      Math.min(12, Math.floor((width + gap) / (Math.max(9.2 * rem, Math.min(11.5 * rem, width / 5)) + gap))),
    );
    if (columns === 1 && width >= 280) columns = 2;
    const tile = (width - gap * (columns - 1)) / columns;
    const height = Math.round(tile * 0.75 + 2.9 * rem);
    host.style.setProperty("--columns", columns);
    host.style.setProperty("--tile", `${height}px`);
    lines = [];
    let y = 0;
    for (const group of listing.groups) {
      if (group.landmark && listing.groups.length > 1) {
        lines.push({ y, height: 3.4 * rem, group });
        y += 3.4 * rem;
      }
      for (let k = 0; k < group.count; k += columns) {
        lines.push({ y, height, first: group.start + k, count: Math.min(columns, group.count - k) });
        y += height + gap * 0.6;
      }
    }
    host.style.height = `${y}px`;
    host.setAttribute("aria-rowcount", lines.length);
    host.setAttribute("aria-colcount", columns);
    for (const node of drawn.values()) node.remove();
    drawn.clear();
    draw();
  }

  const lineAt = (y) => {
    let low = 0,
      high = lines.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (lines[middle].y <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  const lineOf = (position) => {
    let low = 0,
      high = lines.length - 1;
    const start = (n) => {
      let at = n;
      while (at < lines.length && lines[at].group) at++;
      return lines[at]?.first ?? Infinity;
    };
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (start(middle) <= position) low = middle;
      else high = middle - 1;
    }
    return lines[low]?.group ? low + 1 : low;
  };

  function draw() {
    if (!lines.length || !host.isConnected || !width) return;
    const top = host.getBoundingClientRect().top;
    const from = lineAt(-top - OVERSCAN),
      to = lineAt(-top + window.innerHeight + OVERSCAN);
    const wanted = new Set();
    for (let n = from; n <= to; n++) wanted.add(n);
    wanted.add(lineOf(active)); // what has the focus, or takes it next, stays
    for (const [n, node] of drawn)
      if (!wanted.has(n)) {
        node.remove();
        drawn.delete(n);
      }
    for (const n of [...wanted].sort((a, b) => a - b)) {
      if (drawn.has(n)) continue;
      const node = drawLine(n);
      const after = [...drawn.keys()].filter((other) => other > n).sort((a, b) => a - b)[0];
      host.insertBefore(node, after === undefined ? null : drawn.get(after));
      drawn.set(n, node);
    }
    for (let n = from; n <= to; n++)
      if (!lines[n].group) gallery.need(listing.at(lines[n].first), listing.at(lines[n].first + lines[n].count - 1) + 1);
  }

  function drawLine(n) {
    const line = lines[n];
    const node = el("div", { role: "row", "aria-rowindex": n + 1, class: line.group ? "head" : "tiles" });
    node.style.transform = `translateY(${line.y}px)`;
    if (line.group) {
      const { landmark, count } = line.group;
      node.append(
        el(
          "div",
          { role: "gridcell", "aria-colspan": columns },
          el(
            "a",
            { href: linkTo({ ...albumRoute(landmark), ...keptFilters() }), tabindex: "-1" },
            named(clip(clean(landmark.name || landmark.id), 100)),
          ),
          el("span", { class: "where" }, named(clip(clean([landmark.city, landmark.country].filter(Boolean).join(", ")), 80))),
          el("span", { class: "n", text: number.format(count) }),
        ),
      );
    } else for (let k = 0; k < line.count; k++) node.append(tile(line.first + k, k));
    return node;
  }

  function tile(position, column) {
    const i = listing.at(position),
      row = gallery.rows[i];
    const cell = el("div", {
      role: "gridcell",
      "aria-colindex": column + 1,
      "aria-selected": selecting ? String(chosen.has(i)) : undefined,
    });
    const link = el("a", {
      class: "tile",
      href: row ? address(i) : undefined,
      tabindex: position === active ? "0" : "-1",
      "data-position": position,
      role: row ? undefined : "link",
    });
    cell.append(link);
    if (!row) {
      link.setAttribute("aria-label", `${position + 1}`);
      link.append(el("span", { class: "frame waiting" }), el("span", { class: "caption" }, " "));
      return cell;
    }
    const about = gallery.name(gallery.about(row)),
      file = clean(fileOf(row));
    const what = row.l ? about : row.b ? TEXT.maybe(about) : TEXT.nothing;
    const path = pathOf.thumb(row),
      mark = badge(row);
    const frame = el("span", { class: "frame" });
    const without = () =>
      fill(
        frame,
        el("span", {
          class: "without",
          text: `${clip((/\.([A-Za-z0-9]{1,5})$/.exec(file)?.[1] ?? "").toUpperCase(), 6)} ${TEXT.noThumb}`,
        }),
      );
    if (path)
      frame.append(el("img", { src: path, alt: "", loading: "lazy", decoding: "async", draggable: "false", error: without }));
    else without();
    link.append(
      frame,
      el(
        "span",
        { class: "caption" },
        named(clip(byPlace ? file : what), { class: "name" }),
        el("span", { class: "sure", text: percent(row.c) }),
      ),
    );
    if (mark) link.append(mark);
    link.setAttribute("aria-label", `${TEXT.tile(clip(file), clip(what), row.c)}${mark ? `, ${mark.textContent}` : ""}`);
    link.title = clip(clean(row.p), 300);
    if (selecting)
      cell.append(
        el(
          "button",
          {
            type: "button",
            class: "pick",
            tabindex: "-1",
            "aria-label": `${TEXT.select} ${clip(file, 60)}`,
            "aria-pressed": String(chosen.has(i)),
            click: (event) => pick(position, event.shiftKey),
          },
          icon("check"),
        ),
      );
    return cell;
  }

  function redraw(from = 0, to = Infinity) {
    const focused = host.contains(document.activeElement) ? document.activeElement.dataset.position : null;
    for (const [n, node] of [...drawn]) {
      const line = lines[n];
      if (line.group) continue;
      let within = false;
      for (let k = 0; k < line.count && !within; k++) {
        const i = listing.at(line.first + k);
        within = i >= from && i < to;
      }
      if (!within) continue;
      const fresh = drawLine(n);
      node.replaceWith(fresh);
      drawn.set(n, fresh);
    }
    if (focused !== null && focused !== undefined && !host.contains(document.activeElement))
      host.querySelector(`[data-position="${focused}"]`)?.focus({ preventScroll: true });
  }

  function pick(position, range) {
    const i = listing.at(position);
    if (range) for (let k = Math.min(anchor, position); k <= Math.max(anchor, position); k++) chosen.add(listing.at(k));
    else if (chosen.has(i)) chosen.delete(i);
    else chosen.add(i);
    anchor = position;
    redraw();
    selecting(chosen);
  }

  function focus(position, scroll = true) {
    if (!listing.length) return;
    host.querySelector(".tile[tabindex='0']")?.setAttribute("tabindex", "-1");
    active = Math.max(0, Math.min(listing.length - 1, position));
    const n = lineOf(active);
    if (scroll && lines[n]) {
      const top = host.getBoundingClientRect().top + lines[n].y,
        bar = document.querySelector(".top").getBoundingClientRect();
      const margin = (getComputedStyle(document.querySelector(".top")).position === "sticky" ? bar.height : 0) + 12;
      if (top < margin) window.scrollBy(0, top - margin);
      else if (top + lines[n].height > window.innerHeight - 12)
        window.scrollBy(0, top + lines[n].height - window.innerHeight + 12);
    }
    draw();
    const link = host.querySelector(`[data-position="${active}"]`);
    link?.setAttribute("tabindex", "0");
    link?.focus({ preventScroll: true });
  }

  function vertical(step) {
    const n = lineOf(active),
      column = active - lines[n].first;
    let to = n + step;
    while (lines[to]?.group) to += Math.sign(step);
    if (lines[to]) focus(lines[to].first + Math.min(column, lines[to].count - 1));
  }

  host.addEventListener("keydown", (event) => {
    const link = event.target.closest(".tile");
    if (!link || event.ctrlKey || event.altKey || event.metaKey) return;
    active = +link.dataset.position;
    const page = Math.max(1, Math.floor(window.innerHeight / (lines[lineOf(active)]?.height || 200)) - 1);
    const moves = {
      ArrowRight: () => focus(active + 1),
      ArrowLeft: () => focus(active - 1),
      ArrowDown: () => vertical(1),
      ArrowUp: () => vertical(-1),
      Home: () => focus(0),
      End: () => focus(listing.length - 1),
      PageDown: () => focus(active + page * columns),
      PageUp: () => focus(active - page * columns),
      " ": () => (selecting ? pick(active, event.shiftKey) : open(listing.at(active))),
    };
    if (moves[event.key]) {
      event.preventDefault();
      event.stopPropagation();
      moves[event.key]();
    }
  });
  host.addEventListener("click", (event) => {
    const link = event.target.closest(".tile");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    active = +link.dataset.position;
    open(listing.at(active));
  });

  let frame = 0;
  const later = () => {
    if (!frame)
      frame = requestAnimationFrame(() => {
        frame = 0;
        draw();
      });
  };
  window.addEventListener("scroll", later, { passive: true });
  new ResizeObserver(() => {
    if (host.clientWidth !== width) layout();
    else later();
  }).observe(host);
  gallery.listeners.add((from, to) => redraw(from, to));
  saver.listeners.add((sha) => {
    if (sha !== undefined || saver.pending.length === 0) redraw();
  });

  return {
    box,
    chosen,
    focus,
    redraw,
    show(next, message, grouped) {
      listing = next;
      byPlace = grouped;
      active = 0;
      note.hidden = listing.length > 0;
      note.textContent = message;
      host.hidden = !listing.length;
      if (chosen.size) {
        chosen.clear();
        selecting?.(chosen);
      }
      layout();
    },
    pickAll() {
      for (let k = 0; k < listing.length; k++) chosen.add(listing.at(k));
      redraw();
      selecting(chosen);
    },
    pickNone() {
      chosen.clear();
      redraw();
      selecting(chosen);
    },
    get listing() {
      return listing;
    },
  };
}

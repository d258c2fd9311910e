// The map of places: an outline of the world, dots at landmarks, no tiles and no network. Mercator, in units of LAND.side.
const mapX = (lon) => ((lon + 180) / 360) * LAND.side;
const mapY = (lat) =>
  (0.5 - Math.log(Math.tan(Math.PI / 4 + (Math.max(-85, Math.min(85, lat)) * Math.PI) / 360)) / (2 * Math.PI)) * LAND.side;
const latOf = (y) => (Math.atan(Math.sinh(Math.PI * (1 - (2 * y) / LAND.side))) * 180) / Math.PI;
const lonOf = (x) => (x / LAND.side) * 360 - 180;
const hasPlace = (thing, lat = "lat", lon = "lon") =>
  Number.isFinite(thing[lat]) && Number.isFinite(thing[lon]) && Math.abs(thing[lat]) <= 90 && Math.abs(thing[lon]) <= 180;

function placesMap({ moved }) {
  const places = gallery.landmarks
    .filter((landmark) => landmark.photos && hasPlace(landmark))
    .map((landmark) => ({ landmark, x: mapX(landmark.lon), y: mapY(landmark.lat), n: landmark.photos }))
    .sort((a, b) => b.n - a.n);
  const most = places[0]?.n || 1;
  const view = { x: LAND.side / 2, y: LAND.side * 0.4, k: 0.2 };
  let w = 0,
    h = 0,
    frame = 0,
    started = false,
    wish = null;

  const ground = el(
    "svg:g",
    { class: "ground" },
    el("svg:path", { d: LAND.land, class: "land" }),
    el("svg:path", { d: LAND.borders, class: "borders" }),
  );
  const net = el("svg:path", { class: "net" });
  const own = el("svg:path", { class: "own" });
  const dots = el("svg:g", { class: "dots" });
  const scaleText = el("span"),
    scaleBar = el("div", { class: "scale", "aria-hidden": "true" }, scaleText);
  const svg = el("svg:svg", { class: "world", focusable: "false" }, ground, net, own, dots);
  const gps = el("input", { type: "checkbox", id: "gps", change: () => showOwn() });
  const list = el("ul", { class: "places" }),
    lost = el("ul", { class: "places" });
  const hint = el("p", { id: "map-hint", class: "unseen", text: TEXT.mapLabel });
  const frameBox = el(
    "div",
    { class: "map", tabindex: "0", role: "group", "aria-label": TEXT.map, "aria-describedby": "map-hint" },
    svg,
    scaleBar,
    el(
      "div",
      { class: "map-buttons" },
      iconButton("plus", TEXT.zoomIn, () => zoom(2)),
      iconButton("minus", TEXT.zoomOut, () => zoom(0.5)),
      iconButton("home", TEXT.zoomAll, () => all()),
    ),
  );
  const nowhere = gallery.landmarks.filter((landmark) => landmark.photos && !hasPlace(landmark));
  const box = el(
    "div",
    { class: "map-view" },
    hint,
    el(
      "div",
      {},
      frameBox,
      el("div", { class: "map-options" }, el("label", { class: "check" }, gps, el("span", { text: TEXT.gps }))),
    ),
    el(
      "section",
      { class: "places-box", "aria-labelledby": "places-title" },
      el("h2", { id: "places-title", text: TEXT.places }),
      list,
      nowhere.length ? [el("h2", { text: TEXT.elsewhere }), lost] : null,
    ),
  );
  fill(lost, placeItems(nowhere));

  function placeItems(landmarks) {
    const items = landmarks
      .slice(0, 200)
      .map((landmark) =>
        el(
          "li",
          {},
          el("a", { href: linkTo(albumRoute(landmark)) }, named(clip(clean(landmark.name || landmark.id), 80))),
          el("span", { class: "where" }, named(clip(clean([landmark.city, landmark.country].filter(Boolean).join(", ")), 60))),
          el("span", { class: "n", text: number.format(landmark.photos) }),
        ),
      );
    if (landmarks.length > 200) items.push(el("li", { class: "where", text: TEXT.more(landmarks.length - 200) }));
    return items;
  }

  const least = () => Math.min(w, h * 1.4) / LAND.side;
  function clamp() {
    view.k = Math.max(least(), Math.min(2500, view.k));
    view.x = Math.max(0, Math.min(LAND.side, view.x));
    view.y = Math.max(mapY(84), Math.min(mapY(-60), view.y));
    if (LAND.side * view.k <= w) view.x = LAND.side / 2;
  }
  function zoom(by, px = w / 2, py = h / 2) {
    const x = view.x + (px - w / 2) / view.k,
      y = view.y + (py - h / 2) / view.k;
    const before = view.k;
    view.k = Math.max(least(), Math.min(2500, view.k * by));
    if (view.k !== before) {
      view.x = x - (px - w / 2) / view.k;
      view.y = y - (py - h / 2) / view.k;
    }
    later();
  }
  function pan(dx, dy) {
    view.x -= dx / view.k;
    view.y -= dy / view.k;
    later();
  }
  /** Shows a set of places with some room around. */
  function fit(some) {
    if (!some.length || !w) return;
    const xs = some.map((p) => p.x),
      ys = some.map((p) => p.y);
    const x0 = Math.min(...xs),
      x1 = Math.max(...xs),
      y0 = Math.min(...ys),
      y1 = Math.max(...ys);
    view.x = (x0 + x1) / 2;
    view.y = (y0 + y1) / 2;
    view.k = Math.min(
      600,
      (w - Math.min(140, w / 3)) / Math.max(1e-3, x1 - x0),
      (h - Math.min(120, h / 3)) / Math.max(1e-3, y1 - y0),
    );
    later();
  }
  function all() {
    fit(places);
    say(TEXT.clusterName(places.length));
  }

  function clusters() {
    const reach = 34,
      cells = new Map(),
      found = [];
    for (const place of places) {
      const px = (place.x - view.x) * view.k + w / 2,
        py = (place.y - view.y) * view.k + h / 2;
      if (px < -60 || py < -60 || px > w + 60 || py > h + 60) continue;
      const cx = Math.floor(px / reach),
        cy = Math.floor(py / reach);
      let home = null;
      for (let dx = -1; dx <= 1 && !home; dx++)
        for (let dy = -1; dy <= 1 && !home; dy++) {
          home =
            (cells.get(`${cx + dx},${cy + dy}`) || []).find(
              (other) => (other.px - px) ** 2 + (other.py - py) ** 2 < reach * reach,
            ) || null;
        }
      if (home) {
        home.places.push(place);
        home.n += place.n;
        continue;
      }
      const fresh = { px, py, places: [place], n: place.n };
      found.push(fresh);
      const cell = `${cx},${cy}`;
      if (cells.has(cell)) cells.get(cell).push(fresh);
      else cells.set(cell, [fresh]);
    }
    return found.sort((a, b) => b.n - a.n);
  }
  function nameOf(cluster) {
    const only = (key) => {
      const first = cluster.places[0].landmark[key];
      return first && cluster.places.every((place) => place.landmark[key] === first) ? clean(first) : "";
    };
    return cluster.places.length === 1
      ? clean(cluster.places[0].landmark.name || cluster.places[0].landmark.id)
      : only("city") || only("country") || TEXT.clusterName(cluster.places.length);
  }

  /** Lines of longitude and latitude: at a city's scale the outline says nothing. */
  function drawNet() {
    const perDegree = (LAND.side * view.k) / 360;
    const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30].find((degrees) => degrees * perDegree >= 90) ?? 30;
    const west = Math.max(-180, lonOf(view.x - w / 2 / view.k)),
      east = Math.min(180, lonOf(view.x + w / 2 / view.k));
    const north = Math.min(85, latOf(Math.max(0, view.y - h / 2 / view.k))),
      south = Math.max(-85, latOf(Math.min(LAND.side, view.y + h / 2 / view.k)));
    let d = "";
    for (let n = Math.ceil(west / step); n * step <= east; n++)
      d += `M${((mapX(n * step) - view.x) * view.k + w / 2).toFixed(1)} 0V${h}`;
    for (let n = Math.ceil(south / step); n * step <= north; n++)
      d += `M0 ${((mapY(n * step) - view.y) * view.k + h / 2).toFixed(1)}H${w}`;
    net.setAttribute("d", d);
  }

  function draw() {
    frame = 0;
    if (!w) return;
    clamp();
    const place = `translate(${w / 2 - view.x * view.k} ${h / 2 - view.y * view.k}) scale(${view.k})`;
    ground.setAttribute("transform", place);
    own.setAttribute("transform", place);
    drawNet();
    const before = new Map([...dots.children].map((node) => [node.dataset.key, node]));
    const focused = document.activeElement?.closest?.(".dot")?.dataset.key;
    const drawn = [],
      found = clusters();
    const radius = (cluster) => 6 + 18 * Math.min(1, Math.sqrt(cluster.n / most));
    const boxes = found.map((cluster) => {
      const r = radius(cluster);
      return [cluster.px - r, cluster.py - r, cluster.px + r, cluster.py + r];
    });
    for (const cluster of found) {
      const single = cluster.places.length === 1,
        landmark = cluster.places[0].landmark;
      const r = radius(cluster);
      const key = `${single ? "" : `${cluster.places.length}+`}${landmark.id}`;
      const name = nameOf(cluster);
      let node = before.get(key);
      if (!node) {
        const label = single ? TEXT.dot(clip(name), cluster.n) : TEXT.cluster(clip(name), cluster.places.length, cluster.n);
        node = el(
          "svg:a",
          {
            class: single ? "dot" : "dot several",
            "data-key": key,
            href: single ? linkTo(albumRoute(landmark)) : "#",
            role: single ? "link" : "button",
            tabindex: "0",
            "aria-label": label,
          },
          el("svg:title", { text: label }),
          el("svg:circle", { class: "hit" }),
          el("svg:circle", { class: "disc" }),
          single
            ? null
            : el("svg:text", {
                class: "count",
                "text-anchor": "middle",
                dy: "0.36em",
                text: number.format(cluster.places.length),
              }),
          el("svg:text", { class: "label", dy: "0.36em", text: clip(name, 28) }),
        );
        node.addEventListener("click", (event) => {
          if (dragged) {
            event.preventDefault();
            return;
          }
          if (!single) {
            event.preventDefault();
            enter(node.cluster);
          }
        });
        node.addEventListener("keydown", (event) => {
          if (event.key === " " || (event.key === "Enter" && !single)) {
            event.preventDefault();
            if (single) go(albumRoute(landmark));
            else enter(node.cluster);
          }
        });
      }
      node.cluster = cluster;
      node.setAttribute("transform", `translate(${cluster.px} ${cluster.py})`);
      node.querySelector(".disc").setAttribute("r", r);
      node.querySelector(".hit").setAttribute("r", Math.max(14, r));
      const text = node.querySelector(".label"),
        size = Math.min(28, [...name].length) * 7 + 4;
      const sides = [
        [r + 5, 0, "start", cluster.px + r + 3],
        [-r - 5, 0, "end", cluster.px - r - 3 - size],
        [0, -r - 10, "middle", cluster.px - size / 2],
        [0, r + 11, "middle", cluster.px - size / 2],
      ];
      const free = sides.find(
        ([, dy, , x]) =>
          x > 0 &&
          x + size < w &&
          !boxes.some((b) => x < b[2] && x + size > b[0] && cluster.py + dy - 8 < b[3] && cluster.py + dy + 8 > b[1]),
      );
      text.toggleAttribute("hidden", !free);
      if (free) {
        text.setAttribute("x", free[0]);
        text.setAttribute("y", free[1]);
        text.setAttribute("text-anchor", free[2]);
        boxes.push([free[3], cluster.py + free[1] - 8, free[3] + size, cluster.py + free[1] + 8]);
      }
      drawn.push(node);
    }
    if (drawn.length !== dots.children.length || drawn.some((node, n) => dots.children[n] !== node))
      dots.replaceChildren(...drawn);
    if (focused && !dots.contains(document.activeElement)) {
      const same = drawn.find((node) => node.dataset.key === focused);
      if (same) same.focus({ preventScroll: true });
      else frameBox.focus({ preventScroll: true });
    }
    const kmPerPixel = (40075 * Math.cos((latOf(view.y) * Math.PI) / 180)) / (LAND.side * view.k);
    const nice =
      [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].findLast((km) => km / kmPerPixel <= 120) ?? 0.1;
    scaleText.textContent = TEXT.km(nice);
    scaleBar.style.width = `${nice / kmPerPixel}px`;
    settle();
  }
  const settle = debounced(150, () => {
    const inView = places
      .filter((p) => Math.abs(p.x - view.x) * view.k < w / 2 && Math.abs(p.y - view.y) * view.k < h / 2)
      .map((p) => p.landmark);
    fill(list, inView.length ? placeItems(inView) : el("li", { class: "where", text: TEXT.noPlaces }));
    if (box.isConnected) moved(`${latOf(view.y).toFixed(4)},${lonOf(view.x).toFixed(4)},${Math.log2(view.k).toFixed(2)}`);
  });
  function later() {
    if (!frame) frame = requestAnimationFrame(draw);
  }
  function enter(cluster) {
    const landmarks = cluster.places.map((place) => place.landmark);
    const far = cluster.places.some((p) => Math.hypot(p.x - cluster.places[0].x, p.y - cluster.places[0].y) * 2000 > 40);
    if (far) {
      fit(cluster.places);
      frameBox.focus({ preventScroll: true });
      say(`${nameOf(cluster)}: ${TEXT.clusterName(landmarks.length)}`);
    } else go({ view: "photos", country: landmarks[0].country || "", city: landmarks[0].city || "" });
  }

  async function showOwn() {
    if (!gps.checked) {
      own.setAttribute("d", "");
      return;
    }
    for (let from = 0; from < gallery.total && gps.checked; from += 3000)
      await gallery.need(from, Math.min(from + 3000, gallery.total), false);
    if (!gps.checked) return;
    let d = "",
      n = 0;
    for (const row of gallery.rows)
      if (row && row.y !== null && row.x !== null && hasPlace(row, "y", "x")) {
        d += `M${mapX(row.x).toFixed(3)} ${mapY(row.y).toFixed(3)}h0`;
        n++;
      }
    own.setAttribute("d", d);
    say(TEXT.count(n));
  }

  frameBox.addEventListener("keydown", (event) => {
    if (!plainKey(event) || event.target.closest("button")) return;
    const step = Math.min(w, h) / 5;
    const keys = {
      ArrowLeft: () => pan(step, 0),
      ArrowRight: () => pan(-step, 0),
      ArrowUp: () => pan(0, step),
      ArrowDown: () => pan(0, -step),
      "+": () => zoom(1.6),
      "=": () => zoom(1.6),
      "-": () => zoom(1 / 1.6),
      "−": () => zoom(1 / 1.6),
      0: () => all(),
    };
    if (keys[event.key]) {
      event.preventDefault();
      event.stopPropagation();
      keys[event.key]();
    }
  });

  const pointers = new Map();
  let dragged = false,
    lastX = 0,
    lastY = 0,
    gap = 0;
  const middle = () => {
    const at = [...pointers.values()];
    return [
      at.reduce((s, p) => s + p[0], 0) / at.length,
      at.reduce((s, p) => s + p[1], 0) / at.length,
      at.length > 1 ? Math.hypot(at[0][0] - at[1][0], at[0][1] - at[1][1]) : 0,
    ];
  };
  svg.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (pointers.size === 1) dragged = false;
    [lastX, lastY, gap] = middle();
  });
  svg.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    const [x, y, apart] = middle();
    if (!dragged && pointers.size === 1 && Math.hypot(x - lastX, y - lastY) < 4) return;
    if (!dragged) {
      dragged = true;
      svg.setPointerCapture(event.pointerId);
    }
    const area = svg.getBoundingClientRect();
    pan(x - lastX, y - lastY);
    if (gap && apart) zoom(apart / gap, x - area.left, y - area.top);
    [lastX, lastY, gap] = [x, y, apart];
  });
  for (const end of ["pointerup", "pointercancel"])
    window.addEventListener(end, (event) => {
      if (pointers.delete(event.pointerId) && pointers.size) [lastX, lastY, gap] = middle();
      setTimeout(() => {
        if (!pointers.size) dragged = false;
      });
    });
  svg.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const area = svg.getBoundingClientRect();
      zoom(2 ** ((-event.deltaY * (event.deltaMode ? 20 : 1)) / 300), event.clientX - area.left, event.clientY - area.top);
    },
    { passive: false },
  );
  svg.addEventListener("dblclick", (event) => {
    const area = svg.getBoundingClientRect();
    zoom(2, event.clientX - area.left, event.clientY - area.top);
  });
  svg.addEventListener("dragstart", (event) => event.preventDefault());

  new ResizeObserver(() => {
    [w, h] = [svg.clientWidth, svg.clientHeight];
    if (w && !started) {
      started = true;
      if (wish) look(wish);
      else all();
    }
    later();
  }).observe(svg);

  function look(text) {
    wish = text;
    const [lat, lon, zoomed] = String(text || "")
      .split(",")
      .map(Number);
    if (![lat, lon, zoomed].every(Number.isFinite)) return;
    view.x = mapX(lon);
    view.y = mapY(lat);
    view.k = 2 ** zoomed;
    later();
  }
  return { box, look };
}

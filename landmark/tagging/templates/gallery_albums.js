// The tree of albums: country, city, landmark. Branches are filled when they are opened.
const albumRoute = (landmark) => ({
  view: "photos",
  country: landmark.country || "",
  city: landmark.city || "",
  landmark: landmark.id,
});

function albumTree() {
  const countries = new Map();
  for (const landmark of gallery.landmarks) {
    if (!landmark.photos) continue;
    const country = landmark.country || "",
      city = landmark.city || "";
    if (!countries.has(country))
      countries.set(country, {
        text: country || TEXT.noCountry,
        photos: 0,
        route: { view: "photos", country },
        cities: new Map(),
      });
    const branch = countries.get(country);
    branch.photos += landmark.photos;
    if (!branch.cities.has(city))
      branch.cities.set(city, { text: city || TEXT.noCity, photos: 0, route: { view: "photos", country, city }, children: [] });
    const twig = branch.cities.get(city);
    twig.photos += landmark.photos;
    twig.children.push({ text: landmark.name || landmark.id, photos: landmark.photos, route: albumRoute(landmark) });
  }
  const branches = [...countries.values()].map((branch) => {
    const cities = [...branch.cities.values()];
    return { ...branch, children: cities.length === 1 && !cities[0].route.city ? cities[0].children : cities };
  });
  return [{ text: TEXT.allPhotos, photos: gallery.tagged, route: { view: "photos" } }, ...branches];
}

function albums() {
  const keyOf = (r) => JSON.stringify([r.country ?? null, r.city ?? null, r.landmark ?? null]);
  const items = new Map();
  const tree = el("ul", { role: "tree", "aria-label": TEXT.albums, class: "tree" });

  function item(node, level) {
    const branch = !!node.children;
    const text = clean(node.text);
    const line = el(
      "span",
      { class: "line" },
      branch
        ? el(
            "span",
            {
              class: "twist",
              click: (event) => {
                event.stopPropagation();
                toggle(leaf);
              },
            },
            icon("right"),
          )
        : null,
      named(text, { class: "name", title: clip(text, 200) }),
      el("span", { class: "n", text: number.format(node.photos) }),
    );
    const leaf = el(
      "li",
      {
        role: "treeitem",
        tabindex: "-1",
        "aria-level": level,
        "aria-expanded": branch ? "false" : undefined,
        "aria-selected": "false",
        "aria-label": `${clip(text)}, ${TEXT.count(node.photos)}`,
        click: (event) => {
          event.stopPropagation();
          choose(leaf);
        },
      },
      line,
    );
    line.style.setProperty("--level", level - 1);
    leaf.node = node;
    items.set(keyOf(node.route), leaf);
    return leaf;
  }
  const group = (leaf) => leaf.querySelector(":scope > [role=group]");
  function open(leaf) {
    if (!leaf.node.children || leaf.getAttribute("aria-expanded") === "true") return;
    if (!group(leaf))
      leaf.append(
        el(
          "ul",
          { role: "group" },
          leaf.node.children.map((child) => item(child, +leaf.getAttribute("aria-level") + 1)),
        ),
      );
    group(leaf).hidden = false;
    leaf.setAttribute("aria-expanded", "true");
  }
  function shut(leaf) {
    if (leaf.getAttribute("aria-expanded") !== "true") return;
    group(leaf).hidden = true;
    leaf.setAttribute("aria-expanded", "false");
    if (leaf !== document.activeElement && leaf.contains(document.activeElement)) focus(leaf);
    if (leaf.contains(tree.querySelector("[tabindex='0']"))) rove(leaf);
  }
  const toggle = (leaf) => (leaf.getAttribute("aria-expanded") === "true" ? shut(leaf) : open(leaf));
  function rove(leaf) {
    tree.querySelector("[tabindex='0']")?.setAttribute("tabindex", "-1");
    leaf.setAttribute("tabindex", "0");
  }
  function focus(leaf) {
    rove(leaf);
    leaf.focus();
  }
  function choose(leaf) {
    rove(leaf);
    open(leaf);
    go({ ...leaf.node.route, ...keptFilters() });
    document.getElementById("albums-toggle")?.setAttribute("aria-expanded", "false");
  }
  const shown = () => [...tree.querySelectorAll("[role=treeitem]")].filter((leaf) => !leaf.closest("[role=group][hidden]"));

  let typed = "",
    typedAt = 0;
  tree.addEventListener("keydown", (event) => {
    const leaf = event.target.closest("[role=treeitem]");
    if (!leaf || !plainKey(event)) return;
    const all = shown(),
      n = all.indexOf(leaf);
    const expanded = leaf.getAttribute("aria-expanded");
    const moves = {
      ArrowDown: () => all[n + 1] && focus(all[n + 1]),
      ArrowUp: () => all[n - 1] && focus(all[n - 1]),
      Home: () => focus(all[0]),
      End: () => focus(all.at(-1)),
      ArrowRight: () => {
        if (expanded === "false") open(leaf);
        else if (expanded === "true") focus(all[n + 1]);
      },
      ArrowLeft: () => {
        if (expanded === "true") shut(leaf);
        else {
          const parent = leaf.parentElement.closest("[role=treeitem]");
          if (parent) focus(parent);
        }
      },
      Enter: () => choose(leaf),
      " ": () => choose(leaf),
    };
    if (moves[event.key]) {
      event.preventDefault();
      event.stopPropagation();
      moves[event.key]();
      return;
    }
    if ([...event.key].length === 1) {
      event.stopPropagation();
      typed = event.timeStamp - typedAt < 700 ? typed + fold(event.key) : fold(event.key);
      typedAt = event.timeStamp;
      const found = [...all.slice(n + (typed.length > 1 ? 0 : 1)), ...all].find((other) =>
        fold(other.node.text).startsWith(typed),
      );
      if (found) focus(found);
    }
  });

  fill(
    tree,
    albumTree().map((node) => item(node, 1)),
  );
  rove(tree.firstElementChild);

  /** Marks the album of a route and opens the way to it. */
  function mark(r) {
    tree.querySelector("[aria-selected=true]")?.setAttribute("aria-selected", "false");
    if (r.view !== "photos") return;
    if (r.country !== undefined) {
      const country = items.get(keyOf({ country: r.country }));
      if (country) open(country);
    }
    if (r.city !== undefined) {
      const city = items.get(keyOf({ country: r.country, city: r.city }));
      if (city && r.landmark !== undefined) open(city);
    }
    const leaf = items.get(keyOf(r));
    if (!leaf) return;
    leaf.setAttribute("aria-selected", "true");
    if (!tree.contains(document.activeElement)) rove(leaf);
    leaf.firstElementChild.scrollIntoView?.({ block: "nearest" });
  }
  return { tree, mark };
}

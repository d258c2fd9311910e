// The page: its views, and what holds them together.
function build() {
  const head = gallery.head;
  const links = Object.fromEntries(VIEWS.map((view) => [view, el("a", { href: linkTo({ view }), text: TEXT[view] })]));
  links.near.append(el("span", { class: "n", text: number.format(gallery.nearEnd - gallery.tagged) }));
  const tree = albums(),
    search = searchBox();
  const title = el("h1", { tabindex: "-1" }),
    under = el("p", { class: "under" }),
    crumbs = el("nav", { class: "crumbs", "aria-label": TEXT.albums }),
    references = el("div", { class: "references" });
  const reading = el("p", { class: "reading", role: "status" });
  const filters = filterBar({ change: (change) => go({ ...route, ...change, photo: undefined }, true) });
  const bulk = REVIEW ? bulkBar(() => grid) : null;
  const openPhoto = (i) => {
    go({ ...route, photo: photoKey(i) });
  };
  const grid = photoGrid({
    open: openPhoto,
    address: (i) => linkTo({ ...route, photo: photoKey(i) }),
    selecting: REVIEW ? (chosen) => bulk.show(chosen.size) : undefined,
  });
  const photosView = el(
    "div",
    {},
    el("div", { class: "heading" }, crumbs, title, under, references),
    filters.box,
    bulk?.bar,
    reading,
    grid.box,
  );
  const map = placesMap({
    moved: (at) => {
      if (route.view === "map" && route.at !== at) {
        route.at = at;
        history.replaceState(history.state, "", hashOf(route));
      }
    },
  });
  const mapView = el(
    "div",
    {},
    el("div", { class: "heading" }, el("h1", { tabindex: "-1", text: TEXT.map }), el("p", { class: "under" })),
    map.box,
  );
  const review = REVIEW
    ? reviewView({
        changed: (i) => {
          const photo = photoKey(i);
          if (route.view === "review" && route.photo !== photo) {
            route.photo = photo;
            history.replaceState(history.state, "", hashOf(route));
          }
        },
      })
    : null;
  const box = lightbox({
    listing: () => grid.listing,
    stepped: (i) => {
      route.photo = photoKey(i);
      history.replaceState(history.state, "", hashOf(route));
    },
    closed: (i) => {
      if (route.photo !== undefined && route.view !== "review") {
        if (history.state?.own) history.back();
        else go({ ...route, photo: undefined }, true);
      }
      const at = grid.listing.positionOf(i);
      if (at >= 0) requestAnimationFrame(() => grid.focus(at));
    },
  });
  const toggle = el(
    "button",
    {
      type: "button",
      id: "albums-toggle",
      class: "quiet",
      "aria-expanded": "false",
      "aria-controls": "albums",
      click: () => toggle.setAttribute("aria-expanded", String(toggle.getAttribute("aria-expanded") !== "true")),
    },
    icon("list"),
    el("span", { text: TEXT.showAlbums }),
  );
  const main = el("main", { id: "main" });
  const made = when(head.made) || clean(head.made);
  const app = document.getElementById("app");
  fill(
    app,
    el("a", {
      class: "skip",
      href: "#main",
      text: TEXT.skip,
      click: (event) => {
        event.preventDefault();
        focusHeading();
      },
    }),
    el(
      "header",
      { class: "top" },
      el("span", { class: "brand", text: TEXT.title }),
      el(
        "nav",
        { class: "views", "aria-label": TEXT.views },
        VIEWS.map((view) => links[view]),
      ),
      search.field,
      iconButton("help", TEXT.help, helpDialog),
    ),
    el(
      "div",
      { class: "body" },
      el(
        "aside",
        { class: "aside", "aria-label": TEXT.albums },
        toggle,
        el("div", { id: "albums", class: "albums" }, tree.tree),
      ),
      main,
    ),
    el(
      "footer",
      { class: "foot" },
      named(clip(clean(head.source || ""), 200)),
      el("span", { text: ` ${TEXT.made(clip(clean(head.model), 60), made)}` }),
    ),
    live,
    box.dialog,
  );
  ui = {
    links,
    tree,
    title,
    under,
    crumbs,
    references,
    reading,
    filters,
    grid,
    photosView,
    map,
    mapView,
    review,
    box,
    main,
    shown: null,
    generation: 0,
  };
  const cities = new Set(gallery.firsts.map((landmark) => landmark.country || ""));
  const shut =
    (head.left_out > 0 ? TEXT.notShown(head.left_out) : "") + (head.unreadable ? TEXT.unreadable(head.unreadable) : "");
  ui.summary = TEXT.summary(gallery.tagged, gallery.firsts.length, cities.size) + "." + shut;
  mapView.querySelector(".under").textContent = TEXT.summary(gallery.tagged, gallery.firsts.length, cities.size);
}

function heading() {
  const landmark = route.landmark !== undefined ? gallery.byId.get(route.landmark) : null;
  const album =
    route.landmark !== undefined
      ? landmark?.name || route.landmark
      : route.city !== undefined
        ? route.city || TEXT.noCity
        : route.country !== undefined
          ? route.country || TEXT.noCountry
          : TEXT.allPhotos;
  const text = route.view === "near" ? TEXT.near : clean(album);
  fill(ui.title, named(clip(text, 300)));
  const trail = [];
  if (route.view === "photos" && route.country !== undefined) {
    trail.push([TEXT.allPhotos, { view: "photos" }]);
    if (route.city !== undefined)
      trail.push([clean(route.country) || TEXT.noCountry, { view: "photos", country: route.country }]);
    if (route.landmark !== undefined && route.city)
      trail.push([clean(route.city), { view: "photos", country: route.country, city: route.city }]);
  }
  ui.crumbs.hidden = !trail.length;
  fill(
    ui.crumbs,
    el(
      "ol",
      {},
      trail.map(([name, to]) => el("li", {}, el("a", { href: linkTo({ ...to, ...keptFilters() }) }, named(clip(name, 80))))),
    ),
  );
  const shots = ((route.view === "photos" && landmark?.medoids) || [])
    .map((_, n) => pathOf.medoid(landmark, n))
    .filter(Boolean)
    .slice(0, 12);
  ui.references.hidden = !shots.length;
  fill(
    ui.references,
    shots.length
      ? [
          el("h2", { text: TEXT.references }),
          el(
            "ul",
            {},
            shots.map((path, n) =>
              el(
                "li",
                {},
                el("img", {
                  src: path,
                  alt: TEXT.reference(n + 1, clip(text)),
                  loading: "lazy",
                  decoding: "async",
                  error: (event) => event.target.parentElement.remove(),
                }),
              ),
            ),
          ),
        ]
      : [],
  );
  document.title = `${clip(route.view === "map" ? TEXT.map : route.view === "review" ? TEXT.review : text, 60)} - ${TEXT.title}`;
}

async function render() {
  const before = route;
  route = parseHash();
  const mine = ++ui.generation,
    going = () => mine === ui.generation;
  for (const [view, link] of Object.entries(ui.links))
    if (view === route.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  const key = viewKey(route);
  const view = { photos: ui.photosView, near: ui.photosView, map: ui.mapView, review: ui.review?.box }[route.view];
  document.body.dataset.view = route.view;
  if (ui.main.firstChild !== view) {
    ui.main.replaceChildren(view);
    window.scrollTo(0, 0);
  }
  heading();
  if (route.view === "map") {
    ui.box.close();
    if (route.at && (before.view !== "map" || before.at !== route.at)) ui.map.look(route.at);
    ui.shown = key;
    ui.tree.mark(route);
    return;
  }
  if (route.view === "review") {
    ui.box.close();
    if (ui.shown === key) return;
    ui.shown = key;
    const progress = (done, all) => say(TEXT.reading(done, all));
    const whole = await listingOf({ ...route, looked: undefined }, going, progress);
    const listing = whole && (route.looked ? await listingOf(route, going, progress) : whole);
    const i = whole && (await rowOf(route.photo));
    if (listing && going()) ui.review.start(route, listing, whole, i);
    return;
  }
  ui.tree.mark(route);
  if (ui.shown !== key) {
    const moved = ui.shown && viewKey({ ...before, ...keptNone }) !== viewKey({ ...route, ...keptNone });
    ui.filters.show(route);
    const ranges = rangesOf(route),
      all = ranges.reduce((sum, range) => sum + range.to - range.from, 0);
    const listing = await listingOf(route, going, (done, n) => {
      ui.reading.textContent = TEXT.reading(done, n);
    });
    if (!listing || !going()) return;
    ui.shown = key;
    ui.reading.textContent = "";
    if (moved) window.scrollTo(0, 0);
    ui.grid.show(listing, all ? TEXT.none : TEXT.empty, orderOf(route) === "place");
    ui.filters.histogram();
    const counted = countedOf(route, listing.length, all);
    ui.under.textContent =
      route.view === "near"
        ? TEXT.nearIntro(counted)
        : route.country === undefined && listing.length === all
          ? ui.summary
          : counted;
    say(counted);
  }
  if (route.photo === undefined) {
    ui.box.close();
    return;
  }
  const i = await rowOf(route.photo);
  if (!going()) return;
  if (i === undefined) {
    go({ ...route, photo: undefined }, true);
    return;
  }
  if (!ui.box.dialog.open || ui.box.current !== i) ui.box.open(i);
}
const keptNone = { min: undefined, by: undefined, sort: undefined, looked: undefined, q: undefined };

window.landmarkHead = (head) => {
  if (!head || head.version !== 1) {
    trouble(TEXT.older);
    return;
  }
  gallery.begin(head);
  keeper.begin(head);
  build();
  gallery.listeners.add(() => {
    if (ui.filters.box.isConnected) ui.filters.histogram();
  });
  window.addEventListener("popstate", render);
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || document.querySelector("dialog[open]") || typing(event.target) || !plainKey(event)) return;
    if (event.key === "?" && shortcuts.on) {
      event.preventDefault();
      helpDialog();
    } else if (event.key === "/" && shortcuts.on) {
      event.preventDefault();
      document.querySelector(".top input").focus();
    } else if (route.view === "review") ui.review.key(event);
    else if (REVIEW && event.key === "u" && shortcuts.on) {
      event.preventDefault();
      undoLast();
    }
  });
  saver.undone = (sha) => {
    const row = gallery.rows.find((each) => each?.s === sha);
    say(TEXT.undone(row ? clip(clean(fileOf(row))) : ""));
    if (sha && route.view === "review") ui.review.back(sha);
  };
  Promise.race([saver.begin(), new Promise((soon) => setTimeout(soon, 1500))]).then(render);
};
window.addEventListener("load", () => {
  if (!gallery.head) trouble(TEXT.missing("data/head.js"));
});

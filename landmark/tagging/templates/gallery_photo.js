// One photo: what it shows, how sure that is, and why.
/** In words; only of what is calibrated, and never against the tag. */
const levelOf = (row) =>
  row.d === "context" || row.d === "person"
    ? ""
    : ` ${(row.l ? TEXT.levelsTagged : TEXT.levels).find(([least]) => row.c >= least)[1]}${row.l ? "" : "."}`;

function meaningOf(row, name) {
  if (row.d === "person") return TEXT.byPerson;
  return row.d === "context" ? TEXT.byContext(name, !!row.l) : TEXT.plain(row.c, name);
}

function fact(list, label, ...value) {
  list.append(el("dt", { text: label }), el("dd", {}, ...value));
}

/** The column beside the picture, of row `i`. */
function explanation(row, { pick }) {
  const id = gallery.about(row),
    landmark = gallery.byId.get(id),
    name = gallery.name(id);
  const title = row.l ? TEXT.isIt(name) : row.b ? TEXT.maybeIt(name) : TEXT.nothing;
  const mark = badge(row);
  const box = el("div", { class: "explanation" });
  const head = el(
    "div",
    { class: "about" },
    REVIEW ? null : el("h2", {}, named(clip(title, 200))), // in review the question above has the name

    landmark
      ? el("p", { class: "where" }, named(clip(clean([landmark.city, landmark.country].filter(Boolean).join(", ")), 120)))
      : null,
    mark,
  );
  const meter = el("div", { class: "meter", "aria-hidden": "true" }, el("span"));
  meter.firstChild.style.width = `${Math.max(0, Math.min(1, row.c)) * 100}%`;
  head.append(
    el(
      "div",
      { class: "sureness" },
      el("p", {}, el("strong", { text: percent(row.c) }), `${levelOf(row)}${row.l ? "" : ` ${TEXT.notTagged}.`}`),
      meter,
      id ? el("p", { class: "soft" }, named(meaningOf(row, clip(name, 60)))) : null,
    ),
  );

  const why = el("dl");
  const own = (row.o || []).find(([other]) => other === id);
  const similarity = row.i ?? own?.[1];
  const pair = el("div", { class: "pair" });
  const tiny = (stageName, path, label, without) =>
    el(
      "button",
      { type: "button", class: "shot", click: () => pick(stageName) },
      path
        ? el("img", {
            src: path,
            alt: "",
            loading: "lazy",
            decoding: "async",
            error: (event) => event.target.replaceWith(el("span", { class: "without", text: without })),
          })
        : el("span", { class: "without", text: without }),
      el("span", {}, named(clip(label, 60))),
    );
  if (id) {
    pair.append(tiny("compare", pathOf.medoid(landmark, row.n), nearestLabel(row, landmark, name), TEXT.noReference));
    const path = pathOf.why(row, id);
    if (row.e || REVIEW) pair.append(tiny("why", row.e ? path : pathOf.thumb(row), TEXT.looked_, TEXT.noWhy));
  }
  if (Number.isFinite(similarity)) fact(why, TEXT.similarity, similarity.toFixed(2));
  fact(why, TEXT.decidedBy, TEXT.deciders[row.d] ?? clean(row.d));
  if (row.r) fact(why, TEXT.reason, named(clean(row.r)));
  const others = (row.o || []).filter(([other]) => other !== id);
  if (others.length) {
    const list = el("ul", { class: "others" });
    for (const [other, value] of others) {
      const bar = el("span", { class: "bar", "aria-hidden": "true" });
      bar.style.width = `${Math.max(0, Math.min(1, value)) * 100}%`;
      const path = pathOf.medoid(gallery.byId.get(other), 0);
      list.append(
        el(
          "li",
          {},
          path ? el("img", { src: path, alt: "", loading: "lazy", width: 40, height: 40 }) : el("span", { class: "blank" }),
          el("span", { class: "name" }, named(clip(gallery.name(other), 60)), bar),
          el("span", { class: "n", text: Number(value).toFixed(2) }),
        ),
      );
    }
    fact(why, TEXT.runnersUp, list);
  }

  const facts = el("dl");
  fact(facts, TEXT.fileName, named(clean(row.p), { class: "path" }));
  if (when(row.t)) fact(facts, TEXT.taken, when(row.t));
  if (row.w && row.g) fact(facts, TEXT.size, TEXT.pixels(row.w, row.g));
  if (row.y !== null && row.x !== null && hasPlace(row, "y", "x"))
    fact(
      facts,
      TEXT.position,
      `${row.y.toFixed(4)}, ${row.x.toFixed(4)} `,
      el("a", { href: linkTo({ view: "map", at: `${row.y.toFixed(4)},${row.x.toFixed(4)},6` }), text: TEXT.onMap }),
    );
  if (row.l && landmark) fact(facts, TEXT.album, el("a", { href: linkTo(albumRoute(landmark)) }, named(clip(name, 80))));
  const link = REVIEW ? null : originalLink(row.h);
  if (link) fact(facts, "", el("a", { href: link, target: "_blank", rel: "noreferrer noopener", text: TEXT.original }));
  return fill(
    box,
    head,
    el("section", {}, el("h3", { text: TEXT.why }), pair, why),
    el("section", {}, el("h3", { text: TEXT.facts }), facts),
  );
}

/**
 * Picture, explanation and, in review mode, the answers; in the lightbox and in the review alike.
 * @param step called with -1 or 1
 * @param answered called with the row number after an answer
 */
function photoPanel({ step, answered, initial }) {
  let i = -1,
    generation = 0,
    drawn;
  const large = stage(initial);
  const side = el("div", { class: "side", tabindex: "0", role: "region", "aria-label": TEXT.why });
  const answers = REVIEW ? answerBar({ row: () => gallery.rows[i], answered: () => answered(i) }) : null;
  const told = el("div");
  if (answers) side.append(answers.box);
  side.append(told);
  const redraw = () => {
    const row = gallery.rows[i];
    if (row) {
      drawn = saver.verdicts.get(row.s);
      fill(told, explanation(row, { pick: large.pick }));
      answers?.show(row);
    }
  };
  saver.listeners.add((sha) => {
    const row = gallery.rows[i];
    if (row && (row.s === sha || !sameVerdict(saver.verdicts.get(row.s), drawn))) redraw();
  });
  return {
    box: el("div", { class: "panel" }, large.box, side),
    side,
    get current() {
      return i;
    },
    async show(next) {
      const mine = ++generation;
      i = next;
      await gallery.need(i, i + 1);
      if (mine !== generation) return null;
      const row = gallery.rows[i];
      if (!row) return null;
      answers?.rest();
      large.show(row);
      redraw();
      side.scrollTop = 0;
      return row;
    },
    key(event) {
      if (event.defaultPrevented || !plainKey(event) || typing(event.target)) return;
      const radio = event.target instanceof Element && event.target.matches("input[type=radio]");
      const run =
        event.key === "ArrowRight" && !radio
          ? () => step(1)
          : event.key === "ArrowLeft" && !radio
            ? () => step(-1)
            : !shortcuts.on
              ? null
              : ({
                  j: () => step(1),
                  k: () => step(-1),
                  1: () => large.pick("photo"),
                  2: () => large.pick("compare"),
                  3: () => large.pick("why"),
                }[event.key] ?? answers?.keys(event));
      if (run) {
        event.preventDefault();
        run();
      }
    },
  };
}

/** The lightbox over a view. */
function lightbox({ closed, stepped, listing }) {
  const title = el("h1", { id: "lightbox-title", tabindex: "-1" });
  const position = el("span", { class: "soft" });
  const step = (by) => {
    const at = listing().positionOf(panel.current) + by;
    if (at < 0 || at >= listing().length) return;
    const next = listing().at(at);
    stepped(next);
    show(next);
  };
  const panel = photoPanel({ step, answered: () => step(1), initial: "photo" });
  const before = iconButton("previous", TEXT.previous, () => step(-1)),
    after = iconButton("next", TEXT.next, () => step(1));
  const dialog = el(
    "dialog",
    { class: "lightbox", "aria-labelledby": "lightbox-title" },
    el(
      "div",
      { class: "lightbox-top" },
      title,
      position,
      REVIEW ? saveLine() : null,
      before,
      after,
      iconButton("close", TEXT.close, () => dialog.close()),
    ),
    panel.box,
  );
  dialog.addEventListener("close", () => closed(panel.current));
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "?" && shortcuts.on && !typing(event.target)) {
      event.preventDefault();
      helpDialog();
    } else panel.key(event);
  });

  async function show(i) {
    const row = await panel.show(i);
    if (!row) return;
    const at = listing().positionOf(i),
      n = listing().length;
    fill(title, named(clip(clean(fileOf(row)), 120)));
    position.textContent = at >= 0 ? TEXT.place(at + 1, n) : "";
    before.disabled = at <= 0;
    after.disabled = at < 0 || at >= n - 1;
    if (document.activeElement === document.body || document.activeElement?.disabled) title.focus();
    const about = gallery.name(gallery.about(row));
    say(`${TEXT.tile(clip(clean(fileOf(row))), row.l ? about : TEXT.maybe(about), row.c)}. ${position.textContent}`);
    if (at >= 0 && at + 1 < n) gallery.need(listing().at(at + 1), listing().at(at + 1) + 1);
  }
  return {
    dialog,
    show,
    open(i) {
      if (!dialog.open) {
        dialog.showModal();
        title.focus();
      }
      show(i);
    },
    close() {
      if (dialog.open) dialog.close();
    },
    get current() {
      return panel.current;
    },
  };
}

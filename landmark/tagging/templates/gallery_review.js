// Review: a person says yes, another, or none. Keyboard first; nothing is asked twice.

/** The answers to one photo. `row()` is the photo shown. */
function answerBar({ row, answered }) {
  const give = (verdict, landmark) => {
    const now = row();
    if (!now) return;
    rest();
    saver.set(now.s, verdict, landmark);
    say(TEXT.said[verdict](clip(gallery.name(landmark))));
    answered();
  };
  const confirm = () => {
    const id = row() && gallery.about(row());
    if (id) give("confirm", id);
  };
  const reject = () => give("reject", "");
  const question = el("h2", { class: "question" });
  const hint = el("p", { class: "soft", role: "alert" });
  const keyed = (text, key, iconName, click, properties) =>
    el(
      "button",
      { type: "button", click, "aria-keyshortcuts": key, ...properties },
      icon(iconName),
      el("span", { text }),
      el("kbd", { text: key, "aria-hidden": "true" }),
    );
  const yes = keyed(TEXT.confirm, "c", "check", confirm, { class: "answer yes" });
  const no = keyed(TEXT.reject, "x", "cross", reject, { class: "answer no" });
  const other = keyed(TEXT.correct, "e", "pen", () => correct(), { class: "answer", "aria-expanded": "false" });
  const undo = keyed(TEXT.undo, "u", "undo", () => undoLast(), { class: "answer" });
  const box = combobox({
    label: TEXT.which,
    placeholder: "",
    suggest: landmarkChoices,
    choose: (option) => {
      if (row() && option.value === gallery.about(row())) give("confirm", option.value);
      else give("correct", option.value);
    },
    escaped: () => {
      rest();
      other.focus();
    },
  });
  const cancel = button(
    TEXT.cancel,
    () => {
      rest();
      other.focus();
    },
    { class: "quiet" },
  );
  const chooser = el("div", { class: "chooser", hidden: true }, box.field, cancel);
  function correct() {
    chooser.hidden = false;
    other.setAttribute("aria-expanded", "true");
    box.input.value = "";
    box.input.focus();
  }
  function rest() {
    const held = chooser.contains(document.activeElement);
    chooser.hidden = true;
    box.close();
    other.setAttribute("aria-expanded", "false");
    hint.textContent = "";
    if (held) bar.focus({ preventScroll: true });
  }
  const bar = el(
    "div",
    { class: "answers", role: "group", "aria-label": TEXT.review, tabindex: "-1" },
    question,
    el("div", { class: "buttons" }, yes, other, no, undo),
    chooser,
    hint,
  );
  return {
    box: bar,
    rest,
    show(now) {
      const id = gallery.about(now);
      fill(question, named(id ? TEXT.question(clip(gallery.name(id), 100)) : TEXT.which));
      yes.disabled = !id;
      undo.disabled = saver.undos < 1;
      const said = saver.verdicts.get(now.s);
      for (const [node, verdict] of [
        [yes, "confirm"],
        [no, "reject"],
        [other, "correct"],
      ])
        node.setAttribute("aria-pressed", String(said?.verdict === verdict));
    },
    keys(event) {
      if (event.key === "Enter" && acting(event.target)) return null;
      return { Enter: confirm, c: confirm, x: reject, e: correct, u: undoLast }[event.key] ?? null;
    },
  };
}

// A key held down is one answer; held in a field it is letters, unless it is what led into the field.
let heldKey = null;
if (REVIEW)
  document.addEventListener(
    "keydown",
    (event) => {
      if (!event.repeat) heldKey = typing(event.target) ? null : event.key;
      else if (plainKey(event) && (event.key === "Enter" || (event.key === heldKey && "cxeu".includes(heldKey)))) {
        event.preventDefault();
        event.stopImmediatePropagation();
      }
    },
    true,
  );

function undoLast() {
  const sha = saver.undo();
  if (sha) saver.undone?.(sha);
}

/** The review view: a queue, one photo after another. */
function reviewView({ changed }) {
  let listing = new Listing([]),
    shas = new Set(),
    at = 0,
    route = null,
    all = 0;
  const heading = el("h1", { tabindex: "-1", text: TEXT.review });
  const bar = el("progress", { max: 1, value: 0, "aria-labelledby": "review-progress" });
  const progress = el("p", { id: "review-progress", class: "progress-text" });
  const undo = el(
    "button",
    { type: "button", class: "quiet", click: () => undoLast(), "aria-keyshortcuts": "u" },
    icon("undo"),
    el("span"),
  );
  const place = el("span", { class: "soft" }),
    file = named("", { class: "file" });
  const step = (by) => show(Math.max(0, Math.min(listing.length - 1, at + by)));
  const panel = photoPanel({
    step,
    answered: () => {
      count();
      if (at < listing.length - 1) step(1);
      else show(at);
    },
    initial: "compare",
  });
  const before = iconButton("previous", TEXT.previous, () => step(-1)),
    after = iconButton("next", TEXT.next, () => step(1));
  const empty = el("p", { class: "empty" });
  const work = el("div", { class: "review-work" }, el("div", { class: "review-file" }, before, place, file, after), panel.box);
  const queue = el(
    "select",
    {
      id: "queue",
      change: (event) => go({ ...route, queue: event.target.value === "near" ? "near" : undefined, photo: undefined }),
    },
    Object.entries(TEXT.queues).map(([value, text]) => el("option", { value, text })),
  );
  const lookedAt = el(
    "select",
    { id: "queue-looked", change: (event) => go({ ...route, looked: event.target.value || undefined, photo: undefined }) },
    [
      ["", TEXT.lookedAll],
      ["no", TEXT.lookedNo],
      ["yes", TEXT.lookedYes],
    ].map(([value, text]) => el("option", { value, text })),
  );
  const box = el(
    "div",
    { class: "review" },
    el("div", { class: "review-top" }, heading, el("div", { class: "progress" }, progress, bar), saveLine(), undo),
    el(
      "div",
      { class: "review-options" },
      el("label", { for: "queue", text: TEXT.queue }),
      queue,
      el("label", { for: "queue-looked", text: TEXT.looked }),
      lookedAt,
    ),
    empty,
    work,
  );

  function count() {
    let n = 0;
    for (const sha of shas) if (saver.verdicts.has(sha)) n++;
    progress.textContent = TEXT.progress(n, all);
    bar.max = Math.max(1, all);
    bar.value = n;
    const undos = saver.undos;
    undo.disabled = undos < 1;
    undo.lastChild.textContent = undos > 0 ? `${TEXT.undo} (${number.format(undos)})` : TEXT.undo;
  }
  saver.listeners.add(
    debounced(30, () => {
      if (box.isConnected) count();
    }),
  );

  async function show(position) {
    at = position;
    const i = listing.at(at);
    if (i === undefined) return;
    const row = await panel.show(i);
    if (!row) return;
    before.disabled = at <= 0;
    after.disabled = at >= listing.length - 1;
    place.textContent = TEXT.place(at + 1, listing.length);
    file.textContent = clip(clean(fileOf(row)), 100);
    changed(i);
    if (!box.contains(document.activeElement) || document.activeElement?.disabled) heading.focus({ preventScroll: true });
    const name = gallery.name(gallery.about(row));
    say(`${place.textContent}. ${TEXT.question(clip(name))} ${percent(row.c)}`);
    if (at + 1 < listing.length) {
      const next = gallery.rows[listing.at(at + 1)];
      if (next && pathOf.photo(next)) new Image().src = pathOf.photo(next); // the next photo is there when it is asked for
    }
  }
  return {
    box,
    heading,
    key: panel.key,
    /** `whole`: the queue with what was looked at, for the progress. */
    start(next, nextListing, whole, i) {
      route = next;
      listing = nextListing;
      queue.value = route.queue === "near" ? "near" : "tags";
      lookedAt.value = route.looked || "";
      all = 0;
      shas = new Set();
      for (let k = 0; k < whole.length; k++) {
        const row = gallery.rows[whole.at(k)];
        if (row) {
          shas.add(row.s);
          all++;
        }
      }
      all = shas.size;
      count();
      work.hidden = !listing.length;
      empty.hidden = !!listing.length;
      empty.textContent = TEXT.done;
      if (!listing.length) return;
      const wished = i === undefined ? -1 : listing.positionOf(i);
      let first = 0;
      while (first < listing.length - 1 && saver.verdicts.has(gallery.rows[listing.at(first)]?.s)) first++;
      show(wished >= 0 ? wished : first);
    },
    /** Goes to the photo whose answer was taken back. */
    back(sha) {
      for (let k = 0; k < listing.length; k++)
        if (gallery.rows[listing.at(k)]?.s === sha) {
          show(k);
          return true;
        }
      return false;
    },
  };
}

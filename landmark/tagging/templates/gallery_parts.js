// What stands beside the views: troubles, the help, answers for a selection.
const troubles = el("div", { class: "trouble", role: "alert" });
function trouble(text) {
  if (![...troubles.children].some((node) => node.textContent === text)) troubles.append(el("p", { text }));
  if (!troubles.isConnected) document.body.prepend(troubles);
}

let ui = null;
function focusHeading() {
  ui.main.querySelector("h1")?.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

function helpDialog() {
  const dialog = el("dialog", { class: "help", "aria-labelledby": "help-title", close: () => dialog.remove() });
  const part = (title, keys) => [
    el("h3", { text: title }),
    el(
      "dl",
      { class: "keys" },
      keys.flatMap(([key, text]) => [
        el(
          "dt",
          {},
          key.split(/ {2,}/).map((each) => el("kbd", { text: each })),
        ),
        el("dd", { text }),
      ]),
    ),
  ];
  const on = el("input", {
    type: "checkbox",
    id: "shortcuts-on",
    change: () => {
      shortcuts.on = on.checked;
    },
  });
  on.checked = shortcuts.on;
  dialog.append(
    el(
      "div",
      { class: "lightbox-top" },
      el("h2", { id: "help-title", text: TEXT.shortcuts }),
      iconButton("close", TEXT.close, () => dialog.close()),
    ),
    el(
      "div",
      { class: "help-parts" },
      el("div", {}, part(TEXT.contexts.all, TEXT.keys)),
      el("div", {}, part(TEXT.contexts.grid, TEXT.gridKeys)),
      REVIEW ? el("div", {}, part(TEXT.contexts.review, TEXT.reviewKeys)) : null,
      el("div", {}, part(TEXT.contexts.map, TEXT.mapKeys)),
    ),
    el("label", { class: "check" }, on, el("span", { text: TEXT.shortcutsOn })),
  );
  document.body.append(dialog);
  dialog.showModal();
}

function bulkBar(grid) {
  const count = el("span", { class: "value", role: "status" });
  const each = (verdict, landmark) => {
    const seen = new Set();
    for (const i of grid().chosen) {
      const row = gallery.rows[i],
        id = landmark ?? (verdict === "confirm" ? row && gallery.about(row) : "");
      if (!row || seen.has(row.s) || (verdict === "confirm" && !id)) continue;
      seen.add(row.s);
      saver.set(row.s, verdict === "correct" && id === gallery.about(row) ? "confirm" : verdict, id);
    }
    chooser.hidden = true;
    grid().pickNone();
  };
  const box = combobox({
    label: TEXT.which,
    placeholder: "",
    escaped: () => {
      chooser.hidden = true;
    },
    suggest: landmarkChoices,
    choose: (option) => each("correct", option.value),
  });
  const chooser = el("div", { class: "chooser", hidden: true }, box.field);
  const some = el(
    "div",
    { class: "bulk-buttons", hidden: true },
    count,
    button(TEXT.confirm, () => each("confirm")),
    button(TEXT.correct, () => {
      chooser.hidden = false;
      box.input.focus();
    }),
    button(TEXT.reject, () => each("reject")),
    button(TEXT.clearSelection, () => grid().pickNone(), { class: "quiet" }),
  );
  const bar = el(
    "section",
    { class: "bulk", "aria-label": TEXT.bulk },
    button(
      TEXT.selectAll,
      async () => {
        const { listing } = grid();
        for (let k = 0; k < listing.length; k += 200)
          await gallery.need(listing.at(k), listing.at(Math.min(k + 199, listing.length - 1)) + 1);
        grid().pickAll();
      },
      { class: "quiet" },
    ),
    some,
    saveLine(),
    chooser,
  );
  return {
    bar,
    show(n) {
      some.hidden = !n;
      count.textContent = TEXT.selected(n);
      bar.classList.toggle("has", n > 0);
    },
  };
}

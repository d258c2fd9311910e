// A text field with suggestions, after the WAI-ARIA pattern "editable combobox with list autocomplete".
let comboboxes = 0;

/**
 * @param suggest text -> [{key, text, note, value}], best first
 * @param choose called with a suggestion
 */
function combobox({ label, placeholder, suggest, choose, escaped, hideLabel = false }) {
  const id = `combobox-${++comboboxes}`;
  const list = el("ul", { id: `${id}-list`, role: "listbox", "aria-label": label, class: "suggestions", hidden: true });
  const input = el("input", {
    id,
    type: "text",
    role: "combobox",
    autocomplete: "off",
    spellcheck: "false",
    placeholder,
    "aria-expanded": "false",
    "aria-controls": list.id,
    "aria-autocomplete": "list",
  });
  let options = [],
    active = -1;
  const close = () => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    active = -1;
  };
  const mark = (n) => {
    active = n;
    [...list.children].forEach((item, k) => item.setAttribute("aria-selected", String(k === n)));
    if (n < 0) input.removeAttribute("aria-activedescendant");
    else {
      input.setAttribute("aria-activedescendant", list.children[n].id);
      list.children[n].scrollIntoView({ block: "nearest" });
    }
  };
  const take = (option) => {
    close();
    choose(option, input);
  };
  const open = () => {
    options = suggest(input.value.trim());
    fill(
      list,
      options.map((option, n) =>
        el(
          "li",
          {
            id: `${id}-${n}`,
            role: "option",
            "aria-selected": "false",
            pointerdown: (event) => event.preventDefault(),
            click: () => take(option),
          },
          named(clip(clean(option.text), 80)),
          option.note ? el("span", { class: "note" }, named(clip(clean(option.note), 60))) : null,
        ),
      ),
    );
    list.hidden = !options.length;
    input.setAttribute("aria-expanded", String(!!options.length));
    mark(options.length && input.value.trim() ? 0 : -1); // what Enter takes is what is marked
    if (input.value.trim()) say(TEXT.found(options.length));
  };
  input.addEventListener("input", open);
  input.addEventListener("focus", () => {
    if (input.value.trim()) open();
  });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (!plainKey(event)) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const closed = list.hidden;
      if (closed) open();
      const n = options.length;
      if (n && !(closed && active >= 0))
        mark(event.key === "ArrowDown" ? (active + 1) % n : (active - 1 + n + (active < 0 ? 1 : 0)) % n);
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (!list.hidden && options[active]) take(options[active]);
      else if (input.value.trim()) open();
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      if (!list.hidden) close();
      else if (escaped) escaped();
      else input.value = "";
    } else if (event.key === "Home" || event.key === "End") mark(-1);
  });
  const field = el(
    "div",
    { class: "combobox" },
    el("label", { for: id, text: label, class: hideLabel ? "unseen" : "" }),
    input,
    list,
  );
  return { field, input, close };
}

/** Words of `text` that begin a word of the name come first, then those within. */
function ranked(entries, text, limit) {
  const wanted = fold(text);
  const found = [];
  for (const entry of entries) {
    const at = entry.folded.indexOf(wanted);
    if (at >= 0) found.push([at === 0 ? 0 : /[\s_(-]/.test(entry.folded[at - 1]) ? 1 : 2, entry]);
  }
  return found
    .sort((a, b) => a[0] - b[0] || b[1].weight - a[1].weight || a[1].folded.length - b[1].folded.length)
    .slice(0, limit)
    .map(([, entry]) => entry);
}

/** An id as `names.check_landmark_id` takes it, from a name. */
function idFrom(name) {
  const plain = name
    .normalize("NFD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "_")
    .replace(/^_+|_+$/g, "");
  const bytes = new TextEncoder();
  let id = "";
  for (const c of plain) {
    if (bytes.encode(id + c).length > 200) break;
    id += c;
  }
  return id;
}

function landmarkEntries() {
  const known = new Map();
  const said = [...saver.verdicts.values()].filter(({ landmark }) => landmark).map(({ landmark }) => ({ id: landmark }));
  for (const landmark of [...said, ...saver.landmarks, ...gallery.landmarks])
    known.set(landmark.id, { ...known.get(landmark.id), ...landmark });
  return [...known.values()].map((landmark) => ({
    value: landmark.id,
    text: landmark.name || landmark.id,
    note: [landmark.city, landmark.country].filter(Boolean).join(", "),
    folded: fold(`${landmark.name || landmark.id} ${landmark.city || ""} ${landmark.id}`),
    weight: landmark.photos || 0,
  }));
}

/** Landmarks that a text may mean, and last the new one that it may be the name of. */
function landmarkChoices(text) {
  const entries = landmarkEntries(),
    found = ranked(entries, text, 50),
    id = idFrom(text);
  if (!id || found.some((entry) => entry.value === id)) return found;
  const known = entries.find((entry) => entry.value === id);
  return known ? [known, ...found] : [...found, { value: id, text: TEXT.newLandmark(id), note: "" }];
}

function searchBox() {
  let entries = null;
  const gather = () => {
    const cities = new Map(),
      countries = new Map();
    const landmarks = gallery.landmarks
      .filter((landmark) => landmark.photos)
      .map((landmark) => {
        if (landmark.country) countries.set(landmark.country, (countries.get(landmark.country) || 0) + landmark.photos);
        if (landmark.city) {
          const key = JSON.stringify([landmark.country, landmark.city]);
          cities.set(key, (cities.get(key) || 0) + landmark.photos);
        }
        return {
          text: landmark.name || landmark.id,
          folded: fold(landmark.name || landmark.id),
          note: [landmark.city, landmark.country].filter(Boolean).join(", "),
          weight: landmark.photos,
          route: albumRoute(landmark),
        };
      });
    return [
      ...[...countries].map(([country, n]) => ({
        text: country,
        folded: fold(country),
        note: TEXT.kinds.country,
        weight: n + 2,
        route: { view: "photos", country },
      })),
      ...[...cities].map(([key, n]) => {
        const [country, city] = JSON.parse(key);
        return {
          text: city,
          folded: fold(city),
          note: country || TEXT.kinds.city,
          weight: n + 1,
          route: { view: "photos", country: country || "", city },
        };
      }),
      ...landmarks,
    ];
  };
  const box = combobox({
    label: TEXT.search,
    placeholder: TEXT.searchHint,
    hideLabel: true,
    suggest: (text) => {
      if (!text) return [];
      entries ??= gather();
      return [
        ...ranked(entries, text, 12),
        {
          text: TEXT.searchFiles(clip(text, 40)),
          note: "",
          route: { view: route.view === "near" ? "near" : "photos", q: text },
        },
      ];
    },
    choose: (option, input) => {
      input.value = "";
      go(option.route);
      focusHeading();
    },
  });
  box.field.setAttribute("role", "search");
  return box;
}

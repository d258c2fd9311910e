// The large picture: the photo, the photo beside the reference that it resembles most, or where the model looked.
const STAGES = ["photo", "compare", "why"];
let stages = 0;

/** Only where it is known which reference is the nearest does the page say so. */
const nearestLabel = (row, landmark, name) =>
  row.n >= 0 && landmark?.medoids[row.n] ? TEXT.nearest(name) : TEXT.typical(name);

function picture(path, alt, without, fallback = null, swapped = null) {
  const figure = el("div", { class: "picture" });
  const failed = () => fill(figure, el("p", { class: "without", text: without }));
  if (!path) {
    failed();
    return figure;
  }
  const img = el("img", { src: path, alt, decoding: "async", draggable: "false" });
  img.addEventListener("error", () => {
    if (fallback && img.getAttribute("src") !== fallback) {
      img.setAttribute("src", fallback);
      swapped?.();
    } else failed();
  });
  figure.append(img);
  return figure;
}

/** The photo itself; the preview lies beneath until the original is there, and stays where the browser can't show that (HEIC, RAW). */
function photoPicture(row, alt, note) {
  const thumb = pathOf.thumb(row),
    path = pathOf.photo(row);
  const figure = picture(path || thumb, alt, TEXT.noImage, path ? thumb : null, () => {
    note.textContent = TEXT.noOriginal;
  });
  const img = figure.querySelector("img");
  if (img && row.w && row.g) {
    img.setAttribute("width", row.w);
    img.setAttribute("height", row.g);
  }
  return figure;
}

function stage(initial = "photo") {
  let shown = initial,
    row = null;
  const radios = `stage-${++stages}`;
  const view = el("div", { class: "stage-view" });
  const note = el("p", { class: "stage-note", role: "status" });
  const group = el("div", { class: "segments", role: "radiogroup", "aria-label": TEXT.stage });
  const choices = STAGES.map((name) => {
    const input = el("input", { type: "radio", name: radios, value: name, change: () => pick(name) });
    group.append(el("label", {}, input, el("span", { text: TEXT.stages[name] })));
    return input;
  });

  function draw() {
    note.textContent = "";
    choices.forEach((input, n) => {
      input.checked = STAGES[n] === shown;
    });
    if (!row) {
      fill(view);
      return;
    }
    const landmark = gallery.byId.get(gallery.about(row));
    const file = clip(clean(fileOf(row)), 100);
    const caption = (text) => el("figcaption", {}, named(clip(text, 80)));
    view.dataset.stage = shown;
    if (shown === "photo") fill(view, photoPicture(row, file, note));
    else if (shown === "compare") {
      const name = gallery.name(gallery.about(row)),
        label = nearestLabel(row, landmark, name);
      fill(
        view,
        el("figure", {}, caption(TEXT.thisPhoto), photoPicture(row, file, note)),
        el("figure", {}, caption(label), picture(pathOf.medoid(landmark, row.n), clip(label), TEXT.noReference)),
      );
    } else {
      const figure = picture(pathOf.why(row, gallery.about(row)), TEXT.looked_, TEXT.noWhy);
      const img = figure.querySelector("img");
      if (img && !row.e) {
        note.textContent = TEXT.whyBusy;
        for (const event of ["load", "error"])
          img.addEventListener(event, () => {
            note.textContent = "";
          });
      }
      fill(view, figure);
    }
  }
  function pick(name) {
    shown = name;
    draw();
  }
  return {
    box: el("div", { class: "stage" }, view, el("div", { class: "stage-bar" }, group, note)),
    pick,
    show(next) {
      row = next;
      draw();
    },
  };
}

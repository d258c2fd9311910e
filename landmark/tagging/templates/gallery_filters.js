// Filters of a view: least confidence with a histogram, who decided, order, looked at.
function filterBar({ change }) {
  let route = {},
    timer = 0;
  const bars = el("svg:svg", { class: "bars", viewBox: "0 0 200 36", preserveAspectRatio: "none", "aria-hidden": "true" });
  const output = el("output", { for: "least", class: "value" });
  const range = el("input", { id: "least", type: "range", min: 0, max: 100, step: 1, "aria-describedby": "least-note" });
  const note = el("p", { id: "least-note", class: "soft", hidden: true, text: TEXT.personPasses });
  range.addEventListener("input", () => {
    told();
    shade();
    clearTimeout(timer);
    timer = setTimeout(() => change({ min: +range.value || undefined }), 180);
  });
  const select = (id, label, options, key) => {
    const node = el(
      "select",
      { id, change: () => change({ [key]: node.value || undefined }) },
      options.map(([value, text]) => el("option", { value, text })),
    );
    return [el("div", { class: "field" }, el("label", { for: id, text: label }), node), node];
  };
  const [byField, by] = select("by", TEXT.by, [["", TEXT.byAll], ...Object.entries(TEXT.deciders)], "by");
  const [sortField, sort] = select("sort", TEXT.sort, Object.entries(TEXT.sorts), "sort");
  const [lookedField, lookedAt] = select(
    "looked",
    TEXT.looked,
    [
      ["", TEXT.lookedAll],
      ["no", TEXT.lookedNo],
      ["yes", TEXT.lookedYes],
    ],
    "looked",
  );
  const fileChip = el("span", { class: "chip", hidden: true });
  const clear = button(
    TEXT.clear,
    () => {
      change({ min: undefined, by: undefined, q: undefined, looked: undefined });
      range.focus();
    },
    { class: "quiet" },
  );
  const box = el(
    "form",
    { class: "filters", "aria-label": TEXT.filters, submit: (event) => event.preventDefault() },
    el("div", { class: "field confidence" }, el("label", { for: "least", text: TEXT.confidence }), output, bars, range, note),
    byField,
    sortField,
    REVIEW ? lookedField : null,
    fileChip,
    clear,
  );

  function told() {
    output.textContent = `${range.value} %`;
    range.setAttribute("aria-valuetext", `${range.value} %`);
    range.style.setProperty("--at", `${range.value}%`);
  }
  function shade() {
    [...bars.children].forEach((bar, n) => bar.classList.toggle("out", ((n + 1) * 100) / BINS <= +range.value));
  }
  function histogram() {
    const bins = histogramOf(route);
    bars.toggleAttribute("hidden", !bins);
    if (!bins) return;
    const most = Math.sqrt(Math.max(...bins, 1)); // square root: a few doubtful photos stay visible beside thousands of sure ones
    fill(
      bars,
      bins.map((n, k) => {
        const height = n ? Math.max(1.5, (Math.sqrt(n) / most) * 35) : 0;
        return el("svg:rect", { x: k * 10 + 0.75, y: 36 - height, width: 8.5, height, rx: 1 });
      }),
    );
    shade();
  }
  return {
    box,
    histogram,
    show(next) {
      route = next;
      range.value = route.min || 0;
      note.hidden = !route.min;
      by.value = route.by || "";
      for (const option of sort.options) {
        const off = option.value === "place" && route.view === "near";
        option.hidden = off;
        option.disabled = off;
      }
      sort.value = orderOf(route);
      lookedAt.value = route.looked || "";
      fileChip.hidden = !route.q;
      fill(fileChip, route.q ? [`${TEXT.file} `, named(clip(clean(route.q), 40))] : []);
      clear.hidden = !filtered(route);
      told();
      histogram();
    },
  };
}

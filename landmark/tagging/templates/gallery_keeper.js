// Answers that wait, kept in this browser: neither a reload nor a closed tab loses them. One entry a page and gallery.
const ENTRY = "landmark-answers ";

const keeper = {
  gallery: null, // [source, made]: what tells one gallery at this address from another
  key: null,
  kept: false,

  begin(head) {
    if (!REVIEW || location.protocol === "file:") return;
    this.gallery = [String(head.source ?? ""), String(head.made ?? "")];
    const id = [...crypto.getRandomValues(new Uint32Array(4))].map((n) => n.toString(16)).join("");
    this.key = ENTRY + JSON.stringify([...this.gallery, id]);
    // Held until the page is gone: only then may another take its answers over.
    navigator.locks?.request(this.key, () => new Promise(() => {}));
  },
  save(pending) {
    if (!this.key) return;
    try {
      if (pending.length)
        localStorage.setItem(
          this.key,
          JSON.stringify(pending.map(({ kind, sha, verdict, landmark, before }) => ({ kind, sha, verdict, landmark, before }))),
        );
      else localStorage.removeItem(this.key);
      this.kept = true;
    } catch {
      this.kept = false; // a private window keeps nothing
    }
  },
  /** Entries of pages before: of this gallery, and of the same photos tagged at another time. */
  found() {
    const own = [],
      others = [];
    try {
      for (const key of Object.keys(localStorage)) {
        if (!key.startsWith(ENTRY) || key === this.key) continue;
        const [source, made] = JSON.parse(key.slice(ENTRY.length));
        if (source === this.gallery?.[0]) (made === this.gallery[1] ? own : others).push(key);
      }
    } catch {
      /* no storage, or an entry that is not of this page */
    }
    return { own, others };
  },
  read(key) {
    try {
      const items = JSON.parse(localStorage.getItem(key) ?? "[]");
      return items.filter(
        ({ kind, sha, verdict, landmark }) =>
          kind === "undo" ||
          (HEX.test(sha) && ["confirm", "correct", "reject"].includes(verdict) && typeof landmark === "string"),
      );
    } catch {
      return [];
    }
  },
  forget(keys) {
    for (const key of keys) localStorage.removeItem(key);
  },
  /** Takes entries over, each as soon as the page that wrote it is gone. */
  adopt(keys) {
    for (const key of keys) {
      const take = () => {
        const items = this.read(key);
        if (items.length) saver.restore(items);
        this.forget([key]);
      };
      if (navigator.locks) navigator.locks.request(key, take);
      else take();
    }
  },
  resume() {
    const { own, others } = this.found();
    this.adopt(own);
    const n = others.reduce((sum, key) => sum + this.read(key).length, 0);
    if (n)
      notice(
        TEXT.earlier(n),
        button(TEXT.send, () => this.adopt(others)),
        button(TEXT.forget, () => this.forget(others)),
      );
  },

  /** Whether the server at this address still serves this gallery. */
  async isServed() {
    const head = await (await fetch("/data/head.js", { cache: "no-store", signal: AbortSignal.timeout(20000) })).text();
    const { source, made } = JSON.parse(head.slice(head.indexOf("(") + 1, head.lastIndexOf(")")));
    return JSON.stringify([String(source ?? ""), String(made ?? "")]) === JSON.stringify(this.gallery);
  },
};

/** A line at the top of the page, until it is closed. */
function notice(text, ...buttons) {
  const line = el("div", { class: "notice", role: "status" }, el("p", { text }), buttons);
  const close = () => line.remove();
  for (const each of buttons) each.addEventListener("click", close);
  line.append(iconButton("close", TEXT.close, close));
  document.body.prepend(line);
}

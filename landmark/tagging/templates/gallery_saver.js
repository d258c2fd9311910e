// Answers of a person: on their way to the review server, one after another. Nothing is dropped while the server is away.
const saver = {
  verdicts: new Map(), // by sha256: what a person said, as this page knows it
  landmarks: [],
  pending: [],
  depth: 0,
  state: "idle",
  why: "",
  refusal: "",
  failures: 0,
  nextTry: 0,
  timer: 0,
  busy: false,
  listeners: new Set(),

  async call(method, path, body) {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), 20000);
    try {
      const answer = await fetch(path, {
        method,
        cache: "no-store",
        signal: stop.signal,
        body: body && JSON.stringify(body),
        headers: { "X-Landmark-Token": REVIEW.token, ...(body ? { "Content-Type": "application/json" } : {}) },
      });
      const content = await answer.json().catch(() => null);
      if (answer.ok && content) return content;
      const error = new Error(String(content?.detail ?? content?.error ?? answer.status));
      if (answer.status >= 400 && answer.status < 500) error.refused = true;
      if (answer.status === 401 || answer.status === 403) error.restarted = true;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  },

  /** What the server holds, under what this page still wants to say. */
  take(state) {
    this.landmarks = state.landmarks;
    this.verdicts = new Map(Object.entries(state.corrections));
    this.depth = state.undo;
    for (const each of this.pending)
      if (each.kind === "set") this.verdicts.set(each.sha, { verdict: each.verdict, landmark: each.landmark });
  },
  async begin() {
    if (!REVIEW) return;
    try {
      this.take(await this.call("GET", "/api/state"));
      this.changed();
    } catch (error) {
      this.fail(error);
    }
  },

  set(sha, verdict, landmark) {
    const before = this.verdicts.get(sha) ?? null;
    this.refusal = "";
    this.verdicts.set(sha, { verdict, landmark });
    this.pending.push({ kind: "set", sha, verdict, landmark, before });
    this.changed(sha);
    this.pump();
  },
  /** Takes back the last answer; returns its sha256 where this page knows it already. */
  undo() {
    const last = this.pending.at(-1);
    if (last?.kind === "set" && !last.sent) {
      this.pending.pop();
      this.put(last.sha, last.before);
      if (!this.pending.length) {
        this.state = "saved";
        clearTimeout(this.timer);
      }
      this.changed(last.sha);
      return last.sha;
    }
    if (this.undos < 1) {
      say(TEXT.nothingToUndo);
      return null;
    }
    this.pending.push({ kind: "undo" });
    this.changed();
    this.pump();
    return null;
  },
  /** How many answers can be taken back. */
  get undos() {
    return this.depth + this.pending.reduce((sum, each) => sum + (each.kind === "set" ? 1 : -1), 0);
  },
  put(sha, verdict) {
    if (verdict) this.verdicts.set(sha, verdict);
    else this.verdicts.delete(sha);
  },

  async pump() {
    if (this.busy || !this.pending.length) return;
    this.busy = true;
    clearTimeout(this.timer);
    while (this.pending.length) {
      const each = this.pending[0];
      this.state = "saving";
      this.changed();
      try {
        // After an answer that got lost the server may have done it: saying it twice would make two steps to undo, or undo two.
        const done = each.sent && (await this.isDone(each));
        each.sent = true;
        if (each.kind === "set") {
          if (!done)
            this.depth = (
              await this.call("POST", "/api/corrections", { sha256: each.sha, verdict: each.verdict, landmark: each.landmark })
            ).undo;
        } else if (!done) {
          const answer = await this.call("POST", "/api/undo");
          this.depth = answer.undo;
          if (answer.sha256) this.put(answer.sha256, answer.now);
          this.undone?.(answer.sha256);
        }
        this.pending.shift();
        this.failures = 0;
        this.state = "saved";
        this.changed(each.sha);
      } catch (error) {
        if (error.refused && !error.restarted) {
          this.pending.shift();
          if (each.kind === "set") this.put(each.sha, each.before);
          this.state = "saved";
          this.refusal = error.message;
          this.changed(each.sha);
          continue;
        }
        this.fail(error);
        break;
      }
    }
    this.busy = false;
  },
  async isDone(each) {
    const state = await this.call("GET", "/api/state");
    const held = state.corrections[each.sha];
    const done =
      each.kind === "set"
        ? !!held && held.verdict === each.verdict && held.landmark === each.landmark
        : state.undo < this.depth;
    if (done || !this.landmarks.length) this.take(state);
    return done;
  },
  fail(error) {
    this.failures++;
    this.state = "failed";
    this.why = error.restarted ? TEXT.restarted : "";
    const wait = Math.min(30, 2 ** Math.min(this.failures - 1, 5));
    this.nextTry = Date.now() + wait * 1000;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.retry(), wait * 1000);
    this.changed();
  },
  retry() {
    clearTimeout(this.timer);
    if (this.pending.length) this.pump();
    else {
      this.state = "idle";
      this.begin();
    }
  },
  changed(sha) {
    for (const listener of this.listeners) listener(sha);
  },
};

if (REVIEW) {
  window.addEventListener("beforeunload", (event) => {
    if (saver.pending.length) {
      event.preventDefault();
      event.returnValue = true;
    }
  });
  window.addEventListener("online", () => saver.retry());
}

/** The line that says whether answers are saved. */
function saveLine() {
  const text = el("span", { class: "save-text" });
  const again = button(TEXT.retry, () => saver.retry(), { class: "quiet" });
  const line = el("div", { class: "save", role: "status" }, text, again);
  const show = () => {
    const n = saver.pending.length;
    line.dataset.state = saver.refusal ? "failed" : saver.state;
    const words =
      saver.state === "failed"
        ? saver.why
          ? TEXT.refused(saver.why)
          : TEXT.failed(n, Math.max(1, Math.round((saver.nextTry - Date.now()) / 1000)))
        : saver.refusal
          ? TEXT.refused(saver.refusal)
          : saver.state === "saving"
            ? TEXT.saving(n)
            : saver.state === "saved"
              ? TEXT.saved
              : TEXT.idle;
    if (text.textContent !== words) text.textContent = words;
    again.hidden = saver.state !== "failed";
  };
  saver.listeners.add(show);
  show();
  return line;
}

// Answers of a person: on their way to the review server, one after another. Nothing is dropped while the server is away.
const sameVerdict = (a, b) => (a?.verdict ?? "") === (b?.verdict ?? "") && (a?.landmark ?? "") === (b?.landmark ?? "");

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
  resumed: false,
  saves: 0, // answers that the server took: a state asked for before is older than they are
  listeners: new Set(),

  async ask(method, path, body) {
    const answer = await fetch(path, {
      method,
      cache: "no-store",
      signal: AbortSignal.timeout(20000),
      body: body && JSON.stringify(body),
      headers: { "X-Landmark-Token": REVIEW.token, ...(body ? { "Content-Type": "application/json" } : {}) },
    });
    const content = await answer.json().catch(() => null);
    if (answer.ok && content) return content;
    const error = new Error(clip(clean(content?.detail ?? content?.error ?? TEXT.status(answer.status)), 300));
    error.answered = true;
    error.restarted = answer.status === 401 || answer.status === 403;
    error.refused = answer.status >= 400 && answer.status < 500 && !error.restarted;
    throw error;
  },
  async call(method, path, body) {
    try {
      return await this.ask(method, path, body);
    } catch (error) {
      if (!error.restarted || !(await this.renew(error))) throw error;
      return this.ask(method, path, body);
    }
  },
  /** After a restart of the server: its new token, which whoever has opened its new address may read. */
  async renew(error) {
    const page = await fetch("/", { cache: "no-store", signal: AbortSignal.timeout(20000) });
    const token = /window\.LANDMARK_REVIEW = \{"token": "([\w-]{16,})"\};/.exec(await page.text())?.[1];
    if (token === REVIEW.token) error.restarted = false; // it is this server, and refuses for another reason
    if (!token || token === REVIEW.token) return false;
    if (!(await keeper.isServed())) {
      error.message = TEXT.otherGallery;
      error.restarted = false;
      return false;
    }
    REVIEW.token = token;
    return true;
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
      const saves = this.saves;
      const state = await this.call("GET", "/api/state");
      if (saves !== this.saves) {
        await this.begin();
        return;
      }
      this.take(state);
      if (this.state === "failed" && !this.pending.length) {
        this.state = "idle";
        this.failures = 0;
      }
      if (!this.resumed) {
        this.resumed = true;
        keeper.resume();
      }
      this.changed();
    } catch (error) {
      this.fail(error);
    }
  },

  set(sha, verdict, landmark) {
    this.refusal = "";
    this.push(sha, verdict, landmark);
    this.changed(sha);
    this.pump();
  },
  push(sha, verdict, landmark) {
    const before = this.verdicts.get(sha) ?? null;
    this.verdicts.set(sha, { verdict, landmark });
    this.pending.push({ kind: "set", sha, verdict, landmark, before });
    keeper.save(this.pending);
  },
  /** Says what a page before did not get to say, unless somebody has said another thing of a photo since. */
  restore(items) {
    const count = { sent: 0, changed: 0, undos: 0 };
    for (const each of items) {
      const now = this.verdicts.get(each.sha);
      if (each.kind !== "set") count.undos++;
      else if (sameVerdict(now, each)) continue;
      else if (!sameVerdict(now, each.before)) count.changed++;
      else {
        count.sent++;
        this.push(each.sha, each.verdict, each.landmark);
      }
    }
    if (count.sent || count.changed || count.undos) notice(TEXT.restored(count));
    this.changed();
    this.pump();
  },
  /** Takes back the last answer; returns its sha256 where this page knows it already. */
  undo() {
    const last = this.pending.at(-1);
    if (last?.kind === "set" && !last.sent) {
      this.pending.pop();
      keeper.save(this.pending);
      this.put(last.sha, last.before);
      if (!this.pending.length) {
        this.state = "saved";
        clearTimeout(this.timer);
      }
      this.changed(last.sha);
      return last.sha;
    }
    if (this.undos > 0) this.pushUndo();
    else
      this.begin().then(() => {
        if (this.undos > 0) this.pushUndo();
        else say(TEXT.nothingToUndo);
      });
    return null;
  },
  pushUndo() {
    this.refusal = "";
    this.pending.push({ kind: "undo" });
    keeper.save(this.pending);
    this.changed();
    this.pump();
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
        if (!(each.sent && (await this.isDone(each)))) await this[each.kind === "set" ? "sendSet" : "sendUndo"](each);
        this.settle();
        this.failures = 0;
        this.changed(each.sha);
      } catch (error) {
        if (error.refused) {
          this.settle();
          if (each.kind === "set") this.put(each.sha, each.before);
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
  settle() {
    this.pending.shift();
    this.saves++;
    this.state = "saved";
    keeper.save(this.pending);
  },
  async sendSet(each) {
    each.sent = true;
    const body = { sha256: each.sha, verdict: each.verdict, landmark: each.landmark };
    this.depth = (await this.call("POST", "/api/corrections", body)).undo;
  },
  async sendUndo(each) {
    each.held = await this.call("GET", "/api/state");
    if (each.held.undo < 1) {
      this.take(each.held);
      say(TEXT.nothingToUndo);
      return;
    }
    each.sent = true;
    const answer = await this.call("POST", "/api/undo");
    this.depth = answer.undo;
    if (answer.sha256) this.put(answer.sha256, answer.now);
    this.undone?.(answer.sha256);
  },
  async isDone(each) {
    const state = await this.call("GET", "/api/state");
    const { corrections } = state;
    this.take(state);
    if (each.kind === "set") return sameVerdict(corrections[each.sha], each);
    // Another tab may have answered since. Only where nothing at all changed is it sure that taking back again takes back this one.
    const before = each.held.corrections;
    const other = [...new Set([...Object.keys(before), ...Object.keys(corrections)])].filter(
      (sha) => !sameVerdict(before[sha], corrections[sha]),
    );
    if (!other.length && state.undo === each.held.undo) return false;
    if (other.length === 1 && state.undo === each.held.undo - 1) this.undone?.(other[0]);
    else this.refusal = TEXT.undoUnsure;
    return true;
  },
  fail(error) {
    this.failures++;
    this.state = "failed";
    this.why = error.restarted ? TEXT.restarted : error.answered ? error.message : "";
    const wait = Math.min(30, 2 ** Math.min(this.failures - 1, 5));
    this.nextTry = Date.now() + wait * 1000;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.retry(), wait * 1000);
    this.changed();
  },
  retry() {
    clearTimeout(this.timer);
    if (this.pending.length) this.pump();
    else this.begin();
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
  // Another tab or another server of the same folder may have answered while this page lay behind.
  const back = debounced(50, () => {
    if (document.visibilityState === "visible" && !saver.busy && gallery.head) saver.retry();
  });
  window.addEventListener("focus", back);
  document.addEventListener("visibilitychange", back);
}

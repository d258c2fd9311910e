// The rows, in chunks that are read when they are needed. Row numbers count through all chunks.
const chunkPolicy = window.trustedTypes?.createPolicy("landmark-chunks", {
  createScriptURL: (path) => {
    if (!CHUNK.test(path)) throw new TypeError("not a chunk of rows");
    return path;
  },
});
const CHUNK = /^data\/rows-[0-9a-f]{1,64}\.js$/;
const IN_FLIGHT = 6;

const gallery = {
  head: null,
  landmarks: [],
  byId: new Map(),
  rows: [],
  total: 0,
  tagged: 0,
  nearEnd: 0,
  starts: [],
  firsts: [],
  broken: false,
  chunkState: [],
  wanted: [],
  inFlight: 0,
  waiting: new Map(),
  listeners: new Set(),

  begin(head) {
    this.head = head;
    this.landmarks = head.landmarks.map((landmark) => ({
      ...landmark,
      medoids: Array.isArray(landmark.medoids) ? landmark.medoids : [],
    }));
    let first = 0;
    for (const landmark of this.landmarks) {
      landmark.first = first;
      this.byId.set(landmark.id, landmark);
      if (landmark.photos) this.firsts.push(landmark);
      first += landmark.photos;
    }
    this.tagged = first;
    for (const chunk of head.chunks) {
      this.starts.push(this.total);
      this.total += chunk.count;
    }
    this.chunkState = head.chunks.map(() => "");
    this.nearEnd = Math.min(this.total, this.tagged + (head.near_misses ?? this.total)); // after it come those that a person rejected
    this.rows = new Array(this.total);
  },

  name(id) {
    return clean(this.byId.get(id)?.name || id || TEXT.nothing);
  },
  /** The landmark that a row is about: the one given, else the best candidate. */
  about(row) {
    return row.l || row.b || "";
  },
  chunkOf(i) {
    let low = 0,
      high = this.starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.starts[middle] <= i) low = middle;
      else high = middle - 1;
    }
    return low;
  },

  /** Rows [from, to), now or when their chunks are read; `soon`: before what was asked for earlier. */
  need(from, to, soon = true) {
    if (to <= from) return Promise.resolve();
    const chunks = [];
    for (let k = this.chunkOf(from); k <= this.chunkOf(Math.min(to, this.total) - 1); k++)
      if (this.chunkState[k] !== "read") chunks.push(k);
    return Promise.all(chunks.map((k) => this.chunk(k, soon)));
  },
  chunk(k, soon) {
    if (!this.waiting.has(k)) {
      let settle;
      const promise = new Promise((resolve) => {
        settle = resolve;
      });
      this.waiting.set(k, { promise, settle });
      this.chunkState[k] = "wanted";
    }
    if (this.chunkState[k] === "wanted") {
      this.wanted = this.wanted.filter((other) => other !== k);
      if (soon) this.wanted.push(k);
      else this.wanted.unshift(k);
    }
    this.pump();
    return this.waiting.get(k).promise;
  },
  pump() {
    while (this.inFlight < IN_FLIGHT && this.wanted.length) {
      const k = this.wanted.pop();
      const path = this.head.chunks[k].file;
      const script = document.createElement("script");
      this.chunkState[k] = "reading";
      this.inFlight++;
      const ended = () => {
        script.remove();
        this.inFlight--;
        if (this.chunkState[k] === "reading") {
          this.chunkState[k] = "";
          trouble(TEXT.missing(path));
        }
        this.waiting.get(k)?.settle();
        this.waiting.delete(k);
        for (const listener of this.listeners) listener(this.starts[k], this.starts[k] + this.head.chunks[k].count);
        this.pump();
      };
      script.addEventListener("load", ended);
      script.addEventListener("error", ended);
      try {
        if (!CHUNK.test(path)) throw new TypeError("not a chunk of rows");
        script.src = chunkPolicy ? chunkPolicy.createScriptURL(path) : path;
        document.head.append(script);
      } catch {
        ended();
      }
    }
  },
  put(k, rows) {
    if (!(k in this.starts) || !Array.isArray(rows) || rows.length !== this.head.chunks[k].count) {
      trouble(TEXT.mixed);
      return;
    }
    const start = this.starts[k];
    let at = 0;
    while (at < this.firsts.length - 1 && this.firsts[at + 1].first <= start) at++;
    for (let n = 0; n < rows.length; n++) {
      const i = start + n;
      while (at < this.firsts.length - 1 && this.firsts[at + 1].first <= i) at++;
      const expected = i < this.tagged ? this.firsts[at].id : "";
      if (rows[n].l !== expected && !this.broken) {
        this.broken = true;
        trouble(TEXT.mixed);
      }
      this.rows[i] = rows[n];
    }
    this.chunkState[k] = "read";
  },
};

window.landmarkRows = (k, rows) => gallery.put(k, rows);

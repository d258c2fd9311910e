/** The line that says whether answers are saved. */
function saveLine() {
  const text = el("span", { class: "save-text" });
  const again = button(TEXT.retry, () => saver.retry(), { class: "quiet" });
  const line = el("div", { class: "save", role: "status" }, text, again);
  const failure = (n) => {
    const seconds = Math.max(1, Math.round((saver.nextTry - Date.now()) / 1000));
    const why = saver.why || (n && saver.failures > 1 ? TEXT.awayLong(location.port) : TEXT.away);
    return n ? TEXT.failed(why.replace(/\.$/, ""), n, keeper.kept, seconds) : TEXT.unreached(why.replace(/\.$/, ""), seconds);
  };
  const show = () => {
    const n = saver.pending.length;
    line.dataset.state = saver.refusal ? "failed" : saver.state;
    const words =
      saver.state === "failed"
        ? failure(n)
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

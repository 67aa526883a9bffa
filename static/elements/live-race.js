// <live-race data-events data-after data-status data-answer data-thresholds>: goes on drawing a race where the server's
// page stopped. Steps and measurements are drawn here as they come; at anything else (start, pause, end, a threshold
// passed) it emits `race-changed`, and htmx fetches the page as it is then. data-after is the last event the page holds:
// what came after it, while it was fetched, is drawn again. The browser reconnects by itself, and says the last event
// it got.

class LiveRace extends HTMLElement {
  connectedCallback() {
    this.best = {};
    this.drawn = [];
    if (this.hasEnded()) return;
    this.listener = new AbortController();
    const { signal } = this.listener;
    document.addEventListener("htmx:after:swap", () => this.onSwap(), { signal });
    this.addEventListener("focusin", ({ target }) => (this.focused = target), { signal });
    this.addEventListener("htmx:response:error", () => this.onRefusal(), { signal });
    this.source = new EventSource(`${this.dataset.events}?after=${this.dataset.after}`);
    this.source.addEventListener("open", () => this.say(""));
    this.source.addEventListener("error", () => this.onLoss());
    this.source.addEventListener("step", (event) => this.receive(event, this.drawStep));
    this.source.addEventListener("evaluated", (event) => this.receive(event, this.drawEvaluated));
    for (const name of ["started", "paused", "resumed"]) this.source.addEventListener(name, () => this.change());
    for (const name of ["finished", "failed"]) {
      this.source.addEventListener(name, () => {
        this.source.close();
        this.change();
      });
    }
    // In the queue nothing is told: look now and then for the place.
    this.timer = setInterval(() => this.dataset.status === "queued" && this.change(), 2000);
  }

  disconnectedCallback() {
    this.source?.close();
    this.listener?.abort();
    clearInterval(this.timer);
  }

  hasEnded() {
    return ["finished", "stopped", "failed"].includes(this.dataset.status);
  }

  change() {
    this.dispatchEvent(new CustomEvent("race-changed"));
  }

  onSwap() {
    this.drawn = this.drawn.filter(({ id }) => id > Number(this.dataset.after));
    for (const { data, how } of this.drawn) how.call(this, data);
    // A button that can no longer be pressed lets go of the focus: it stays near by.
    const isLost = [document.body, this.focused].includes(document.activeElement);
    if (this.focused?.disabled && isLost) this.querySelector(".status").focus();
  }

  onRefusal() {
    this.say("The race did not take that command: it is no longer as this page shows it, or has had too many.");
  }

  // The browser tries again by itself, unless the server answered that there is no such race.
  onLoss() {
    const isOver = this.source.readyState === EventSource.CLOSED;
    this.say(
      isOver
        ? "The server no longer knows this race: it was started again, or the race was removed. What is shown is the last that was told."
        : "The connection is lost; trying again …",
    );
  }

  say(text) {
    this.querySelector("[data-show=connection]").textContent = text;
  }

  receive(event, how) {
    const id = Number(event.lastEventId);
    if (id <= Number(this.dataset.after)) return;
    const data = JSON.parse(event.data);
    this.drawn.push({ id, data, how });
    how.call(this, data);
  }

  drawStep({ policy, step, loss, step_ms: milliseconds }) {
    this.show(policy, "step", step.toLocaleString("en"));
    this.show(policy, "step_ms", milliseconds.toFixed(2));
    this.show(policy, "loss", loss.toFixed(3));
  }

  drawEvaluated({ policy, step, exact_match: { value }, loss, completion, predictions }) {
    this.show(policy, "exact", `${(100 * value).toFixed(0)} %`);
    this.show(policy, "completion", completion);
    this.show(policy, "outcome", completion === this.dataset.answer ? "right ✓" : "wrong ✗");
    this.extend("exact_match", policy, step, value);
    this.extend("assistant", policy, step, loss.assistant.value);
    const before = this.best[policy] ?? 0;
    this.best[policy] = Math.max(before, value);
    const thresholds = this.dataset.thresholds.split(" ").map((percent) => Number(percent) / 100 - 1e-9);
    if (thresholds.some((threshold) => before < threshold && value >= threshold)) this.change();
    for (const { position, target, target_probability: probability, predictions: likeliest } of predictions) {
      const cell = this.querySelector(`[data-policy="${policy}"] [data-position="${position}"]`);
      if (!cell) return this.change(); // the first measurement: the page has no table yet
      cell.classList.toggle("target", likeliest[0].token === target);
      cell.querySelector("code").textContent = likeliest[0].token;
      cell.querySelector("small").textContent = (100 * probability).toFixed(0);
    }
  }

  show(policy, what, text) {
    this.querySelector(`.runner[data-policy="${policy}"] [data-show="${what}"]`).textContent = text;
  }

  // One more point of a line, in the chart's own units; one that is there already is not drawn again.
  extend(chart, policy, step, value) {
    const figure = this.querySelector(`#chart-${chart}`);
    const { xMin, xMax, yMin, yMax, side } = figure.querySelector("svg[data-side]").dataset;
    const place = (at, low, high) => Number(side) * Math.min(1, Math.max(0, (at - low) / (high - low)));
    const x = place(step, Number(xMin), Number(xMax)).toFixed(1);
    const y = (Number(side) - place(value, Number(yMin), Number(yMax))).toFixed(1);
    const line = figure.querySelector(`polyline[data-series="${policy}"]`);
    const points = line.getAttribute("points").trim();
    if (points && Number(points.split(" ").at(-1).split(",")[0]) >= Number(x)) return;
    line.setAttribute("points", `${points} ${x},${y}`.trim());
    const end = figure.querySelector(`.end[data-series="${policy}"]`);
    for (const [name, at] of Object.entries({ x1: x, x2: x, y1: y, y2: y })) end.setAttribute(name, at);
  }
}

customElements.define("live-race", LiveRace);

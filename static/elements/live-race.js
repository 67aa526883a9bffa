// <live-race data-events data-after data-status data-answer>: goes on drawing a race where the server's page stopped.
// Steps and measurements are drawn here as they come; at anything else (start, pause, end, a threshold passed) it emits
// `race-changed`, and htmx fetches the page as it is then. data-after is the last event the page holds: events up to it
// are not drawn again. The browser reconnects by itself, and says the last event it got.

const THRESHOLDS = [0.5, 0.9, 0.99];

class LiveRace extends HTMLElement {
  connectedCallback() {
    this.best = {};
    if (["finished", "stopped", "failed"].includes(this.dataset.status)) return;
    this.source = new EventSource(`${this.dataset.events}?after=${this.dataset.after}`);
    this.source.addEventListener("step", (event) => this.draw(event, this.drawStep));
    this.source.addEventListener("evaluated", (event) => this.draw(event, this.drawEvaluated));
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
    clearInterval(this.timer);
  }

  change() {
    this.dispatchEvent(new CustomEvent("race-changed"));
  }

  draw(event, how) {
    if (Number(event.lastEventId) > Number(this.dataset.after)) how.call(this, JSON.parse(event.data));
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
    for (const { position, target, target_probability: probability, predictions: likeliest } of predictions) {
      const cell = this.querySelector(`[data-policy="${policy}"] [data-position="${position}"]`);
      if (!cell) return this.change(); // the first measurement: the page has no table yet
      cell.classList.toggle("target", likeliest[0].token === target);
      cell.querySelector("code").textContent = likeliest[0].token;
      cell.querySelector("small").textContent = (100 * probability).toFixed(0);
    }
    const before = this.best[policy] ?? 0;
    this.best[policy] = Math.max(before, value);
    if (THRESHOLDS.some((threshold) => before < threshold && value >= threshold)) this.change();
  }

  show(policy, what, text) {
    this.querySelector(`.runner[data-policy="${policy}"] [data-show="${what}"]`).textContent = text;
  }

  // One more point of a line, in the chart's own units.
  extend(chart, policy, step, value) {
    const figure = this.querySelector(`#chart-${chart}`);
    const { xMin, xMax, yMin, yMax, side } = figure.querySelector("svg[data-side]").dataset;
    const place = (at, low, high) => Number(side) * Math.min(1, Math.max(0, (at - low) / (high - low)));
    const x = place(step, Number(xMin), Number(xMax)).toFixed(1);
    const y = (Number(side) - place(value, Number(yMin), Number(yMax))).toFixed(1);
    const line = figure.querySelector(`polyline[data-series="${policy}"]`);
    line.setAttribute("points", `${line.getAttribute("points")} ${x},${y}`.trim());
    const end = figure.querySelector(`.end[data-series="${policy}"]`);
    for (const [name, at] of Object.entries({ x1: x, x2: x, y1: y, y2: y })) end.setAttribute(name, at);
  }
}

customElements.define("live-race", LiveRace);

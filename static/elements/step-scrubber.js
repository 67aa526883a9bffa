// <step-scrubber data-steps data-step>: the curve of both models with a slider over it. A step that is not on the page is
// fetched in one small answer, its neighbours with it, and emitted as `step-arrived`; the newest wins. If it cannot be
// had, the slider returns to what is shown and `figure-failed` says why. Play shows one after the other.

const PACE = 450;

class StepScrubber extends HTMLElement {
  connectedCallback() {
    this.figure = this.closest("#figure");
    this.slider = this.querySelector("input");
    this.button = this.figure.querySelector(".play");
    this.button.hidden = false;
    this.kept = new Map();
    this.listening = new AbortController();
    const { signal } = this.listening;
    this.slider.addEventListener("input", () => this.onDrag(), { signal });
    this.slider.addEventListener("keydown", (event) => this.onArrow(event), { signal });
    this.slider.addEventListener("change", (event) => event.stopPropagation(), { signal });
    this.button.addEventListener("click", () => (this.playing ? this.pause() : this.play()), { signal });
    document.addEventListener("htmx:after:swap", () => this.restore(), { signal });
    this.pause();
    this.restore();
  }

  disconnectedCallback() {
    this.pause();
    this.listening.abort();
  }

  get steps() {
    return this.dataset.steps.split(" ").map(Number);
  }

  get shown() {
    return Number(this.dataset.step);
  }

  // The control says what is shown.
  restore() {
    this.wanted = undefined;
    this.figure.removeAttribute("aria-busy");
    this.slider.value = this.shown;
    this.slider.setAttribute("aria-valuetext", `step ${this.shown}`);
  }

  onDrag() {
    this.pause();
    const at = Number(this.slider.value);
    this.show(this.steps.reduce((best, step) => (Math.abs(step - at) < Math.abs(best - at) ? step : best)));
  }

  // Kept steps are not evenly spaced: an arrow goes to the next one.
  onArrow(event) {
    const move = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 3, PageDown: -3, Home: -99, End: 99 }[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.pause();
    this.show(this.beside(move));
  }

  beside(move) {
    const { steps } = this;
    const at = steps.indexOf(this.wanted ?? this.shown) + move;
    return steps[Math.min(steps.length - 1, Math.max(0, at))];
  }

  play() {
    this.playing = true;
    this.figure.classList.add("plays");
    this.button.textContent = "❚❚ Pause";
    if (this.shown === this.steps.at(-1)) this.advance(this.steps[0]);
    else this.advance(this.beside(1));
  }

  pause() {
    this.playing = false;
    this.figure.classList.remove("plays");
    clearTimeout(this.timer);
    this.button.textContent = "▶ Train";
  }

  async advance(step) {
    const asked = performance.now();
    await this.show(step);
    if (!this.playing) return;
    if (step === this.steps.at(-1)) this.pause();
    else this.timer = setTimeout(() => this.advance(this.beside(1)), Math.max(0, asked + PACE - performance.now()));
  }

  async show(step) {
    if (step === this.wanted) return;
    const address = this.address(step);
    this.wanted = step;
    this.slider.value = step;
    this.figure.setAttribute("aria-busy", "true");
    try {
      const figure = await this.fetched(address);
      if (this.wanted !== step || this.address(step) !== address) return;
      this.dataset.step = step;
      this.restore();
      this.dispatchEvent(new CustomEvent("step-arrived", { bubbles: true, detail: figure }));
      for (const next of [this.beside(1), this.beside(-1)]) this.fetched(this.address(next)).catch(() => {});
    } catch (error) {
      this.kept.delete(address);
      if (this.wanted !== step) return;
      this.pause();
      this.restore();
      const detail = { what: `Step ${step}`, why: error.message, again: () => this.show(step) };
      this.dispatchEvent(new CustomEvent("figure-failed", { bubbles: true, detail }));
    }
  }

  address(step) {
    const { prompt, recipe } = this.closest("#view").dataset;
    return `/figure?${new URLSearchParams({ recipe, prompt, step })}`;
  }

  fetched(address) {
    if (!this.kept.has(address)) {
      const answer = ask(address);
      this.kept.set(address, answer);
      answer.catch(() => this.kept.delete(address));
    }
    return this.kept.get(address);
  }
}

// Only an answer of ours counts: whatever stands between may answer with a page of its own.
async function ask(address) {
  let response;
  try {
    response = await fetch(address, { signal: AbortSignal.timeout(15000) });
  } catch {
    throw new Error("the server does not answer");
  }
  const body = await response.json().catch(() => ({}));
  if (response.ok && body.sides) return body;
  throw new Error(body.error?.message ?? (response.ok ? "the answer is not this server’s" : `the server answered ${response.status}`));
}

customElements.define("step-scrubber", StepScrubber);

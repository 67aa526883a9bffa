// <step-player>: plays a training. Its radios are the kept steps; the form around it asks the server for the one that is
// checked. Play (or the key p) checks them one after the other, each when the one before is on the page; a finger or
// mouse drawn along the row checks the one under it, and so does a click on a curve. Moving along the steps replaces the
// address instead of adding one to the history.

const PACE = 450;

class StepPlayer extends HTMLElement {
  connectedCallback() {
    this.button = this.querySelector(".play");
    this.button.hidden = false;
    this.row = this.querySelector(".steps");
    this.listening = new AbortController();
    const { signal } = this.listening;
    this.button.addEventListener("click", () => (this.playing ? this.pause() : this.play()), { signal });
    this.row.addEventListener("pointermove", (event) => this.onDrag(event), { signal });
    this.addEventListener("change", (event) => this.onChange(event), { signal });
    this.closest("form").addEventListener("change", (event) => (this.moved = event.target.name === "step"), { signal });
    document.addEventListener("keydown", (event) => this.onKey(event), { signal });
    document.addEventListener("click", (event) => this.onCurve(event), { signal });
    document.addEventListener("htmx:before:history:update", (event) => this.onHistory(event), { signal });
    document.addEventListener("htmx:finally:request", () => this.onAnswered(), { signal });
    document.addEventListener("htmx:error", () => this.pause(), { signal });
    this.pause();
  }

  disconnectedCallback() {
    this.pause();
    this.listening.abort();
  }

  get radios() {
    return [...this.querySelectorAll("input[name=step]")];
  }

  play() {
    this.playing = true;
    this.button.textContent = "Pause";
    const radios = this.radios;
    if (radios.at(-1).checked) this.choose(radios[0]);
    else this.advance();
  }

  pause() {
    this.playing = false;
    clearTimeout(this.timer);
    this.button.textContent = "Play";
  }

  advance() {
    const radios = this.radios;
    const next = radios[radios.findIndex((radio) => radio.checked) + 1];
    if (next) this.choose(next);
    else this.pause();
  }

  choose(radio) {
    if (!radio.checked) this.ask(radio);
  }

  ask(radio) {
    this.asked = performance.now();
    radio.checked = true;
    radio.dispatchEvent(new Event("change", { bubbles: true }));
  }

  // One step at a time: while one is on its way, the last one asked for waits. (An answer resets the radios to its own.)
  onChange(event) {
    if (this.waiting) {
      this.wanted = event.target.value;
      event.stopPropagation();
    }
    this.waiting = true;
  }

  // The page shows the step: the next one is due PACE milliseconds after this one was asked for.
  onAnswered() {
    this.waiting = false;
    const wanted = this.radios.find((radio) => radio.value === this.wanted);
    this.wanted = undefined;
    if (wanted) this.ask(wanted); // though it is checked: it may have been so when the answer was on the page already
    if (!this.playing) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.advance(), Math.max(0, this.asked + PACE - performance.now()));
  }

  onDrag(event) {
    if (event.buttons !== 1) return;
    const distance = (radio) => {
      const box = radio.parentElement.getBoundingClientRect();
      return Math.abs(box.x + box.width / 2 - event.clientX);
    };
    this.pause();
    this.choose(this.radios.reduce((best, radio) => (distance(radio) < distance(best) ? radio : best)));
  }

  onKey(event) {
    const typing = event.target.matches?.("input:not([type=radio]), textarea, select, [contenteditable]");
    if (event.key !== "p" || event.ctrlKey || event.metaKey || event.altKey || event.repeat || typing) return;
    this.button.click();
  }

  onCurve(event) {
    const link = event.target.closest?.(".timeline .chart a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.pause();
    const step = new URL(link.href.baseVal ?? link.href, location.href).searchParams.get("step");
    this.choose(this.radios.find((radio) => radio.value === step));
  }

  onHistory(event) {
    if (this.moved) event.detail.history.type = "replace";
    this.moved = false;
  }
}

customElements.define("step-player", StepPlayer);

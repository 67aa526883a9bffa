// <word-field>: the word as it is typed, and what is said when an answer does not come. The form inside asks the server by
// htmx; here a word gets one entry in the history however it was typed, only an answer of ours replaces the view, and a
// failure (a step's too: `figure-failed`) is told, tried again, and taken back when there is an answer.

const FIRST_RETRY = 2000;
const LAST_RETRY = 30000;

class WordField extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    this.input = this.form.elements.prompt;
    this.trouble = this.querySelector("#trouble");
    this.isNew = true;
    this.wait = FIRST_RETRY;
    this.listening = new AbortController();
    const { signal } = this.listening;
    this.input.addEventListener("input", () => this.onInput(), { signal });
    this.input.addEventListener("change", () => this.onEnd(), { signal });
    document.addEventListener("htmx:before:request", (event) => this.onAsk(event), { signal });
    document.addEventListener("htmx:before:response", (event) => this.onAnswer(event), { signal });
    document.addEventListener("htmx:error", (event) => this.onError(event), { signal });
    document.addEventListener("htmx:finally:request", () => this.view.removeAttribute("aria-busy"), { signal });
    document.addEventListener("htmx:before:history:update", (event) => this.onHistory(event), { signal });
    document.addEventListener("htmx:after:swap", () => this.onShown(), { signal });
    document.addEventListener("step-arrived", () => this.settle(), { signal });
    document.addEventListener("figure-failed", ({ detail }) => this.fail(detail), { signal });
  }

  disconnectedCallback() {
    clearTimeout(this.timer);
    this.listening.abort();
  }

  get view() {
    return document.querySelector("#view");
  }

  onInput() {
    const { selectionStart: start, selectionEnd: end, value } = this.input;
    if (value !== value.toLowerCase()) {
      this.input.value = value.toLowerCase();
      this.input.setSelectionRange(start, end);
    }
    // The position chosen in one word means nothing in another.
    for (const radio of document.querySelectorAll("[name=position]:checked")) radio.checked = false;
  }

  // The word is written: the next one gets an entry of its own. If it could not be shown, the field says what is.
  onEnd() {
    this.isNew = true;
    if (this.failed) this.input.value = this.view.dataset.prompt;
  }

  onAsk(event) {
    if (event.target === this.form && this.input.value === "") event.preventDefault();
    else this.view.setAttribute("aria-busy", "true");
  }

  onAnswer(event) {
    const { headers, status } = event.detail.ctx.response;
    const isOurs = /hx-request-type/i.test(headers.get("vary"));
    if (isOurs && status < 500) return;
    event.preventDefault();
    this.lost(event.target, status < 400 ? "the answer is not this server’s" : `the server answered ${status}`);
  }

  onError(event) {
    if (event.detail.error?.name !== "AbortError") this.lost(event.target, "the server does not answer");
  }

  // `source` asked: the form, an example, or the choice of another mask, which goes back to the one that is shown.
  lost(source, why) {
    const word = source.querySelector("code")?.textContent ?? this.input.value;
    const { value } = source;
    const again = () => {
      if (source === this.form) {
        this.input.value = word;
        source.requestSubmit();
      } else if (source.options) {
        source.value = value;
        source.dispatchEvent(new Event("change", { bubbles: true }));
      } else source.click();
    };
    const what = source.options ? `The mask “${source.selectedOptions[0].text.trim()}”` : `“${word}”`;
    for (const option of source.options ?? []) option.selected = option.defaultSelected;
    if (document.activeElement !== this.input) this.input.value = this.view.dataset.prompt;
    this.fail({ what, why, again });
  }

  fail({ what, why, again }) {
    this.failed = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(again, this.wait);
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Try now";
    button.addEventListener("click", again);
    const seconds = this.wait / 1000;
    this.trouble.replaceChildren(
      `${what} is not shown: ${why}. Still shown is “${this.view.dataset.prompt}”. Next try in ${seconds} s. `,
      button,
    );
    this.wait = Math.min(2 * this.wait, LAST_RETRY);
  }

  settle() {
    this.failed = false;
    this.wait = FIRST_RETRY;
    clearTimeout(this.timer);
    this.trouble.replaceChildren();
  }

  onShown() {
    this.settle();
    if (document.activeElement !== this.input) this.input.value = this.view.dataset.prompt;
  }

  onHistory(event) {
    const { history } = event.detail;
    if (history.path === location.pathname + location.search) event.preventDefault();
    else if (!this.isNew) history.type = "replace";
    this.isNew = false;
  }
}

customElements.define("word-field", WordField);

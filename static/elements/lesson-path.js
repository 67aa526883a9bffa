// <lesson-path data-previous data-next>: the right-arrow key goes on along the lesson, the left one back. A key that is
// pressed in a control, in something that scrolls sideways, or while presenting, is left to it. Its link `close` takes
// the lesson away and leaves the page as it is by now.

class LessonPath extends HTMLElement {
  connectedCallback() {
    this.listening = new AbortController();
    document.addEventListener("keydown", (event) => this.onKey(event), { signal: this.listening.signal });
    const closing = this.querySelector(".close");
    if (!closing) return;
    this.part = new URL(location.href).searchParams.get("lesson");
    closing.addEventListener("click", (event) => this.close(event), { signal: this.listening.signal });
    document.addEventListener("htmx:after:history:update", () => this.stay(), { signal: this.listening.signal });
  }

  disconnectedCallback() {
    this.listening.abort();
  }

  // Whatever a control of the page asked for, the address still says which part is beside it.
  stay() {
    const address = new URL(location.href);
    address.searchParams.set("lesson", this.part);
    history.replaceState(history.state, "", address);
  }

  close(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const address = new URL(location.href);
    address.searchParams.delete("lesson");
    history.replaceState(history.state, "", address);
    for (const field of document.querySelectorAll("input[name=lesson]")) field.remove();
    const main = document.querySelector("main");
    main.tabIndex = -1;
    main.focus({ preventScroll: true });
    this.parentElement.remove();
  }

  onKey(event) {
    const address = { ArrowRight: this.dataset.next, ArrowLeft: this.dataset.previous }[event.key];
    const busy = event.target.closest?.("input, select, textarea, [contenteditable], .scroller")
      || document.querySelector(".presenting");
    if (!address || busy || event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    location.assign(address);
  }
}

customElements.define("lesson-path", LessonPath);

// <lesson-path data-previous data-next>: the right-arrow key goes on along the lesson, the left one back. A key that is
// pressed in a control, or in something that scrolls sideways, is left to it.

class LessonPath extends HTMLElement {
  connectedCallback() {
    this.listening = new AbortController();
    document.addEventListener("keydown", (event) => this.onKey(event), { signal: this.listening.signal });
  }

  disconnectedCallback() {
    this.listening.abort();
  }

  onKey(event) {
    const address = { ArrowRight: this.dataset.next, ArrowLeft: this.dataset.previous }[event.key];
    const busy = event.target.closest?.("input, select, textarea, [contenteditable], .scroller");
    if (!address || busy || event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    location.assign(address);
  }
}

customElements.define("lesson-path", LessonPath);

// <mask-switch>: the key `m` moves the radio choice inside to its next side, unless somebody is typing.

class MaskSwitch extends HTMLElement {
  connectedCallback() {
    this.listening = new AbortController();
    document.addEventListener("keydown", (event) => this.onKey(event), { signal: this.listening.signal });
  }

  disconnectedCallback() {
    this.listening.abort();
  }

  onKey(event) {
    const typing = event.target.matches?.("input:not([type=radio]), textarea, select, [contenteditable]");
    if (event.key !== "m" || event.ctrlKey || event.metaKey || event.altKey || event.repeat || typing) return;
    const sides = [...this.querySelectorAll("input[type=radio]")];
    const next = sides[(sides.findIndex((side) => side.checked) + 1) % sides.length];
    next.click();
  }
}

customElements.define("mask-switch", MaskSwitch);

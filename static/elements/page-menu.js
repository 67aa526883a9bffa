// <page-menu>: what is open inside closes at Escape, at a click elsewhere, and when the focus leaves it.

class PageMenu extends HTMLElement {
  connectedCallback() {
    this.listening = new AbortController();
    const { signal } = this.listening;
    document.addEventListener("click", (event) => this.closeUnless(event.target), { signal });
    this.addEventListener("focusout", (event) => event.relatedTarget && this.closeUnless(event.relatedTarget), { signal });
    this.addEventListener("keydown", (event) => event.key === "Escape" && this.closeAtKey(), { signal });
  }

  disconnectedCallback() {
    this.listening.abort();
  }

  closeUnless(target) {
    for (const open of this.querySelectorAll("details[open]")) open.open = open.contains(target);
  }

  closeAtKey() {
    const open = this.querySelector("details[open]");
    if (!open) return;
    open.open = false;
    open.querySelector("summary").focus();
  }
}

customElements.define("page-menu", PageMenu);

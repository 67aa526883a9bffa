// <key-list>: the page's keys, and the dialog that lists them. Characters act unless somebody is typing or has turned
// them off (data-keys, in the address); arrows act while presenting. What is hidden has no key.

const DOES = {
  m: ["switch", () => find("[name=policy]:not(:checked)").click()],
  p: ["curve", () => find(".play").click()],
  g: ["gradient", () => next(find("#gradient"))],
  n: ["examples", () => nextExample()],
  f: ["", () => find(isPresenting() ? "[data-tool=leave]" : "[data-tool=present]").click()],
  q: ["", () => find("[data-tool=room]").click()],
  v: ["", () => find(".stage [data-href='vote.link']").click()],
  "?": ["", () => find("dialog#keys").showModal()],
  ArrowLeft: ["", () => beside(-1)],
  ArrowRight: ["", () => beside(1)],
  ArrowDown: ["curve", () => pressOnCurve("ArrowLeft")],
  ArrowUp: ["curve", () => pressOnCurve("ArrowRight")],
};

class KeyList extends HTMLElement {
  connectedCallback() {
    this.listening = new AbortController();
    const { signal } = this.listening;
    document.addEventListener("keydown", (event) => this.onKey(event), { signal });
    document.addEventListener("click", (event) => this.onClick(event), { signal });
  }

  disconnectedCallback() {
    this.listening.abort();
  }

  onKey(event) {
    const [part, act] = DOES[event.key] ?? [];
    if (!act || event.ctrlKey || event.metaKey || event.altKey || find("dialog[open]")) return;
    const { keys, hide } = find(".visualizer").dataset;
    const isArrow = event.key.startsWith("Arrow");
    if (isArrow ? !isPresenting() || moves(event.target) : keys === "off" || event.repeat || types(event.target))
      return;
    if (part && hide.split(" ").includes(part)) return;
    event.preventDefault();
    act();
  }

  onClick(event) {
    if (event.target.closest?.("[data-tool=keys]")) {
      event.preventDefault();
      find("dialog#keys").showModal();
    }
    const choice = event.target.closest?.("key-list [data-keys]");
    if (!choice || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const { keys } = choice.dataset;
    find(".visualizer").dataset.keys = keys;
    find("[name=keys]").disabled = keys === "on";
    const address = new URL(location.href);
    if (keys === "on") address.searchParams.delete("keys");
    else address.searchParams.set("keys", keys);
    history.replaceState(history.state ?? { htmx: true }, "", address);
    find(`key-list [data-keys=${keys === "on" ? "off" : "on"}]`).focus();
  }
}

function find(selector) {
  return document.querySelector(selector);
}

function isPresenting() {
  return find(".visualizer").classList.contains("presenting");
}

function types(target) {
  return target.matches?.("input:not([type=radio], [type=range]), textarea, select, [contenteditable]");
}

// Has arrows of its own; those of the positions go up and down a step as everywhere on the stage.
function moves(target) {
  return types(target) || target.matches?.("input:not([name=position])");
}

function next(select) {
  select.selectedIndex = (select.selectedIndex + 1) % select.length;
  select.dispatchEvent(new Event("change", { bubbles: true }));
}

function nextExample() {
  const examples = [...document.querySelectorAll(".examples a:not(.take-tour)")];
  const { prompt } = find("#view").dataset;
  const shown = examples.findIndex((example) => example.querySelector("code").textContent === prompt);
  examples[(shown + 1) % examples.length].click();
}

function beside(move) {
  const places = [...document.querySelectorAll("[name=position]")];
  const at = places.findIndex((place) => place.checked) + move;
  places[Math.min(places.length - 1, Math.max(0, at))].click();
}

function pressOnCurve(key) {
  find("#step").dispatchEvent(new KeyboardEvent("keydown", { key, cancelable: true }));
}

customElements.define("key-list", KeyList);

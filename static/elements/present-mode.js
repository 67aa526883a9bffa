// <present-mode>: the figure alone, large, for a projector: switched in place, on the full screen where the browser
// lets us, left by Escape or a link. The address says so. Links of a teacher ([data-tool]) name the view as it is by
// now; the one to the room's address opens a dialog, and the page if that does not come.

class PresentMode extends HTMLElement {
  connectedCallback() {
    this.listening = new AbortController();
    const { signal } = this.listening;
    document.addEventListener("click", (event) => this.onClick(event), { signal, capture: true });
    document.addEventListener("keydown", (event) => this.onEscape(event), { signal });
    document.addEventListener("fullscreenchange", () => document.fullscreenElement || this.onSmall(), { signal });
    window.addEventListener("beforeprint", () => this.writeHandout(), { signal });
    // The room's address comes by htmx; what listens for the figure's own requests need not hear of it.
    for (const name of ["before:request", "before:response", "after:swap", "finally:request", "error"])
      this.addEventListener(`htmx:${name}`, (event) => this.onRoom(event), { signal });
  }

  disconnectedCallback() {
    this.listening.abort();
  }

  get stage() {
    return document.querySelector(".visualizer");
  }

  get presents() {
    return this.stage.classList.contains("presenting");
  }

  onClick(event) {
    const link = event.target.closest?.("[data-tool]");
    if (!link) return;
    const { tool } = link.dataset;
    link.href = addressFor(tool);
    if (tool === "room" && this.contains(link)) link.setAttribute("hx-get", link.href);
    else if (!(tool in { present: 1, leave: 1, room: 1 }) || isForAnotherTab(event)) return;
    else {
      event.preventDefault();
      if (tool === "room") this.querySelector("[data-tool=room]").click();
      else this.show(tool === "present");
    }
  }

  onEscape(event) {
    if (event.key === "Escape" && this.presents && !document.querySelector("dialog[open]")) this.show(false);
  }

  // The browser takes Escape for itself on the full screen: what is open over the figure closes first here too.
  onSmall() {
    const open = document.querySelector("dialog[open]");
    if (open) open.close();
    else this.show(false);
  }

  show(presents) {
    if (presents === this.presents) return;
    this.stage.classList.toggle("presenting", presents);
    document.querySelector("[name=present]").disabled = !presents;
    history.replaceState(history.state ?? { htmx: true }, "", addressFor(presents ? "present" : "leave"));
    const left = () => this.stage.classList.contains("presenting") || document.exitFullscreen(); // while it was coming
    if (presents) document.documentElement.requestFullscreen?.().then(left).catch(() => {});
    else if (document.fullscreenElement) document.exitFullscreen();
    document.querySelector(`[data-tool=${presents ? "leave" : "present"}]`).focus({ preventScroll: true });
  }

  onRoom(event) {
    event.stopPropagation();
    const { status } = event.detail.ctx?.response ?? {};
    if (event.type === "htmx:after:swap") document.querySelector("dialog#room").showModal();
    else if (event.type === "htmx:error" || (event.type === "htmx:before:response" && status !== 200)) {
      event.preventDefault();
      location.assign(addressFor("room"));
    }
  }

  writeHandout() {
    const address = document.querySelector(".handout .address");
    address.textContent = new URL(addressFor("share"), address.textContent);
  }
}

// Of the view as it is by now.
function addressFor(tool) {
  if (tool === "keys") return "#keys";
  const address = new URL(location.href);
  address.hash = "";
  for (const name of ["present", ...({ room: ["keys"], share: ["keys"], unhide: ["hide"] }[tool] ?? [])])
    address.searchParams.delete(name);
  if (tool === "present") address.searchParams.set("present", "on");
  const view = address.pathname + address.search;
  return tool === "room" ? `/room?${new URLSearchParams({ view })}` : view;
}

function isForAnotherTab(event) {
  return event.ctrlKey || event.metaKey || event.shiftKey;
}

customElements.define("present-mode", PresentMode);

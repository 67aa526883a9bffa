// <token-walk data-row>: the tokens under the arrow keys, one of them in the tab order. The token chosen has its words in
// the dock and an arrow from the position that predicts it; findings and the map of all tokens lead to theirs.

class TokenWalk extends HTMLElement {
  connectedCallback() {
    this.listening = new AbortController();
    const { signal } = this.listening;
    this.addEventListener("click", (event) => this.onClick(event), { signal });
    this.addEventListener("change", (event) => this.onTyped(event), { signal });
    document.addEventListener("keydown", (event) => this.onKey(event), { signal });
    document.addEventListener("htmx:after:swap", () => this.read(), { signal });
    this.drawn = new ResizeObserver(() => this.row && this.drawArc());
    this.read();
  }

  disconnectedCallback() {
    this.listening.abort();
    this.drawn.disconnect();
  }

  // What the server wrote, and which token it chose.
  read() {
    this.row = this.dataset.row ? JSON.parse(this.dataset.row) : undefined;
    this.current = undefined;
    if (!this.row) return;
    this.row.ids = this.row.ids.split(" ");
    this.places = Object.keys(this.row.rules).map(Number);
    for (const old of this.querySelectorAll(".t[role]")) forget(old);
    this.drawn.observe(this.querySelector(".bands"));
    this.querySelector(".keys").hidden = false;
    for (const button of this.querySelectorAll("[data-step]")) button.disabled = !this.places.length;
    this.show(Number(this.field.value));
  }

  get field() {
    return this.querySelector("[name=token]");
  }

  token(at) {
    return this.querySelector(`#t${at}`);
  }

  onClick(event) {
    const { target } = event;
    const chip = target.closest(".bands .t");
    const link = target.closest(".inspect-findings a[href^='#t']");
    const step = target.closest("[data-step]");
    const map = target.closest(".in-order svg");
    if (chip) this.walk(Number(chip.id.slice(1)));
    else if (link) {
      event.preventDefault();
      this.walk(Number(link.hash.slice(2)));
    } else if (step) this.jump(Number(step.dataset.step));
    else if (map) {
      const { left, width } = map.getBoundingClientRect();
      this.walk(Math.floor(((event.clientX - left) / width) * this.row.ids.length));
    }
  }

  onTyped(event) {
    if (event.target === this.field && this.row) this.walk(Number.parseInt(this.field.value, 10) || 0, false);
  }

  onKey(event) {
    const { key, target } = event;
    if (this.row && key === "Enter" && target === this.field) {
      event.preventDefault();
      this.walk(Number.parseInt(target.value, 10) || 0);
    }
    const typing = target.matches?.("input:not([type=radio]), textarea, select, [contenteditable]");
    if (!this.row || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { ArrowLeft: -1, ArrowRight: 1 };
    if (key === "n" || key === "p") this.jump(key === "n" ? 1 : -1);
    else if (!target.matches?.(".bands .t")) return;
    else if (key in steps) this.walk(this.current + steps[key]);
    else if (key === "ArrowDown" || key === "ArrowUp") this.walk(this.onNextLine(key === "ArrowDown" ? 1 : -1));
    else if (key === "Home" || key === "End") this.walk(key === "Home" ? 0 : this.row.ids.length - 1);
    else return;
    event.preventDefault();
  }

  jump(by) {
    const ahead = by > 0 ? this.places.find((at) => at > this.current) : this.places.findLast((at) => at < this.current);
    const place = ahead ?? this.places.at(by > 0 ? 0 : -1);
    if (place !== undefined) this.walk(place);
  }

  onNextLine(by) {
    const here = this.token(this.current).getBoundingClientRect();
    let best = Infinity;
    let found = this.current;
    for (let at = this.current + by, tries = 0; tries < 200; at += by, tries += 1) {
      const box = this.token(at)?.getClientRects()[0];
      if (!box) continue;
      if (Math.abs(box.top - here.top) < here.height / 2) continue;
      const far = 6 * Math.abs(box.top - here.top) + Math.abs(box.left - here.left);
      if (far < best) [best, found] = [far, at];
    }
    return found;
  }

  walk(to, takesFocus = true) {
    this.show(to);
    const chip = this.token(this.current);
    for (let folded = chip.closest("details"); folded; folded = folded.parentElement.closest("details")) folded.open = true;
    if (takesFocus) chip.focus({ preventScroll: true });
    chip.scrollIntoView({ block: "nearest" });
    this.drawArc();
  }

  show(to) {
    const at = Math.min(Math.max(to, 0), this.row.ids.length - 1);
    const before = this.current === undefined ? undefined : this.token(this.current);
    if (before) forget(before);
    this.querySelector(".predicts-it")?.classList.remove("predicts-it");
    this.current = at;
    const chip = this.token(at);
    chip.tabIndex = 0;
    chip.setAttribute("role", "button");
    chip.classList.add("chosen");
    if (at) this.token(at - 1).classList.add("predicts-it");
    this.say(at, chip);
    this.drawArc();
  }

  say(at, chip) {
    const { words, trained, right, lanes, rules, ids } = this.row;
    const verdict = words.meant[trained[at] + (right[at] ?? "")];
    const named = rules[at] ?? [];
    const text = (place) => (place < 0 ? "" : this.token(place).firstChild.data);
    const write = (name, said) => (this.querySelector(`[data-dock="${name}"]`).textContent = said);
    write("before", at ? `position ${at - 1} reads` : "nothing stands before it, and nothing");
    write("reads", text(at - 1));
    write("target", text(at));
    write("verdict", verdict);
    write("whose", this.whose(at));
    write("number", ids[at]);
    this.querySelector("[data-dock=rules]").replaceChildren(...named.map(badge));
    this.field.value = at;
    for (const [slug, mask] of lanes) {
      const lane = this.querySelector(`[data-lane="${slug}"]`);
      lane.dataset.mask = mask[at] ?? "";
      lane.lastElementChild.textContent = words.says[mask[at] ?? ""];
    }
    const predicted = at ? `, predicted at ${at - 1}` : "";
    chip.setAttribute("aria-label", `token ${at}, ${text(at)}: ${[verdict, ...named].join(", ")}${predicted}`);
  }

  whose(at) {
    const { messages, parts, words } = this.row;
    const message = messages.find(([start, stop]) => start <= at && at < stop);
    if (!message || message[2] === null) return words.unknown;
    const part = parts ? words.parts[Number.parseInt(parts[at], 16)] : "a token";
    return `message ${message[2] + 1}, ${message[3]}: ${part}`;
  }

  // From the position that reads to the target it predicts: over the two if they share a line, else around its end.
  drawArc() {
    const [from, to] = [this.token(this.current - 1), this.token(this.current)].map((chip) => chip?.getClientRects());
    const [path, label] = this.querySelector(".arc").children;
    const seen = from?.length && to?.length;
    path.setAttribute("d", "");
    label.textContent = "";
    if (!seen) return;
    const zero = this.querySelector(".bands").getBoundingClientRect();
    const [a, b] = [from[from.length - 1], to[0]];
    const [x, y] = [b.left + b.width / 2 - zero.left, b.top - zero.top - 2];
    const start = [a.left + a.width / 2 - zero.left, a.top - zero.top - 1];
    const isLevel = Math.abs(a.top - b.top) < 8;
    const end = a.right - zero.left;
    const middle = a.top + a.height / 2 - zero.top;
    const around = `M${end + 1} ${middle}h6V${y - 5}H${x}V${y}`;
    const over = `M${start} C${start[0]} ${y - 11} ${x} ${y - 11} ${x} ${y}`;
    path.setAttribute("d", `${isLevel ? over : around}m-3.5 -6l3.5 6l3.5 -6`);
    label.textContent = `predicted at ${this.current - 1}`;
    const width = label.getComputedTextLength();
    label.setAttribute("x", Math.max(Math.min(x - width / 2, zero.width - width - 2), 0));
    label.setAttribute("y", y - (isLevel ? 11 : 9));
  }
}

function forget(chip) {
  chip.classList.remove("chosen");
  for (const name of ["role", "tabindex", "aria-label"]) chip.removeAttribute(name);
}

function badge(rule) {
  const badge = document.createElement("b");
  badge.className = "rule";
  badge.textContent = rule;
  return badge;
}

customElements.define("token-walk", TokenWalk);

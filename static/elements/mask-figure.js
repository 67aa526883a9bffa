// <mask-figure data-mask data-gradient>: what a reader switches without asking the server. Mask, gradient and position
// are drawn from #view's data-figure, which holds both models and all four gradients as the server wrote them, and so is
// another step, when <step-scrubber> brings one (`step-arrived`). The address follows by replacing.

class MaskFigure extends HTMLElement {
  connectedCallback() {
    this.listening = new AbortController();
    const { signal } = this.listening;
    this.addEventListener("change", (event) => this.onChange(event), { signal });
    this.addEventListener("click", (event) => this.onClick(event), { signal });
    this.addEventListener("pointerover", (event) => this.hover(event.target.closest("td[data-at]")?.dataset.at), { signal });
    this.addEventListener("pointerleave", () => this.hover(), { signal });
    this.addEventListener("step-arrived", (event) => this.onStep(event.detail), { signal });
    document.addEventListener("htmx:after:swap", () => this.read(), { signal });
    this.read();
  }

  disconnectedCallback() {
    this.listening.abort();
  }

  // What the server wrote, on the side and with the gradient that are chosen by now.
  read() {
    const { figure } = this.querySelector("#view").dataset;
    this.figure = figure ? JSON.parse(figure) : undefined;
    if (!this.figure) return;
    const row = (selector) => [...this.querySelectorAll(`${selector} td[data-at]`)];
    const named = (row) => Object.fromEntries(Object.keys(this.figure.sides).map((side) => [side, row(side)]));
    this.cells = row(".grid");
    this.targets = row(".targets");
    this.bars = row(".gradient");
    this.predictions = named((side) => row(`.predicts[data-side="${side}"]`));
    this.drawMask();
  }

  onChange({ target }) {
    if (target.name === "policy") this.dataset.mask = target.dataset.side;
    else if (target.name === "gradient") this.dataset.gradient = target.value;
    else if (target.name !== "position") return;
    if (this.figure) target.name === "position" ? this.drawPosition() : this.drawMask();
    this.write(target.name, target.value);
  }

  onClick({ target }) {
    const radio = this.querySelector(`#position-${target.closest("td[data-at]")?.dataset.at}`);
    if (!radio || radio.checked || target.closest("label, select")) return;
    radio.checked = true;
    radio.focus({ preventScroll: true });
    radio.dispatchEvent(new Event("change", { bubbles: true }));
  }

  onStep(figure) {
    this.figure = figure;
    const writing = this.querySelector("live-generation");
    writing.leave();
    writing.dataset.step = figure.step;
    writing.dataset.state = "complete";
    this.draw();
    for (const [name, { written }] of Object.entries(figure.sides)) {
      const row = this.querySelector(`.writes[data-side="${name}"]`);
      row.querySelector(".tokens").replaceChildren(...written.letters.map(letter));
      row.querySelector(".outcome").textContent = written.verdict;
    }
    const { xMax } = this.querySelector("#timeline .plot > svg").dataset;
    for (const line of this.querySelectorAll("#timeline .current"))
      for (const end of ["x1", "x2"]) line.setAttribute(end, `${(100 * figure.step) / Number(xMax)}%`);
    this.write("step", figure.step);
  }

  write(name, value) {
    const address = new URL(location.href);
    address.searchParams.set(name, value);
    history.replaceState(history.state ?? { htmx: true }, "", address);
  }

  draw() {
    this.drawMask();
    for (const [name, { cells }] of Object.entries(this.figure.sides))
      this.predictions[name].forEach((cell, at) => drawPrediction(cell, cells[at]));
    this.drawPosition();
    this.drawSeeds();
  }

  drawMask() {
    const { cells } = this.figure.sides[this.dataset.mask];
    this.targets.forEach((cell, at) => {
      const { trained } = cells[at];
      cell.classList.toggle("trained", trained);
      cell.classList.toggle("ignored", !trained);
      say(cell, ".word", trained ? "trained" : "ignored");
    });
    this.bars.forEach((cell, at) => drawBar(cell, cells[at].bars[this.dataset.gradient]));
    const text = (name) => this.figure.texts[name.replace("shown", this.dataset.mask)];
    for (const place of this.querySelectorAll("[data-text]")) write(place, text(place.dataset.text));
    for (const link of this.querySelectorAll("[data-href]")) link.href = text(link.dataset.href);
  }

  drawPosition() {
    const chosen = Number(this.querySelector("[name=position]:checked")?.value ?? 0);
    for (const cell of this.cells) cell.classList.toggle("selected", Number(cell.dataset.at) === chosen);
    for (const [name, { cells }] of Object.entries(this.figure.sides))
      this.drawDetail(this.querySelector(`#detail [data-side="${name}"]`), cells[chosen]);
    say(this, "[data-detail=place]", chosen);
    say(this, "[data-detail=reads]", this.querySelector(`.reads [data-at="${chosen}"]`).textContent);
    say(this, "[data-detail=target]", this.targets[chosen].querySelector(".target").textContent);
  }

  drawSeeds() {
    const { dots, lines, means, description } = this.figure.seeds;
    const picture = this.querySelector(".seeds svg");
    picture.setAttribute("aria-label", description);
    picture.querySelectorAll(".dot").forEach((dot, at) => {
      const { x, y } = dots.at(-1 - at);
      const isRound = dot.tagName === "circle";
      dot.setAttribute(isRound ? "cx" : "x", isRound ? x : x - 5);
      dot.setAttribute(isRound ? "cy" : "y", isRound ? y : y - 5);
    });
    picture.querySelectorAll(".pair").forEach((line, at) => line.setAttribute("d", `M${lines[at].start} 58L${lines[at].end} 92`));
    picture.querySelectorAll(".mean").forEach((mean, at) => mean.setAttribute("d", `M${means[at]} ${at ? 84 : 50}v16`));
  }

  drawDetail(card, cell) {
    say(card, ".trains", cell.trained ? "trained here" : "ignored here: its loss is not counted");
    [...card.querySelectorAll("tr")].forEach((row, place) => {
      const [token, percent, width, isTarget] = cell.guesses[place];
      row.className = isTarget ? "target" : "";
      say(row, "code", token);
      row.querySelector("rect").setAttribute("width", width);
      say(row, ".number", percent);
      say(row, ".note", isTarget ? "target" : "");
    });
    for (const fact of card.querySelectorAll("[data-fact]")) write(fact, cell[fact.dataset.fact]);
    for (const fact of card.querySelectorAll("[data-gradient]")) write(fact, cell.bars[fact.dataset.gradient][0]);
  }

  hover(at) {
    if (at === this.hovered) return;
    this.hovered = at;
    for (const cell of this.cells ?? []) cell.classList.toggle("hovered", cell.dataset.at === at);
  }
}

function drawBar(cell, [text, y, height, baseline]) {
  const [rect, line] = cell.querySelector("svg").children;
  rect.setAttribute("y", y);
  rect.setAttribute("height", height);
  for (const end of ["y1", "y2"]) line.setAttribute(end, baseline);
  say(cell, ".value", text);
}

function drawPrediction(cell, { verdict, chance, guesses: [[best, , width]] }) {
  const token = cell.querySelector(".token");
  token.dataset.verdict = verdict;
  write(token, best);
  say(cell, ".chance", chance);
  cell.querySelector("rect").setAttribute("width", width);
  say(cell, ".verdict", verdict);
}

function letter({ token, wrong, stop }) {
  const span = document.createElement("span");
  span.className = `token${stop ? " end" : ""}${wrong ? " wrong" : ""}`;
  span.textContent = token;
  return span;
}

function say(within, selector, text) {
  write(within.querySelector(selector), text);
}

// A text that stays as it is starts no work for the browser, and is not read aloud again. One that changes keeps its node:
// a new one would have all that holds it matched against `:has` anew.
function write(place, text) {
  const { firstChild } = place;
  if (place.textContent === String(text)) return;
  if (firstChild?.nodeType === Node.TEXT_NODE && firstChild === place.lastChild) firstChild.data = text;
  else place.textContent = text;
}

customElements.define("mask-figure", MaskFigure);

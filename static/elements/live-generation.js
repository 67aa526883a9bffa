// <live-generation data-recipe data-step data-prompt data-state>: streams the answer of each model named by a lane's
// data-policy into it; a lane may name a recipe of its own, and one with a data-text is the base's continuation of it.
// Without a data-answer nobody knows what is right. data-state says what the server rendered: `idle`, `complete`, or `stream`: left to this element.
// With data-short, letters that differ from data-answer are marked, and the outcome is a word or two.
// Tokens come faster than one can read, so they are shown one every PACE milliseconds; but as they come if the same word
// is answered at another step, so that a training can be played. Emits `generated` per lane.

const PACE = 140;

class LiveGeneration extends HTMLElement {
  static observedAttributes = ["data-recipe", "data-step", "data-prompt", "data-state"];

  connectedCallback() {
    this.start = this.querySelector(".start");
    this.stop = this.querySelector(".stop");
    this.stop.hidden = false;
    this.listening = new AbortController();
    const { signal } = this.listening;
    this.start.addEventListener("click", (event) => this.onStart(event), { signal });
    this.stop.addEventListener("click", () => this.running?.abort(), { signal });
    this.refresh();
  }

  disconnectedCallback() {
    this.running?.abort();
    this.listening.abort();
  }

  // The server's answer to the form is morphed into this element, attribute by attribute: look once all are there.
  attributeChangedCallback(_, before, now) {
    if (!this.start || before === now || this.pending) return;
    this.pending = true;
    queueMicrotask(() => {
      this.pending = false;
      this.refresh();
    });
  }

  refresh() {
    const { recipe, step, prompt, state } = this.dataset;
    const before = this.shown ?? {};
    const sameWord = recipe === before.recipe && prompt === before.prompt;
    if (state === "stream" && !(sameWord && step === before.step)) this.run(sameWord ? 0 : PACE);
    else if (state === "idle" && this.shown !== undefined) this.clear();
    if (state !== "idle") this.shown = { recipe, prompt, step };
  }

  // Once there is an answer, asking again needs no new page.
  onStart(event) {
    if (this.dataset.state === "idle") return;
    event.preventDefault();
    this.run();
  }

  // Somebody else fills the lanes now: what still comes is dropped without a word.
  leave() {
    const { running } = this;
    this.running = undefined;
    running?.abort();
    this.stop.disabled = true;
  }

  clear() {
    this.leave();
    this.shown = undefined;
    for (const part of this.querySelectorAll(".tokens, .outcome")) part.replaceChildren();
  }

  async run(pace = PACE) {
    this.running?.abort();
    const running = (this.running = new AbortController());
    this.stop.disabled = false;
    await Promise.all([...this.querySelectorAll("[data-policy]")].map((lane) => this.fill(lane, pace, running.signal)));
    if (this.running === running) this.stop.disabled = true;
  }

  async fill(lane, pace, signal) {
    const tokens = lane.querySelector(".tokens");
    const outcome = lane.querySelector(".outcome");
    tokens.replaceChildren();
    outcome.textContent = "…";
    const marks = "short" in this.dataset;
    let count = 0;
    let ended = false;
    try {
      for await (const { event, data } of this.ask(lane, signal)) {
        if (event === "token") {
          tokens.append(cell(data.token, marks ? (lane.dataset.answer[count] ?? "") : data.token));
          count += 1;
          if (pace) await pause(pace, signal);
        } else if (event === "done") {
          ended = true;
          outcome.textContent = marks ? verdict(data, lane.dataset.answer) : ending(data, lane.dataset.answer);
          this.dispatchEvent(new CustomEvent("generated", { bubbles: true, detail: data }));
        } else if (event === "error") {
          ended = true;
          outcome.textContent = `Failed: ${data.error.message}.`;
        }
      }
      if (!ended) throw new Error("the connection ended early");
    } catch (error) {
      if (signal.aborted && this.running?.signal !== signal) return; // a newer run owns the lane
      outcome.textContent = signal.aborted ? `Stopped by you after ${count} tokens.` : `Failed: ${error.message}.`;
    }
  }

  async *ask(lane, signal) {
    const { text, policy, recipe = this.dataset.recipe, step = this.dataset.step } = lane.dataset;
    const templated = "templated" in lane.dataset;
    const { prompt } = this.dataset;
    const asked = text === undefined ? { recipe, policy, prompt, step: Number(step) } : { text, templated };
    const response = await fetch(text === undefined ? "/api/v1/generate" : "/api/v1/continue", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...asked, stream: true }),
      signal,
    });
    if (!response.ok) throw new Error((await response.json()).error.message);
    yield* events(response.body.pipeThrough(new TextDecoderStream()));
  }
}

// Server-sent events of a stream of text: blocks of `field: value` lines, separated by an empty line.
async function* events(stream) {
  let text = "";
  const reader = stream.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value.replaceAll("\r", "");
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => line.match(/^(\w*): ?(.*)$/)?.slice(1) ?? []));
      if (fields.data) yield { event: fields.event, data: JSON.parse(fields.data) };
    }
  }
}

// `right` is the answer's token at this place.
function cell(token, right) {
  const span = document.createElement("span");
  span.className = `token${token === "#" ? " end" : ""}${right !== token ? " wrong" : ""}`;
  span.textContent = token;
  return span;
}

function ending({ completion, tokens, finish_reason: reason }, answer) {
  const count = tokens.length;
  const how = reason === "stop" ? `Stopped at # after ${count} tokens` : `Cut off at the cap of ${count} tokens: it never wrote #`;
  return answer ? `${how}: ${completion === answer ? "right ✓" : "wrong ✗"}.` : `${how}.`;
}

function verdict({ completion, tokens, finish_reason: reason }, answer) {
  if (reason !== "stop") return `never stops ✗ (cut off after ${tokens.length})`;
  return completion === answer ? "right ✓" : "wrong ✗";
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}

customElements.define("live-generation", LiveGeneration);

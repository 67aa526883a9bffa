// <share-link data-address>: a link with the conversation in it. What is pasted stands compressed behind the #, which no
// browser sends anywhere; whoever opens the link gets it back into the form, and sends it by the button, or not.

const FIELDS = ["rows", "against", "template_text"];
const MARK = "#c=";
const LONGEST_LINK = 60_000;
const LONGEST_TEXT = 2_000_000;

class ShareLink extends HTMLElement {
  connectedCallback() {
    this.listening = new AbortController();
    const { signal } = this.listening;
    this.addEventListener("click", ({ target }) => target.matches("button") && this.copy(), { signal });
    document.addEventListener("htmx:after:swap", () => this.show(), { signal });
    this.show();
    if (location.hash.startsWith(MARK) && !this.button) this.open();
  }

  disconnectedCallback() {
    this.listening.abort();
  }

  show() {
    if (this.button) this.button.hidden = false;
  }

  get button() {
    return this.querySelector("button");
  }

  get said() {
    return this.querySelector("[role=status]");
  }

  get form() {
    return this.closest("form");
  }

  async copy() {
    const given = Object.fromEntries(FIELDS.map((name) => [name, this.form.elements[name].value]));
    const address = new URL(this.dataset.address, location.href);
    address.searchParams.set("example", "own");
    if (this.form.elements.template.value === "pasted") address.searchParams.set("template", "pasted");
    const link = `${address}${MARK}${await pack(JSON.stringify(given))}`;
    if (link.length > LONGEST_LINK) {
      const length = link.length.toLocaleString("en");
      this.said.textContent = `Too long for a link: ${length} characters, ${LONGEST_LINK.toLocaleString("en")} at most.`;
      return;
    }
    const hasFiles = this.form.elements.tokenizer_json.value || this.form.elements.tokenizer_files.files.length;
    try {
      await navigator.clipboard.writeText(link);
      this.said.textContent = `Copied: ${link.length.toLocaleString("en")} characters.${hasFiles ? " The tokenizer is not in it." : ""}`;
    } catch {
      const field = document.createElement("input");
      field.readOnly = true;
      field.value = link;
      field.setAttribute("aria-label", "The link");
      this.said.replaceChildren("Copy it from here: ", field);
      field.select();
    }
  }

  async open() {
    try {
      const given = JSON.parse(await unpack(location.hash.slice(MARK.length)));
      for (const name of FIELDS) this.form.elements[name].value = String(given[name] ?? "");
      this.said.textContent = "This link brings its own rows. They have not left your browser: Inspect sends them.";
      this.form.querySelector("button[type=submit]").focus();
    } catch {
      this.said.textContent = "What this link should bring cannot be read: it may have been cut.";
    }
  }
}

async function pack(text) {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const letters = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// A few characters may hold gigabytes: it is read piece by piece, and no further than may be.
async function unpack(packed) {
  if (packed.length > LONGEST_LINK) throw new RangeError("the link is too long");
  const letters = atob(packed.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    text += decoder.decode(piece.value, { stream: true });
    if (text.length > LONGEST_TEXT) throw new RangeError("the link holds too much");
  }
  return text;
}

customElements.define("share-link", ShareLink);

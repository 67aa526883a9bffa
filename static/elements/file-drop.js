// <file-drop data-most>: files dropped anywhere on the page go to the field they are for, by their names, and are sent.
// Too large is said here, before anything is sent; what a file holds is judged by the server.

const FIELDS = [
  ["template_file", /\.(jinja2?|j2)$/i],
  ["tokenizer_files", /^(tokenizer(_config)?|special_tokens_map|generation_config|config)\.json$/i],
  ["rows_file", /\.(jsonl?|ndjson|txt)$/i],
];

class FileDrop extends HTMLElement {
  connectedCallback() {
    this.listening = new AbortController();
    const { signal } = this.listening;
    document.addEventListener("dragover", (event) => this.onOver(event), { signal });
    document.addEventListener("drop", (event) => this.onDrop(event), { signal });
    this.addEventListener("change", (event) => this.onChosen(event), { signal, capture: true });
    this.addEventListener("input", ({ target }) => target.name === "template_text" && this.useTemplate(), { signal });
    document.addEventListener("htmx:after:swap", () => this.onShown(), { signal });
  }

  disconnectedCallback() {
    this.listening.abort();
  }

  get form() {
    return this.closest("form");
  }

  onOver(event) {
    if (event.dataTransfer.types.includes("Files")) event.preventDefault();
  }

  onDrop(event) {
    const files = [...event.dataTransfer.files];
    if (!files.length) return;
    event.preventDefault();
    const unknown = files.find(({ name }) => !FIELDS.some(([, known]) => known.test(name)));
    if (unknown) {
      this.say(`${unknown.name} is not read: drop rows as .jsonl or .json, a template as .jinja, a tokenizer.json.`);
      return;
    }
    if (this.areTooLarge(files)) return;
    const given = new Map();
    for (const file of files) {
      const field = FIELDS.find(([, known]) => known.test(file.name))[0];
      if (!given.has(field)) given.set(field, new DataTransfer());
      given.get(field).items.add(file);
    }
    for (const [field, transfer] of given) this.form.elements[field].files = transfer.files;
    this.send();
  }

  onChosen(event) {
    if (event.target.type !== "file") return;
    const files = [...event.target.files];
    if (!files.length || this.areTooLarge(files)) {
      event.target.value = "";
      event.stopPropagation();
    } else if (event.target.name === "template_file") this.useTemplate();
  }

  areTooLarge(files) {
    const most = Number(this.dataset.most) - 50_000;
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    const mega = (number) => (number / 1e6).toLocaleString("en", { maximumFractionDigits: 1 });
    if (bytes > most) this.say(`${files[0].name}: ${mega(bytes)} MB, and ${mega(most)} MB is the most. Nothing was sent.`);
    return bytes > most;
  }

  useTemplate() {
    this.form.querySelector("[name=template][value=pasted]").checked = true;
  }

  send() {
    this.say("");
    this.form.requestSubmit();
  }

  // What the server read from a file now stands in its field, where it may be changed; a tokenizer stays a file.
  onShown() {
    for (const name of ["rows_file", "against_file", "template_file"]) this.form.elements[name].value = "";
  }

  say(text) {
    this.querySelector("[data-said]").textContent = text;
  }
}

customElements.define("file-drop", FileDrop);

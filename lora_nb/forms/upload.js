// Files from the browser to the kernel in pieces: one file at a time, some pieces on their way at once, each proven.
// Protocol: every message has `op` and `seq`, every answer `re` and `ok`, or one sentence in `text`.

const QUIET = 2000; // ms without an answer until the page says that it waits
const LOST = 20000; // until it says that the kernel may be gone
const PREVIEWS = 24;
const ACCEPT = ".zip,.txt,.jsonl,.csv,.jpg,.jpeg,.png,.webp,.bmp,.avif";

const STYLE = `
.lnu { --lnu-fg: var(--jp-ui-font-color1, #212121);
  --lnu-soft: var(--jp-ui-font-color2, #5f5f5f); --lnu-line: var(--jp-border-color1, #9e9e9e);
  --lnu-mark: var(--jp-brand-color1, #1565c0); --lnu-bad: #c62828; --lnu-good: #2e7d32;
  color: var(--lnu-fg); font: 13px/1.4 var(--jp-ui-font-family, system-ui, sans-serif);
  max-width: 900px; box-sizing: border-box; }
html[theme=dark] .lnu, [data-jp-theme-light=false] .lnu { --lnu-bad: #ff8a80; --lnu-good: #81c995; --lnu-mark: #8ab4f8; }
html[theme=dark] .lnu { --lnu-fg: #e3e3e3; --lnu-soft: #b5b5b5; --lnu-line: #757575; }
.lnu-drop { border: 2px dashed var(--lnu-line); border-radius: 6px; padding: 14px; display: flex; gap: 12px;
  flex-wrap: wrap; align-items: center; }
.lnu-drop.over { border-color: var(--lnu-mark); background: color-mix(in srgb, var(--lnu-mark) 12%, transparent); }
.lnu button { font: inherit; color: var(--lnu-fg); background: transparent; border: 1px solid var(--lnu-line);
  border-radius: 4px; padding: 4px 12px; cursor: pointer; }
.lnu button:hover { border-color: var(--lnu-mark); }
.lnu button:focus-visible { outline: 2px solid var(--lnu-mark); outline-offset: 1px; }
.lnu-soft { color: var(--lnu-soft); } .lnu-bad { color: var(--lnu-bad); } .lnu-good { color: var(--lnu-good); }
.lnu ul { list-style: none; margin: 6px 0 0; padding: 0; max-height: 260px; overflow-y: auto; }
.lnu li { display: grid; grid-template-columns: 44px minmax(0, 1fr) auto; gap: 2px 10px; align-items: center;
  padding: 4px 0; border-bottom: 1px solid color-mix(in srgb, var(--lnu-line) 40%, transparent); }
.lnu li img, .lnu li .lnu-icon { width: 44px; height: 44px; object-fit: cover; border-radius: 3px; grid-row: span 2;
  display: flex; align-items: center; justify-content: center; font-size: 11px; background: #8883; }
.lnu-name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.lnu progress { width: 100%; height: 10px; accent-color: var(--lnu-mark); }`;

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});

const ALGORITHM = globalThis.isSecureContext && globalThis.crypto?.subtle ? "sha256" : "crc32";

async function digest(bytes) {
  if (ALGORITHM === "sha256") {
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }
  let crc = 0xffffffff;
  for (const byte of new Uint8Array(bytes)) crc = CRC[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ((crc ^ 0xffffffff) >>> 0).toString(16).padStart(8, "0");
}

const size = (bytes) => (bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB` : bytes >= 1e5 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.ceil(bytes / 1e3)} kB`);

function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** The way to the kernel: a message out, a promise of its answer back. */
class Kernel {
  constructor(model, onNews) {
    this.model = model;
    this.view = Math.random().toString(36).slice(2); // a model may be shown twice, and both hear every answer
    this.count = 0;
    this.waiting = new Map();
    this.heard = Date.now();
    this.take = (message) => {
      this.heard = Date.now();
      const answer = this.waiting.get(message.re);
      this.waiting.delete(message.re);
      if (answer) answer(message);
      else if (message.op) onNews(message);
    };
    model.on("msg:custom", this.take);
  }
  ask(message, bytes) {
    const seq = `${this.view}-${++this.count}`;
    return new Promise((resolve) => {
      if (!this.waiting.size) this.heard = Date.now();
      this.waiting.set(seq, resolve);
      try {
        this.model.send({ ...message, seq }, undefined, bytes ? [bytes] : []);
      } catch {
        this.heard = 0; // the kernel is gone
      }
    });
  }
  get silence() {
    return this.waiting.size ? Date.now() - this.heard : 0;
  }
  close() {
    this.model.off("msg:custom", this.take);
  }
}

/** One file on its way: pieces are read and sent in order, and answered while the next ones are read. */
class Transfer {
  constructor(kernel, file, onProgress) {
    Object.assign(this, { kernel, file, onProgress, acked: 0, begunAt: 0, cancelled: false, wake: () => {} });
  }
  async run() {
    const first = await digest(await this.file.slice(0, 1 << 18).arrayBuffer());
    const { name, size, lastModified } = this.file;
    const begun = await this.kernel.ask({ op: "begin", name, size, modified: lastModified, first });
    if (!begun.ok) return begun;
    Object.assign(this, { id: begun.id, acked: begun.offset, started: begun.offset, startedAt: performance.now() });
    this.piece = begun.piece;
    const failed = await this.sendAll(begun.offset, begun.window);
    if (failed || this.cancelled) return failed || { ok: false, cancelled: true };
    const end = await this.kernel.ask({ op: "end", id: this.id });
    return !end.ok && Number.isInteger(end.offset) && !end.text ? this.run() : end;
  }
  async sendAll(offset, window) {
    let next = offset, flying = 0, back = null, failed = null;
    const answered = (answer, took) => {
      flying--;
      if (answer.ok) this.acked = Math.max(this.acked, answer.offset);
      else if (Number.isInteger(answer.offset) && !answer.text) back = answer.offset;
      else failed = answer;
      this.pace(took);
      this.onProgress(this);
      this.wake();
    };
    while (!failed && !this.cancelled && (this.acked < this.file.size || flying)) {
      if (back !== null && !flying) [next, back] = [back, null];
      if (flying >= window || next >= this.file.size || back !== null) {
        await new Promise((resolve) => (this.wake = resolve));
        continue;
      }
      flying++; // before the first await, or the end would overtake the last piece
      const at = next;
      next = Math.min(at + this.piece, this.file.size);
      let bytes;
      try {
        bytes = await this.file.slice(at, next).arrayBuffer();
      } catch {
        return { ok: false, text: `${this.file.name} cannot be read any more: choose it again` };
      }
      const hash = await digest(bytes);
      const sent = performance.now();
      this.kernel
        .ask({ op: "piece", id: this.id, offset: at, hash, algorithm: ALGORITHM }, bytes)
        .then((answer) => answered(answer, performance.now() - sent));
    }
    return failed;
  }
  /** Larger pieces while answers come quickly (Colab begins small), smaller ones when they do not. */
  pace(took) {
    if (took < 500) this.piece = Math.min(this.piece * 2, 1 << 20);
    else if (took > 4000) this.piece = Math.max(this.piece / 2, 1 << 16);
  }
  cancel() {
    this.cancelled = true;
    this.wake();
  }
  get words() {
    const seconds = (performance.now() - this.startedAt) / 1000;
    const rate = (this.acked - this.started) / Math.max(seconds, 0.001);
    const left = Math.ceil((this.file.size - this.acked) / Math.max(rate, 1));
    const time = left < 90 ? `${left} s` : `${Math.ceil(left / 60)} min`;
    const pace = seconds > 0.5 && rate > 0 ? `, ${(rate / 1e6).toFixed(1)} MB/s, ${time} left` : "";
    return `${size(this.acked)} of ${size(this.file.size)}${pace}`;
  }
}

/** What a person sees: where to drop, the files on their way and there. */
class View {
  constructor(model, el) {
    this.kernel = new Kernel(model, (news) => news.op === "reset" && this.hello());
    this.queue = [];
    this.pictures = new Map();
    this.build(el);
    this.clock = setInterval(() => this.look(), 500);
    this.hello();
  }
  build(el) {
    this.root = element("div", "lnu");
    this.root.append(element("style", "", STYLE));
    this.drop = element("div", "lnu-drop");
    this.choose = element("button", "", "Choose files …");
    this.input = Object.assign(element("input"), { type: "file", multiple: true, accept: ACCEPT, hidden: true });
    const hint = element("span", "lnu-soft", "or drop pictures, captions (.txt) and zips here: any size, from this computer");
    this.drop.append(this.choose, this.input, hint);
    this.status = element("div", "lnu-soft");
    this.status.setAttribute("role", "status");
    this.list = element("ul");
    this.list.setAttribute("aria-label", "Uploaded files");
    this.root.append(this.drop, this.status, this.list);
    el.append(this.root);
    this.choose.onclick = () => this.input.click();
    this.input.onchange = () => {
      const files = [...this.input.files];
      this.input.value = ""; // else the same file twice says nothing
      this.add(files);
    };
    this.root.addEventListener("pointerenter", () => this.active || this.hello()); // Colab may hold news back
    for (const kind of ["keydown", "keypress", "keyup", "paste"]) this.root.addEventListener(kind, (event) => event.stopPropagation());
    for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
      this.drop.addEventListener(kind, (event) => {
        event.preventDefault();
        event.stopPropagation(); // else the notebook takes the file
        this.drop.classList.toggle("over", kind === "dragenter" || kind === "dragover");
        if (kind === "drop") this.add([...event.dataTransfer.files]);
      });
    }
  }
  async hello() {
    const answer = await this.kernel.ask({ op: "hello" });
    if (!answer.ok) return this.say(answer.text, "lnu-bad");
    const news = JSON.stringify([answer.whole, answer.parts, answer.epoch]);
    if (news !== this.drawn || this.active) this.draw(answer);
    this.drawn = news;
  }
  async change(message) {
    await this.kernel.ask(message);
    await this.hello();
    this.choose.focus();
  }
  draw(answer) {
    this.whole = answer.whole;
    const active = this.active?.id;
    const busy = new Set(this.queue.map((file) => file.name));
    const parts = answer.parts.filter((part) => part.id !== active && !busy.has(part.name));
    this.rows = new Map();
    this.list.replaceChildren(...answer.whole.map((file) => this.row(file)), ...parts.map((part) => this.partRow(part)));
    if (this.active) this.list.prepend(this.activeRow);
    if (!this.active && !this.queue.length) this.total();
  }
  total() {
    const bytes = this.whole.reduce((sum, file) => sum + file.size, 0);
    const many = this.whole.length;
    this.say(many ? `${many} ${many === 1 ? "file is" : "files are"} here (${size(bytes)}). Next: press the button below.` : "", "lnu-good");
  }
  row(file) {
    const row = element("li");
    const name = element("span", "lnu-name", file.name);
    name.title = file.name;
    const remove = element("button", "", "Remove");
    remove.setAttribute("aria-label", `Remove ${file.name}`);
    remove.onclick = () => this.change({ op: "remove", name: file.name });
    row.append(this.preview(file.name), name, remove, element("span", "lnu-soft", [file.kind, size(file.size), file.holds].filter(Boolean).join(", ")));
    return row;
  }
  partRow(part) {
    const row = element("li");
    const words = `${size(part.there)} of ${size(part.size)} are here: choose this file again to go on`;
    const drop = element("button", "", "Forget");
    drop.setAttribute("aria-label", `Forget ${part.name}`);
    drop.onclick = () => this.change({ op: "drop", id: part.id });
    row.append(this.preview(part.name), element("span", "lnu-name", part.name), drop, element("span", "lnu-soft", words));
    return row;
  }
  preview(name) {
    const address = this.pictures.get(name);
    if (!address) return element("span", "lnu-icon", name.split(".").pop().slice(0, 4));
    return Object.assign(element("img"), { src: address, alt: name });
  }
  async add(files) {
    for (const file of files) {
      if (this.pictures.size < PREVIEWS && file.type.startsWith("image/")) this.pictures.set(file.name, URL.createObjectURL(file));
    }
    this.queue.push(...files);
    if (this.active) return;
    const problems = [];
    while (this.queue.length) {
      const file = this.queue.shift();
      const answer = await this.send(file);
      if (!answer.ok && !answer.cancelled) problems.push(answer.text || `${file.name} did not come whole: choose it again`);
      await this.hello();
    }
    if (problems.length) this.say(problems.join(". "), "lnu-bad");
  }
  async send(file) {
    this.activeRow = element("li");
    const cancel = element("button", "", "Stop");
    cancel.setAttribute("aria-label", `Stop ${file.name}`);
    const bar = Object.assign(element("progress"), { max: Math.max(file.size, 1), value: 0 });
    bar.setAttribute("aria-label", `Upload of ${file.name}`);
    this.activeRow.append(this.preview(file.name), element("span", "lnu-name", file.name), cancel, bar);
    this.list.prepend(this.activeRow);
    this.active = new Transfer(this.kernel, file, (transfer) => {
      bar.value = transfer.acked;
      this.say(`${file.name}: ${transfer.words}${this.queue.length ? `; ${this.queue.length} more wait` : ""}`);
    });
    cancel.onclick = () => this.active?.cancel();
    const answer = await this.active.run();
    if (answer.cancelled) this.queue.length = 0;
    this.activeRow.remove();
    this.active = this.drawn = null;
    return answer;
  }
  /** Say that the kernel is busy, or gone. Nothing is sent again: it would only wait in the same queue. */
  look() {
    const silence = this.kernel.silence;
    if (silence > LOST) this.say("The kernel does not answer. If it was restarted, run this cell again, then choose the files again: what is there is kept.", "lnu-bad");
    else if (silence > QUIET) this.say("Waits for the cell that is running …");
  }
  say(text, kind = "lnu-soft") {
    if (this.status.textContent !== text) this.status.textContent = text;
    this.status.className = kind;
  }
  close() {
    clearInterval(this.clock);
    this.active?.cancel();
    this.kernel.close();
    for (const address of this.pictures.values()) URL.revokeObjectURL(address);
  }
}

export default {
  render({ model, el }) {
    const view = new View(model, el);
    return () => view.close();
  },
};

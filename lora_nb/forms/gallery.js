// The gallery in the page: a grid of fixed tiles, of which only those in view exist, and what a person does to them.
//
// The kernel answers questions ({op, seq} -> {re, ok}); it alone knows files. Of small copies one question is under way,
// always for what is in view now: after a fling nothing that was passed by is waited for.

const GAP = 8, NARROWEST = 138, TILE = 274, SPARE_ROWS = 2;
const ASKED = 32, KEPT_COPIES = 1500, PAUSE = 300, SILENCE = 5000, LOOK_AGAIN = 2000;
const LIMITS = [75, 150, 225];
const SHAPES = [["free", 0], ["1:1", 1], ["3:4", 3 / 4], ["4:3", 4 / 3], ["2:3", 2 / 3], ["3:2", 3 / 2]];

const HELP = [
  ["Select", "click · Shift+click from the last one to here · Ctrl+click one more · in the grid: arrows, Shift+arrows, Space, Ctrl+A all, Ctrl+I the others, Esc none"],
  ["In the grid", "F or Enter large · E or F2 the caption · X set aside · B bring back · L, R turn · / the filter · Ctrl+Z undo the last step"],
  ["In a caption", "it is saved while you type; Enter or Esc leave it. Tags of this set are offered as you begin them: arrow down chooses, Enter takes"],
  ["Filter", 'cat · tag:"long hair" · tag:*hair · caption:sofa · name:IMG · folder:5_cat · finding:copy · is:captionless · is:aside · tags:>20 · tokens:>75 · size:<512 · size:512x768 · repeats:>1, joined by AND, OR, NOT and brackets'],
];

const STYLE = `
.lng{--bg:var(--jp-layout-color1,#fff);--pane:var(--jp-layout-color2,#f3f3f3);--line:var(--jp-border-color1,#bdbdbd);
 --ink:var(--jp-ui-font-color1,#1f1f1f);--soft:#595959;--mark:#1565c0;--marked:#dcebfb;--good:#1b6e20;--bad:#b71c1c;--warn:#8a4b00;
 box-sizing:border-box;position:relative;color:var(--ink);background:var(--bg);border:1px solid var(--line);border-radius:4px;
 font:13px/1.35 var(--jp-ui-font-family,system-ui,sans-serif);display:flex;flex-direction:column;padding:8px;gap:6px;overflow:hidden}
body[data-jp-theme-light="false"] .lng,html[theme=dark] .lng{--soft:#b8b8b8;--mark:#7cb8ff;--marked:#1d3a57;--good:#81d186;--bad:#ff8a80;--warn:#ffb74d}
html[theme=dark] .lng{--bg:#1f1f1f;--pane:#2b2b2b;--line:#5c5c5c;--ink:#e8e8e8}
.lng *{box-sizing:border-box}
.lng button,.lng input,.lng select,.lng textarea{font:inherit;color:var(--ink);background:var(--bg);border:1px solid var(--line);border-radius:3px}
.lng button{padding:3px 8px;cursor:pointer;background:var(--pane)}
.lng button:disabled{opacity:.55;cursor:default}
.lng.lng ::placeholder{color:var(--soft);opacity:1}
.lng :focus-visible{outline:2px solid var(--mark);outline-offset:1px}
.lng .line{display:flex;flex-wrap:wrap;gap:6px;align-items:center}
.lng .filter{flex:1 1 220px;min-width:120px;padding:4px 6px}
.lng .filter.wrong{border-color:var(--bad)}
.lng .counts{color:var(--soft)}
.lng .body{position:relative;display:flex;gap:8px;height:560px}
.lng.narrow .body{flex-direction:column;height:620px}
.lng .grid{flex:1 1 auto;min-width:0;min-height:0;overflow-y:auto;overflow-x:hidden;position:relative;overscroll-behavior:contain;contain:strict}
.lng .row{position:absolute;left:2px;right:2px;display:flex;gap:${GAP}px;height:${TILE - GAP}px}
.lng .tile{flex:1 1 0;min-width:0;border:2px solid var(--line);border-radius:4px;display:flex;flex-direction:column;background:var(--bg);padding:3px;gap:2px;position:relative}
.lng .tile[aria-selected=true]{border-color:var(--mark);background:var(--marked)}
.lng .tile[aria-selected=true]::after{content:"✓";position:absolute;top:5px;left:5px;width:20px;height:20px;border-radius:10px;background:#1565c0;color:#fff;text-align:center;line-height:20px}
.lng .tile.aside .pic{opacity:.5}
.lng .tile.off{visibility:hidden}
.lng .pic{flex:1 1 0;min-height:0;display:flex;align-items:center;justify-content:center;background:#8882;overflow:hidden;cursor:pointer;user-select:none}
.lng .pic img{max-width:100%;max-height:100%;display:block}
.lng .why{color:var(--bad);padding:4px;text-align:center;overflow-wrap:anywhere;font-size:12px}
.lng .name{display:flex;white-space:nowrap;font-size:12px}
.lng .name span{overflow:hidden;text-overflow:ellipsis;flex:0 99 auto}.lng .name span+span{flex:0 1 auto}
.lng .meta{min-height:16px;display:flex;justify-content:space-between;gap:4px;font-size:11.5px;color:var(--soft);white-space:nowrap;overflow:hidden}
.lng .over{color:var(--warn);font-weight:600}
.lng textarea{resize:none;width:100%;height:62px;padding:2px 4px;font-size:12px;line-height:1.3}
.lng textarea.unsaved{border-color:var(--warn);border-style:dashed}
.lng .clash{position:absolute;left:3px;right:3px;bottom:3px;background:var(--bg);border:2px solid var(--bad);border-radius:3px;padding:4px;font-size:12px;display:flex;flex-direction:column;gap:3px;max-height:80%;overflow:auto}
.lng .side{flex:0 0 200px;min-height:0;display:flex;flex-direction:column;background:var(--pane);border-radius:4px;padding:6px}
.lng.narrow .side{flex:0 0 130px}
.lng .tags{overflow-y:auto;flex:1 1 auto;min-height:0}
.lng .tag{display:flex;justify-content:space-between;gap:8px;width:100%;text-align:left;border:0;background:none;padding:2px 4px}
.lng .tag span:first-child{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.lng .tag:hover,.lng .tag[aria-pressed=true]{background:var(--marked)}
.lng .say{min-height:18px}.lng .say.good{color:var(--good)}.lng .say.bad{color:var(--bad)}
.lng .short{width:110px;padding:3px 5px}.lng .number{width:56px;padding:3px 5px}
.lng .lost{background:var(--pane);border:2px solid var(--bad);border-radius:4px;padding:6px;display:flex;gap:8px;align-items:center;flex-wrap:wrap}
.lng.silent .grid,.lng.silent .side{opacity:.45}
.lng .large{position:absolute;inset:0;background:var(--bg);display:flex;flex-direction:column;gap:6px;z-index:2;border:1px solid var(--line);padding:6px}
.lng .stage{flex:1 1 0;min-height:0;display:flex;align-items:center;justify-content:center;position:relative;background:#8882;overflow:hidden}
.lng .stage img{max-width:100%;max-height:100%;display:block;user-select:none}
.lng .cut{position:absolute;border:2px solid #fff;outline:2px dashed #000;box-shadow:0 0 0 4000px #0009;cursor:move;touch-action:none}
.lng .cut i{position:absolute;width:12px;height:12px;background:#fff;border:1px solid #000}
.lng .cut i:nth-child(1){left:-7px;top:-7px}.lng .cut i:nth-child(2){right:-7px;top:-7px}.lng .cut i:nth-child(3){left:-7px;bottom:-7px}.lng .cut i:nth-child(4){right:-7px;bottom:-7px}
.lng .hints{position:absolute;z-index:3;background:var(--bg);border:1px solid var(--line);border-radius:3px;box-shadow:0 2px 6px #0006;font-size:12px}
.lng .hints div{display:flex;justify-content:space-between;gap:12px;padding:2px 6px;cursor:pointer}
.lng .hints div[aria-selected=true],.lng .hints div:hover{background:var(--marked)}
.lng .hints span+span{color:var(--soft)}
.lng details{font-size:12px;color:var(--soft)}.lng summary{cursor:pointer}.lng details div{margin:2px 0 2px 12px}
.lng [hidden]{display:none!important}
`;

const bytesOf = part => new Uint8Array(part.buffer ?? part, part.byteOffset ?? 0, part.byteLength);
const jsonOf = part => JSON.parse(new TextDecoder().decode(bytesOf(part)));

/** An element with attributes, event listeners (on...) and children. */
function make(kind, about = {}, ...children) {
  const made = document.createElement(kind);
  for (const [name, value] of Object.entries(about)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** A value as one word of a filter, as filters.quoted in the kernel writes it. */
function quoted(value) {
  const plain = value.replace(/[*?[]/g, "[$&]");
  if (plain.includes('"')) return `'${plain}'`;
  return /[\s()':]/.test(plain) ? `"${plain}"` : plain;
}

/** Questions to the kernel. `heard` is told whether it answers: true, or false after some seconds or when it cannot. */
class Line {
  constructor(model, heard, told) {
    Object.assign(this, {model, heard, told, number: 0, waiting: new Map(), view: Math.random().toString(36).slice(2)});
    this.take = (content, buffers) => this.arrive(content, buffers ?? []);
    model.on("msg:custom", this.take);
  }

  ask(op, fields = {}, each = null) {
    const seq = `${this.view}-${++this.number}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.heard(false), SILENCE);
      this.waiting.set(seq, {resolve, reject, each, timer});
      try {
        this.model.send({op, seq, ...fields});
      } catch (error) {
        this.drop(seq);
        this.heard(false);
        reject({say: "The kernel cannot be reached: run this cell again."});
      }
    });
  }

  arrive(content, buffers) {
    const asked = this.waiting.get(content.re);
    if (!content.re) return this.told(content);
    if (!asked) return;
    this.heard(true);
    if (asked.each && content.ok) asked.each(content, buffers);
    if (asked.each && content.ok && !content.last) return;
    this.drop(content.re);
    if (content.ok) asked.resolve({answer: content, parts: buffers});
    else asked.reject(content);
  }

  drop(seq) {
    clearTimeout(this.waiting.get(seq)?.timer);
    this.waiting.delete(seq);
  }

  close() {
    for (const seq of [...this.waiting.keys()]) this.drop(seq);
    this.model.off("msg:custom", this.take);
  }
}

/** What is known of the pictures: their rows, small copies, and captions on their way to the kernel. */
class Store {
  constructor(line, page) {
    Object.assign(this, {line, page, rows: new Map(), copies: new Map(), edits: new Map(), revision: 0, epoch: ""});
  }

  /** Take the rows that changed; a gallery of another epoch begins anew. */
  take(answer, part) {
    if (this.epoch !== answer.epoch) this.clear(answer.epoch);
    const {rows, gone} = jsonOf(part);
    for (const row of rows) {
      const [id, name, folder, repeats, caption, revision, found, aside, reason, stamp] = row;
      const before = this.rows.get(id) ?? {}, tokens = before.revision === revision ? before.tokens : undefined;
      const size = before.stamp === stamp ? before.size : undefined;
      this.rows.set(id, {tokens, size, id, name, folder, repeats, caption: caption ?? "", revision, found, aside, reason, stamp});
    }
    for (const id of gone) this.rows.delete(id);
    this.revision = answer.revision;
    return rows.length + gone.length > 0;
  }

  clear(epoch) {
    for (const copy of this.copies.values()) URL.revokeObjectURL(copy.url);
    this.rows.clear();
    this.copies.clear();
    this.revision = 0;
    this.epoch = epoch;
  }

  /** The small copy of a picture as it is now, if it is here. */
  copy(id) {
    const copy = this.copies.get(id), row = this.rows.get(id);
    return copy && row && copy.stamp === row.stamp ? copy : null;
  }

  keep(item, part) {
    const old = this.copies.get(item.id), row = this.rows.get(item.id);
    if (old?.url) URL.revokeObjectURL(old.url);
    this.copies.delete(item.id);
    if (!row) return;
    if (item.stamp && item.stamp !== row.stamp) row.stamp = item.stamp;
    row.size = item.size;
    const url = item.why ? "" : URL.createObjectURL(new Blob([bytesOf(part)], {type: "image/jpeg"}));
    this.copies.set(item.id, {url, why: item.why ?? "", stamp: row.stamp});
  }

  /** Forget the oldest copies that are not in view. */
  thin(inView) {
    for (const [id, copy] of this.copies) {
      if (this.copies.size <= KEPT_COPIES) break;
      if (inView.has(id)) continue;
      if (copy.url) URL.revokeObjectURL(copy.url);
      this.copies.delete(id);
    }
  }

  textOf(id) {
    return this.edits.get(id)?.text ?? this.rows.get(id)?.caption ?? "";
  }

  unsaved() {
    return [...this.edits.entries()].filter(([, edit]) => edit.dirty || edit.busy || edit.clash || edit.fault);
  }

  /** A person typed: saved after a pause, or at once by `flush`. */
  type(id, text) {
    const edit = this.edits.get(id) ?? {base: this.rows.get(id).revision};
    Object.assign(edit, {text, dirty: true, fault: ""});
    this.edits.set(id, edit);
    clearTimeout(edit.timer);
    edit.timer = setTimeout(() => this.flush(id), PAUSE);
    this.page.mark(id);
  }

  async flush(id, ends = false) {
    const edit = this.edits.get(id);
    if (!edit) return;
    edit.ends = edit.ends || ends;
    if (edit.composing || edit.busy || edit.clash || !edit.dirty) return this.settle(id);
    clearTimeout(edit.timer);
    Object.assign(edit, {dirty: false, busy: true});
    const asked = {id, base: edit.base, text: edit.text, goes_on: !!edit.sent, since: this.revision};
    try {
      const {answer, parts} = await this.line.ask("edit", asked);
      Object.assign(edit, {base: answer.base, sent: true, busy: false});
      this.take(answer, parts[0]);
    } catch (fault) {
      Object.assign(edit, {busy: false, dirty: true, clash: fault.conflict ?? null, fault: fault.say});
      if (!fault.conflict) this.page.tell(fault.say, false);
      return this.page.mark(id);
    }
    this.page.mark(id);
    if (edit.dirty) this.flush(id);
    else this.settle(id);
  }

  /** An edit whose picture was left, and which is saved, is over: the next one is undone by itself. */
  settle(id) {
    const edit = this.edits.get(id);
    if (edit?.ends && !edit.dirty && !edit.busy && !edit.clash) {
      this.edits.delete(id);
      this.page.saved(id);
    }
  }

  /** After a conflict: "mine", "theirs" or "both" stays. */
  choose(id, which) {
    const edit = this.edits.get(id), {text, revision} = edit.clash;
    const mine = edit.text;
    Object.assign(edit, {clash: null, fault: "", base: revision, dirty: true, ends: true});
    edit.text = which === "mine" ? mine : which === "theirs" ? text : [text, mine].filter(Boolean).join(", ");
    if (which === "theirs") {
      this.edits.delete(id);
      Object.assign(this.rows.get(id), {caption: text, revision});
    }
    this.page.mark(id);
    if (which === "theirs") this.page.look(true);
    else this.flush(id);
  }
}

/** The grid of tiles. `ids` are the pictures in view of the filter; `at` is where the keyboard is. */
class Grid {
  constructor(page) {
    Object.assign(this, {page, ids: [], places: new Map(), at: 0, anchor: 0, chosen: new Set(), alive: new Map(), pool: [], columns: 1, asking: false});
    this.sizer = make("div", {role: "presentation"});
    this.box = make("div", {className: "grid", role: "grid", tabIndex: -1, "aria-label": "Pictures", "aria-multiselectable": "true", onscroll: () => this.soon()}, this.sizer);
  }

  soon() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  /** Show these pictures; the keyboard stays at its picture where that is among them. */
  show(ids) {
    const here = this.ids[this.at];
    this.ids = ids;
    this.places = new Map(ids.map((id, at) => [id, at]));
    for (const id of this.chosen) if (!this.places.has(id)) this.chosen.delete(id);
    this.at = this.places.get(here) ?? Math.max(0, Math.min(this.at, ids.length - 1));
    this.anchor = Math.min(this.anchor, Math.max(0, ids.length - 1));
    const focused = this.box.contains(document.activeElement) && document.activeElement.tagName !== "TEXTAREA";
    this.layout();
    if (focused) this.focus(this.at);
  }

  layout() {
    const width = this.box.clientWidth - 4;
    const columns = Math.max(1, Math.floor((width + GAP) / (NARROWEST + GAP)));
    if (columns !== this.columns) this.empty();
    this.columns = columns;
    const rows = Math.ceil(this.ids.length / columns);
    this.sizer.style.height = `${rows * TILE}px`;
    this.box.setAttribute("aria-rowcount", rows);
    this.box.setAttribute("aria-colcount", columns);
    this.draw(true);
  }

  empty() {
    for (const row of [...this.alive.values(), ...this.pool]) row.remove();
    this.alive.clear();
    this.pool = [];
  }

  draw(anew = false) {
    const top = this.box.scrollTop, rows = Math.ceil(this.ids.length / this.columns);
    const first = Math.max(0, Math.floor(top / TILE) - SPARE_ROWS);
    const last = Math.min(rows, Math.ceil((top + this.box.clientHeight) / TILE) + SPARE_ROWS);
    for (const [number, row] of this.alive) if (number < first || number >= last) this.retire(number, row);
    for (let number = first; number < last; number++) {
      if (!this.alive.has(number)) this.bring(number);
      else if (anew) this.fill(number, this.alive.get(number));
    }
    this.ask();
  }

  retire(number, row) {
    if (row.contains(document.activeElement)) this.box.focus({preventScroll: true});
    row.style.display = "none";
    this.alive.delete(number);
    this.pool.push(row);
  }

  bring(number) {
    const row = this.pool.pop() ?? this.sizer.appendChild(make("div", {className: "row", role: "row"}, ...Array.from({length: this.columns}, () => this.tile())));
    row.style.display = "";
    row.style.top = `${number * TILE}px`;
    row.setAttribute("aria-rowindex", number + 1);
    this.alive.set(number, row);
    this.fill(number, row);
  }

  tile() {
    const image = make("img", {alt: "", draggable: false}), why = make("div", {className: "why"});
    const pic = make("div", {className: "pic"}, image, why);
    const name = make("div", {className: "name"}, make("span"), make("span")), tokens = make("span"), flags = make("span");
    const text = make("textarea", {tabIndex: -1, spellcheck: false});
    const tile = make("div", {className: "tile", role: "gridcell", tabIndex: -1}, pic, name, text, make("div", {className: "meta"}, tokens, flags));
    tile.parts = {image, why, name, text, tokens, flags};
    pic.addEventListener("mousedown", event => event.preventDefault());
    pic.addEventListener("click", event => this.click(tile.place, event));
    name.addEventListener("click", event => this.click(tile.place, event));
    pic.addEventListener("dblclick", () => this.page.large.open(tile.place));
    this.page.editable(text, () => tile.picture, () => this.focus(tile.place));
    text.addEventListener("focus", () => this.move(tile.place, false));
    return tile;
  }

  fill(number, row) {
    [...row.children].forEach((tile, column) => {
      const place = number * this.columns + column, id = this.ids[place];
      if (tile.picture !== id) tile.parts.clash?.remove();
      Object.assign(tile, {place, picture: id});
      tile.classList.toggle("off", id === undefined);
      tile.setAttribute("aria-colindex", column + 1);
      if (id !== undefined) this.paint(tile);
    });
  }

  paint(tile) {
    const {picture: id, place, parts} = tile, {store} = this.page, row = store.rows.get(id), copy = store.copy(id);
    if (!row) return;
    const url = copy?.url ?? "";
    if (parts.image.getAttribute("src") !== url) url ? (parts.image.src = url) : parts.image.removeAttribute("src");
    parts.why.textContent = copy?.why ?? "";
    const title = row.folder && row.aside ? `${row.name} (set aside: ${row.reason || "no reason noted"})` : row.aside ? `${row.name} (set aside)` : row.name;
    if (parts.name.title !== title) this.name(parts.name, title, row.name.lastIndexOf("/") + 1);
    this.write(parts, id, row);
    tile.classList.toggle("aside", row.aside);
    tile.setAttribute("aria-selected", this.chosen.has(id));
    tile.setAttribute("aria-label", `${title}. ${store.textOf(id) || "no caption"}`);
    tile.tabIndex = place === this.at ? 0 : -1;
    this.settleClash(tile);
  }

  /** A name of which the folder is cut first, where there is too little room. */
  name(place, title, cut) {
    place.title = title;
    place.firstChild.textContent = title.slice(0, cut);
    place.lastChild.textContent = title.slice(cut);
  }

  write(parts, id, row) {
    const {store} = this.page, edit = store.edits.get(id), text = store.textOf(id);
    if (parts.text.value !== text && !edit?.composing) parts.text.value = text;
    parts.text.readOnly = row.aside || row.found.includes("encoding");
    parts.text.placeholder = row.found.includes("encoding") ? "not in UTF-8: see `recode`" : "no caption";
    parts.text.setAttribute("aria-label", `Caption of ${row.name}`);
    parts.text.classList.toggle("unsaved", !!edit && (edit.dirty || edit.busy));
    const limit = LIMITS.find(limit => row.tokens <= limit);
    parts.tokens.textContent = row.tokens === undefined ? "" : `${row.tokens}/${limit ?? LIMITS.at(-1)} tokens`;
    parts.tokens.className = row.tokens > LIMITS[0] ? "over" : "";
    const repeats = row.repeats > 1 ? [`${row.repeats}×`] : [];
    parts.flags.textContent = [...repeats, ...row.found].join(" · ");
  }

  settleClash(tile) {
    const clash = this.page.store.edits.get(tile.picture)?.clash;
    tile.parts.clash?.remove();
    tile.parts.clash = clash ? tile.appendChild(this.page.clashOf(tile.picture, clash)) : null;
  }

  /** Paint one picture anew, where it is in view. */
  repaint(id) {
    const place = this.places.get(id), tile = place === undefined ? null : this.tileAt(place);
    if (tile) this.paint(tile);
  }

  tileAt(place) {
    return this.alive.get(Math.floor(place / this.columns))?.children[place % this.columns] ?? null;
  }

  inView() {
    const first = Math.floor(this.box.scrollTop / TILE), last = Math.ceil((this.box.scrollTop + this.box.clientHeight) / TILE);
    const seen = this.ids.slice(first * this.columns, last * this.columns);
    const near = this.ids.slice(last * this.columns, (last + SPARE_ROWS) * this.columns);
    return [...seen, ...near, ...this.ids.slice(Math.max(0, first - SPARE_ROWS) * this.columns, first * this.columns)];
  }

  /** Ask for the small copies that are missing in view; one question at a time. */
  async ask() {
    if (this.asking) return;
    const {store, line} = this.page, ids = this.inView().filter(id => !store.copy(id)).slice(0, ASKED);
    if (!ids.length) return this.askTokens();
    this.asking = true;
    try {
      await line.ask("thumbs", {ids}, (answer, parts) => answer.items.forEach((item, at) => {
        store.keep(item, parts[at]);
        this.repaint(item.id);
      }));
      store.thin(new Set(this.inView()));
    } catch (fault) {
      this.page.tell(fault.say, false);
      return;
    } finally {
      this.asking = false;
    }
    this.soon();
  }

  /** Where all small copies are there: ask for the tokens of the captions in view. */
  async askTokens() {
    const {store, line} = this.page, ids = this.inView().filter(id => store.rows.get(id)?.tokens === undefined && store.rows.has(id)).slice(0, ASKED);
    if (!ids.length) return;
    this.asking = true;
    try {
      const {answer} = await line.ask("tokens", {ids});
      for (const [id, tokens] of answer.items) if (store.rows.has(id)) store.rows.get(id).tokens = tokens;
      for (const id of ids) this.repaint(id);
    } catch (fault) {
      this.page.tell(fault.say, false);
      return;
    } finally {
      this.asking = false;
    }
    this.soon();
  }

  /** Have the keyboard at a place; `scrolls` brings it into view. */
  move(place, scrolls = true) {
    const before = this.at;
    this.at = Math.max(0, Math.min(place, this.ids.length - 1));
    if (scrolls) {
      const top = Math.floor(this.at / this.columns) * TILE, height = this.box.clientHeight;
      if (top < this.box.scrollTop) this.box.scrollTop = top;
      else if (top + TILE > this.box.scrollTop + height) this.box.scrollTop = top + TILE - height;
      this.draw();
    }
    for (const at of [before, this.at]) {
      const tile = this.tileAt(at);
      if (tile) tile.tabIndex = at === this.at ? 0 : -1;
    }
  }

  focus(place) {
    this.move(place);
    (this.tileAt(this.at) ?? this.box).focus({preventScroll: true});
  }

  click(place, event) {
    if (event.shiftKey) this.reach(place, event.ctrlKey || event.metaKey);
    else if (event.ctrlKey || event.metaKey) this.toggle(place);
    else this.choose([this.ids[place]], place);
    this.focus(place);
  }

  choose(ids, anchor = this.anchor) {
    this.chosen = new Set(ids);
    this.anchor = anchor;
    this.rechosen();
  }

  toggle(place) {
    const id = this.ids[place];
    if (!this.chosen.delete(id)) this.chosen.add(id);
    this.anchor = place;
    this.rechosen();
  }

  reach(place, adds = false) {
    const [from, to] = [Math.min(this.anchor, place), Math.max(this.anchor, place)];
    const reached = this.ids.slice(from, to + 1);
    this.chosen = new Set(adds ? [...this.chosen, ...reached] : reached);
    this.rechosen();
  }

  rechosen() {
    for (const row of this.alive.values())
      for (const tile of row.children) tile.setAttribute("aria-selected", this.chosen.has(tile.picture));
    this.page.count();
  }

  key(event) {
    const steps = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns, Home: -this.at, End: this.ids.length};
    const page = Math.max(1, Math.floor(this.box.clientHeight / TILE)) * this.columns;
    const step = {...steps, PageUp: -page, PageDown: page}[event.key];
    if (step === undefined) return false;
    this.focus(this.at + step);
    if (event.shiftKey) this.reach(this.at);
    else this.anchor = this.at;
    return true;
  }
}

/** One picture large, inside the gallery, with its caption and the rectangle to crop it to. */
class Large {
  constructor(page) {
    Object.assign(this, {page, place: -1, url: "", cut: null});
    this.image = make("img", {alt: "", draggable: false});
    this.stage = make("div", {className: "stage"}, this.image);
    this.title = make("div");
    this.text = make("textarea", {spellcheck: false});
    page.editable(this.text, () => this.id, () => this.box.focus());
    this.shape = make("select", {"aria-label": "Shape of the rectangle", onchange: () => this.begin()}, ...SHAPES.map(([word, ratio]) => make("option", {value: ratio}, word)));
    this.cropping = make("span", {className: "line", hidden: true}, this.shape,
      make("button", {onclick: () => this.apply()}, "Crop to the rectangle"), make("button", {onclick: () => this.end()}, "Cancel"));
    this.start = make("button", {onclick: () => this.begin()}, "Crop …");
    this.box = make("div", {className: "large", role: "dialog", "aria-label": "Picture, large", tabIndex: -1, hidden: true},
      make("div", {className: "line"},
        make("button", {onclick: () => this.go(-1), title: "Left arrow"}, "‹ Previous"), make("button", {onclick: () => this.go(1), title: "Right arrow"}, "Next ›"),
        this.start, this.cropping, make("button", {onclick: () => this.close(), title: "Esc"}, "Close"), this.title),
      this.stage, this.text);
    this.stage.addEventListener("pointerdown", event => this.press(event));
  }

  get isOpen() {
    return !this.box.hidden;
  }

  async open(place) {
    const {store, line, grid} = this.page, id = grid.ids[place];
    if (id === undefined) return;
    if (this.isOpen && this.id !== id) store.flush(this.id, true);
    this.end();
    Object.assign(this, {place, id});
    grid.move(place);
    this.box.hidden = false;
    this.paint();
    this.show(store.copy(id)?.url ?? "");
    if (!this.box.contains(document.activeElement)) this.box.focus();
    try {
      const {answer, parts} = await line.ask("large", {id});
      if (this.id !== id || !this.isOpen) return;
      this.size = answer.size;
      this.forget();
      this.url = URL.createObjectURL(new Blob([bytesOf(parts[0])], {type: "image/jpeg"}));
      this.show(this.url);
      this.paint();
    } catch (fault) {
      this.page.tell(fault.say, false);
    }
  }

  show(url) {
    url ? (this.image.src = url) : this.image.removeAttribute("src");
  }

  paint() {
    const {store, grid} = this.page, row = store.rows.get(this.id);
    if (!this.isOpen || !row) return;
    const size = row.size ? ` · ${row.size[0]} × ${row.size[1]}` : "";
    this.title.textContent = `${row.name}${size} · ${this.place + 1} of ${grid.ids.length}`;
    if (this.text.value !== store.textOf(this.id) && !store.edits.get(this.id)?.composing) this.text.value = store.textOf(this.id);
    this.text.setAttribute("aria-label", `Caption of ${row.name}`);
    this.text.readOnly = row.aside;
    this.start.disabled = row.aside;
    const clash = store.edits.get(this.id)?.clash;
    this.clash?.remove();
    this.clash = clash ? this.box.appendChild(this.page.clashOf(this.id, clash)) : null;
  }

  go(step) {
    const place = this.place + step;
    if (place >= 0 && place < this.page.grid.ids.length) this.open(place);
  }

  close() {
    if (!this.isOpen) return;
    this.end();
    this.page.store.flush(this.id, true);
    this.box.hidden = true;
    this.forget();
    this.page.grid.focus(this.place);
  }

  forget() {
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = "";
  }

  /** Begin a crop with a rectangle of the chosen shape, as large as fits with a margin. */
  begin() {
    const {clientWidth: width, clientHeight: height} = this.image, ratio = Number(this.shape.value);
    if (!width || !this.size) return;
    const wide = ratio ? Math.min(0.9 * width, 0.9 * height * ratio) : 0.9 * width, high = ratio ? wide / ratio : 0.9 * height;
    this.cut ??= this.stage.appendChild(make("div", {className: "cut", tabIndex: 0, role: "group", "aria-label": "Rectangle: arrows move it, Shift and arrows change its size"}, ...Array.from({length: 4}, () => make("i"))));
    this.cropping.hidden = false;
    this.start.hidden = true;
    this.set([(width - wide) / 2, (height - high) / 2, (width + wide) / 2, (height + high) / 2]);
    this.cut.focus();
  }

  end() {
    if (this.cut && this.isOpen) this.box.focus();
    this.cut?.remove();
    this.cut = null;
    this.cropping.hidden = true;
    this.start.hidden = false;
  }

  /** Put the rectangle (left, top, right, bottom in the shown picture) within the picture. */
  set([left, top, right, bottom]) {
    const {clientWidth: width, clientHeight: height, offsetLeft, offsetTop} = this.image;
    const wide = Math.min(right - left, width), high = Math.min(bottom - top, height);
    const x = Math.max(0, Math.min(left, width - wide)), y = Math.max(0, Math.min(top, height - high));
    this.rectangle = [x, y, x + wide, y + high];
    Object.assign(this.cut.style, {left: `${offsetLeft + x}px`, top: `${offsetTop + y}px`, width: `${wide}px`, height: `${high}px`});
  }

  /** A press on the picture: a corner is drawn out, the inside moved; elsewhere a new rectangle is drawn. */
  press(event) {
    if (!this.cut) return;
    event.preventDefault();
    const frame = this.image.getBoundingClientRect(), at = move => [move.clientX - frame.left, move.clientY - frame.top];
    const [x, y] = at(event), [left, top, right, bottom] = this.rectangle, near = (one, other) => Math.abs(one - other) < 14;
    const corner = (near(x, left) || near(x, right)) && (near(y, top) || near(y, bottom));
    const inside = x > left && x < right && y > top && y < bottom;
    const fixed = corner ? [near(x, left) ? right : left, near(y, top) ? bottom : top] : [x, y];
    const drag = move => {
      const [nowX, nowY] = at(move);
      if (inside && !corner) this.set([left + nowX - x, top + nowY - y, right + nowX - x, bottom + nowY - y]);
      else this.draw(fixed, [nowX, nowY]);
    };
    const stop = () => this.stage.removeEventListener("pointermove", drag);
    this.stage.setPointerCapture(event.pointerId);
    this.stage.addEventListener("pointermove", drag);
    this.stage.addEventListener("pointerup", stop, {once: true});
    this.stage.addEventListener("pointercancel", stop, {once: true});
  }

  draw([fixedX, fixedY], [x, y]) {
    const {clientWidth: width, clientHeight: height} = this.image, ratio = Number(this.shape.value);
    x = Math.max(0, Math.min(x, width));
    y = Math.max(0, Math.min(y, height));
    let wide = Math.abs(x - fixedX), high = Math.abs(y - fixedY);
    if (ratio) [wide, high] = wide / ratio < high ? [wide, wide / ratio] : [high * ratio, high];
    if (wide < 8 || high < 8) return;
    const left = x < fixedX ? fixedX - wide : fixedX, top = y < fixedY ? fixedY - high : fixedY;
    this.set([left, top, left + wide, top + high]);
  }

  async apply() {
    const {clientWidth: width, clientHeight: height} = this.image, [wide, high] = this.size, [left, top, right, bottom] = this.rectangle;
    const box = [left / width * wide, top / height * high, right / width * wide, bottom / height * high].map(Math.round);
    this.end();
    await this.page.act("crop", {box}, [this.id]);
    if (this.isOpen) this.open(this.place);
  }

  key(event) {
    if (event.key === "Escape") return this.cut ? this.end() : this.close(), true;
    const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if (!step) return false;
    if (!this.cut) return step[0] ? (this.go(step[0]), true) : false;
    const [left, top, right, bottom] = this.rectangle, [x, y] = step.map(one => 8 * one);
    if (event.shiftKey) this.draw([left, top], [right + x, bottom + y]);
    else this.set([left + x, top + y, right + x, bottom + y]);
    return true;
  }
}

/** The tags of the set that go on as the word before the cursor begins, below the text area that is written in. */
class Hints {
  constructor(page) {
    Object.assign(this, {page, counts: new Map(), at: -1, text: null});
    this.box = make("div", {className: "hints", role: "listbox", "aria-label": "Tags of this set", id: `${page.line.view}-hints`, hidden: true});
  }

  /** Offer tags in a text area from now on. To be called before other listeners to its keys. */
  serve(text) {
    text.setAttribute("aria-controls", this.box.id);
    text.setAttribute("aria-autocomplete", "list");
    text.addEventListener("input", event => event.isComposing || this.offer(text));
    text.addEventListener("blur", () => this.close());
    text.addEventListener("keydown", event => this.key(event));
  }

  learn(tags) {
    for (const [tag, count] of tags) this.counts.set(tag, Math.max(count, this.counts.get(tag) ?? 0));
  }

  /** Where the word before the cursor begins, and the word. */
  begun(text) {
    const before = text.value.slice(0, text.selectionStart), from = Math.max(before.lastIndexOf(","), before.lastIndexOf("\n")) + 1;
    const blanks = before.slice(from).length - before.slice(from).trimStart().length;
    return [from + blanks, before.slice(from + blanks)];
  }

  offer(text) {
    const [, word] = this.begun(text), low = word.toLowerCase(), after = text.value.slice(text.selectionStart);
    const has = new Set(text.value.toLowerCase().split(/[,\n]/).map(part => part.trim()));
    const fits = tag => tag.toLowerCase().split(/[ _]/).some((_, at, words) => words.slice(at).join(" ").startsWith(low.replaceAll("_", " "))) && !has.has(tag.toLowerCase());
    const ends = /^\s*(,|\n|$)/.test(after);
    const found = low.length > 1 && ends ? [...this.counts].filter(([tag]) => fits(tag)).sort((one, other) => other[1] - one[1]).slice(0, 6) : [];
    this.close();
    if (!found.length) return;
    this.text = text;
    this.box.replaceChildren(...found.map(([tag, count], at) => make("div", {role: "option", id: `${this.box.id}-${at}`, onmousedown: event => (event.preventDefault(), this.take(tag))}, make("span", {}, tag), make("span", {}, String(count)))));
    this.tags = found.map(([tag]) => tag);
    this.box.hidden = false;
    this.settle(text);
  }

  /** Below the text area, or above it where the room ends. */
  settle(text) {
    const root = this.page.root.getBoundingClientRect(), at = text.getBoundingClientRect(), high = this.box.offsetHeight;
    const below = at.bottom + high <= root.bottom;
    Object.assign(this.box.style, {left: `${at.left - root.left}px`, minWidth: `${at.width}px`, top: `${(below ? at.bottom : at.top - high) - root.top}px`});
  }

  key(event) {
    if (this.box.hidden || event.isComposing) return;
    const step = {ArrowDown: 1, ArrowUp: -1}[event.key];
    if (step) this.mark((this.at + step + this.tags.length + (this.at < 0 && step < 0 ? 1 : 0)) % this.tags.length);
    else if ((event.key === "Enter" || event.key === "Tab") && this.at >= 0) this.take(this.tags[this.at]);
    else if (event.key === "Escape") this.close();
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  mark(at) {
    this.at = at;
    [...this.box.children].forEach((option, number) => option.setAttribute("aria-selected", number === at));
    this.text.setAttribute("aria-activedescendant", `${this.box.id}-${at}`);
  }

  take(tag) {
    const text = this.text, [from] = this.begun(text);
    text.setRangeText(tag, from, text.selectionStart, "end");
    this.close();
    text.dispatchEvent(new Event("input", {bubbles: true}));
    this.close();
  }

  close() {
    this.text?.removeAttribute("aria-activedescendant");
    Object.assign(this, {at: -1, text: null});
    this.box.hidden = true;
  }
}

/** The whole gallery: the filter above, the grid, the tags beside it, what is done to the selected pictures below. */
class Page {
  constructor(model, root) {
    Object.assign(this, {model, root, filter: "", looked: 0, viewed: null});
    this.line = new Line(model, well => this.hear(well), content => this.told(content));
    this.store = new Store(this.line, this);
    this.hints = new Hints(this);
    this.grid = new Grid(this);
    this.large = new Large(this);
    this.build();
    this.listen();
  }

  build() {
    this.filterBox = make("input", {className: "filter", type: "search", "aria-label": "Filter", placeholder: 'Filter: cat   tag:"long hair"   tokens:>75   NOT is:captionless', oninput: () => this.refilter()});
    this.quick = make("select", {"aria-label": "Show", onchange: () => this.setFilter(this.quick.value)});
    this.counts = make("span", {className: "counts", "aria-live": "polite"});
    this.tags = make("div", {className: "tags", role: "toolbar", "aria-orientation": "vertical", "aria-label": "Tags", onkeydown: event => this.walkTags(event)});
    this.tagsHead = make("b", {}, "Tags");
    this.side = make("div", {className: "side", role: "group", "aria-label": "Tags of the pictures shown"}, this.tagsHead, this.tags);
    this.body = make("div", {className: "body"}, this.grid.box, this.side, this.large.box);
    this.tagBox = make("input", {className: "short", "aria-label": "Tag to add or remove", placeholder: "a tag", list: `${this.line.view}-tags`});
    this.known = make("datalist", {id: `${this.line.view}-tags`});
    this.number = make("input", {className: "number", type: "number", min: 1, max: 1000, value: 1, "aria-label": "Repeats"});
    this.buttons = [
      this.button("Set aside", () => this.act("set_aside"), "X: out of the dataset, never deleted"),
      this.button("Bring back", () => this.act("bring_back"), "B: those that are set aside"),
      this.button("⟲ Turn left", () => this.act("rotate", {quarters: 3}), "L"),
      this.button("⟳ Turn right", () => this.act("rotate", {quarters: 1}), "R"),
      this.tagBox,
      this.button("Add tag", () => this.act("add_tags", {tag: this.tagBox.value})),
      this.button("Remove tag", () => this.act("remove_tags", {tag: this.tagBox.value})),
      this.number,
      this.button("Set repeats", () => this.act("repeats", {number: Number(this.number.value)})),
    ];
    const undo = make("button", {onclick: () => this.act("undo"), title: "Takes back the last step on the dataset, whatever it was"}, "Undo the last step");
    this.said = make("div", {className: "say", role: "status"});
    this.lost = make("div", {className: "lost", role: "alert", hidden: true});
    this.root.append(make("style", {}, STYLE), make("div", {className: "line"}, this.filterBox, this.quick, this.counts),
      this.lost, this.body, make("div", {className: "line"}, this.known, ...this.buttons, undo), this.said, make("details", {}, make("summary", {}, "Keys and words of the filter"), ...HELP.map(([head, words]) => make("div", {}, make("b", {}, `${head}: `), words))), this.hints.box);
  }

  button(word, press, title = "") {
    return make("button", {onclick: press, title, disabled: true}, word);
  }

  /** A text area in which the caption of `id()` is edited; `leave` is where Esc and Enter lead. */
  editable(text, id, leave) {
    let now;
    this.hints.serve(text);
    text.addEventListener("focus", () => (now = id()));
    text.addEventListener("input", () => this.store.type(now = id(), text.value));
    text.addEventListener("compositionstart", () => this.compose(now = id(), true, text));
    text.addEventListener("compositionend", () => this.compose(now, false, text));
    text.addEventListener("blur", () => {
      if (this.store.edits.get(now)?.composing) this.compose(now, false, text);
      this.store.flush(now, true);
    });
    text.addEventListener("keydown", event => {
      const leaves = event.key === "Escape" || (event.key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.metaKey);
      if (!leaves || event.isComposing) return;
      event.preventDefault();
      event.stopPropagation();
      leave();
    });
  }

  /** While a word is composed (kana, pinyin, accents) nothing is saved; the last `input` comes before its end. */
  compose(id, begins, text) {
    if (!this.store.edits.has(id)) this.store.edits.set(id, {base: this.store.rows.get(id).revision, text: text.value});
    this.store.edits.get(id).composing = begins;
    if (!begins) this.store.type(id, text.value);
  }

  listen() {
    this.root.addEventListener("keydown", event => this.key(event));
    for (const kind of ["keyup", "keypress"]) this.root.addEventListener(kind, event => event.stopPropagation());
    this.root.addEventListener("pointerenter", () => this.look());
    this.flushAll = () => [...this.store.edits.keys()].forEach(id => this.store.flush(id));
    this.again = () => this.look();
    window.addEventListener("focus", this.again);
    window.addEventListener("pagehide", this.flushAll);
    document.addEventListener("visibilitychange", this.flushAll);
    this.watch = new ResizeObserver(() => {
      this.root.classList.toggle("narrow", this.root.clientWidth < 600);
      this.grid.layout();
    });
    this.watch.observe(this.root);
  }

  close() {
    this.flushAll();
    window.removeEventListener("focus", this.again);
    window.removeEventListener("pagehide", this.flushAll);
    document.removeEventListener("visibilitychange", this.flushAll);
    this.watch.disconnect();
    this.line.close();
    this.store.clear("");
    this.large.forget();
  }

  key(event) {
    const {key, ctrlKey, metaKey, altKey, shiftKey, target} = event, held = ctrlKey || metaKey;
    if (key === "Tab" || (held && key.toLowerCase() === "s")) return;
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
    if (key === "Enter" && (held || shiftKey) && !typing) return;
    event.stopPropagation();
    if (key === "Escape" && target === this.filterBox) return this.grid.focus(this.grid.at);
    if (typing || altKey) return;
    const done = this.large.isOpen ? this.large.key(event) : this.grid.box.contains(target) && (this.pressed(key, held) || (!held && this.grid.key(event)));
    if (done) event.preventDefault();
  }

  /** A key in the grid. */
  pressed(key, held) {
    const {grid} = this, letter = key.toLowerCase();
    const withHeld = {a: () => grid.choose(grid.ids), i: () => grid.choose(grid.ids.filter(id => !grid.chosen.has(id))), z: () => this.act("undo")};
    const alone = {
      " ": () => grid.toggle(grid.at), escape: () => grid.choose([]), enter: () => this.large.open(grid.at), f: () => this.large.open(grid.at),
      e: () => this.edit(), f2: () => this.edit(), x: () => this.actHere("set_aside"), b: () => this.actHere("bring_back"),
      l: () => this.actHere("rotate", {quarters: 3}), r: () => this.actHere("rotate", {quarters: 1}), "/": () => this.filterBox.focus(),
    };
    const chosen = (held ? withHeld : alone)[letter];
    chosen?.();
    return !!chosen;
  }

  edit() {
    this.grid.tileAt(this.grid.at)?.parts.text.focus();
  }

  /** As `act`, on the picture at the keyboard where none is selected. */
  actHere(action, more = {}) {
    return this.act(action, more, this.grid.chosen.size ? null : [this.grid.ids[this.grid.at]]);
  }

  async act(action, more = {}, ids = null) {
    this.flushAll();
    const asked = {ids: ids ?? [...this.grid.chosen], since: this.store.revision, ...more};
    this.tell("Working …");
    try {
      const {answer, parts} = action === "undo" ? await this.line.ask("undo", asked) : await this.line.ask("batch", {action, ...asked});
      this.store.take(answer, parts[0]);
      this.tell(answer.say, true);
      await this.view();
    } catch (fault) {
      this.tell(fault.say, false);
    }
  }

  async begin() {
    try {
      const {answer} = await this.line.ask("hello");
      this.filter = this.filterBox.value = answer.filter ?? "";
      await this.look(true);
    } catch (fault) {
      this.tell(fault.say, false);
    }
  }

  /** See what changed in the folders since, now and then. */
  async look(now = false) {
    if (!now && (this.looking || Date.now() - this.looked < LOOK_AGAIN)) return;
    this.looking = true;
    try {
      const {answer, parts} = await this.line.ask("list", {since: this.store.revision});
      const other = answer.epoch !== this.store.epoch;
      if (other && this.store.revision) return this.anew();
      if (this.store.take(answer, parts[0]) || other || !this.viewed) await this.view();
    } catch (fault) {
      this.tell(fault.say, false);
    } finally {
      this.looking = false;
      this.looked = Date.now();
    }
  }

  /** Another gallery answers: its ids are others. What is unsaved belongs to the one before. */
  anew() {
    this.lose("This gallery is another one now.");
    this.store.edits.clear();
    this.store.clear("");
    this.viewed = null;
    return this.look(true);
  }

  async view() {
    const {parts} = await this.line.ask("view", {filter: this.filter});
    this.filterBox.classList.remove("wrong");
    this.viewed = jsonOf(parts[0]);
    this.grid.show(this.viewed.ids);
    this.count();
    this.listTags();
    this.listQuick();
    this.large.paint();
  }

  refilter() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.setFilter(this.filterBox.value), PAUSE);
  }

  async setFilter(text) {
    this.filter = text;
    if (this.filterBox.value !== text) this.filterBox.value = text;
    try {
      await this.view();
      this.grid.box.scrollTop = 0;
      this.tell("");
    } catch (fault) {
      this.filterBox.classList.add("wrong");
      this.tell(fault.say, false);
    }
  }

  listTags() {
    const words = this.filter, {tags, captionless, ids} = this.viewed;
    this.tagsHead.textContent = `Tags of the ${ids.length} shown`;
    const button = (word, count, term, label) => make("button", {className: "tag", "aria-pressed": words.includes(term), title: label, onclick: () => this.turn(term)}, make("span", {}, word), make("span", {}, String(count)));
    const rows = tags.map(([tag, count]) => button(tag, count, `tag:${quoted(tag)}`, `Show only pictures with ${tag}`));
    if (captionless) rows.unshift(button("(no caption)", captionless, "is:captionless", "Show only pictures without a caption"));
    rows.forEach((row, at) => (row.tabIndex = at ? -1 : 0));
    this.tags.replaceChildren(...rows);
    this.hints.learn(tags);
    this.known.replaceChildren(...tags.map(([tag]) => make("option", {value: tag})));
  }

  /** The tags are one Tab stop; arrows lead from one to the next. */
  walkTags(event) {
    const rows = [...this.tags.children], at = rows.indexOf(document.activeElement);
    const to = {ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1}[event.key];
    if (at < 0 || to === undefined || !rows[to]) return;
    event.preventDefault();
    rows[at].tabIndex = -1;
    rows[to].tabIndex = 0;
    rows[to].focus();
  }

  /** A term into the filter, or out of it where it stands there. */
  turn(term) {
    const without = this.filter.split(term).map(part => part.trim());
    this.setFilter(without.length > 1 ? without.filter(Boolean).join(" ") : [this.filter, term].filter(Boolean).join(" "));
  }

  listQuick() {
    const {folders, findings, pictures, aside} = this.viewed, options = [["", `All pictures (${pictures})`], ["is:captionless", "Without a caption"]];
    if (aside) options.push(["is:aside", `Set aside (${aside})`]);
    options.push(...folders.filter(([name]) => name).map(([name, count]) => [`folder:${quoted(name)}`, `Folder ${name} (${count})`]));
    options.push(...findings.map(([kind, count]) => [`finding:${quoted(kind)}`, `Found: ${kind} (${count})`]));
    if (!options.some(([term]) => term === this.filter)) options.push([this.filter, "As the filter says"]);
    this.quick.replaceChildren(...options.map(([value, word]) => make("option", {value}, word)));
    this.quick.value = this.filter;
  }

  count() {
    if (!this.viewed) return;
    const {ids, pictures, aside} = this.viewed, chosen = this.grid.chosen.size;
    const words = [`${ids.length} of ${pictures} pictures shown`];
    if (aside) words.push(`${aside} set aside`);
    if (chosen) words.push(`${chosen} selected`);
    this.counts.textContent = words.join(" · ");
    for (const button of this.buttons) if (button.tagName === "BUTTON") button.disabled = !chosen;
  }

  mark(id) {
    this.grid.repaint(id);
    this.grid.soon();
    this.large.paint();
  }

  saved(id) {
    this.mark(id);
    if (!this.store.unsaved().length) clearTimeout(this.later), (this.later = setTimeout(() => this.view().catch(() => {}), PAUSE));
  }

  clashOf(id, clash) {
    const choice = (word, which) => make("button", {onclick: () => this.store.choose(id, which)}, word);
    return make("div", {className: "clash", role: "alert"}, make("div", {}, `Changed meanwhile to: “${clash.text}”`),
      make("div", {className: "line"}, choice("Keep mine", "mine"), choice("Take theirs", "theirs"), choice("Both", "both")));
  }

  tell(text, good = null) {
    this.said.textContent = text ?? "";
    this.said.className = `say ${good === null ? "" : good ? "good" : "bad"}`;
  }

  told(content) {
    if (content.op === "changed") this.look(true);
    if (content.op === "filter") this.setFilter(content.text);
  }

  hear(well) {
    this.root.classList.toggle("silent", !well);
    if (well && this.isSilent) this.lost.hidden = true;
    this.isSilent = !well;
    if (!well) this.lose("The kernel does not answer. If a cell is running, this goes on when it is done; if the kernel was restarted, run this cell again.");
  }

  /** Say what happened, with the captions that are not saved for the clipboard. */
  lose(sentence) {
    const texts = this.store.unsaved().map(([id, edit]) => `${this.store.rows.get(id)?.name ?? id}: ${edit.text}`);
    this.lost.replaceChildren(make("span", {}, `${sentence} Unsaved captions: ${texts.length}.`));
    if (texts.length) this.lost.append(make("button", {onclick: () => navigator.clipboard.writeText(texts.join("\n"))}, "Copy them"), make("textarea", {readOnly: true, value: texts.join("\n"), "aria-label": "Unsaved captions"}));
    this.lost.hidden = false;
  }
}

export default {
  render({model, el}) {
    const root = make("div", {className: "lng"});
    el.append(root);
    const page = new Page(model, root);
    page.begin();
    return () => page.close();
  },
};

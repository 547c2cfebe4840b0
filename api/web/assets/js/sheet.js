// The sheet: everything that was made and is being made, newest first, as frames. Only part of it is in the document.
import { workIdOf } from './batch.js';
import { Frame, framesOf } from './frame.js';
import { byId, setText } from './dom.js';
import { formatNumber, t } from './i18n.js';
import { isEnded } from './jobs.js';
import { isUnsent } from './outbox.js';
import { countText, statusOf, textOf } from './describe.js';
import { showTags } from './tags.js';

const maxFrames = 60;
// How many frames are updated before the page may draw and answer again.
const atOnce = 20;
const tickInterval = 1000;
const announceLength = 80;
const kindGroups = { image: ['image'], audio: ['audio'], text: ['prompt', 'translation'] };
const made = ['image', 'audio'];
const stateGroups = { running: ['queued', 'running', 'retrying'], done: ['succeeded'], failed: ['failed', 'canceled', 'succeeded'] };
const searchDelay = 250;

// Text is compared as the server does it.
const fold = (text) => text.normalize('NFKC').toLowerCase().trim();

// A day begins and ends where the visitor is.
const startOf = (day) => new Date(`${day}T00:00`);
const endOf = (day) => new Date(startOf(day).setDate(startOf(day).getDate() + 1));
const isDay = (text) => /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Number(startOf(text)));

// queryOf returns what the server is asked for, to find all that a filter of the sheet shows; null if that is
// everything.
function queryOf({ kind, q, state, tags, from, to, view }) {
  if (!kind && !q.trim() && !state && !tags && !from && !to) return null;
  const kinds = view === 'voice' ? ['audio'] : kind ? kindGroups[kind] : view === 'gallery' ? [] : made;
  return {
    ...(q.trim() && { q: q.trim() }),
    ...(kinds?.length > 0 && { kind: kinds.join(',') }),
    ...(stateGroups[state] && { status: stateGroups[state].join(',') }),
    ...(tags && { tag: tags.split('\n') }),
    ...(isDay(from) && { created_after: new Date(startOf(from) - 1).toISOString() }),
    ...(isDay(to) && { created_before: endOf(to).toISOString() }),
  };
}

/** Sheet keeps the frames in sync with a Jobs. It dispatches "picked" when the selection changes, "hidden" when a work is hidden or shown again, and "empty" when nothing is left. */
export class Sheet extends EventTarget {
  #jobs;
  #actions;
  #frames = new Map();
  #list = byId('sheet');
  #filter = { kind: '', q: '', state: '', tags: '', from: '', to: '', view: 'studio' };
  #from = 0;
  #parts = [];
  #hidden = new Set();
  #picked = new Map();
  #picking = false;
  #lastPicked = '';
  #laidOut = '';
  #measure = null;
  #searchTimer = 0;

  constructor(jobs, actions) {
    super();
    this.#jobs = jobs;
    this.#actions = { ...actions, pick: (part, checked, range) => this.#pick(part, checked, range), isPicked: ({ key }) => this.#picked.has(key) };
    jobs.addEventListener('changes', ({ detail }) => {
      for (const { job, before } of detail) if (before && !isEnded(before) && isEnded(job)) this.#announce(job);
      this.show();
    });
    jobs.addEventListener('remove', ({ detail }) => {
      this.#hidden.delete(detail.id);
      this.show();
    });
    jobs.addEventListener('list', () => this.show());
    byId('sheet-older').addEventListener('click', () => this.#older());
    byId('sheet-newer').addEventListener('click', () => this.#turn(this.#from - maxFrames));
    new ResizeObserver(() => {
      this.#measure = null;
      this.#layOut();
    }).observe(this.#list);
    setInterval(() => {
      if (document.hidden) return;
      for (const frame of this.#frames.values()) frame.tick();
    }, tickInterval);
  }

  /** parts returns all frames of the sheet in order, also those outside the document. */
  get parts() {
    return this.#parts;
  }

  /** picked returns the selected frames. */
  get picked() {
    return [...this.#picked.values()];
  }

  /** choose shows what matches {kind, q, state, tags, from, to, view}; tags are lines, all of which a work must have. */
  choose(filter) {
    const changed = Object.entries(filter).some(([name, value]) => this.#filter[name] !== value);
    this.#filter = { ...this.#filter, ...filter };
    if (changed) {
      this.#from = 0;
      clearTimeout(this.#searchTimer);
      this.#searchTimer = setTimeout(() => this.#actions.search(queryOf(this.#filter)), this.#searchTimer ? searchDelay : 0);
    }
    this.show();
  }

  /** hide takes a job out of sight before it is deleted; unhide brings it back. */
  hide(id) {
    this.#hidden.add(id);
    for (const key of this.#picked.keys()) if (key.startsWith(`${id}:`)) this.#picked.delete(key);
    this.show();
    this.#emitPicked();
    this.dispatchEvent(new Event('hidden'));
  }

  unhide(id) {
    if (!this.#hidden.delete(id)) return;
    this.show();
    this.dispatchEvent(new Event('hidden'));
  }

  /** isHidden reports whether a job is out of sight, because it is about to be deleted. */
  isHidden(id) {
    return this.#hidden.has(id);
  }

  /** clearPicked ends the selection. */
  clearPicked() {
    this.#picked.clear();
    this.#emitPicked();
  }

  /** showKept shows which pictures are saved. */
  showKept() {
    for (const frame of this.#frames.values()) frame.showKept();
  }

  /** rebuild renders everything in the current language. */
  rebuild() {
    for (const frame of this.#frames.values()) frame.rebuild();
    this.show();
  }

  #matches(job) {
    const { kind, q, state, tags, from, to, view } = this.#filter;
    if (this.#hidden.has(job.id) || (job.batch_id && this.#hidden.has(workIdOf(job.batch_id)))) return false;
    const kinds = view === 'voice' ? ['audio'] : kind ? kindGroups[kind] ?? [] : view === 'gallery' ? null : made;
    if (kinds && !kinds.some((one) => job.batch?.kinds.has(one) ?? one === job.kind)) return false;
    if (tags && !(job.batch?.jobs ?? [job]).some((one) => tags.split('\n').every((tag) => one.tags?.includes(tag)))) return false;
    const created = new Date(job.created_at);
    if ((isDay(from) && created < startOf(from)) || (isDay(to) && created >= endOf(to))) return false;
    const status = statusOf(job);
    if (state === 'running' && isEnded(job)) return false;
    if (state === 'done' && !['succeeded', 'partial'].includes(status)) return false;
    if (state === 'failed' && !['failed', 'partial', 'canceled'].includes(status)) return false;
    return q === '' || [textOf(job), job.result?.prompt?.optimized ?? ''].some((text) => fold(text).includes(fold(q)));
  }

  /** show brings the document up to date. */
  show() {
    // A text is searched for in each job of a batch.
    this.#parts = this.#jobs.all({ apart: this.#filter.q !== '' }).filter((job) => this.#matches(job)).flatMap(framesOf);
    if (this.#from >= this.#parts.length) this.#from = Math.max(0, Math.floor((this.#parts.length - 1) / maxFrames) * maxFrames);
    const shown = this.#parts.slice(this.#from, this.#from + maxFrames);
    const wanted = new Set(shown.map(({ key }) => key));
    let lost = -1;
    for (const [key, frame] of this.#frames) {
      if (wanted.has(key)) continue;
      if (frame.node.contains(document.activeElement)) lost = [...this.#list.children].indexOf(frame.node);
      frame.node.remove();
      this.#frames.delete(key);
    }
    let next = this.#list.firstElementChild;
    let updated = 0;
    for (const part of shown) {
      let frame = this.#frames.get(part.key);
      if (!frame) {
        frame = new Frame(part, this.#actions);
        this.#frames.set(part.key, frame);
      } else if (frame.part.job !== part.job) {
        updated += 1;
        if (updated <= atOnce || document.hidden) frame.update(part);
      }
      if (frame.node === next) next = next.nextElementSibling;
      else this.#list.insertBefore(frame.node, next);
    }
    // The focused frame is gone; without this the focus would move to the top of the page.
    if (lost >= 0) (this.#list.children[Math.min(lost, this.#list.children.length - 1)]?.querySelector('a, button') ?? byId('sheet-title')).focus();
    this.#layOut();
    this.#showEdges();
    if (updated > atOnce) requestAnimationFrame(() => this.show());
  }

  // Reads what the layout depends on. That makes the browser lay out the page, so it is done only when the width has changed.
  #read() {
    const style = getComputedStyle(this.#list);
    return {
      // Not clientWidth, which is rounded: half a pixel too much breaks every row.
      width: this.#list.getBoundingClientRect().width,
      rows: style.display === 'flex',
      gap: parseFloat(style.columnGap) || 0,
      aim: parseFloat(style.getPropertyValue('--row')) * parseFloat(getComputedStyle(document.documentElement).fontSize),
    };
  }

  // Gives the frames of each row the same height and the rows the same width; the last row keeps the height of the others.
  // Where the style sheet lays out columns instead, as on a phone, there is nothing to do.
  #layOut() {
    this.#measure ??= this.#read();
    const { width, rows, gap, aim } = this.#measure;
    const order = new Map([...this.#list.children].map((node) => [node.dataset.key, this.#frames.get(node.dataset.key).ratio]));
    // Most changes are of texts only.
    const laidOut = `${width} ${[...order].join(' ')}`;
    if (laidOut === this.#laidOut) return;
    this.#laidOut = laidOut;
    if (!rows) return;
    let row = [];
    let sum = 0;
    let height = aim;
    const close = (last) => {
      const full = (width - gap * (row.length - 1)) / sum;
      height = last ? Math.min(full, height) : full;
      // Rounded down, so that a row never breaks.
      for (const node of row) node.style.flex = `0 0 ${Math.floor(order.get(node.dataset.key) * height * 100) / 100 - 0.02}px`;
      row = [];
      sum = 0;
    };
    for (const node of this.#list.children) {
      const ratio = order.get(node.dataset.key);
      // A frame goes where the height of the row comes nearest to what is aimed at.
      const without = (width - gap * (row.length - 1)) / sum;
      const withIt = (width - gap * row.length) / (sum + ratio);
      if (row.length > 0 && withIt < aim && without - aim < aim - withIt) close(false);
      row.push(node);
      sum += ratio;
    }
    if (row.length > 0) close((width - gap * (row.length - 1)) / sum > aim * 1.15);
  }

  #showEdges() {
    const count = this.#parts.length;
    const { view, ...filter } = this.#filter;
    const filtered = Object.values(filter).some(Boolean);
    if (view === 'gallery') showTags(byId('filter-tags'), this.#jobs.all(), filter.tags.split('\n').filter(Boolean));
    const empty = count === 0 && !filtered && this.#jobs.loaded && view !== 'voice';
    if (empty && byId('empty').hidden) this.dispatchEvent(new Event('empty'));
    byId('empty').hidden = !empty;
    byId('sheet-head').classList.toggle('bare', !byId('empty').hidden);
    byId('none').hidden = count > 0 || !filtered || !this.#jobs.loaded || this.#jobs.searching;
    byId('sheet-newer').hidden = this.#from === 0;
    byId('sheet-older').hidden = !this.#jobs.loaded || !this.#jobs.hasMore && this.#from + maxFrames >= count;
    const active = this.#jobs.active().filter((job) => made.includes(job.kind)).reduce((sum, job) => sum + (job.batch?.left ?? 1), 0);
    byId('running').classList.toggle('idle', active === 0);
    setText(byId('running-count'), t('sheet.running', { n: formatNumber(active) }));
    const title = this.#dispatchTitle();
    const shown = active > 0 ? `(${active}) ${title}` : title;
    if (document.title !== shown) document.title = shown;
  }

  #dispatchTitle() {
    return document.documentElement.dataset.title ? `${document.documentElement.dataset.title} · Text2Image Audio` : 'Text2Image Audio';
  }

  async #older() {
    if (this.#from + maxFrames < this.#parts.length) {
      this.#turn(this.#from + maxFrames);
      return;
    }
    const button = byId('sheet-older');
    if (button.hasAttribute('aria-busy')) return;
    const before = this.#parts.length;
    button.setAttribute('aria-busy', 'true');
    try {
      await this.#actions.more();
    } finally {
      button.removeAttribute('aria-busy');
    }
    if (this.#parts.length > before && this.#parts.length > this.#from + maxFrames) this.#turn(this.#from + maxFrames);
  }

  #turn(from) {
    this.#from = Math.max(0, from);
    this.show();
    byId('sheet-title').focus({ preventScroll: true });
    byId('sheet-title').scrollIntoView({ block: 'start' });
  }

  // With the shift key, everything between the last choice and this one is chosen too.
  #pick(part, checked, range) {
    const at = this.#parts.findIndex(({ key }) => key === part.key);
    const last = range ? this.#parts.findIndex(({ key }) => key === this.#lastPicked) : -1;
    const parts = last < 0 ? [part] : this.#parts.slice(Math.min(at, last), Math.max(at, last) + 1).filter(({ job }) => isEnded(job));
    for (const one of parts) {
      if (checked) this.#picked.set(one.key, one);
      else this.#picked.delete(one.key);
    }
    this.#lastPicked = part.key;
    this.#emitPicked();
  }

  /** pickAll selects everything that is done and matches, also what is not in the document. */
  pickAll() {
    for (const part of this.#parts) if (isEnded(part.job)) this.#picked.set(part.key, part);
    this.#emitPicked();
  }

  /** picking turns the selection on or off. */
  set picking(on) {
    this.#picking = on;
    if (!on) this.clearPicked();
    else this.#emitPicked();
  }

  get picking() {
    return this.#picking || this.#picked.size > 0;
  }

  #emitPicked() {
    this.#list.classList.toggle('picking', this.picking);
    for (const frame of this.#frames.values()) frame.showPicked();
    this.dispatchEvent(new Event('picked'));
  }

  #announce(job) {
    if (isUnsent(job) || job.batch_id) return;
    if (job.batch) {
      byId('status').textContent = t('announce.batch', { counts: countText(job.batch) });
      return;
    }
    const text = [...textOf(job)].slice(0, announceLength).join('');
    byId('status').textContent = t(`announce.${statusOf(job)}`, { kind: t(`kind.${job.kind}`), text });
  }
}


// One work as large as it goes: a dialog with an address of its own over the sheet. The arrow keys go through the whole sheet.
import { Problem } from './api.js';
import { workIdOf } from './batch.js';
import { byId, copyText, el, icon, once, setText } from './dom.js';
import { countText, failureSentence, pendingText, recipe, textOf, tookText } from './describe.js';
import { framesOf, mediaAt, missingAt, soundsOf } from './frame.js';
import { fileSize, formatNumber, formatTime, t } from './i18n.js';
import { isEnded } from './jobs.js';
import { workPath } from './router.js';
import { Series } from './series.js';
import { soundBox, stopSound, updateSound } from './sound.js';
import { toast } from './toast.js';

const copiedFor = 2000;

let work = null;

/** openWork shows the work of a route in the dialog, which is made when it is first opened. */
export function openWork(route, ...parts) {
  work ??= new Work(...parts);
  work.open(route);
}

/** closeWork hides the dialog; showAgain renders it in the current language, and whether the work is saved. */
export const closeWork = () => work?.close();
export const showAgain = () => work?.rebuild();

/** Work is the dialog. actions are those of the frames and {reuse, again, useText, download, share}. */
class Work {
  #dialog = byId('work');
  #jobs;
  #sheet;
  #router;
  #actions;
  #part = null;
  #updatedAt = 0;
  #shown = '';
  #line = null;
  #sound = null;
  #comparing = false;
  #series = null;

  constructor(jobs, sheet, router, actions) {
    this.#jobs = jobs;
    this.#sheet = sheet;
    this.#router = router;
    this.#actions = actions;
    byId('work-close').addEventListener('click', () => this.#router.leave());
    byId('work-previous').addEventListener('click', () => this.#step(-1));
    byId('work-next').addEventListener('click', () => this.#step(1));
    this.#dialog.addEventListener('cancel', (event) => {
      event.preventDefault();
      this.#router.leave();
    });
    this.#dialog.addEventListener('click', (event) => {
      if (event.target === this.#dialog) this.#router.leave();
    });
    this.#dialog.addEventListener('keydown', (event) => {
      if (event.target.matches('input, textarea, select') || event.altKey || event.ctrlKey || event.metaKey) return;
      if (event.key === 'ArrowLeft') this.#step(-1);
      if (event.key === 'ArrowRight') this.#step(1);
    });
    this.#swipe();
    jobs.addEventListener('changes', ({ detail }) => {
      if (this.#part && detail.some(({ job }) => job.id === this.#part.job.id)) this.#show(this.#jobs.get(this.#part.job.id), this.#part.index);
    });
    sheet.addEventListener('hidden', () => {
      if (this.#part?.job.batch) this.#show(this.#part.job, 0);
    });
    jobs.addEventListener('remove', ({ detail }) => {
      if (detail.id === this.#part?.job.id) this.#router.leave();
    });
    setInterval(() => this.#tick(), 1000);
  }

  /** open shows the work of a route; it is read from the server if it is not in the sheet. */
  async open({ id, index }) {
    if (!this.#dialog.open) this.#dialog.showModal();
    const known = this.#jobs.get(id);
    if (known) {
      this.#show(known, index);
      return;
    }
    this.#clear();
    try {
      const job = await this.#jobs.load(id);
      if (this.#router.route.id === id) this.#show(job, index);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (this.#router.route.id !== id) return;
      byId('work-stage').replaceChildren(el('p', { class: 'state', text: error.status === 404 || error.status === 400 ? t('work.gone') : error.sentence }));
    }
  }

  /** close hides the dialog. */
  close() {
    if (!this.#dialog.open) return;
    this.#dialog.close();
    stopSound();
    const job = this.#part?.job;
    const batch = job?.batch_id && this.#jobs.get(workIdOf(job.batch_id));
    const key = batch ? framesOf(batch)[0].key : this.#part?.key;
    this.#clear();
    // The focus returns to the frame of the work that was shown last.
    if (key) byId('sheet').querySelector(`[data-key="${CSS.escape(key)}"] a.open`)?.focus();
  }

  /** rebuild renders everything in the current language. */
  rebuild() {
    if (!this.#part) return;
    this.#shown = '';
    this.#show(this.#part.job, this.#part.index);
  }

  #clear() {
    this.#part = null;
    this.#shown = '';
    this.#line = null;
    this.#comparing = false;
    this.#series = null;
    this.#dialog.classList.remove('many');
    for (const id of ['work-stage', 'work-recipe', 'work-actions', 'work-texts']) byId(id).replaceChildren();
    for (const id of ['work-prompt', 'work-facts']) setText(byId(id), '');
    for (const id of ['work-previous', 'work-next']) byId(id).hidden = true;
  }

  #step(by) {
    if (!this.#part) return;
    const parts = this.#around(this.#part);
    const at = parts.findIndex(({ key }) => key === this.#part.key);
    const next = parts[at + by];
    if (at < 0 || !next || next.job.status === 'unsent') return;
    this.#router.go(workPath(next.job.id, next.index), { replace: true });
  }

  // The works that the arrow keys go through: those of the same batch, or of the sheet.
  #around({ key, job }) {
    const batch = job.batch_id && this.#jobs.get(workIdOf(job.batch_id));
    const parts = this.#sheet.parts;
    return batch && !parts.some((part) => part.key === key) ? batch.batch.jobs.flatMap(framesOf) : parts;
  }

  #swipe() {
    let x = 0;
    let y = 0;
    const stage = byId('work-stage');
    stage.addEventListener('touchstart', (event) => {
      [x, y] = [event.touches[0].clientX, event.touches[0].clientY];
    }, { passive: true });
    stage.addEventListener('touchend', (event) => {
      const dx = event.changedTouches[0].clientX - x;
      if (event.target.matches('input') || Math.abs(dx) < 60 || Math.abs(dx) < 2 * Math.abs(event.changedTouches[0].clientY - y)) return;
      this.#step(dx > 0 ? -1 : 1);
    }, { passive: true });
  }

  #show(job, index) {
    if (!job) return;
    const part = { key: `${job.id}:${index}`, job, index };
    const before = this.#part?.key;
    this.#part = part;
    this.#updatedAt = Date.now();
    if (before !== part.key) this.#comparing = false;
    if (job.long && before === part.key && this.#sound?.isConnected) updateSound(this.#sound, soundsOf(part));
    this.#dialog.classList.toggle('many', Boolean(job.batch));
    if (job.batch) this.#showBatch(part, before);
    const shown = job.batch ? this.#shown : `${part.key} ${job.status} ${mediaAt(part) ? 'file' : ''} ${this.#comparing}`;
    if (shown !== this.#shown) {
      this.#shown = shown;
      this.#build(part);
    }
    const parts = this.#around(part);
    const at = parts.findIndex(({ key }) => key === part.key);
    // They would be in front of the frames of a batch.
    byId('work-previous').hidden = at <= 0 || Boolean(job.batch);
    byId('work-next').hidden = at < 0 || at === parts.length - 1 || Boolean(job.batch);
    this.#tick();
  }

  // The frames of a batch are updated in place; what stands beside them is made again when it changes.
  #showBatch(part, before) {
    const { job } = part;
    if (!this.#series?.node.isConnected || before?.startsWith('batch-') && before !== part.key) {
      stopSound();
      this.#series = new Series(this.#actions, (work) => this.#jobs.moreOf(work), (id) => this.#sheet.isHidden(id));
      byId('work-stage').replaceChildren(this.#series.node);
    }
    this.#series.show(job);
    const counts = countText(job.batch);
    this.#showPrompt(job, t('batch.title', { text: textOf(job), n: formatNumber(job.batch.count - 1) }));
    setText(byId('work-facts'), [formatTime(new Date(job.created_at)), counts].join(' · '));
    const { left, failed, done } = job.batch;
    const shown = `${part.key} ${left > 0} ${failed > 0} ${done > 0}`;
    if (this.#shown === shown) return;
    const first = !this.#shown.startsWith(part.key);
    this.#shown = shown;
    const focused = byId('work-actions').contains(document.activeElement);
    const { seed, ...input } = job.input;
    this.#showRecipe({ ...job, input }, 0);
    byId('work-texts').replaceChildren();
    byId('work-actions').replaceChildren(...this.#batchButtons(part));
    if (focused) (byId('work-actions').querySelector('button, a') ?? byId('work-close')).focus();
    if (first && before && !before.startsWith('batch-')) this.#series.focus(before);
  }

  // A text that scrolls can have the focus, so that the keys scroll it.
  #showPrompt(job, text) {
    const prompt = byId('work-prompt');
    const { length } = textOf(job);
    setText(prompt, text);
    prompt.classList.toggle('long', length > 160);
    prompt.classList.toggle('scrolls', length > 1000);
    if (length > 1000) prompt.tabIndex = 0;
    else prompt.removeAttribute('tabindex');
  }

  #showRecipe(job, index) {
    const chips = recipe(job, index).map(([name, text]) => el('li', { class: 'chip', data: { part: name } }, el('span', { class: 'chip-text', text })));
    const tags = (job.tags ?? []).map((tag) => el('li', { class: 'chip', data: { part: 'tag' } }, el('a', { class: 'chip-text', href: `/gallery?${new URLSearchParams({ tag })}`, text: `#${tag}` })));
    byId('work-recipe').replaceChildren(...chips, ...tags);
  }

  #batchButtons(part) {
    const { batch, links } = part.job;
    return [
      batch.left > 0 && this.#button('action.stop', 'stop', () => this.#actions.stop(part)),
      batch.left === 0 && batch.failed > 0 && this.#button('batch.retry', 'again', () => this.#actions.retry(part), 'quiet strong'),
      batch.done > 0 && el('a', { class: 'quiet', href: links.results, download: true }, icon('download'), el('span', { text: t('action.download_all') })),
      this.#button('action.reuse', 'edit', () => this.#actions.reuse(part)),
      batch.left === 0 && this.#button('action.delete', 'trash', () => this.#actions.remove(part)),
    ].filter(Boolean);
  }

  #button(key, name, action, style = 'quiet') {
    return el('button', { type: 'button', class: style, on: { click: (event) => this.#once(event, action) } }, icon(name), el('span', { text: t(key) }));
  }

  #build(part) {
    const { job, index } = part;
    stopSound();
    byId('work-stage').replaceChildren(...this.#stage(part));
    this.#showPrompt(job, textOf(job));
    this.#showRecipe(job, index);
    byId('work-texts').replaceChildren(...this.#texts(job));
    const media = mediaAt(part);
    const cost = job.cached ? null : (job.long ? null : media?.usage) ?? job.usage;
    setText(byId('work-facts'), [formatTime(new Date(job.created_at)), tookText(job), media && fileSize(job.long ? job.result.media.reduce((sum, { bytes }) => sum + bytes, 0) : media.bytes), cost?.cost && `${cost.cost} ${cost.currency}`].filter(Boolean).join(' · '));
    byId('work-actions').replaceChildren(...this.#buttons(part));
  }

  #stage(part) {
    const { job, index } = part;
    const prompt = textOf(job);
    const media = mediaAt(part);
    this.#line = null;
    if (media && job.kind === 'image') {
      const count = job.input.n ?? 1;
      const alt = count > 1 ? t('result.alt', { prompt, n: index + 1, count }) : prompt;
      const picture = (src, text) => el('img', { src, alt: text, width: media.width, height: media.height });
      const other = this.#other(part);
      if (this.#comparing && other) return [this.#slider(picture(media.url, alt), picture(mediaAt(other).url, textOf(other.job)))];
      return [picture(media.url, alt)];
    }
    if (media) {
      this.#sound = soundBox(soundsOf(part), prompt);
      return [el('div', { class: 'stage-sound' }, this.#sound)];
    }
    if (job.result?.text && isEnded(job)) return [el('p', { class: 'stage-text', text: job.result.text })];
    const missing = missingAt(part);
    if (!isEnded(job)) {
      this.#line = el('p', { class: 'state' });
      const cell = el('div', { class: 'stage-making' }, el('i', { class: 'marks', 'aria-hidden': 'true' }), this.#line);
      cell.style.setProperty('--r', String((job.input.width ?? 16) / (job.input.height ?? 9)));
      return [cell];
    }
    const sentence = job.status === 'canceled' ? t(`cancel.${job.cancel ?? 'before_start'}`) : failureSentence(missing ?? job.error ?? { code: 'internal_error' });
    return [el('p', { class: 'state', text: sentence })];
  }

  // The picture to compare with: the next one of the sheet in the same shape, or the one before.
  #other(part) {
    const parts = this.#around(part);
    const at = parts.findIndex(({ key }) => key === part.key);
    const own = mediaAt(part);
    const fits = (other) => {
      const media = other && other.key !== part.key && other.job.kind === 'image' && mediaAt(other);
      return media && Math.abs(media.width / media.height - own.width / own.height) < 0.01;
    };
    return parts.slice(at + 1).find(fits) ?? parts.slice(0, Math.max(0, at)).findLast(fits);
  }

  #slider(first, second) {
    const range = el('input', { type: 'range', min: 0, max: 100, value: 50, class: 'compare-range', 'aria-label': t('work.compare.slider') });
    const box = el('div', { class: 'compare' }, second, first, el('i', { class: 'compare-line', 'aria-hidden': 'true' }), range);
    const move = () => box.style.setProperty('--at', `${range.value}%`);
    range.addEventListener('input', move);
    move();
    return box;
  }

  #texts(job) {
    const prompt = job.result?.prompt;
    const note = job.cached ? [el('p', { class: 'work-note', text: t('cached.note') })] : [];
    const pairs = job.kind !== 'image' && job.kind !== 'audio' ? [[t('work.original'), textOf(job)]] : prompt ? [[t('work.improved'), prompt.optimized]] : [];
    return note.concat(pairs.filter(([, text]) => text !== textOf(job) || job.kind !== 'image').flatMap(([title, text]) => (text === textOf(job) ? [] : [el('h3', { text: title }), el('p', { text })])));
  }

  #buttons(part) {
    const { job } = part;
    const media = mediaAt(part);
    const button = (...properties) => this.#button(...properties);
    if (!isEnded(job)) return [button('action.stop', 'stop', () => this.#actions.stop(part)), button('action.reuse', 'edit', () => this.#actions.reuse(part))];
    const text = job.result?.text;
    const kept = this.#actions.isKept(part);
    return [
      media && job.kind === 'image' && button('action.variation', 'variation', () => this.#actions.variation(part), 'quiet strong'),
      job.cached && button('cached.anew', 'again', () => this.#actions.anew(part), 'quiet strong'),
      (media && !job.cached && ['image', 'audio'].includes(job.kind)) && button('action.again', 'again', () => this.#actions.again(part)),
      (missingAt(part) || (job.long && job.result?.missing) || job.status === 'canceled' || job.error?.retryable) && button('action.retry', 'again', () => this.#actions.retry(part), 'quiet strong'),
      text && button('action.image', 'image', () => this.#actions.useText('image', text), 'quiet strong'),
      text && button('action.speak', 'audio', () => this.#actions.useText('audio', text)),
      button('action.reuse', 'edit', () => this.#actions.reuse(part)),
      media && job.kind === 'image' && this.#actions.canRefer() && button('action.reference', 'attach', () => this.#actions.refer(part)),
      media && button('action.download', 'download', () => this.#actions.download(part)),
      media && job.kind === 'image' && job.result.media.length > 1 && button('action.download_all', 'download', () => this.#actions.downloadAll(job.result.media.map((file) => ({ job, index: file.index })))),
      media && button('action.share', 'share', () => this.#actions.share(part)),
      (text || textOf(job)) && this.#copyButton(text ?? textOf(job)),
      media && job.kind === 'image' && this.#actions.canKeep() && this.#keepButton(part, kept),
      media && job.kind === 'image' && this.#other(part) && this.#compareButton(),
      job.batch_id && this.#jobs.get(workIdOf(job.batch_id)) && button('batch.show', 'all', () => this.#router.go(workPath(workIdOf(job.batch_id)), { replace: true })),
      button('action.delete', 'trash', () => this.#actions.remove(part)),
    ].filter(Boolean);
  }

  #keepButton(part, kept) {
    return el('button', { type: 'button', class: 'quiet', 'aria-pressed': String(kept), on: { click: (event) => this.#once(event, () => this.#actions.keep(part)) } }, icon('keep'), el('span', { text: t(kept ? 'action.saved' : 'action.save') }));
  }

  #compareButton() {
    return el('button', { type: 'button', class: 'quiet', 'aria-pressed': String(this.#comparing), on: { click: () => {
      this.#comparing = !this.#comparing;
      this.#show(this.#part.job, this.#part.index);
      byId('work-actions').querySelector('[aria-pressed="true"]')?.focus();
    } } }, icon('compare'), el('span', { text: t('action.compare') }));
  }

  #copyButton(text) {
    const label = el('span', { text: t('action.copy') });
    return el('button', { type: 'button', class: 'quiet', on: { click: async () => {
      const done = await copyText(text);
      label.textContent = t(done ? 'action.copied' : 'action.copy.failed');
      setTimeout(() => { label.textContent = t('action.copy'); }, copiedFor);
    } } }, icon('text'), label);
  }

  #tick() {
    if (!this.#line || !this.#part) return;
    setText(this.#line, pendingText(this.#part.job, (Date.now() - this.#updatedAt) / 1000));
  }

  #once(event, action) {
    once(event, action).catch((error) => {
      if (!(error instanceof Problem)) throw error;
      toast(error.sentence, { bad: true });
    });
  }
}

// One frame of the sheet: a picture, speech, a text, or the place of one that is being made or has failed. A frame is built
// once and then updated in place, so that incoming events neither interrupt playback nor move the focus.
import { countText, failureSentence, pendingText, textOf } from './describe.js';
import { el, icon, once, setText } from './dom.js';
import { formatNumber, t } from './i18n.js';
import { isEnded } from './jobs.js';
import { isUnsent } from './outbox.js';
import { workPath } from './router.js';
import { soundBox, updateSound } from './sound.js';

const soundRatio = 2.3;
const textRatio = 1.5;
const minRatio = 0.5;
const maxRatio = 2.4;
// More words than a frame has room for only cost time.
const maxWords = 400;
// A batch shows as many of its pictures, or of its texts.
const maxTiles = 9;
const maxTexts = 4;

/** framesOf returns the frames of a job as {key, job, index}; index is that of a picture of a set. */
export function framesOf(job) {
  const frame = (index) => ({ key: `${job.id}:${index}`, job, index });
  if (job.batch) return [frame(0)];
  if (job.kind !== 'image') return [frame(0)];
  const done = (job.result?.media ?? []).map(({ index }) => index);
  if (isEnded(job) && done.length === 0) return [frame(0)];
  if (job.status === 'canceled' || job.status === 'failed') return done.map(frame);
  return Array.from({ length: job.input.n ?? 1 }, (_, index) => frame(index));
}

/** mediaAt returns the file of a frame, if it is there. */
export const mediaAt = ({ job, index }) => job.result?.media?.find((file) => file.index === index);

// tilesOf returns the pictures and the places of those that are being made, of a batch.
const tilesOf = ({ batch }) => batch.jobs.slice(0, maxTiles).flatMap(framesOf).slice(0, maxTiles);

// sidesOf returns how many tiles a batch has in a row, and how many rows.
function sidesOf(tiles) {
  const columns = tiles === 4 ? 2 : Math.min(tiles, 3);
  return [columns, Math.ceil(tiles / columns)];
}

/** soundsOf returns the files of speech in order: the parts of a long one that are there without a gap. */
export function soundsOf({ job, index }) {
  if (!job.long) return [mediaAt({ job, index })];
  const { media } = job.result;
  return isEnded(job) ? media : media.filter((file, n) => file.index === n);
}

/** missingAt returns why the picture of a frame is missing, if it is. */
export const missingAt = ({ job, index }) => job.result?.missing?.find((part) => part.index === index)?.error;

// thumbnailWidth is one of the widths of thumbnails that the server makes; frames are not wider.
const thumbnailWidth = 640;

const tileWidth = 320;

const thumbnailOf = ({ url, width }, wanted) => (width > wanted ? `${url}?w=${wanted}` : url);

// pictureOf returns an image that is not much wider than wanted. A busy server may have no time for a thumbnail; then it is the file itself.
function pictureOf(media, wanted, properties) {
  const image = el('img', { loading: 'lazy', decoding: 'async', src: thumbnailOf(media, wanted), ...properties });
  image.addEventListener('error', (event) => {
    if (image.getAttribute('src') === media.url) return;
    event.stopImmediatePropagation();
    image.src = media.url;
  });
  return image;
}

function ratioOf({ job, index }) {
  if (job.batch && job.kind === 'image') {
    const [columns, rows] = sidesOf(tilesOf(job).length);
    return Math.min(maxRatio, Math.max(minRatio, (ratioOf(framesOf(job.batch.jobs[0])[0]) * columns) / rows));
  }
  if (job.kind === 'audio') return soundRatio;
  if (job.kind !== 'image') return textRatio;
  const media = mediaAt({ job, index });
  const ratio = (media?.width ?? job.input.width ?? 1024) / (media?.height ?? job.input.height ?? 1024);
  return Math.min(maxRatio, Math.max(minRatio, ratio || 1));
}

const captionOf = (job) => [textOf(job), ...(job.tags ?? []).map((tag) => `#${tag}`)].join(' ');

// stateOf returns what kind of frame is to be built.
function stateOf(part) {
  const { job } = part;
  if (job.batch) return 'batch';
  if (isUnsent(job)) return 'unsent';
  if (mediaAt(part)) return job.kind;
  if (missingAt(part)) return 'missing';
  if (!isEnded(job)) return 'making';
  if (job.status === 'succeeded') return job.result?.text ? 'text' : 'gone';
  return job.status;
}

/** Frame shows {job, index}. actions: {stop, retry, remove, variation, keep, canKeep, isKept, pick}. */
export class Frame {
  node;
  #part;
  #actions;
  #state = '';
  #updatedAt = 0;
  #line = null;
  #bar = null;
  #sound = null;
  #keep = null;
  #tiles = new Map();
  #shownTools = '';

  constructor(part, actions) {
    this.#actions = actions;
    this.node = el('li', { class: 'frame', data: { key: part.key } });
    this.update(part);
  }

  get part() {
    return this.#part;
  }

  /** ratio is the width of the frame by its height. */
  get ratio() {
    return ratioOf(this.#part);
  }

  /** update shows a newer version of the job. */
  update(part) {
    if (this.#part?.job === part.job) return;
    const ended = Boolean(this.#part) && !isEnded(this.#part.job) && isEnded(part.job);
    this.#part = part;
    this.#updatedAt = Date.now();
    const state = stateOf(part);
    if (state !== this.#state) {
      this.#state = state;
      this.rebuild();
      return;
    }
    if (this.#state === 'batch') this.#updateBatch(part);
    if (this.#state === 'audio' && part.job.long) updateSound(this.#sound, soundsOf(part));
    if (ended) this.#showTools();
    this.tick();
  }

  // A picture of a set may be there before the set has ended, which changes what can be done with it.
  #showTools() {
    const part = this.#part;
    if (this.#state === 'audio') this.#line?.remove();
    this.node.querySelector('.frame-tools').replaceWith(this.#tools(part));
    const picker = this.node.querySelector('.pick') ? null : this.#picker(part);
    if (picker) this.node.querySelector('.cell').append(picker);
    this.showKept();
  }

  /** rebuild renders the frame again in the current language. */
  rebuild() {
    const part = this.#part;
    const hadFocus = this.node.contains(document.activeElement);
    this.node.dataset.state = this.#state;
    this.node.dataset.kind = part.job.kind;
    this.node.style.setProperty('--r', String(Math.round(ratioOf(part) * 1000) / 1000));
    this.#line = null;
    this.#bar = null;
    this.#keep = null;
    const prompt = textOf(part.job);
    const caption = el('span', { text: captionOf(part.job) });
    this.node.replaceChildren(
      el('div', { class: 'cell' }, ...this.#content(part), this.#tools(part), this.#picker(part)),
      el('p', { class: 'caption', title: prompt }, icon(part.job.kind === 'image' || part.job.kind === 'audio' ? part.job.kind : 'text'), part.job.cached && el('b', { text: t('cached.badge'), title: t('cached.note') }), caption),
    );
    if (this.#state === 'batch') this.#line = caption;
    if (this.#state === 'batch') this.#updateBatch(part);
    if (hadFocus) this.node.querySelector('a, button')?.focus();
    this.showKept();
    this.tick();
  }

  /** tick updates the times that keep changing. */
  tick() {
    if (!this.#line) return;
    const { job } = this.#part;
    setText(this.#line, job.batch ? [countText(job.batch), captionOf(job)].join(' · ') : pendingText(job, (Date.now() - this.#updatedAt) / 1000));
    if (job.batch) {
      this.#bar.hidden = isEnded(job);
      this.#bar.firstChild.style.inlineSize = `${(100 * (job.batch.count - job.batch.left)) / job.batch.count}%`;
      return;
    }
    const measured = job.progress !== undefined && job.status === 'running' && job.kind !== 'image';
    this.#bar?.classList.toggle('moving', job.status === 'running' && !measured);
    if (this.#bar) this.#bar.firstChild.style.inlineSize = measured ? `${job.progress}%` : '';
    this.node.classList.toggle('drawing', job.status === 'running');
    this.node.classList.toggle('held', job.status === 'retrying' || Boolean(job.waiting_for));
  }

  /** showKept shows whether the picture is saved. Only members can save. */
  showKept() {
    if (!this.#keep) return;
    const kept = this.#actions.isKept(this.#part);
    this.#keep.hidden = !this.#actions.canKeep();
    this.#keep.classList.toggle('on', kept);
    this.#keep.setAttribute('aria-pressed', String(kept));
    this.#keep.setAttribute('aria-label', t(kept ? 'action.saved' : 'action.save'));
    this.#keep.title = t(kept ? 'action.saved' : 'action.save');
  }

  #content(part) {
    const { job, index } = part;
    const prompt = textOf(job);
    const n = index + 1;
    const count = job.input.n ?? 1;
    const media = mediaAt(part);
    switch (this.#state) {
      case 'image': {
        const alt = count > 1 ? t('result.alt', { prompt, n, count }) : prompt;
        const image = pictureOf(media, thumbnailWidth, { alt, width: media.width, height: media.height });
        image.addEventListener('load', () => image.classList.add('loaded'));
        image.addEventListener('error', () => image.replaceWith(el('p', { class: 'state', text: t('result.expired') })));
        return [el('a', { class: 'open', href: workPath(job.id, index) }, image)];
      }
      case 'batch': {
        this.#tiles = new Map();
        this.#bar = el('div', { class: 'progress', 'aria-hidden': 'true' }, el('i'));
        return [el('a', { class: 'open', href: workPath(job.id) }, el('span', { class: job.kind === 'image' ? 'tiles' : 'tiles words' })), this.#bar];
      }
      case 'audio': {
        // A long speech can be played while its last parts are still being made.
        this.#line = isEnded(job) ? null : el('span', { class: 'kind' });
        this.#sound = soundBox(soundsOf(part), prompt);
        return [
          el('a', { class: 'open words', href: workPath(job.id), 'aria-label': t('result.audio', { text: prompt }) }, this.#line, el('span', { text: prompt.slice(0, maxWords) })),
          this.#sound,
        ];
      }
      case 'text':
        return [el('a', { class: 'open words', href: workPath(job.id) }, el('span', { class: 'kind', text: t(`kind.${job.kind}`) }), el('span', { text: job.result.text }))];
      case 'making':
      case 'unsent': {
        this.#line = el('p', { class: 'state' });
        this.#bar = el('div', { class: 'progress', 'aria-hidden': 'true' }, el('i'));
        const open = this.#state === 'making' ? el('a', { class: 'open', href: workPath(job.id, index), 'aria-label': t('result.making', { prompt }) }) : null;
        return [el('i', { class: 'marks', 'aria-hidden': 'true' }), open, this.#line, this.#bar];
      }
      default:
        return [el('div', { class: 'fault' }, icon(job.status === 'canceled' ? 'stop' : 'alert'), el('p', { class: 'state', text: this.#faultText(part) }),
          this.#canRetry(part)
            ? el('button', { type: 'button', class: 'quiet small', text: t('action.retry'), on: { click: (event) => once(event, () => this.#actions.retry(this.#part)) } })
            : el('button', { type: 'button', class: 'quiet small', text: t('action.reuse'), on: { click: () => this.#actions.reuse(this.#part) } }))];
    }
  }

  // Only the tiles that have changed are made again, so that the others are not loaded again.
  #updateBatch({ job }) {
    const link = this.node.querySelector('.open');
    const box = link.firstChild;
    link.setAttribute('aria-label', t('batch.open', { counts: countText(job.batch), text: textOf(job) }));
    if (job.kind === 'image') {
      const parts = tilesOf(job);
      const [columns] = sidesOf(parts.length);
      box.style.setProperty('--columns', String(columns));
      for (const [n, part] of parts.entries()) {
        const media = mediaAt(part);
        const state = media ? media.url : stateOf(part);
        const known = this.#tiles.get(part.key);
        if (known?.state === state && known.tile.parentNode === box && box.children[n] === known.tile) continue;
        const tile = media ? pictureOf(media, tileWidth, { alt: '' }) : el('i', { class: `tile ${state}` });
        if (box.children[n]) box.children[n].replaceWith(tile);
        else box.append(tile);
        this.#tiles.set(part.key, { state, tile });
      }
      while (box.children.length > parts.length) box.lastChild.remove();
      const more = job.batch.count - job.batch.jobs.slice(0, maxTiles).length;
      box.dataset.more = more > 0 ? `+${formatNumber(more)}` : '';
    } else {
      const texts = job.batch.jobs.slice(0, maxTexts).map((one) => (one.result?.text ?? textOf(one)).slice(0, maxWords));
      for (const [n, text] of texts.entries()) {
        if (!box.children[n]) box.append(el('span'));
        setText(box.children[n], text);
      }
      while (box.children.length > texts.length) box.lastChild.remove();
    }
    this.node.style.setProperty('--r', String(Math.round(this.ratio * 1000) / 1000));
    const shown = `${isEnded(job)} ${job.batch.failed}`;
    if (shown !== this.#shownTools) this.#showTools();
    this.#shownTools = shown;
  }

  #faultText(part) {
    const { job } = part;
    if (this.#state === 'missing') return failureSentence(missingAt(part));
    if (job.status === 'canceled') return t(`cancel.${job.cancel ?? 'before_start'}`);
    return failureSentence(job.error ?? { code: 'internal_error' });
  }

  #canRetry(part) {
    return this.#state === 'missing' || part.job.status === 'canceled' || part.job.error?.retryable;
  }

  #tools(part) {
    const { job } = part;
    const tool = (key, name, action) => el('button', { type: 'button', class: 'tool-icon', 'aria-label': t(key), title: t(key), on: { click: (event) => once(event, () => action(this.#part)) } }, icon(name));
    const parts = [];
    if (!isEnded(job)) parts.push(tool('action.stop', 'stop', this.#actions.stop));
    else {
      if (job.batch?.failed > 0) parts.push(tool('batch.retry', 'again', this.#actions.retry));
      if (job.batch?.done > 0) parts.push(tool('action.download', 'download', this.#actions.download));
      if (job.kind === 'image' && this.#state === 'image') {
        parts.push(tool('action.variation', 'variation', this.#actions.variation));
        this.#keep = tool('action.save', 'keep', this.#actions.keep);
        parts.push(this.#keep);
      }
      if (mediaAt(part)) parts.push(tool('action.download', 'download', this.#actions.download));
      parts.push(tool('action.delete', 'trash', this.#actions.remove));
    }
    return el('div', { class: 'frame-tools' }, ...parts);
  }

  /** showPicked shows whether the frame is selected. */
  showPicked() {
    const box = this.node.querySelector('.pick input');
    if (box) box.checked = this.#actions.isPicked(this.#part);
  }

  #picker(part) {
    if (!isEnded(part.job)) return null;
    const box = el('input', { type: 'checkbox', 'aria-label': t('sheet.pick', { prompt: textOf(part.job) }) });
    box.checked = this.#actions.isPicked(part);
    box.addEventListener('click', ({ shiftKey }) => this.#actions.pick(this.#part, box.checked, shiftKey));
    return el('label', { class: 'pick' }, box, icon('pick'));
  }
}

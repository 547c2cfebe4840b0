// The images that a member has saved: listed in the account view with the time left for each, and marked as saved on the
// jobs that produced them.
import { Problem, save, saved, serverNow, unsave } from './api.js';
import { byId, el, icon } from './dom.js';
import { fileSize, formatDuration, onLanguage, t } from './i18n.js';
import { read, write } from './storage.js';
import { toast } from './toast.js';

// Holds the id of the member whose new images this browser saves automatically.
const autosaveKey = 'autosave_pictures';
const maxBytes = 2 * 1024 * 1024;
const tickInterval = 1000;

const urlOf = (image) => `/api/images/download/${image.id}`;

/** Saved tracks the saved images and dispatches "change". Before start() nobody is signed in and nothing can be saved. */
export class Saved extends EventTarget {
  #member = '';
  #today = [];
  #earlier = [];
  #max = 0;
  #rows = [];
  #leaving = new Set();

  constructor() {
    super();
    const choice = byId('saved-auto');
    choice.addEventListener('change', () => write(autosaveKey, choice.checked ? this.#member : null));
    onLanguage(() => this.#show());
    setInterval(() => this.#tick(), tickInterval);
  }

  /** member reports whether a member is signed in. */
  get member() {
    return this.#member !== '';
  }

  /** refresh reads the list again, if a member is signed in. */
  refresh() {
    return this.member ? this.#refresh() : undefined;
  }

  /** start loads the saved images of a signed-in user. */
  async start(user) {
    this.#member = user.id;
    byId('saved-auto').checked = read(autosaveKey) === user.id;
    await this.#refresh();
  }

  /** has reports whether an image of a job is saved. */
  has(job, index) {
    return [...this.#today, ...this.#earlier].some((image) => image.job_id === job.id && image.index === index);
  }

  /** save saves an image of a job. */
  async save(job, index) {
    await save(job, index);
    await this.#refresh();
  }

  /**
   * autosave saves the images of a job that has just finished, if its owner has turned that on. It stops when the day is
   * full: the server would replace the oldest, which may have been saved by hand.
   */
  async autosave(job) {
    if (!this.member || !byId('saved-auto').checked || job.status !== 'succeeded' || job.kind !== 'image') return;
    for (const image of job.result.media) {
      if (this.#today.length >= this.#max) return;
      if (image.bytes <= maxBytes && !this.has(job, image.index)) await this.save(job, image.index);
    }
  }

  async #refresh() {
    try {
      const list = await saved();
      [this.#today, this.#earlier, this.#max] = [list.images.toReversed(), list.earlier.toReversed(), list.maxCount];
      byId('saved-alert').textContent = '';
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      byId('saved-alert').textContent = error.sentence;
      return;
    }
    this.#show();
    this.dispatchEvent(new Event('change'));
  }

  #show() {
    const today = this.#today.filter((image) => !this.#leaving.has(image.id));
    const earlier = this.#earlier.filter((image) => !this.#leaving.has(image.id));
    byId('saved-count').textContent = t('saved.count', { n: today.length, max: this.#max });
    byId('saved-empty').hidden = today.length > 0;
    byId('saved-earlier-title').hidden = earlier.length === 0;
    this.#rows = [];
    byId('saved-today').replaceChildren(...today.map((image) => this.#row(image)));
    byId('saved-earlier').replaceChildren(...earlier.map((image) => this.#row(image)));
    this.#tick();
  }

  #row(image) {
    const left = el('span', { class: 'saved-note' });
    const about = `saved-${image.id}`;
    this.#rows.push({ image, left });
    const thumbnail = el('img', { src: urlOf(image), alt: '', width: image.width, height: image.height, loading: 'lazy', decoding: 'async' });
    return el('li', { class: 'saved-row' },
      el('a', { class: 'saved-image', href: urlOf(image), target: '_blank', 'aria-label': t('saved.open', { prompt: image.prompt }) }, thumbnail),
      el('div', { class: 'saved-facts' },
        el('p', { class: 'saved-prompt', id: about, text: image.prompt, title: image.prompt }),
        el('p', { class: 'saved-note', text: [`${image.width} × ${image.height}`, fileSize(image.size)].join(' · ') }),
        left,
        el('div', { class: 'saved-tools' },
          el('a', { class: 'button quiet small', href: urlOf(image), download: '', 'aria-describedby': about }, icon('download'), el('span', { text: t('action.download') })),
          el('button', { type: 'button', class: 'quiet small', 'aria-describedby': about, on: { click: () => this.#remove(image) } }, icon('trash'), el('span', { text: t('action.delete') })))));
  }

  // Deletes an image unless it is taken back within a few seconds.
  #remove(image) {
    this.#leaving.add(image.id);
    this.#show();
    byId('saved-title').focus();
    toast(t('announce.deleted'), {
      label: t('action.undo'),
      action: () => {
        this.#leaving.delete(image.id);
        this.#show();
      },
      onClose: async () => {
        try {
          await unsave(image.id);
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
          // Already gone.
          if (error.code !== 'image_not_found') toast(error.sentence, { bad: true });
        }
        this.#leaving.delete(image.id);
        await this.#refresh();
      },
    });
  }

  // Updates the time left for each image, and reloads the list when one has expired.
  #tick() {
    let expired = false;
    for (const { image, left } of this.#rows) {
      const seconds = (Date.parse(image.expires_at) - serverNow()) / 1000;
      expired ||= seconds <= 0;
      const text = t('saved.left', { time: formatDuration(Math.max(0, seconds)) });
      if (left.textContent !== text) left.textContent = text;
    }
    if (!expired) return;
    this.#rows = [];
    this.#refresh();
  }
}

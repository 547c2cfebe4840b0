// The images that a member has saved: listed in the account dialog with the time left for each, and marked as saved on the
// jobs that produced them.
import { Problem, save, saved, serverNow, unsave } from './api.js';
import { byId, el } from './dom.js';
import { formatDuration, onLanguage, t } from './i18n.js';
import { fileSize } from './results.js';
import { read, write } from './storage.js';

// Holds the id of the member whose new images this browser saves automatically.
const autosaveKey = 'autosave_pictures';
const maxBytes = 2 * 1024 * 1024;
const confirmTimeout = 5000;
const tickInterval = 1000;

const urlOf = (image) => `/api/images/download/${image.id}`;

/** Gallery tracks the saved images and dispatches "change". Before start() nobody is signed in and nothing can be saved. */
export class Gallery extends EventTarget {
  #member = '';
  #today = [];
  #earlier = [];
  #max = 0;
  #rows = [];
  #view;

  /** view is called with a job-like object to show an image at full size. */
  constructor(view) {
    super();
    this.#view = view;
    const choice = byId('saved-auto');
    choice.addEventListener('change', () => write(autosaveKey, choice.checked ? this.#member : null));
    byId('account-open').addEventListener('click', () => this.member && this.#refresh());
    onLanguage(() => this.#show());
    setInterval(() => this.#tick(), tickInterval);
  }

  /** member reports whether a member is signed in. */
  get member() {
    return this.#member !== '';
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

  /** autosave saves the images of a job that has just finished, if its owner has turned that on. */
  async autosave(job) {
    if (!this.member || !byId('saved-auto').checked || job.status !== 'succeeded' || job.kind !== 'image') return;
    for (const [index, image] of job.result.media.entries()) {
      if (image.bytes <= maxBytes) await this.save(job, index);
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
    byId('saved-count').textContent = t('saved.count', { n: this.#today.length, max: this.#max });
    byId('saved-empty').hidden = this.#today.length > 0;
    byId('saved-earlier-title').hidden = this.#earlier.length === 0;
    this.#rows = [];
    byId('saved-today').replaceChildren(...this.#today.map((image) => this.#row(image)));
    byId('saved-earlier').replaceChildren(...this.#earlier.map((image) => this.#row(image)));
    this.#tick();
  }

  #row(image) {
    const left = el('span', { class: 'saved-note' });
    const about = `saved-${image.id}`;
    this.#rows.push({ image, left });
    const thumbnail = el('img', { src: urlOf(image), alt: '', width: image.width, height: image.height, loading: 'lazy', decoding: 'async' });
    return el('li', { class: 'saved-row' },
      el('button', { type: 'button', class: 'saved-image', 'aria-label': t('saved.open', { prompt: image.prompt }), on: { click: () => this.#view(asJob(image)) } }, thumbnail),
      el('div', { class: 'saved-facts' },
        el('p', { class: 'saved-prompt', id: about, text: image.prompt, title: image.prompt }),
        el('p', { class: 'saved-note', text: [t('detail.size', { width: image.width, height: image.height }), fileSize(image.size)].join(' · ') }),
        left,
        el('div', { class: 'saved-tools' },
          el('a', { class: 'button quiet small', href: urlOf(image), download: '', 'aria-describedby': about, text: t('action.download') }),
          this.#deleteButton(image, about))));
  }

  // The first click asks for confirmation, the second deletes.
  #deleteButton(image, about) {
    const button = el('button', { type: 'button', class: 'quiet small', 'aria-describedby': about, text: t('action.delete') });
    button.addEventListener('click', () => {
      if (button.classList.contains('danger')) {
        this.#remove(image);
        return;
      }
      button.classList.add('danger');
      button.textContent = t('action.delete.sure');
      setTimeout(() => {
        button.classList.remove('danger');
        button.textContent = t('action.delete');
      }, confirmTimeout);
    });
    return button;
  }

  async #remove(image) {
    try {
      await unsave(image.id);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      // Already gone.
      if (error.code !== 'image_not_found') {
        byId('saved-alert').textContent = error.sentence;
        return;
      }
    }
    await this.#refresh();
    byId('saved-message').textContent = t('announce.deleted');
    // The button is gone; without this the focus would move to the top of the dialog.
    byId('saved-title').focus();
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

// asJob gives a saved image the shape that the viewer expects.
function asJob(image) {
  const media = [{ url: urlOf(image), width: image.width, height: image.height, bytes: image.size, seed: image.seed ?? undefined, model: image.model }];
  return { input: { prompt: image.prompt }, result: { media } };
}

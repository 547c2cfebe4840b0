// The pictures that a member has saved: in the account's dialog with the time that each has left, and as a mark on the
// jobs that they were made by.
import { Problem, save, saved, serverNow, unsave } from './api.js';
import { byId, el } from './dom.js';
import { duration, onLanguage, t } from './i18n.js';
import { fileSize } from './results.js';
import { read, write } from './storage.js';

// Whose new pictures this browser saves by itself.
const auto = 'autosave_pictures';
const largest = 2 * 1024 * 1024;
const sureFor = 5000;
const tick = 1000;

const addressOf = (picture) => `/api/images/download/${picture.id}`;

/** Gallery knows what is saved and tells of changes by "change". Until start it is nobody's, and nothing can be saved. */
export class Gallery extends EventTarget {
  #member = '';
  #today = [];
  #earlier = [];
  #most = 0;
  #rows = [];
  #view;

  /** view is called with a picture to show it large. */
  constructor(view) {
    super();
    this.#view = view;
    const choice = byId('saved-auto');
    choice.addEventListener('change', () => write(auto, choice.checked ? this.#member : null));
    byId('account-open').addEventListener('click', () => this.member && this.#refresh());
    onLanguage(() => this.#show());
    setInterval(() => this.#count(), tick);
  }

  /** member says whether somebody is signed in. */
  get member() {
    return this.#member !== '';
  }

  /** start begins for somebody who is signed in. */
  async start(user) {
    this.#member = user.id;
    byId('saved-auto').checked = read(auto) === user.id;
    await this.#refresh();
  }

  /** has says whether a picture of a job is saved. */
  has(job, index) {
    return [...this.#today, ...this.#earlier].some((picture) => picture.job_id === job.id && picture.index === index);
  }

  /** save keeps a picture of a job. */
  async save(job, index) {
    await save(job, index);
    await this.#refresh();
  }

  /** heed saves the pictures of a job that has just ended, when its owner wants that. */
  async heed(job) {
    if (!this.member || !byId('saved-auto').checked || job.status !== 'succeeded' || job.kind !== 'image') return;
    for (const [index, picture] of job.result.media.entries()) {
      if (picture.bytes <= largest) await this.save(job, index);
    }
  }

  async #refresh() {
    try {
      const list = await saved();
      [this.#today, this.#earlier, this.#most] = [list.images.toReversed(), list.earlier.toReversed(), list.maxCount];
      byId('saved-alert').textContent = '';
    } catch (trouble) {
      if (!(trouble instanceof Problem)) throw trouble;
      byId('saved-alert').textContent = trouble.sentence;
      return;
    }
    this.#show();
    this.dispatchEvent(new Event('change'));
  }

  #show() {
    byId('saved-count').textContent = t('saved.count', { n: this.#today.length, max: this.#most });
    byId('saved-empty').hidden = this.#today.length > 0;
    byId('saved-earlier-title').hidden = this.#earlier.length === 0;
    this.#rows = [];
    byId('saved-today').replaceChildren(...this.#today.map((picture) => this.#row(picture)));
    byId('saved-earlier').replaceChildren(...this.#earlier.map((picture) => this.#row(picture)));
    this.#count();
  }

  #row(picture) {
    const left = el('span', { class: 'saved-note' });
    const about = `saved-${picture.id}`;
    this.#rows.push({ picture, left });
    const image = el('img', { src: addressOf(picture), alt: '', width: picture.width, height: picture.height, loading: 'lazy', decoding: 'async' });
    return el('li', { class: 'saved-row' },
      el('button', { type: 'button', class: 'saved-picture', 'aria-label': t('saved.open', { prompt: picture.prompt }), on: { click: () => this.#view(asJob(picture)) } }, image),
      el('div', { class: 'saved-facts' },
        el('p', { class: 'saved-prompt', id: about, text: picture.prompt, title: picture.prompt }),
        el('p', { class: 'saved-note', text: [t('detail.size', { width: picture.width, height: picture.height }), fileSize(picture.size)].join(' · ') }),
        left,
        el('div', { class: 'saved-tools' },
          el('a', { class: 'button quiet small', href: addressOf(picture), download: '', 'aria-describedby': about, text: t('action.download') }),
          this.#deleteButton(picture, about))));
  }

  // The first press asks, the second deletes.
  #deleteButton(picture, about) {
    const button = el('button', { type: 'button', class: 'quiet small', 'aria-describedby': about, text: t('action.delete') });
    button.addEventListener('click', () => {
      if (button.classList.contains('danger')) {
        this.#remove(picture);
        return;
      }
      button.classList.add('danger');
      button.textContent = t('action.delete.sure');
      setTimeout(() => {
        button.classList.remove('danger');
        button.textContent = t('action.delete');
      }, sureFor);
    });
    return button;
  }

  async #remove(picture) {
    try {
      await unsave(picture.id);
    } catch (trouble) {
      if (!(trouble instanceof Problem)) throw trouble;
      // What is gone already is what was wanted.
      if (trouble.code !== 'image_not_found') {
        byId('saved-alert').textContent = trouble.sentence;
        return;
      }
    }
    await this.#refresh();
    byId('saved-said').textContent = t('announce.deleted');
    // Whoever pressed the button shall not be thrown to the top of the dialog.
    byId('saved-title').focus();
  }

  // The time that each has left; what has none is read anew.
  #count() {
    let over = false;
    for (const { picture, left } of this.#rows) {
      const seconds = (Date.parse(picture.expires_at) - serverNow()) / 1000;
      over ||= seconds <= 0;
      const words = t('saved.left', { time: duration(Math.max(0, seconds)) });
      if (left.textContent !== words) left.textContent = words;
    }
    if (!over) return;
    this.#rows = [];
    this.#refresh();
  }
}

// The large view shows pictures of jobs.
function asJob(picture) {
  const media = [{ url: addressOf(picture), width: picture.width, height: picture.height, bytes: picture.size, seed: picture.seed ?? undefined, model: picture.model }];
  return { input: { prompt: picture.prompt }, result: { media } };
}

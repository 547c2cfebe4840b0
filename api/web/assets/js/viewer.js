// The large view of a picture: a dialog, closed with Escape, with the arrow keys for the pictures of a set.
import { byId } from './dom.js';
import { t } from './i18n.js';
import { fileSize, textOf } from './results.js';

/** Viewer shows pictures one at a time. */
export class Viewer {
  #dialog = byId('viewer');
  #job = null;
  #index = 0;

  constructor() {
    byId('viewer-previous').addEventListener('click', () => this.#step(-1));
    byId('viewer-next').addEventListener('click', () => this.#step(1));
    byId('viewer-close').addEventListener('click', () => this.#dialog.close());
    this.#dialog.addEventListener('click', (event) => {
      if (event.target === this.#dialog) this.#dialog.close();
    });
    this.#dialog.addEventListener('keydown', (event) => {
      if (event.key === 'ArrowLeft') this.#step(-1);
      if (event.key === 'ArrowRight') this.#step(1);
    });
    // A picture that is not shown shall not stay in memory.
    this.#dialog.addEventListener('close', () => byId('viewer-picture').removeAttribute('src'));
  }

  /** open shows a picture of a job. */
  open(job, index) {
    this.#job = job;
    this.#index = index;
    this.#show();
    this.#dialog.showModal();
  }

  #step(by) {
    const count = this.#job.result.media.length;
    this.#index = (this.#index + by + count) % count;
    this.#show();
  }

  #show() {
    const media = this.#job.result.media;
    const picture = media[this.#index];
    const image = byId('viewer-picture');
    image.src = picture.url;
    image.alt = textOf(this.#job);
    image.width = picture.width;
    image.height = picture.height;
    const facts = [t('detail.size', { width: picture.width, height: picture.height }), fileSize(picture.bytes)];
    if (picture.seed !== undefined) facts.push(t('detail.seed', { seed: picture.seed }));
    if (picture.model) facts.push(picture.model);
    byId('viewer-caption').textContent = facts.join(' · ');
    const link = byId('viewer-download');
    link.href = `${picture.url}?download=1`;
    link.setAttribute('download', '');
    for (const id of ['viewer-previous', 'viewer-next']) byId(id).hidden = media.length < 2;
  }
}

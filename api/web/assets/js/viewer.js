// The full-size view of an image: a dialog that Escape closes and in which the arrow keys move through a set.
import { byId } from './dom.js';
import { t } from './i18n.js';
import { fileSize, textOf } from './results.js';

/** Viewer shows the images of a job one at a time. */
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
    // Release the image's memory.
    this.#dialog.addEventListener('close', () => byId('viewer-image').removeAttribute('src'));
  }

  /** open shows one image of a job. */
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
    const image = media[this.#index];
    const img = byId('viewer-image');
    img.src = image.url;
    img.alt = textOf(this.#job);
    img.width = image.width;
    img.height = image.height;
    const facts = [t('detail.size', { width: image.width, height: image.height }), fileSize(image.bytes)];
    if (image.seed !== undefined) facts.push(t('detail.seed', { seed: image.seed }));
    if (image.model) facts.push(image.model);
    byId('viewer-caption').textContent = facts.join(' · ');
    const link = byId('viewer-download');
    link.href = `${image.url}?download=1`;
    link.setAttribute('download', '');
    for (const id of ['viewer-previous', 'viewer-next']) byId(id).hidden = media.length < 2;
  }
}

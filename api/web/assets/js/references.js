// The reference pictures of the image composer: works of one's own and uploads, as chips with a picture. They are kept with the
// draft, by what the server calls them; the pictures themselves are read from there.
import { Problem } from './api.js';
import { imageModel, maxReferencesOf, suggestReferenceModel } from './catalogue.js';
import { referencesKey } from './composer.js';
import { byId, el, icon, setText } from './dom.js';
import { setValue, toSentence, valueOf } from './fields.js';
import { formatNumber, language, onLanguage, t } from './i18n.js';
import { read, write } from './storage.js';
import { toast } from './toast.js';

// What the server takes. Other pictures, and larger ones than a model needs, are converted before they are sent.
const accepted = ['image/png', 'image/jpeg', 'image/webp'];
const [largeFile, maxPixels] = [3e6, 24e6];
const maxSide = 2048;
const maxName = 60;

const thumbnailOf = (ref) => {
  const [kind, id] = [ref.slice(0, ref.indexOf(':')), ref.slice(ref.indexOf(':') + 1)];
  if (kind === 'upload') return `/api/uploads/${encodeURIComponent(id)}`;
  const [job, index] = id.split('/');
  return kind === 'job' ? `/api/jobs/${encodeURIComponent(job)}/media/${encodeURIComponent(index)}?w=160` : '';
};

// convert returns a picture that the server takes; it fails if the file is none.
async function convert(file) {
  const picture = await createImageBitmap(file);
  const { width, height } = picture;
  if (accepted.includes(file.type) && file.size <= largeFile && width * height <= maxPixels) return file;
  const scale = Math.min(1, maxSide / Math.max(width, height));
  const canvas = el('canvas', { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) });
  canvas.getContext('2d').drawImage(picture, 0, 0, canvas.width, canvas.height);
  // Only JPEG has no transparency.
  return new Promise((resolve) => { canvas.toBlob(resolve, file.type === 'image/jpeg' ? 'image/jpeg' : 'image/webp', 0.92); });
}

// send uploads a picture. fetch does not tell how far it is.
function send(blob, item) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    item.abort = () => request.abort();
    request.open('POST', '/api/uploads');
    request.setRequestHeader('Accept-Language', language());
    request.upload.addEventListener('progress', ({ loaded, total }) => item.onProgress(loaded / total));
    request.addEventListener('loadend', () => {
      let body = {};
      try {
        body = JSON.parse(request.responseText);
      } catch {
        // The error page of a proxy; the status is enough.
      }
      if (request.status === 201 && body.reference) resolve(body);
      else reject(new Problem(request.status, body, Number(request.getResponseHeader('Retry-After')) || 0));
    });
    request.send(blob);
  });
}

/** References is the line of reference pictures of a form. onChange is called when there are others. */
export class References {
  #form;
  #onChange;
  #items = [];
  #list = byId('references');
  #note = byId('references-note');
  #fault = '';

  constructor(form, onChange) {
    this.#form = form;
    this.#onChange = onChange;
    try {
      const stored = JSON.parse(read(referencesKey) ?? '[]');
      if (Array.isArray(stored)) this.#items = stored.filter(({ ref }) => typeof ref === 'string').map(({ ref, name }) => ({ ref, name: String(name ?? '') }));
    } catch {
      // Not stored by this page.
    }
    onLanguage(() => {
      this.#fault = '';
      this.#list.replaceChildren();
      this.show();
    });
    this.show();
  }

  /** names returns what goes into the request. */
  get names() {
    return this.#items.map(({ ref }) => ref).filter(Boolean);
  }

  /** set replaces all, by the names that a request has. */
  set(names) {
    for (const item of this.#items) item.abort?.();
    this.#items = names.map((ref) => ({ ref, name: '' }));
    this.#changed();
  }

  /** add adds a work of one's own by the name that a request has. */
  add(ref, name) {
    if (this.#items.some((item) => item.ref === ref) || !this.#hasRoom()) return;
    this.#items.push({ ref, name: [...name].slice(0, maxName).join('') });
    this.#changed();
    byId('status').textContent = t('reference.added');
  }

  /** upload adds a picture file. A failure is said in a message, with a way to try again. */
  async upload(file) {
    if (!this.#hasRoom()) return;
    const item = { ref: '', name: file.name, preview: URL.createObjectURL(file), done: 0 };
    this.#items.push(item);
    item.onProgress = (done) => {
      item.done = done;
      this.#showProgress(item);
    };
    item.sent = this.#send(file, item);
    this.#changed();
    await item.sent;
  }

  // Reports whether nothing is missing afterwards.
  async #send(file, item) {
    try {
      const blob = await convert(file).catch(() => null);
      if (!blob) {
        this.#drop(item);
        toast(t('reference.unreadable', { name: file.name }), { bad: true });
        return false;
      }
      if (!this.#items.includes(item)) return true;
      item.ref = (await send(blob, item)).reference;
      delete item.abort;
      // The same picture may be there already.
      if (this.#items.some((other) => other !== item && other.ref === item.ref)) this.#drop(item);
      else this.#changed();
      byId('status').textContent = t('reference.added');
      return true;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (!this.#items.includes(item)) return true; // It was removed while it was sent.
      this.#drop(item);
      toast(error.errors.length > 0 ? toSentence(error.errors[0].detail) : error.sentence, { bad: true, label: t('reference.again'), action: () => this.upload(file) });
      return false;
    }
  }

  /** ready waits for uploads and reports whether everything can be sent; if not, it says why. */
  async ready() {
    const sent = await Promise.all(this.#items.map((item) => item.sent));
    if (sent.includes(false)) return false;
    if (!this.#mismatch()) return true;
    this.#note.querySelector('button')?.focus();
    return false;
  }

  /** showFault says what the server has against the reference pictures. */
  showFault(sentence) {
    this.#fault = sentence;
    this.show();
    this.#list.querySelector('button')?.focus();
  }

  // Makes room for one more: a model that takes none is replaced, since nothing else can be meant.
  #hasRoom() {
    const max = maxReferencesOf(valueOf(this.#form, 'model'));
    if (max === 0) {
      const other = suggestReferenceModel();
      if (!other) return false;
      setValue(this.#form, 'model', other.name);
      toast(t('reference.switched', { model: other.title }));
    } else if (this.#items.length >= max) {
      toast(t('reference.most', { model: this.#model.title, n: formatNumber(max) }), { bad: true });
      return false;
    }
    return true;
  }

  get #model() {
    return imageModel(valueOf(this.#form, 'model'));
  }

  // Returns what the chosen model does not take, or "".
  #mismatch() {
    const max = maxReferencesOf(valueOf(this.#form, 'model'));
    if (this.#items.length <= max) return '';
    return max === 0 ? t('reference.none', { model: this.#model.title }) : t('reference.most', { model: this.#model.title, n: formatNumber(max) });
  }

  #changed() {
    this.#fault = '';
    const stored = this.#items.filter(({ ref }) => ref).map(({ ref, name }) => ({ ref, name }));
    write(referencesKey, stored.length > 0 ? JSON.stringify(stored) : null);
    this.show();
    this.#onChange();
  }

  #drop(item) {
    const at = this.#items.indexOf(item);
    if (at < 0) return;
    const hadFocus = this.#list.children[at]?.contains(document.activeElement);
    this.#items.splice(at, 1);
    item.abort?.();
    if (item.preview) URL.revokeObjectURL(item.preview);
    this.#changed();
    if (hadFocus) (this.#list.children[Math.min(at, this.#items.length - 1)]?.querySelector('button') ?? byId('reference-add')).focus();
  }

  /** show renders the chips, and a note if the chosen model does not take them. */
  show() {
    const shown = new Map([...this.#list.children].map((node) => [node.item, node]));
    const chips = this.#items.map((item, at) => shown.get(item) ?? this.#chip(item, at));
    // Putting them in again would take the focus away.
    if (chips.length !== shown.size || chips.some((chip, at) => chip !== this.#list.children[at])) this.#list.replaceChildren(...chips);
    for (const item of this.#items) this.#showProgress(item);
    this.#list.hidden = chips.length === 0;
    this.#showNote();
  }

  // It is an alert, so it is rendered only when it says something else.
  #showNote() {
    const mismatch = this.#mismatch();
    const other = mismatch && suggestReferenceModel(this.#items.length);
    const label = other ? t('reference.use', { model: other.title }) : '';
    const text = mismatch || this.#fault;
    if (this.#note.textContent === text + label) return;
    this.#note.replaceChildren(text, other ? el('button', { type: 'button', class: 'quiet small', text: label, on: { click: () => {
      setValue(this.#form, 'model', other.name);
      this.#changed();
      byId('image-prompt').focus();
    } } }) : '');
  }

  #chip(item, at) {
    const name = item.name || t('reference.nth', { n: formatNumber(at + 1) });
    const src = item.preview ?? thumbnailOf(item.ref);
    const picture = src ? el('img', { src, alt: name, title: name, width: 40, height: 40 }) : el('span', { class: 'chip-text', text: URL.parse?.(item.ref)?.host ?? name });
    picture.addEventListener('error', () => this.#check(item, picture), { once: true });
    const remove = el('button', { type: 'button', class: 'chip-remove', 'aria-label': t('chip.remove', { what: name }), on: { click: () => this.#drop(item) } }, icon('close'));
    const node = el('li', { class: 'chip set reference' }, picture, el('span', { class: 'reference-done', role: 'progressbar', 'aria-label': t('reference.uploading', { name }) }), remove);
    node.item = item;
    return node;
  }

  #showProgress(item) {
    const bar = [...this.#list.children].find((node) => node.item === item)?.querySelector('.reference-done');
    if (!bar) return;
    bar.hidden = Boolean(item.ref);
    const percent = Math.round((item.done ?? 1) * 100);
    bar.setAttribute('aria-valuenow', percent);
    setText(bar, `${percent} %`);
  }

  // A picture that cannot be shown may have expired, or only be out of reach.
  async #check(item, picture) {
    picture.replaceWith(icon('image'));
    if (!item.ref) return;
    const response = await fetch(thumbnailOf(item.ref), { method: 'HEAD' }).catch(() => null);
    if (response?.status !== 404 || !this.#items.includes(item)) return;
    this.#drop(item);
    toast(t('reference.gone'), { bad: true });
  }
}

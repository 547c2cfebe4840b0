// One form for each kind of work: turns its fields into a request, and the settings of an earlier result back into fields.
import { Problem, newKey } from './api.js';
import { defaults, priceOf } from './catalogue.js';
import { showChips } from './chips.js';
import { checkSize, fillVoices, setSize, showSize, sizeOf } from './choices.js';
import { byId, el, icon, setText } from './dom.js';
import { checkField, clearFieldError, clearFieldErrors, controls, count, loadDraft, saveDraft, setValue, showFieldError, toSentence, typed, valueOf } from './fields.js';
import { formatNumber, t } from './i18n.js';
import { isEnded } from './jobs.js';
import { isUnsent } from './outbox.js';
import { withModule } from './later.js';
import { checkLines, countLongest, linesOf, showFaults } from './lines.js';
import { read, write } from './storage.js';
import { parseTags } from './tags.js';
import { toast } from './toast.js';

const draftDelay = 300;
const second = 1000;
// A second click of a double click must not stop what the first has started.
const stopDelay = 900;
/** referencesKey is where the reference pictures of the draft are stored. */
export const referencesKey = 'draft_references';
const mac = /mac|iphone|ipad/i.test(navigator.platform);

/** Composer is the form of one kind of work. onSubmitted is called with every job it creates. */
export class Composer {
  #form;
  #jobs;
  #quota;
  #onSubmitted;
  #alert;
  #button;
  #stop;
  #again;
  #line;
  #busy = false;
  #latest = '';
  #stopFrom = 0;
  #lastRequest = { body: '', key: '' };
  #draftTimer = 0;
  #countdown = 0;
  #references = null;

  constructor(form, jobs, quota, onSubmitted) {
    this.#form = form;
    this.#jobs = jobs;
    this.#quota = quota;
    this.#onSubmitted = onSubmitted;
    this.#addFoot();
    loadDraft(form);
    if (this.kind === 'audio') fillVoices();
    form.addEventListener('input', (event) => this.#changed(event.target));
    form.addEventListener('change', (event) => this.#changed(event.target));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.submit();
    });
    form.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.isComposing) return;
      const inField = event.target.matches('.pop input, .pop select');
      if (!(event.ctrlKey || event.metaKey) && !inField) return;
      event.preventDefault();
      if (inField && !(event.ctrlKey || event.metaKey)) event.target.closest('[popover]').hidePopover();
      else this.submit();
    });
    addEventListener('pagehide', () => saveDraft(form));
    jobs.addEventListener('changes', () => this.#showButtons());
    jobs.addEventListener('remove', () => this.#showButtons());
    this.show();
    if (this.kind === 'image' && read(referencesKey)) this.references();
  }

  /** references loads the line of reference pictures, which only the form of images has. */
  references() {
    return withModule('references', ({ References }) => {
      this.#references ??= new References(this.#form, () => this.#changed(this.#form));
      return this.#references;
    });
  }

  get kind() {
    return this.#form.dataset.kind;
  }

  get text() {
    return this.#box.value;
  }

  get #box() {
    return this.#form.querySelector('textarea');
  }

  // The lines of the text, if each is to be a work of its own.
  get #lines() {
    if (valueOf(this.#form, 'lines') === '') return [];
    const lines = linesOf(this.text);
    return lines.length > 1 ? lines : [];
  }

  // How many works are asked for.
  get #count() {
    return (this.kind === 'image' ? Number(valueOf(this.#form, 'n')) : 1) * Math.max(1, this.#lines.length);
  }

  // Lines can be works of their own as soon as there are two.
  #showLines() {
    const { lines: box } = this.#form.elements;
    const row = box.closest('label');
    const count = linesOf(this.text).length;
    row.hidden = count < 2;
    setText(row.lastElementChild, t(`lines.${this.kind}`, { n: formatNumber(count) }));
    if (this.#lines.length > 0) countLongest(this.#form.querySelector(`output[for="${this.#box.id}"]`), this.#lines, Number(this.#box.dataset.max));
  }

  /** show renders everything that depends on the values or the language. */
  show() {
    for (const control of controls(this.#form)) if (control.dataset.max) count(this.#form, control);
    if (this.kind === 'image') showSize(this.#form);
    if (this.kind === 'audio') setText(byId('audio-speed-value'), `${formatNumber(Number(byId('audio-speed').value))}×`);
    this.#showLines();
    showChips(this.#form, () => this.#changed(this.#form));
    this.#references?.show();
    this.#showButtons();
    this.showLine();
  }

  /** showLine says what the work costs and what is left of the quota. */
  showLine() {
    const n = this.#count;
    const price = priceOf(valueOf(this.#form, 'model') || defaults[this.kind]);
    const chars = [...this.text].length;
    let cost = 0;
    if (price?.per_image) cost = n * Number(price.per_image);
    else if (price?.per_thousand_characters) cost = (chars * Number(price.per_thousand_characters)) / 1000;
    const costText = cost > 0 ? t('compose.cost', { price: new Intl.NumberFormat(document.documentElement.lang, { maximumSignificantDigits: 2 }).format(cost), currency: price.currency }) : '';
    const left = this.#quota.sentence();
    setText(this.#line, [left, costText].filter(Boolean).join(' · '));
    this.#line.classList.toggle('low', this.#quota.left < n);
  }

  /** translateAgain renders the form in a new language; sentences in the old one are dropped. */
  translateAgain() {
    this.#clearErrors();
    this.show();
  }

  /** fill loads the settings of an earlier result. */
  fill(input, { seed = true, lines = false } = {}) {
    this.#form.reset();
    for (const control of controls(this.#form)) {
      if (control.dataset.type === 'bool') control.checked = false;
    }
    if (this.kind === 'image') setSize(this.#form, input.width ?? 1024, input.height ?? 1024);
    if (this.kind === 'audio') {
      setValue(this.#form, 'model', input.model ?? '');
      fillVoices();
    }
    for (const [name, value] of Object.entries(input)) {
      if (['width', 'height'].includes(name) || (name === 'seed' && !seed)) continue;
      if (name === 'format' && value === 'mp3') continue;
      if (name === 'model' && value === defaults[this.kind]) continue;
      setValue(this.#form, name, value === true ? 'on' : value === false ? '' : String(value));
    }
    setValue(this.#form, 'lines', lines ? 'on' : '');
    this.#latest = '';
    if (this.kind === 'image') this.#fillReferences(input.reference_images ?? []);
    this.#filled();
  }

  #fillReferences(names) {
    if (this.#references) this.#references.set(names);
    else {
      write(referencesKey, names.length > 0 ? JSON.stringify(names.map((ref) => ({ ref }))) : null);
      if (names.length > 0) this.references();
    }
  }

  /** setText replaces the text only. */
  setText(text) {
    this.#box.value = text;
    this.#changed(this.#box);
  }

  #filled() {
    this.#clearErrors();
    saveDraft(this.#form);
    this.show();
  }

  #clearErrors() {
    clearFieldErrors(this.#form);
    showFaults(this.#box, []);
    this.showAlert('');
  }

  /** focus moves the focus to the text. */
  focus() {
    this.#box.focus();
  }

  #addFoot() {
    const kind = this.kind;
    this.#alert = el('p', { class: 'alert', role: 'alert' });
    this.#line = el('p', { class: 'quota', id: `${kind}-quota` });
    const keys = `${mac ? '⌘' : 'Ctrl'} + Enter`;
    this.#button = el('button', { type: 'submit', class: 'primary', title: keys, 'aria-describedby': this.#line.id }, el('span'));
    this.#stop = el('button', { type: 'button', class: 'primary stop', hidden: true, on: { click: () => this.#stopLatest() } }, icon('stop'), el('span'));
    this.#again = el('button', { type: 'button', class: 'quiet', hidden: true, on: { click: () => performance.now() < this.#stopFrom || this.submit() } });
    this.#form.querySelector('.foot').append(this.#alert, el('div', { class: 'foot-row' }, this.#button, this.#stop, this.#again), this.#line);
  }

  // Nothing is sent while a request is on its way, or while the text is still being rewritten.
  get #waits() {
    return this.#busy || this.#box.readOnly;
  }

  #showButtons() {
    const latest = this.#jobs.get(this.#latest);
    const running = Boolean(latest) && !isEnded(latest) && !isUnsent(latest);
    const focused = document.activeElement === this.#button || document.activeElement === this.#stop || document.activeElement === this.#again;
    const n = this.#count;
    setText(this.#button.firstElementChild, this.#busy ? t('compose.sending') : n > 1 ? t('compose.create_n', { n }) : t('compose.create'));
    setText(this.#stop.lastElementChild, t('action.stop'));
    setText(this.#again, t('compose.another'));
    this.#button.setAttribute('aria-disabled', String(this.#waits));
    this.#button.hidden = running;
    this.#stop.hidden = !running;
    this.#again.hidden = !running;
    // The button in place of the focused one takes the focus.
    if (focused && document.activeElement === document.body) (running ? this.#stop : this.#button).focus();
  }

  #stopLatest() {
    const job = this.#jobs.get(this.#latest);
    if (!job || performance.now() < this.#stopFrom) return;
    this.#stop.setAttribute('aria-disabled', 'true');
    this.#jobs.cancel(job).catch((error) => {
      if (!(error instanceof Problem)) throw error;
      this.showAlert(error.sentence);
    }).finally(() => this.#stop.removeAttribute('aria-disabled'));
  }

  #changed(control) {
    if (control === this.#box || control.name === 'lines') showFaults(this.#box, []);
    if (control.dataset?.pointer) clearFieldError(this.#form, control);
    if (this.kind === 'image' && control.name === 'ratio' && control.value !== 'custom') clearFieldError(this.#form, byId('image-width'));
    if (control.id === 'audio-model') fillVoices();
    this.#latest = '';
    this.show();
    clearTimeout(this.#draftTimer);
    this.#draftTimer = setTimeout(() => saveDraft(this.#form), draftDelay);
  }

  #request() {
    const request = { kind: this.kind, input: {} };
    for (const control of controls(this.#form)) {
      if (!control.dataset.pointer || control.name === 'width' || control.name === 'height') continue;
      const value = typed(this.#form, control);
      if (value === undefined) continue;
      if (control.name === 'deadline_seconds') request.deadline_seconds = value;
      else if (control.name === 'tags') request.tags = parseTags(value);
      else request.input[control.name] = value;
    }
    if (this.#references?.names.length > 0) request.input.reference_images = this.#references.names;
    if (this.kind === 'image') [request.input.width, request.input.height] = sizeOf(this.#form);
    return request;
  }

  #check() {
    const errors = controls(this.#form)
      .filter((control) => control.name !== 'width' && control.name !== 'height' && !(control === this.#box && this.#lines.length > 0))
      .map((control) => checkField(this.#form, control)).filter(Boolean);
    if (this.kind === 'image') errors.push(...checkSize(this.#form));
    return errors;
  }

  /** submit checks the fields and sends the request. */
  async submit() {
    if (this.#waits) return;
    this.#clearErrors();
    const lines = this.#lines;
    const faults = checkLines(lines, Number(this.#box.dataset.max));
    const errors = this.#check();
    if (errors.length > 0) {
      for (const { pointer, code, params } of errors) showFieldError(this.#form, pointer, t(`invalid.${code}`, params));
      this.#focusInvalid();
      return;
    }
    if (faults.length > 0) {
      showFaults(this.#box, faults);
      return;
    }
    if (this.kind === 'image' && (this.#references || read(referencesKey)) && !(await this.#awaitReferences())) return;
    const { name } = this.#box;
    const request = this.#request();
    const requests = lines.map(({ text }) => ({ ...request, input: { ...request.input, [name]: text } }));
    const body = JSON.stringify(lines.length > 0 ? requests : request);
    // A submission whose answer was lost is repeated under its key, so that it never makes two jobs.
    if (this.#lastRequest.body !== body) this.#lastRequest = { body, key: newKey() };
    this.#setBusy(true);
    try {
      const job = await (lines.length > 0 ? this.#jobs.submitBatch(requests, this.#lastRequest.key) : this.#jobs.submit(request, this.#lastRequest.key));
      this.#lastRequest = { body: '', key: '' };
      saveDraft(this.#form);
      this.#latest = job.id;
      this.#stopFrom = performance.now() + stopDelay;
      if (isUnsent(job)) toast(t('compose.unsent'));
      if (job.cached) toast(t('cached.note'));
      this.#onSubmitted(job);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status !== 0 && error.status < 500) this.#lastRequest = { body: '', key: '' };
      this.#quota.readSoon();
      this.#showProblem(lines.length > 0 ? this.#linesProblem(error, lines) : error);
    } finally {
      this.#setBusy(false);
    }
  }

  // Faults of lines are shown as such, unless all have the same: then it is one of the settings.
  #linesProblem(problem, lines) {
    const faults = problem.lines.map(({ index, errors = [], detail }) => ({ line: lines[index], errors, sentence: toSentence(errors[0]?.detail ?? detail) }));
    const [first] = faults;
    const ofText = (errors) => errors.length === 0 || errors.some(({ pointer }) => pointer === this.#box.dataset.pointer);
    if (first && (faults.length < lines.length || ofText(first.errors))) {
      showFaults(this.#box, faults);
      return Object.assign(problem, { errors: [] });
    }
    return Object.assign(problem, { errors: first?.errors ?? problem.errors });
  }

  // Waits for what is still being uploaded, and reports whether the request can be sent.
  async #awaitReferences() {
    this.#setBusy(true);
    try {
      return await (await this.references())?.ready() ?? false;
    } finally {
      this.#setBusy(false);
    }
  }

  #showProblem(problem) {
    const ofReferences = problem.errors.filter(({ pointer }) => this.#references && pointer.startsWith('/input/reference_images'));
    if (ofReferences.length > 0) this.#references.showFault(toSentence(ofReferences[0].detail));
    const unmatched = problem.errors.filter((error) => !ofReferences.includes(error)).filter(({ pointer, detail }) => !showFieldError(this.#form, pointer.replace(/^\/tags\/.*/, '/tags'), toSentence(detail)));
    if (unmatched.length > 0) this.showAlert(unmatched.map(({ pointer, detail }) => toSentence(`${pointer.split('/').at(-1)} ${detail}`)).join(' '));
    else if (problem.errors.length === 0) {
      this.showAlert(problem.sentence);
      if (problem.retryAfter > 0) this.#countDown(problem);
    }
    this.#focusInvalid();
  }

  // Keeps the remaining time in the message up to date.
  #countDown(problem) {
    const end = performance.now() + problem.retryAfter * second;
    this.#countdown = setInterval(() => {
      const left = Math.ceil((end - performance.now()) / second);
      const sentence = left > 0 ? problem.sentenceIn(left) : t('error.now');
      if (sentence === this.#alert.textContent) return;
      // Screen readers have announced it once.
      this.#alert.setAttribute('aria-live', 'off');
      this.#alert.textContent = sentence;
      if (left <= 0) clearInterval(this.#countdown);
    }, second);
  }

  #focusInvalid() {
    this.#form.querySelector('[aria-invalid="true"]')?.focus();
  }

  /** showAlert shows a sentence above the buttons, or none. */
  showAlert(sentence) {
    clearInterval(this.#countdown);
    this.#alert.removeAttribute('aria-live');
    setText(this.#alert, sentence);
  }

  /** dropAlert removes the sentence if it is still shown. */
  dropAlert(sentence) {
    if (this.#alert.textContent === sentence) this.showAlert('');
  }

  #setBusy(busy) {
    this.#busy = busy;
    this.#form.setAttribute('aria-busy', String(busy));
    this.#showButtons();
  }
}

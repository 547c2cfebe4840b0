// One form for each kind of job: turns its fields into a request, and a job's settings back into fields.
import { Problem, newKey } from './api.js';
import { checkSize, fillVoices, setSize, showSize, sizeOf } from './choices.js';
import { byId, el } from './dom.js';
import { checkField, clearFieldError, controls, count, loadDraft, saveDraft, setValue, showFieldError, typed } from './fields.js';
import { language, t } from './i18n.js';

const draftDelay = 300;
const second = 1000;
const shortcutKey = /mac|iphone|ipad/i.test(navigator.platform) ? '⌘' : 'Ctrl';

// toSentence capitalizes and punctuates a field error of the API, which is written to follow the field's name.
function toSentence(detail) {
  const capital = detail.charAt(0).toUpperCase() + detail.slice(1);
  return /[.!?。！？]$/.test(capital) ? capital : capital + (language() === 'zh' ? '。' : '.');
}

/** Form is the form of one kind of job. onSubmitted is called with every job it creates. */
export class Form {
  #form;
  #jobs;
  #onSubmitted;
  #alert;
  #button;
  #label;
  #shortcut;
  #busy = false;
  #lastRequest = { body: '', key: '' };
  #draftTimer = 0;
  #countdown = 0;

  constructor(form, jobs, onSubmitted) {
    this.#form = form;
    this.#jobs = jobs;
    this.#onSubmitted = onSubmitted;
    this.#addFooter();
    loadDraft(form);
    if (this.kind === 'audio') fillVoices();
    form.addEventListener('input', (event) => this.#changed(event.target));
    form.addEventListener('change', (event) => this.#changed(event.target));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    form.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    addEventListener('pagehide', () => saveDraft(form));
    this.show();
  }

  get kind() {
    return this.#form.dataset.kind;
  }

  /** show renders everything that depends on the values or the language. */
  show() {
    for (const control of controls(this.#form)) if (control.dataset.max) count(this.#form, control);
    if (this.kind === 'image') showSize(this.#form);
    if (this.kind === 'audio') byId('audio-speed-value').textContent = `${Number(byId('audio-speed').value)}×`;
    this.#label.textContent = t(this.#busy ? 'form.sending' : 'form.create');
    this.#shortcut.textContent = t('form.shortcut', { key: shortcutKey });
  }

  /** fill loads the settings of an earlier job. */
  fill(input) {
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
      if (name === 'width' || name === 'height') continue;
      if (name === 'format' && value === 'mp3') continue;
      setValue(this.#form, name, value === true ? 'on' : value === false ? '' : String(value));
    }
    for (const control of controls(this.#form)) clearFieldError(this.#form, control);
    this.#showAlert('');
    saveDraft(this.#form);
    this.show();
    this.focus();
  }

  /** focus moves the focus to the text. */
  focus() {
    this.#form.querySelector('textarea').focus();
  }

  #addFooter() {
    this.#alert = el('p', { class: 'alert', role: 'alert' });
    this.#label = el('span');
    this.#button = el('button', { type: 'submit', class: 'primary' }, this.#label);
    this.#shortcut = el('kbd', { class: 'wide', 'aria-hidden': 'true' });
    this.#form.querySelector('.foot').append(this.#alert, this.#button, this.#shortcut);
  }

  #changed(control) {
    if (control.dataset?.pointer) clearFieldError(this.#form, control);
    if (this.kind === 'image' && control.name === 'ratio' && control.value !== 'custom') clearFieldError(this.#form, byId('image-width'));
    if (control.id === 'audio-model') fillVoices();
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
      else request.input[control.name] = value;
    }
    if (this.kind === 'image') [request.input.width, request.input.height] = sizeOf(this.#form);
    return request;
  }

  #check() {
    const errors = controls(this.#form)
      .filter((control) => control.name !== 'width' && control.name !== 'height')
      .map((control) => checkField(this.#form, control)).filter(Boolean);
    if (this.kind === 'image') errors.push(...checkSize(this.#form));
    return errors;
  }

  async #submit() {
    if (this.#busy) return;
    for (const control of controls(this.#form)) clearFieldError(this.#form, control);
    this.#showAlert('');
    const errors = this.#check();
    if (errors.length > 0) {
      for (const { pointer, code, params } of errors) showFieldError(this.#form, pointer, t(`invalid.${code}`, params));
      this.#focusInvalid();
      return;
    }
    const request = this.#request();
    const body = JSON.stringify(request);
    // A submission whose answer was lost is repeated under its key, so that it never makes two jobs.
    if (this.#lastRequest.body !== body) this.#lastRequest = { body, key: newKey() };
    this.#setBusy(true);
    try {
      const job = await this.#jobs.submit(request, this.#lastRequest.key);
      this.#lastRequest = { body: '', key: '' };
      saveDraft(this.#form);
      this.#onSubmitted(job);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status !== 0 && error.status < 500) this.#lastRequest = { body: '', key: '' };
      this.#jobs.dispatchEvent(new Event('refused'));
      this.#showProblem(error);
    } finally {
      this.#setBusy(false);
    }
  }

  #showProblem(problem) {
    const unmatched = problem.errors.filter(({ pointer, detail }) => !showFieldError(this.#form, pointer, toSentence(detail)));
    if (unmatched.length > 0) this.#showAlert(unmatched.map(({ pointer, detail }) => `${pointer} ${detail}`).join(' · '));
    else if (problem.errors.length === 0) {
      this.#showAlert(problem.sentence);
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

  #showAlert(sentence) {
    clearInterval(this.#countdown);
    this.#alert.removeAttribute('aria-live');
    this.#alert.textContent = sentence;
  }

  #setBusy(busy) {
    this.#busy = busy;
    this.#button.setAttribute('aria-disabled', String(busy));
    this.#form.setAttribute('aria-busy', String(busy));
    this.show();
  }
}

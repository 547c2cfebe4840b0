// Feedback in the account view: the form, when it may be submitted again, and the status of earlier messages.
import { Problem, myFeedback, sendFeedback, serverNow } from './api.js';
import { byId } from './dom.js';
import { feedbackEntry } from './feedback-entry.js';
import { checkField, clearFieldError, clearFieldErrors, controls, count, showFieldError, toSentence } from './fields.js';
import { formatTime, onLanguage, t } from './i18n.js';
import { toast } from './toast.js';

let feedback = null;

/** openFeedback reads and shows what the member has sent. */
export function openFeedback() {
  if (!feedback) {
    feedback = new Feedback();
    feedback.start();
  }
  feedback.open();
}

/** Feedback is the part of the account view in which a member sends feedback. */
class Feedback {
  #form = byId('feedback-form');
  #alert = this.#form.querySelector('.alert');
  #button = this.#form.querySelector('[type="submit"]');
  #mine = [];
  #next = 0;
  #timer = 0;
  #busy = false;

  start() {
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#form.addEventListener('input', ({ target }) => {
      clearFieldError(this.#form, target);
      this.#update();
    });
    onLanguage(() => {
      clearFieldErrors(this.#form);
      this.#alert.textContent = '';
      this.#show();
    });
  }

  /** open reads what the member has sent. */
  open() {
    return this.#attempt(() => this.#load());
  }

  async #load() {
    const { feedbacks, next_allowed_at: next } = await myFeedback();
    this.#mine = feedbacks;
    this.#next = next ? Date.parse(next) : 0;
    this.#show();
  }

  #show() {
    byId('feedback-list').replaceChildren(...this.#mine.map((feedback) => feedbackEntry(feedback)));
    byId('feedback-none').hidden = this.#mine.length > 0;
    this.#update();
  }

  // Updates the counter, the hint and the button; the waiting time follows the server's clock.
  #update() {
    count(this.#form, byId('feedback-content'));
    clearTimeout(this.#timer);
    const wait = this.#next - serverNow();
    byId('feedback-next').textContent = wait > 0 ? t('feedback.next', { time: formatTime(new Date(this.#next)) }) : t('feedback.limit');
    this.#button.setAttribute('aria-disabled', String(this.#busy || wait > 0));
    if (wait > 0) this.#timer = setTimeout(() => this.#update(), wait);
  }

  async #submit() {
    if (this.#busy || this.#next > serverNow()) return;
    const fields = controls(this.#form);
    for (const control of fields) clearFieldError(this.#form, control);
    this.#alert.textContent = '';
    const errors = fields.map((control) => checkField(this.#form, control)).filter(Boolean);
    for (const { pointer, code, params } of errors) showFieldError(this.#form, pointer, t(`invalid.${code}`, params));
    if (errors.length === 0) {
      this.#busy = true;
      this.#update();
      await this.#attempt(() => this.#send());
      this.#busy = false;
      this.#update();
    }
    this.#form.querySelector('[aria-invalid="true"]')?.focus();
  }

  async #send() {
    const { message } = await sendFeedback({ category: byId('feedback-category').value, content: byId('feedback-content').value });
    this.#form.reset();
    toast(message);
    await this.#load();
  }

  async #attempt(action) {
    try {
      await action();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const unmatched = error.errors.filter(({ pointer, detail }) => !showFieldError(this.#form, pointer, toSentence(detail)));
      if (unmatched.length > 0 || error.errors.length === 0) this.#alert.textContent = error.message;
      // Another tab may have sent a message.
      if (error.code === 'feedback_too_soon') await this.#attempt(() => this.#load());
    }
  }
}

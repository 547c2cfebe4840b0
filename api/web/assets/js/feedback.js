// What a member tells the operator: the form, when it may be sent again, and what became of earlier words.
import { Problem, giveFeedback, myFeedback, serverNow } from './api.js';
import { byId } from './dom.js';
import { checkField, clearFault, controls, count, showFault } from './fields.js';
import { moment, onLanguage, t } from './i18n.js';
import { opinion } from './opinion.js';

/** Feedback is the dialog that the account's owner opens. */
export class Feedback {
  #dialog = byId('feedback');
  #form = byId('feedback-form');
  #alert = this.#form.querySelector('.alert');
  #button = this.#form.querySelector('[type="submit"]');
  #mine = [];
  #next = 0;
  #timer = 0;
  #busy = false;

  start() {
    byId('feedback-open').addEventListener('click', () => this.#open());
    byId('feedback-close').addEventListener('click', () => this.#dialog.close());
    this.#dialog.addEventListener('close', () => clearTimeout(this.#timer));
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#form.addEventListener('input', ({ target }) => {
      clearFault(this.#form, target);
      this.#frame();
    });
    onLanguage(() => this.#show());
  }

  async #open() {
    byId('account').close();
    byId('feedback-said').textContent = '';
    this.#alert.textContent = '';
    this.#frame();
    this.#dialog.showModal();
    byId('feedback-content').focus();
    await this.#attempt(() => this.#load());
  }

  async #load() {
    const { feedbacks, next_allowed_at: next } = await myFeedback();
    this.#mine = feedbacks;
    this.#next = next ? Date.parse(next) : 0;
    this.#show();
  }

  #show() {
    byId('feedback-list').replaceChildren(...this.#mine.map((feedback) => opinion(feedback)));
    byId('feedback-none').hidden = this.#mine.length > 0;
    this.#frame();
  }

  // The sentence under the form and the button follow the clock of the server.
  #frame() {
    count(this.#form, byId('feedback-content'));
    clearTimeout(this.#timer);
    const wait = this.#next - serverNow();
    byId('feedback-next').textContent = wait > 0 ? t('feedback.next', { time: moment(new Date(this.#next)) }) : t('feedback.limit');
    this.#button.setAttribute('aria-disabled', String(this.#busy || wait > 0));
    if (wait > 0) this.#timer = setTimeout(() => this.#frame(), wait);
  }

  async #submit() {
    if (this.#busy || this.#next > serverNow()) return;
    const fields = controls(this.#form);
    for (const control of fields) clearFault(this.#form, control);
    this.#alert.textContent = '';
    const faults = fields.map((control) => checkField(this.#form, control)).filter(Boolean);
    for (const { pointer, code, gaps } of faults) showFault(this.#form, pointer, t(`invalid.${code}`, gaps));
    if (faults.length === 0) {
      this.#busy = true;
      this.#frame();
      await this.#attempt(() => this.#send());
      this.#busy = false;
      this.#frame();
    }
    this.#form.querySelector('[aria-invalid="true"]')?.focus();
  }

  async #send() {
    const { message } = await giveFeedback({ category: byId('feedback-category').value, content: byId('feedback-content').value });
    this.#form.reset();
    byId('feedback-said').textContent = message;
    await this.#load();
  }

  async #attempt(action) {
    try {
      await action();
    } catch (trouble) {
      if (!(trouble instanceof Problem)) throw trouble;
      const elsewhere = trouble.errors.filter(({ pointer, detail }) => !showFault(this.#form, pointer, detail));
      if (elsewhere.length > 0 || trouble.errors.length === 0) this.#alert.textContent = trouble.message;
      // Another tab may have sent something.
      if (trouble.code === 'feedback_too_soon') await this.#attempt(() => this.#load());
    }
  }
}

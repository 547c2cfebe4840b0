// Improve, translate, ideas, undo and clear: verbs on a text box. The new text is written into the box while it arrives, and
// every version before it can be brought back.
import { Problem, newKey } from './api.js';
import { byId, setText } from './dom.js';
import { length, toSentence } from './fields.js';
import { formatNumber, onLanguage, t } from './i18n.js';
import { isEnded } from './jobs.js';
import { failureSentence } from './describe.js';
import { withModule } from './later.js';
import { placePopover } from './popover.js';

const maxVersions = 20;
const kinds = { improve: 'prompt', translate: 'translation' };
/** Verbs are the buttons below the text box of a composer. */
export class Verbs {
  #box;
  #form;
  #composer;
  #jobs;
  #versions = [];
  #running = null;

  constructor(form, composer, jobs) {
    this.#form = form;
    this.#composer = composer;
    this.#jobs = jobs;
    this.#box = form.querySelector('textarea');
    for (const button of form.querySelectorAll('[data-verb]')) {
      button.addEventListener('click', () => this.#do(button.dataset.verb));
    }
    jobs.addEventListener('changes', ({ detail }) => {
      for (const { job } of detail) if (job.id === this.#running?.id) this.#follow(job);
    });
    this.#box.addEventListener('input', () => this.#show());
    const popover = form.querySelector('.ideas').closest('[popover]');
    popover.addEventListener('toggle', ({ newState }) => {
      if (newState === 'open') this.#fillIdeas(popover);
    });
    onLanguage(() => form.querySelector('.ideas').replaceChildren());
    this.#show();
  }

  #do(verb) {
    // Only the verb that runs can be pressed, to stop it.
    if (this.#running && this.#running.verb !== verb) return;
    if (verb === 'undo') this.#undo();
    else if (verb === 'clear') this.#replace('');
    else this.#run(verb);
  }

  #remember() {
    if (this.#box.value.trim() === '' || this.#versions.at(-1) === this.#box.value) return;
    this.#versions.push(this.#box.value);
    if (this.#versions.length > maxVersions) this.#versions.shift();
  }

  #replace(text) {
    this.#remember();
    this.#composer.setText(text);
    this.#show();
    this.#box.focus();
  }

  #undo() {
    const before = this.#versions.pop();
    if (before === undefined) return;
    this.#composer.setText(before);
    this.#show();
    this.#box.focus();
  }

  // Runs a text job on the box; the same button stops it.
  async #run(verb) {
    if (this.#running) {
      if (this.#running.id) this.#jobs.cancel(this.#jobs.get(this.#running.id)).catch(() => {});
      return;
    }
    const text = this.#box.value;
    this.#composer.showAlert('');
    if (text.trim() === '') {
      this.#composer.showAlert(t('verb.empty'));
      this.#box.focus();
      return;
    }
    const max = Number(byId('image-prompt').dataset.max);
    if (length(text) > max) {
      this.#composer.showAlert(t('invalid.too_long', { max: formatNumber(max) }));
      return;
    }
    this.#running = { verb, text, id: '', shown: text };
    this.#box.readOnly = true;
    this.#composer.show();
    this.#show();
    try {
      const job = await this.#jobs.submit({ kind: kinds[verb], input: { text } }, newKey());
      if (job.status === 'unsent') {
        await this.#jobs.cancel(job);
        this.#end(text, t('error.network'));
        return;
      }
      this.#running.id = job.id;
      this.#follow(job);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.#end(text, error.errors.length > 0 ? toSentence(error.errors[0].detail) : error.sentence);
    }
  }

  #follow(job) {
    const { text } = this.#running;
    // The box was filled with something else meanwhile, which stays.
    if (this.#box.value !== this.#running.shown) {
      this.#end(this.#box.value, '');
      return;
    }
    if (!isEnded(job)) {
      if (job.partial_text) {
        this.#box.value = job.partial_text;
        this.#running.shown = this.#box.value;
        this.#box.scrollTop = this.#box.scrollHeight;
      }
      return;
    }
    if (job.status === 'succeeded' && job.result?.text) {
      this.#box.value = text;
      this.#remember();
      this.#end(job.result.text, '');
    } else this.#end(text, job.status === 'failed' ? failureSentence(job.error ?? {}) : '');
  }

  #end(text, sentence) {
    this.#running = null;
    this.#box.readOnly = false;
    this.#composer.setText(text);
    this.#composer.showAlert(sentence);
    this.#show();
  }

  #show() {
    const empty = this.#box.value === '';
    for (const button of this.#form.querySelectorAll('[data-verb]')) {
      const { verb } = button.dataset;
      const running = this.#running?.verb === verb;
      if (verb === 'undo') button.hidden = this.#versions.length === 0;
      if (verb === 'clear') button.hidden = empty;
      button.classList.toggle('running', running);
      button.setAttribute('aria-disabled', String(Boolean(this.#running) && !running));
      const label = button.querySelector('[data-i18n]');
      if (verb in kinds && label) setText(label, running ? t('action.stop') : t(`verb.${verb}`));
    }
  }

  #fillIdeas(popover) {
    const list = popover.querySelector('.ideas');
    if (list.hasChildNodes()) return;
    withModule('ideas', ({ fillIdeas }) => {
      fillIdeas(list, this.#composer.kind, (idea) => {
        popover.hidePopover();
        this.#replace(idea);
      });
      placePopover(popover);
      list.querySelector('button').focus();
    });
  }
}

// One job in the list. A card is built once and then updated in place, so that incoming events neither interrupt audio
// playback nor move the focus.
import { serverNow } from './api.js';
import { el, icon } from './dom.js';
import { formatDuration, formatNumber, formatTime, t } from './i18n.js';
import { isEnded } from './jobs.js';
import { audioPlayer, downloads, failureSentence, images, settings, textBox, textOf } from './results.js';

const confirmTimeout = 5000;

/** Card shows a job. actions: {cancel, remove, reuse, retry, save, useText, view}. */
export class Card {
  node;
  #job;
  #updatedAt = 0;
  #actions;
  #gallery;
  #saves = [];
  #pill = el('span', { class: 'pill' });
  #title = el('h3', { class: 'title' });
  #when = el('time', { class: 'when' });
  #body = el('div', { class: 'body' });
  #detail = el('p', { class: 'detail' });
  #tools = el('div', { class: 'tools' });
  #line = null;
  #bar = null;
  #draft = null;
  #built = '';

  constructor(job, actions, gallery) {
    this.#actions = actions;
    this.#gallery = gallery;
    this.node = el('li', { class: 'card job', data: { id: job.id } },
      el('div', { class: 'job-head' }, el('span', { class: 'sign' }, icon(job.kind)),
        el('div', { class: 'job-name' }, this.#title, this.#when), this.#pill),
      this.#body, this.#detail, this.#tools);
    this.update(job);
  }

  get job() {
    return this.#job;
  }

  /** update shows a newer version of the job. */
  update(job) {
    this.#job = job;
    this.#updatedAt = Date.now();
    // The images of a set arrive one at a time.
    const shape = isEnded(job) ? job.status : `pending ${job.result?.media.length ?? 0}`;
    if (this.#built !== shape) {
      this.#built = shape;
      this.#build();
    }
    this.node.dataset.status = job.status;
    this.#pill.textContent = t(`status.${job.status}`);
    this.tick();
  }

  /** rebuild renders the card again in the current language. */
  rebuild() {
    this.#build();
    this.#pill.textContent = t(`status.${this.#job.status}`);
    this.tick();
  }

  /** tick updates the times that keep changing. */
  tick() {
    const job = this.#job;
    if (isEnded(job) || !this.#line) return;
    this.#line.textContent = pendingLine(job, (Date.now() - this.#updatedAt) / 1000);
    this.#draft.textContent = job.partial_text ?? '';
    this.#draft.hidden = !job.partial_text;
    const measured = job.progress !== undefined && job.status === 'running';
    this.#bar.classList.toggle('unknown', !measured);
    this.#bar.firstChild.style.inlineSize = measured ? `${job.progress}%` : '';
  }

  #build() {
    const job = this.#job;
    this.#title.textContent = textOf(job);
    this.#title.title = textOf(job);
    const created = new Date(job.created_at);
    this.#when.dateTime = job.created_at;
    this.#when.textContent = `${t(`kind.${job.kind}`)} · ${formatTime(created)}${tookText(job)}`;
    this.#line = null;
    if (isEnded(job)) this.#body.replaceChildren(...this.#result(job));
    else {
      this.#line = el('p', { class: 'line' });
      this.#bar = el('div', { class: 'progress', 'aria-hidden': 'true' }, el('span'));
      // Hidden from screen readers: it changes too often to be announced. The finished text is.
      this.#draft = el('p', { class: 'draft', 'aria-hidden': 'true' });
      this.#body.replaceChildren(...[this.#line, this.#bar, this.#draft, job.result && this.#images(job)].filter(Boolean));
    }
    this.#detail.textContent = settings(job).join(' · ');
    this.#detail.hidden = this.#detail.textContent === '';
    this.#tools.replaceChildren(...this.#buttons(job));
  }

  #images(job) {
    return images(job, (index) => this.#actions.view(job, index));
  }

  #result(job) {
    if (job.status === 'canceled') return [el('p', { class: 'line', text: t(`cancel.${job.cancel ?? 'before_start'}`) })];
    if (job.status === 'failed') return [el('p', { class: 'line bad', text: failureSentence(job.error ?? {}) })];
    const { media = [], text, prompt, missing = [] } = job.result ?? {};
    const parts = [];
    if (job.kind === 'image' && media.length > 0) parts.push(this.#images(job));
    if (job.kind === 'audio' && media.length > 0) parts.push(audioPlayer(job));
    if (missing.length > 0) {
      const reason = failureSentence(missing[0].error);
      parts.push(el('p', { class: 'line bad', text: t(missing.length === 1 ? 'result.missing.one' : 'result.missing.many', { n: missing.length, reason }) }));
    }
    if (prompt) parts.push(textBox([t('result.original'), prompt.original], [t('result.improved'), prompt.optimized]));
    else if (text) parts.push(textBox([t(job.kind === 'translation' ? 'result.translated' : 'result.improved'), text]));
    return parts;
  }

  #buttons(job) {
    const button = (key, action, style = 'quiet') => el('button', { type: 'button', class: style, text: t(key), on: { click: action } });
    if (!isEnded(job)) {
      return [button('action.cancel', (event) => this.#once(event, this.#actions.cancel)), button('action.reuse', () => this.#actions.reuse(this.#job))];
    }
    const media = job.result?.media ?? [];
    const text = job.result?.text;
    this.#saves = job.kind === 'image' ? media.map((_, index) => this.#saveButton(job, index)) : [];
    this.updateSaved();
    return [
      ...downloads(media),
      ...this.#saves,
      text && button('action.image', () => this.#actions.useText('image', text)),
      text && button('action.speak', () => this.#actions.useText('audio', text)),
      (job.error?.retryable || job.status === 'canceled') && button('action.retry', (event) => this.#once(event, this.#actions.retry)),
      button('action.reuse', () => this.#actions.reuse(this.#job)),
      this.#deleteButton(),
    ].filter(Boolean);
  }

  /** updateSaved shows which images are saved. Only members can save images. */
  updateSaved() {
    for (const [index, button] of this.#saves.entries()) {
      const done = this.#gallery.has(this.#job, index);
      button.hidden = !this.#gallery.member;
      button.setAttribute('aria-disabled', String(done));
      const one = this.#saves.length === 1;
      if (done) button.textContent = one ? t('action.saved') : t('action.saved.numbered', { n: index + 1 });
      else button.textContent = one ? t('action.save') : t('action.save.numbered', { n: index + 1 });
    }
  }

  #saveButton(job, index) {
    const button = el('button', { type: 'button', class: 'quiet' });
    button.addEventListener('click', async () => {
      if (button.getAttribute('aria-disabled') === 'true') return;
      button.setAttribute('aria-disabled', 'true');
      await this.#actions.save(job, index);
      this.updateSaved();
    });
    return button;
  }

  // The first click asks for confirmation, the second deletes.
  #deleteButton() {
    const button = el('button', { type: 'button', class: 'quiet', text: t('action.delete') });
    button.addEventListener('click', (event) => {
      if (button.classList.contains('danger')) {
        this.#once(event, this.#actions.remove);
        return;
      }
      const reset = () => {
        button.classList.remove('danger');
        button.textContent = t('action.delete');
      };
      button.classList.add('danger');
      button.textContent = t('action.delete.sure');
      setTimeout(reset, confirmTimeout);
    });
    return button;
  }

  // once ignores further clicks while the action runs. Disabling the button instead would lose the focus.
  async #once(event, action) {
    const button = event.currentTarget;
    if (button.getAttribute('aria-disabled') === 'true') return;
    button.setAttribute('aria-disabled', 'true');
    await action(this.#job);
    button.removeAttribute('aria-disabled');
  }
}

function tookText(job) {
  if (!job.started_at || !job.finished_at) return '';
  const seconds = (Date.parse(job.finished_at) - Date.parse(job.started_at)) / 1000;
  return ` · ${t('progress.took', { time: formatDuration(seconds) })}`;
}

/** heldText says why a job is held up. */
function heldText(job) {
  if (job.waiting_reason === 'paused_by_operator') return t('progress.paused');
  if (job.waiting_reason === 'upstream_misconfigured') return t('progress.misconfigured');
  return t('progress.held');
}

/** retryText says when the next attempt starts. */
function retryText(job) {
  const wait = (Date.parse(job.next_attempt_at ?? '') - serverNow()) / 1000;
  return wait >= 1 ? t('progress.retry_in', { time: formatDuration(wait) }) : t('progress.retry_soon');
}

/** pendingLine describes an unfinished job in one line; age is the number of seconds since its last update. */
export function pendingLine(job, age) {
  const left = (job.eta_seconds ?? 0) - age;
  const eta = left > 0 ? t('progress.eta', { time: formatDuration(left) }) : '';
  if (job.status === 'queued') {
    if (job.waiting_for) return `${heldText(job)} ${retryText(job)}`;
    const position = job.queue_position;
    const place = position === undefined ? t('progress.waiting') : position === 0 ? t('progress.next') : t('progress.ahead', { n: formatNumber(position) });
    return [place, eta].filter(Boolean).join(' · ');
  }
  if (job.status === 'retrying') {
    const reason = job.waiting_for ? heldText(job) : job.last_error ? failureSentence(job.last_error) : t('progress.failed', { n: formatNumber(job.attempt) });
    return `${reason} ${retryText(job)}`;
  }
  const since = job.started_at ? t('progress.elapsed', { time: formatDuration((serverNow() - Date.parse(job.started_at)) / 1000) }) : '';
  const attempt = job.attempt > 1 ? t('progress.attempt', { n: formatNumber(job.attempt) }) : '';
  return [t(`stage.${job.stage ?? 'generating'}`), since, eta, attempt].filter(Boolean).join(' · ');
}

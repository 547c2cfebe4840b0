// One job in the list. A card is built once and then only changed where something changed, so that a recording goes on
// playing and the focus stays while events come in.
import { serverNow } from './api.js';
import { el, icon } from './dom.js';
import { duration, known, moment, number, t } from './i18n.js';
import { isEnded } from './jobs.js';
import { downloads, failureSentence, pictures, recording, settings, textOf, words } from './results.js';

const sureFor = 5000;

/** Card shows a job. actions: {cancel, remove, reuse, retry, save, useText, view}. */
export class Card {
  node;
  #job;
  #since = 0;
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

  /** update shows a newer state of the job. */
  update(job) {
    this.#job = job;
    this.#since = Date.now();
    // The pictures of a set come one by one.
    const shape = isEnded(job) ? job.status : `pending ${job.result?.media.length ?? 0}`;
    if (this.#built !== shape) {
      this.#built = shape;
      this.#build();
    }
    this.node.dataset.status = job.status;
    this.#pill.textContent = t(`status.${job.status}`);
    this.tick();
  }

  /** rebuild writes everything anew, in the language in use. */
  rebuild() {
    this.#build();
    this.#pill.textContent = t(`status.${this.#job.status}`);
    this.tick();
  }

  /** tick brings the running times up to date. */
  tick() {
    const job = this.#job;
    if (isEnded(job) || !this.#line) return;
    this.#line.textContent = pendingLine(job, (Date.now() - this.#since) / 1000);
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
    this.#when.textContent = `${t(`kind.${job.kind}`)} · ${moment(created)}${tookPart(job)}`;
    this.#line = null;
    if (isEnded(job)) this.#body.replaceChildren(...this.#end(job));
    else {
      this.#line = el('p', { class: 'line' });
      this.#bar = el('div', { class: 'progress', 'aria-hidden': 'true' }, el('span'));
      // What is being written changes too often to be read out; the finished text is.
      this.#draft = el('p', { class: 'draft', 'aria-hidden': 'true' });
      this.#body.replaceChildren(...[this.#line, this.#bar, this.#draft, job.result && this.#pictures(job)].filter(Boolean));
    }
    this.#detail.textContent = settings(job).join(' · ');
    this.#detail.hidden = this.#detail.textContent === '';
    this.#tools.replaceChildren(...this.#buttons(job));
  }

  #pictures(job) {
    return pictures(job, (index) => this.#actions.view(job, index));
  }

  #end(job) {
    if (job.status === 'canceled') return [el('p', { class: 'line', text: t(`cancel.${job.cancel ?? 'before_start'}`) })];
    if (job.status === 'failed') return [el('p', { class: 'line bad', text: failureSentence(job.error ?? {}, known) })];
    const { media = [], text, prompt, missing = [] } = job.result ?? {};
    const parts = [];
    if (job.kind === 'image' && media.length > 0) parts.push(this.#pictures(job));
    if (job.kind === 'audio' && media.length > 0) parts.push(recording(job));
    if (missing.length > 0) {
      const reason = failureSentence(missing[0].error, known);
      parts.push(el('p', { class: 'line bad', text: t(missing.length === 1 ? 'result.missing.one' : 'result.missing.many', { n: missing.length, reason }) }));
    }
    if (prompt) parts.push(words([t('result.original'), prompt.original], [t('result.improved'), prompt.optimized]));
    else if (text) parts.push(words([t(job.kind === 'translation' ? 'result.translated' : 'result.improved'), text]));
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
    this.mark();
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

  /** mark shows which pictures are saved. Only a member can save any. */
  mark() {
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
      this.mark();
    });
    return button;
  }

  // The first press asks, the second deletes.
  #deleteButton() {
    const button = el('button', { type: 'button', class: 'quiet', text: t('action.delete') });
    button.addEventListener('click', (event) => {
      if (button.classList.contains('danger')) {
        this.#once(event, this.#actions.remove);
        return;
      }
      const calm = () => {
        button.classList.remove('danger');
        button.textContent = t('action.delete');
      };
      button.classList.add('danger');
      button.textContent = t('action.delete.sure');
      setTimeout(calm, sureFor);
    });
    return button;
  }

  // once keeps a button from acting again while its action is under way. It is not disabled, which would lose the focus.
  async #once(event, action) {
    const button = event.currentTarget;
    if (button.getAttribute('aria-disabled') === 'true') return;
    button.setAttribute('aria-disabled', 'true');
    await action(this.#job);
    button.removeAttribute('aria-disabled');
  }
}

function tookPart(job) {
  if (!job.started_at || !job.finished_at) return '';
  const seconds = (Date.parse(job.finished_at) - Date.parse(job.started_at)) / 1000;
  return ` · ${t('progress.took', { time: duration(seconds) })}`;
}

/** heldSentence says what a job waits for that is not its own turn. */
function heldSentence(job) {
  if (job.waiting_reason === 'paused_by_operator') return t('progress.paused');
  if (job.waiting_reason === 'upstream_misconfigured') return t('progress.misconfigured');
  return t('progress.held');
}

/** againPart says when a job is tried next. */
function againPart(job) {
  const pause = (Date.parse(job.next_attempt_at ?? '') - serverNow()) / 1000;
  return pause >= 1 ? t('progress.retry_in', { time: duration(pause) }) : t('progress.retry_soon');
}

/** pendingLine says in one line how a job stands that has not ended; age is how old that news is, in seconds. */
export function pendingLine(job, age) {
  const left = (job.eta_seconds ?? 0) - age;
  const eta = left > 0 ? t('progress.eta', { time: duration(left) }) : '';
  if (job.status === 'queued') {
    if (job.waiting_for) return `${heldSentence(job)} ${againPart(job)}`;
    const position = job.queue_position;
    const place = position === undefined ? t('progress.waiting') : position === 0 ? t('progress.next') : t('progress.ahead', { n: number(position) });
    return [place, eta].filter(Boolean).join(' · ');
  }
  if (job.status === 'retrying') {
    const reason = job.waiting_for ? heldSentence(job) : job.last_error ? failureSentence(job.last_error, known) : t('progress.failed', { n: number(job.attempt) });
    return `${reason} ${againPart(job)}`;
  }
  const since = job.started_at ? t('progress.elapsed', { time: duration((serverNow() - Date.parse(job.started_at)) / 1000) }) : '';
  const attempt = job.attempt > 1 ? t('progress.attempt', { n: number(job.attempt) }) : '';
  return [t(`stage.${job.stage ?? 'generating'}`), since, eta, attempt].filter(Boolean).join(' · ');
}

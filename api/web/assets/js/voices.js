// The voices of the selected speech model, grouped by language, each with a preview. A preview is ordinary speech: it is made
// once for each voice and then played from the caller's own work.
import { Problem, newKey } from './api.js';
import { speechModel } from './catalogue.js';
import { voiceName } from './choices.js';
import { byId, el, icon } from './dom.js';
import { setValue, valueOf } from './fields.js';
import { t } from './i18n.js';
import { isEnded } from './jobs.js';
import { toast } from './toast.js';

// The first letter of a Kokoro voice names its language; other models speak many.
const languages = { a: 'en-US', b: 'en-GB', e: 'es', f: 'fr', h: 'hi', i: 'it', j: 'ja', p: 'pt-BR', z: 'zh' };
const shownAtFirst = 12;

function groupsOf(voices) {
  const groups = new Map();
  for (const voice of voices) {
    const code = /^([a-z])[a-z]_/.exec(voice)?.[1];
    const language = languages[code] ?? '';
    groups.set(language, [...(groups.get(language) ?? []), voice]);
  }
  return groups;
}

function languageName(code) {
  if (code === '') return t('voices.many');
  return new Intl.DisplayNames(document.documentElement.lang, { type: 'language' }).of(code);
}

let voices = null;

/** showVoices renders the voices in the current language. */
export function showVoices(form, jobs) {
  voices ??= new Voices(form, jobs);
  voices.show();
}

/** Voices is the list beside the form for speech. */
class Voices {
  #form;
  #jobs;
  #box = byId('voices');
  #all = false;
  #model = '';

  constructor(form, jobs) {
    this.#form = form;
    this.#jobs = jobs;
    form.addEventListener('change', () => this.#mark());
    form.addEventListener('input', () => this.#mark());
  }

  /** show renders the voices in the current language. */
  show() {
    const model = speechModel(valueOf(this.#form, 'model'));
    this.#model = model.name;
    const voices = model.voices.split(' ');
    const few = this.#all ? voices : voices.slice(0, shownAtFirst);
    this.#box.replaceChildren(...[...groupsOf(few)].map(([language, list]) => el('section', {},
      el('h3', { text: languageName(language) }), el('ul', {}, ...list.map((voice) => this.#voice(voice))))));
    if (few.length < voices.length) {
      this.#box.append(el('button', { type: 'button', class: 'quiet small', text: t('voices.all', { n: voices.length }), on: { click: () => {
        this.#all = true;
        this.show();
        this.#box.querySelector('button')?.focus();
      } } }));
    }
    this.#mark();
  }

  #mark() {
    if (speechModel(valueOf(this.#form, 'model')).name !== this.#model) this.show();
    const chosen = valueOf(this.#form, 'voice');
    for (const button of this.#box.querySelectorAll('[data-voice]')) button.setAttribute('aria-pressed', String(button.dataset.voice === chosen));
  }

  #voice(voice) {
    const choose = el('button', { type: 'button', class: 'voice', data: { voice }, text: voiceName(voice), on: { click: () => {
      setValue(this.#form, 'voice', voice);
      this.#form.dispatchEvent(new Event('input', { bubbles: true }));
    } } });
    const preview = el('button', { type: 'button', class: 'tool-icon', 'aria-label': t('voices.preview', { voice: voiceName(voice) }), title: t('voices.preview', { voice: voiceName(voice) }), on: { click: () => this.#preview(voice, preview) } }, icon('play'));
    return el('li', {}, choose, preview);
  }

  async #preview(voice, button) {
    if (button.getAttribute('aria-disabled') === 'true') return;
    const text = t('voices.sample');
    const same = this.#jobs.all().find((job) => job.kind === 'audio' && job.status === 'succeeded' && job.input.text === text && job.input.voice === voice);
    button.setAttribute('aria-disabled', 'true');
    button.classList.add('running');
    try {
      const job = same ?? await this.#make({ text, voice, ...(valueOf(this.#form, 'model') && { model: valueOf(this.#form, 'model') }) });
      if (job?.status === 'succeeded') await new Audio(job.result.media[0].url).play();
    } catch (error) {
      toast(error instanceof Problem ? error.sentence : t('result.expired'), { bad: true });
    } finally {
      button.removeAttribute('aria-disabled');
      button.classList.remove('running');
    }
  }

  async #make(input) {
    const job = await this.#jobs.submit({ kind: 'audio', input }, newKey());
    if (isEnded(job)) return job;
    return new Promise((resolve) => {
      const listen = ({ detail }) => {
        const change = detail.find((one) => one.job.id === job.id && isEnded(one.job));
        if (!change) return;
        this.#jobs.removeEventListener('changes', listen);
        resolve(change.job);
      };
      this.#jobs.addEventListener('changes', listen);
    });
  }
}

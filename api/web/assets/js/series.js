// The works of a batch in the dialog of one work: frames like those of the sheet, a page of them at a time.
import { Problem } from './api.js';
import { el, once } from './dom.js';
import { Frame, framesOf } from './frame.js';
import { t } from './i18n.js';

// A page. Fewer than on the sheet: the sheet is still there behind the dialog.
const maxFrames = 24;
const tickInterval = 1000;

/** Series shows the jobs of a batch. moreOf reads further ones and returns the batch, isHidden reports that a job is about to be deleted. */
export class Series {
  node = el('div', { class: 'series' });
  #list = el('ol', { class: 'series-list' });
  #newer;
  #older;
  #frames = new Map();
  #parts = [];
  #from = 0;
  #work = null;
  #actions;
  #isHidden;

  constructor(actions, moreOf, isHidden) {
    // A selection belongs to the sheet.
    this.#actions = { ...actions, pick: () => {}, isPicked: () => false };
    this.#isHidden = isHidden;
    this.#newer = el('button', { type: 'button', class: 'quiet wide-button', text: t('work.previous'), on: { click: () => this.#turn(-maxFrames) } });
    this.#older = el('button', { type: 'button', class: 'quiet wide-button', text: t('work.next'), on: { click: (event) => once(event, () => this.#next(moreOf)) } });
    this.node.append(this.#newer, this.#list, this.#older);
    const timer = setInterval(() => {
      if (!this.node.isConnected && this.#work) clearInterval(timer);
      for (const frame of this.#frames.values()) frame.tick();
    }, tickInterval);
  }

  /** show brings the frames up to date. */
  show(work) {
    this.#work = work;
    this.#parts = work.batch.jobs.filter((job) => !this.#isHidden(job.id)).flatMap(framesOf);
    if (this.#from >= this.#parts.length) this.#from = Math.max(0, Math.floor((this.#parts.length - 1) / maxFrames) * maxFrames);
    const shown = this.#parts.slice(this.#from, this.#from + maxFrames);
    const wanted = new Set(shown.map(({ key }) => key));
    let lost = false;
    for (const [key, frame] of this.#frames) {
      if (wanted.has(key)) continue;
      lost ||= frame.node.contains(document.activeElement);
      frame.node.remove();
      this.#frames.delete(key);
    }
    for (const [n, part] of shown.entries()) {
      const frame = this.#frames.get(part.key);
      if (frame) frame.update(part);
      else this.#frames.set(part.key, new Frame(part, this.#actions));
      const { node } = this.#frames.get(part.key);
      if (this.#list.children[n] !== node) this.#list.insertBefore(node, this.#list.children[n] ?? null);
    }
    // On the first page it keeps its place, so that the second does not move the list.
    this.#newer.hidden = this.#parts.length <= maxFrames && !work.batch.more;
    this.#newer.style.visibility = this.#from === 0 ? 'hidden' : 'visible';
    this.#older.hidden = this.#from + maxFrames >= this.#parts.length && !work.batch.more;
    if (lost) (this.#list.querySelector('a, button') ?? this.#older).focus();
  }

  /** focus moves the focus to the frame of a job; it returns whether there is one. */
  focus(key) {
    const at = this.#parts.findIndex((part) => part.key === key);
    if (at < 0) return false;
    if (at < this.#from || at >= this.#from + maxFrames) {
      this.#from = Math.floor(at / maxFrames) * maxFrames;
      this.show(this.#work);
    }
    this.#frames.get(key).node.querySelector('a.open, button')?.focus();
    return true;
  }

  async #next(moreOf) {
    if (this.#from + maxFrames >= this.#parts.length) {
      try {
        this.#work = (await moreOf(this.#work)) ?? this.#work;
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        return;
      }
    }
    this.#turn(maxFrames);
  }

  #turn(by) {
    this.#from = Math.max(0, this.#from + by);
    this.show(this.#work);
    this.node.parentNode.scrollTo({ top: 0 });
    this.#list.querySelector('a.open, button')?.focus({ preventScroll: true });
  }
}

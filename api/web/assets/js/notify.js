// Says when long work has ended while the page is not in view. It asks only when somebody turns it on in the menu.
import { byId } from './dom.js';
import { countText, statusOf, textOf } from './describe.js';
import { t } from './i18n.js';
import { isEnded } from './jobs.js';
import { workPath } from './router.js';
import { read, write } from './storage.js';

const key = 'notify';
const longWork = 8000;

/** Notifier shows notifications if somebody has asked for them in the menu. */
export class Notifier {
  #box = byId('notify');

  constructor(jobs, router) {
    const row = this.#box.closest('label');
    row.hidden = !('Notification' in window);
    if (row.hidden) return;
    this.#box.checked = read(key) === '1' && Notification.permission === 'granted';
    this.#box.addEventListener('change', async () => {
      if (this.#box.checked && await Notification.requestPermission() !== 'granted') this.#box.checked = false;
      write(key, this.#box.checked ? '1' : null);
    });
    jobs.addEventListener('changes', ({ detail }) => {
      if (!document.hidden || !this.#box.checked) return;
      for (const { job, before } of detail) {
        if (!before || isEnded(before) || !isEnded(job) || job.status === 'canceled' || job.batch_id) continue;
        if (Date.parse(job.finished_at) - Date.parse(job.created_at) < longWork) continue;
        const note = new Notification(job.batch ? t('announce.batch', { counts: countText(job.batch) }) : t(`announce.${statusOf(job)}`, { kind: t(`kind.${job.kind}`), text: textOf(job) }), { tag: job.id, icon: '/assets/icon.svg' });
        note.addEventListener('click', () => {
          focus();
          router.go(workPath(job.id));
        });
      }
    });
  }
}

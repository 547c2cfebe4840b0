// Speech that is too long for one request: several jobs that are shown and played as one work. Which jobs belong together, and
// which parts of the text still have to be sent, is kept in this browser; elsewhere the parts are works of their own.
import { newKey } from './api.js';
import { read, write } from './storage.js';

const storeKey = 'long_speech';
const maxKept = 8;
const ended = new Set(['succeeded', 'failed', 'canceled']);

/** Groups are the long works. A group is {key, text, input, created_at, parts: [{text, id}], error}; parts without id are unsent. */
export class Groups {
  #list = [];
  #byJob = new Map();
  #sending = null;

  constructor() {
    this.reload();
  }

  /** reload reads what another tab has written. */
  reload() {
    try {
      const list = JSON.parse(read(storeKey) ?? '[]');
      this.#list = Array.isArray(list) ? list.filter((group) => group?.key && Array.isArray(group.parts)) : [];
    } catch {
      this.#list = [];
    }
    this.#index();
  }

  #index() {
    this.#byJob = new Map(this.#list.flatMap((group) => group.parts.filter(({ id }) => id).map(({ id }) => [id, group])));
  }

  /** save stores the groups. */
  save() {
    this.#index();
    write(storeKey, this.#list.length > 0 ? JSON.stringify(this.#list) : null);
  }

  /** all returns the groups. */
  get all() {
    return this.#list;
  }

  /** of returns the group of a job. */
  of(id) {
    return this.#byJob.get(id);
  }

  /** claim notes the job of a part that is being sent: an event may tell of it before the answer does. */
  claim(job) {
    if (this.#sending?.text === job.input.text) this.sent(this.#sending, job.id);
  }

  /** sending notes which part is being sent, sent which job it has become. */
  sending(part) {
    this.#sending = part;
  }

  sent(part, id) {
    part.id = id;
    this.#sending = null;
    this.save();
  }

  /** add makes a group of the parts of a text. */
  add(texts, input) {
    const group = { key: newKey(), text: texts.join(''), input, parts: texts.map((text) => ({ text, id: '' })) };
    this.#list = [group, ...this.#list].slice(0, maxKept);
    this.save();
    return group;
  }

  /** drop forgets a group. */
  drop(group) {
    this.#list = this.#list.filter((other) => other !== group);
    this.save();
  }

  /** leave takes a job out of its group; the group goes with its last one. */
  leave(id) {
    const group = this.of(id);
    if (!group) return;
    group.parts = group.parts.filter((part) => part.id !== id);
    if (group.parts.some((part) => part.id)) this.save();
    else this.drop(group);
  }
}

/** idOf returns the id of a long work: that of its first job. */
export const idOf = (group) => group.parts.find(({ id }) => id)?.id ?? '';

function usageOf(jobs) {
  const usages = jobs.map(({ result, usage }) => result?.media?.[0].usage ?? usage).filter((usage) => usage?.cost);
  if (usages.length === 0) return undefined;
  return { ...usages[0], cost: String(Math.round(usages.reduce((sum, { cost }) => sum + Number(cost), 0) * 1e6) / 1e6) };
}

/** combine returns the jobs of a group as one, with its parts in order; jobOf returns a job by id, if it is known. */
export function combine(group, jobOf) {
  const jobs = group.parts.map(({ id }) => id && jobOf(id));
  const known = jobs.filter(Boolean);
  const waiting = group.error ? [] : group.parts.filter(({ id }) => !id);
  const active = known.filter((job) => !ended.has(job.status));
  const media = [];
  const missing = [];
  for (const [index, job] of jobs.entries()) {
    if (job?.status === 'succeeded') media.push({ ...job.result.media[0], index });
    else if (job?.status === 'failed' || job?.status === 'canceled') missing.push({ index, error: job.error ?? { code: 'canceled' } });
    else if (!job && group.error) missing.push({ index, error: { message: group.error } });
  }
  const first = known[0];
  const running = active.find((job) => job.status !== 'queued') ?? active[0];
  const done = active.length === 0 && waiting.length === 0;
  const status = done ? (media.length > 0 ? 'succeeded' : missing.some(({ error }) => error.code !== 'canceled') ? 'failed' : 'canceled') : running?.status ?? 'queued';
  return {
    ...first, ...(running && { queue_position: running.queue_position, eta_seconds: undefined, stage: running.stage, waiting_for: running.waiting_for, waiting_reason: running.waiting_reason, next_attempt_at: running.next_attempt_at, last_error: running.last_error }),
    id: idOf(group), status, input: { ...first.input, text: group.text }, usage: usageOf(known), progress: Math.round((100 * media.length) / group.parts.length),
    finished_at: done ? known.reduce((latest, job) => (job.finished_at > latest ? job.finished_at : latest), '') || undefined : undefined,
    error: status === 'failed' ? missing[0].error : undefined,
    ...(media.length > 0 && { result: { media, ...(missing.length > 0 && { missing }) } }),
    long: { count: group.parts.length, done: media.length },
  };
}

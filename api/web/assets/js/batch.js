// Jobs that were submitted together are shown as one work. The server counts them and gives them by page; their changes come
// with the events of all jobs.
import * as api from './api.js';

const firstPage = 40;
const pageSize = 100;
// How often the server is asked to count the jobs of a large batch again while they change, in milliseconds.
const recountTime = 2000;

/** workIdOf returns the id of the work that a batch is: ids of batches and of jobs look alike. */
export const workIdOf = (id) => `batch-${id}`;

/**
 * Batches are the batches of the caller: {id, head, ids, cursor}, the server's view of a batch and the jobs that were read so
 * far in order. jobOf returns a job by id, put stores one, changed is called when a batch has changed without a job.
 */
export class Batches {
  #byId = new Map();
  #jobOf;
  #put;
  #changed;

  constructor({ jobOf, put, changed }) {
    this.#jobOf = jobOf;
    this.#put = put;
    this.#changed = changed;
  }

  /** get returns a batch by its id or that of its work. */
  get(id) {
    return this.#byId.get(id.replace('batch-', ''));
  }

  /** of returns the batch of a job, which is read if it is new. */
  of(job) {
    if (!job?.batch_id) return undefined;
    const batch = this.#byId.get(job.batch_id) ?? this.#add(job.batch_id);
    if (!batch.head && !batch.gone) this.read(batch).catch(() => {});
    return batch.gone ? undefined : batch;
  }

  #add(id) {
    const batch = { id, head: null, ids: [], cursor: '', last: undefined, work: null, timer: 0, reading: null, gone: false };
    this.#byId.set(id, batch);
    return batch;
  }

  /** open returns a batch by id after it was read; view is what the server has just said about it. */
  async open(id, view = null) {
    const batch = this.#byId.get(id) ?? this.#add(id);
    if (view) batch.head = view;
    await this.read(batch);
    return batch;
  }

  /** read reads the jobs that are known again, or the first ones. It fails with a Problem. */
  read(batch) {
    batch.reading ??= this.#readPages(batch).finally(() => { batch.reading = null; });
    return batch.reading;
  }

  async #readPages(batch) {
    const wanted = Math.max(firstPage, batch.ids.length);
    let cursor = '';
    let n = 0;
    try {
      do {
        const page = await api.readBatch(batch.id, { limit: Math.min(pageSize, wanted), ...(cursor && { cursor }) });
        cursor = this.#take(batch, page);
        n += page.jobs.length;
      } while (cursor && n < wanted);
    } catch (problem) {
      if (problem.status === 404) batch.gone = true;
      throw problem;
    }
  }

  #take(batch, { jobs, next_cursor: cursor = '', ...head }) {
    batch.head = head;
    batch.cursor = cursor;
    batch.work = null;
    for (const { index, id, job } of jobs) {
      batch.ids[index] = id;
      if (job) this.#put(job);
    }
    this.#changed(batch);
    return cursor;
  }

  /** more reads further jobs of a batch, if there are any; all reads all. */
  async more(batch) {
    if (batch.cursor) this.#take(batch, await api.readBatch(batch.id, { limit: pageSize, cursor: batch.cursor }));
  }

  async all(batch) {
    if (!batch.head) await this.read(batch);
    while (batch.cursor) await this.more(batch);
  }

  /** refresh reads the batches that have not ended again. One that cannot be read does not stop the others. */
  async refresh() {
    await Promise.all([...this.#byId.values()].filter((batch) => !batch.gone && (this.workOf(batch)?.batch.left ?? 1) > 0).map((batch) => this.read(batch).catch((problem) => {
      if (problem.status === 0 || !(problem instanceof api.Problem)) throw problem;
    })));
  }

  /** drop forgets a batch. */
  drop(batch) {
    clearTimeout(batch.timer);
    batch.gone = true;
  }

  #isComplete({ head, ids }) {
    return ids.length === head.total;
  }

  /** touch notes that a job of the batch has changed. */
  touch(batch) {
    batch.work = null;
    if (!batch.head || batch.timer || this.#isComplete(batch)) return;
    batch.timer = setTimeout(async () => {
      batch.timer = 0;
      // When the page is shown again everything is read.
      if (document.hidden || batch.gone) return;
      try {
        const { jobs: ignored, next_cursor: same, ...head } = await api.readBatch(batch.id, { limit: 1 });
        batch.head = head;
      } catch (error) {
        if (!(error instanceof api.Problem)) throw error;
        this.touch(batch);
      }
      batch.work = null;
      this.#changed(batch);
    }, recountTime);
  }

  #count(batch) {
    if (!this.#isComplete(batch)) return batch.head.counts;
    const counts = { queued: 0, running: 0, retrying: 0, succeeded: 0, failed: 0, canceled: 0, removed: 0 };
    const absent = batch.head.status === 'accepting' ? 'queued' : 'removed';
    for (const id of batch.ids) counts[this.#jobOf(id)?.status ?? absent] += 1;
    return counts;
  }

  /** workOf returns the batch as a work, or nothing while it was not read or if all of it was deleted. */
  workOf(batch) {
    if (batch.work && !batch.gone) return batch.work;
    if (!batch.head || batch.gone) return undefined;
    const { head } = batch;
    const jobs = batch.ids.map((id) => this.#jobOf(id)).filter(Boolean);
    if (jobs.length === 0) return undefined;
    const counts = this.#count(batch);
    const { succeeded, failed, canceled, removed } = counts;
    const count = head.total - removed;
    const left = count - succeeded - failed - canceled;
    const finished = succeeded > 0 ? 'succeeded' : failed > 0 ? 'failed' : 'canceled';
    batch.work = {
      id: workIdOf(batch.id), kind: jobs[0].kind, status: left === 0 ? finished : left === count && counts.running + counts.retrying === 0 ? 'queued' : 'running',
      input: jobs[0].input, tags: jobs[0].tags, attempt: 0, created_at: head.created_at, links: head.links,
      finished_at: left > 0 ? undefined : head.finished_at ?? jobs.reduce((latest, { finished_at: end }) => (end > latest ? end : latest), ''),
      batch: { count, left, done: succeeded, failed: failed + canceled, kinds: new Set(jobs.map(({ kind }) => kind)), jobs, more: batch.cursor !== '' },
    };
    return batch.work;
  }

  /** change returns what has become of a batch since the last call. */
  change(batch) {
    const before = batch.last;
    batch.last = this.workOf(batch);
    return { job: batch.last, before };
  }
}

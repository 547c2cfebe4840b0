// The caller's jobs. Nothing is stored in the browser: after a reload they are read from the server.
import * as api from './api.js';

const ended = new Set(['succeeded', 'failed', 'canceled']);

/** isEnded reports whether a job has ended. */
export const isEnded = (job) => ended.has(job.status);

/**
 * Jobs holds the jobs and dispatches "change" with {job, before}, "remove" with {id}, "list" after a list was read, and
 * "anonymous" when the browser sends no identity.
 */
export class Jobs extends EventTarget {
  #byId = new Map();
  #cursor = '';
  #paged = false;
  #anonymous = false;

  /** all returns the jobs, newest first. */
  all() {
    return [...this.#byId.values()].sort((a, b) => b.created_at.localeCompare(a.created_at) || b.id.localeCompare(a.id));
  }

  /** active returns the unfinished jobs. */
  active() {
    return this.all().filter((job) => !isEnded(job));
  }

  get(id) {
    return this.#byId.get(id);
  }

  /** hasMore reports whether the server has older jobs. */
  get hasMore() {
    return this.#cursor !== '';
  }

  /** anonymous reports that the server cannot list this browser's jobs. */
  get anonymous() {
    return this.#anonymous;
  }

  /** put adds or updates a job. Stale versions are ignored: a finished job never becomes active again. */
  put(job) {
    const before = this.#byId.get(job.id);
    if (before && isEnded(before)) return;
    if (before && !isEnded(job) && job.attempt < before.attempt) return;
    this.#byId.set(job.id, job);
    this.#emit('change', { job, before });
  }

  /** forget removes a job that no longer exists on the server. */
  forget(id) {
    if (this.#byId.delete(id)) this.#emit('remove', { id });
  }

  /** refresh reads the newest jobs and the unfinished ones, and removes those that no longer exist. */
  async refresh() {
    const before = this.all();
    if (this.#anonymous) return this.#readEach(this.active());
    let page;
    try {
      page = await api.list();
    } catch (problem) {
      if (problem.code !== 'identity_required') throw problem;
      this.#anonymous = true;
      this.#emit('anonymous', {});
      return this.#readEach(this.active());
    }
    const listed = new Set(page.jobs.map((job) => job.id));
    const oldest = page.next_cursor ? page.jobs.at(-1).created_at : '';
    const missing = before.filter((job) => !listed.has(job.id));
    for (const job of missing) if (job.created_at > oldest) this.forget(job.id);
    for (const job of page.jobs) this.put(job);
    // Keep the cursor of older pages that were loaded already.
    if (!this.#paged) this.#cursor = page.next_cursor ?? '';
    this.#emit('list', {});
    return this.#readEach(missing.filter((job) => job.created_at <= oldest && !isEnded(job)));
  }

  /** more loads older jobs. */
  async more() {
    const page = await api.list(this.#cursor);
    this.#cursor = page.next_cursor ?? '';
    this.#paged = true;
    for (const job of page.jobs) this.put(job);
    this.#emit('list', {});
  }

  /** submit creates a job. */
  async submit(request, key) {
    const job = await api.submit(request, key);
    this.put(job);
    return job;
  }

  /** retry creates a new job from a finished one, even if that one no longer exists on the server. */
  async retry(job, key) {
    try {
      this.put(await api.retry(job, key));
    } catch (problem) {
      if (problem.status !== 404) throw problem;
      await this.submit({ kind: job.kind, input: job.input }, key);
    }
  }

  /** cancel cancels a job; if it has finished meanwhile, the result is shown. */
  async cancel(job) {
    try {
      this.put(await api.cancel(job));
    } catch (problem) {
      if (problem.code === 'already_finished') this.put(problem.job ?? (await api.read(job.links.self)));
      else if (problem.status === 404) this.forget(job.id);
      else throw problem;
    }
  }

  /** remove deletes a finished job. */
  async remove(job) {
    try {
      await api.remove(job);
    } catch (problem) {
      if (problem.status !== 404) throw problem;
    }
    this.forget(job.id);
  }

  async #readEach(jobs) {
    await Promise.all(jobs.map(async (job) => {
      try {
        this.put(await api.read(job.links.self));
      } catch (problem) {
        if (problem.status === 404) this.forget(job.id);
        else throw problem;
      }
    }));
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

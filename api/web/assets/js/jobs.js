// The caller's jobs as the server knows them. Nothing is kept in the browser: after a reload they come from the server.
import * as api from './api.js';

const ended = new Set(['succeeded', 'failed', 'canceled']);

/** isEnded reports whether a job has ended. */
export const isEnded = (job) => ended.has(job.status);

/**
 * Jobs holds the jobs and tells of changes: "change" with {job, before}, "remove" with {id}, "list" after a list was
 * read, and "anonymous" when the server knows no identity of this browser.
 */
export class Jobs extends EventTarget {
  #byId = new Map();
  #cursor = '';
  #paged = false;
  #anonymous = false;

  /** all returns the jobs, the newest first. */
  all() {
    return [...this.#byId.values()].sort((a, b) => b.created_at.localeCompare(a.created_at) || b.id.localeCompare(a.id));
  }

  /** active returns the jobs that have not ended. */
  active() {
    return this.all().filter((job) => !isEnded(job));
  }

  get(id) {
    return this.#byId.get(id);
  }

  /** hasMore says whether there are older jobs than the ones held. */
  get hasMore() {
    return this.#cursor !== '';
  }

  /** anonymous says that the server cannot list this browser's jobs. */
  get anonymous() {
    return this.#anonymous;
  }

  /** put takes a job in, unless more is known already: an ended job never comes back to life. */
  put(job) {
    const before = this.#byId.get(job.id);
    if (before && isEnded(before)) return;
    if (before && !isEnded(job) && job.attempt < before.attempt) return;
    this.#byId.set(job.id, job);
    this.#tell('change', { job, before });
  }

  /** forget drops a job that is no longer on the server. */
  forget(id) {
    if (this.#byId.delete(id)) this.#tell('remove', { id });
  }

  /** refresh reads the newest jobs and those that were pending, and forgets what has gone. */
  async refresh() {
    const before = this.all();
    if (this.#anonymous) return this.#readEach(this.active());
    let page;
    try {
      page = await api.list();
    } catch (problem) {
      if (problem.code !== 'identity_required') throw problem;
      this.#anonymous = true;
      this.#tell('anonymous', {});
      return this.#readEach(this.active());
    }
    const listed = new Set(page.jobs.map((job) => job.id));
    const oldest = page.next_cursor ? page.jobs.at(-1).created_at : '';
    const missing = before.filter((job) => !listed.has(job.id));
    for (const job of missing) if (job.created_at > oldest) this.forget(job.id);
    for (const job of page.jobs) this.put(job);
    // Whoever has gone further back goes on from there.
    if (!this.#paged) this.#cursor = page.next_cursor ?? '';
    this.#tell('list', {});
    return this.#readEach(missing.filter((job) => job.created_at <= oldest && !isEnded(job)));
  }

  /** more reads older jobs. */
  async more() {
    const page = await api.list(this.#cursor);
    this.#cursor = page.next_cursor ?? '';
    this.#paged = true;
    for (const job of page.jobs) this.put(job);
    this.#tell('list', {});
  }

  /** submit makes a job. */
  async submit(request, key) {
    const job = await api.submit(request, key);
    this.put(job);
    return job;
  }

  /** retry makes a new job like an ended one, also when that one is no longer on the server. */
  async retry(job, key) {
    try {
      this.put(await api.retry(job, key));
    } catch (problem) {
      if (problem.status !== 404) throw problem;
      await this.submit({ kind: job.kind, input: job.input }, key);
    }
  }

  /** cancel ends a job; one that has ended otherwise meanwhile is shown as it ended. */
  async cancel(job) {
    try {
      this.put(await api.cancel(job));
    } catch (problem) {
      if (problem.code === 'already_finished') this.put(problem.job ?? (await api.read(job.links.self)));
      else if (problem.status === 404) this.forget(job.id);
      else throw problem;
    }
  }

  /** remove deletes a job that has ended. */
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

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

// The caller's work. Nothing but what could not be sent yet is stored in the browser: after a reload everything is read from
// the server.
import * as api from './api.js';
import { adoptedIds, keepAdopted } from './adopted.js';
import { Batches, workIdOf } from './batch.js';
import { Groups, combine, idOf } from './long.js';
import { later } from './later.js';
import { Outbox, isUnsent } from './outbox.js';
import { readList, write } from './storage.js';

const ended = new Set(['succeeded', 'failed', 'canceled']);
const longKey = 'long_speech';
const pageSize = 40;
// The server reads a limited number of jobs for a page of a search, which may find none on it.
const maxSearchPages = 5;
// A large batch may be all that the newest jobs are; then more are read, until there are as many works or pages.
const fewWorks = 12;
const maxFirstPages = 3;
// Jobs that are deleted at once.
const atOnce = 6;
const deletingKey = 'deleting_batches';
// A part of a long speech that the server does not take now is sent again after as many seconds as it says, up to a minute.
const longestWait = 60;
const shortestWait = 2;

/** isEnded reports whether a job has ended. */
export const isEnded = (job) => ended.has(job.status);

// nextOf returns what is to be asked for after a page of the list. Further jobs of a batch are read with it: the list goes on
// behind it, unless apart says that they are all wanted.
function nextOf(page, apart = false) {
  if (!page.next_cursor) return null;
  const last = page.jobs.at(-1);
  return last?.batch_id && !apart ? { created_before: last.created_at } : { cursor: page.next_cursor };
}

/**
 * Jobs holds the jobs and dispatches "changes" with [{job, before}], at most once per animation frame; "remove" with {id},
 * "list" after a list was read, "sent" with {key, job} when something has left the outbox, and "anonymous" when the browser
 * sends no identity.
 */
export class Jobs extends EventTarget {
  #byId = new Map();
  #sorted = null;
  #groups = new Groups();
  #works = new Map();
  #batches = new Batches({ jobOf: (id) => this.#byId.get(id), put: (job) => this.put(job), changed: (batch) => this.#batchChanged(batch) });
  #outbox = new Outbox({ drop: (id) => this.forget(id) });
  #sending = new Set();
  #maxText = Infinity;
  #changes = new Map();
  #scheduled = false;
  #held = false;
  #next = null;
  #paged = false;
  #anonymous = false;
  #loaded = false;
  #search = null;
  #list = null;

  /** maxText is the number of characters of speech that one request may have; a longer text is sent in parts. */
  constructor(maxText) {
    super();
    this.#maxText = maxText;
    addEventListener('storage', ({ key }) => {
      if (this.#outbox.keeps(key)) this.#forgetSent();
      if (key !== null && key !== longKey) return;
      this.#groups.reload();
      this.#works.clear();
      this.#list = null;
      this.#emit('list', {});
    });
    for (const job of this.#outbox.jobs()) this.put(job);
  }

  // Another tab has sent or stopped what waited here too.
  #forgetSent() {
    const waiting = new Set(this.#outbox.jobs().map(({ id }) => id));
    for (const job of this.#each()) if (isUnsent(job) && !waiting.has(job.id)) this.forget(job.id);
  }

  #each() {
    this.#sorted ??= [...this.#byId.values()].sort((a, b) => (a.created_at === b.created_at ? (a.id < b.id ? 1 : -1) : a.created_at < b.created_at ? 1 : -1));
    return this.#sorted;
  }

  /** all returns the works, newest first. A long speech is one of them, and a batch, unless apart asks for its jobs. */
  all({ apart = false } = {}) {
    const worksOf = (of) => [...new Map(this.#each().map(of).filter(Boolean).map((work) => [work.id, work])).values()];
    if (apart) return worksOf((job) => this.#longOf(job));
    this.#list ??= worksOf((job) => this.#workOf(job));
    return this.#list;
  }

  /** active returns the works that the server has accepted and not ended; a long speech counts as its jobs. */
  active() {
    const single = this.#each().filter((job) => !job.batch_id && !isEnded(job) && !isUnsent(job));
    return [...single, ...this.all().filter((work) => work.batch && !isEnded(work))];
  }

  get(id) {
    const batch = this.#batches.get(id);
    if (batch) return this.#batches.workOf(batch);
    const job = this.#byId.get(id);
    return job && this.#longOf(job);
  }

  /** workOf returns the work that a job is, or belongs to. */
  workOf(job) {
    return this.#workOf(job) ?? job;
  }

  #workOf(job) {
    const batch = this.#batches.of(job);
    return batch ? this.#batches.workOf(batch) : this.#longOf(job);
  }

  #longOf(job) {
    const group = this.#groups.of(job.id);
    if (!group) return job;
    if (!this.#works.has(group)) this.#works.set(group, combine(group, (id) => this.#byId.get(id)));
    return this.#works.get(group);
  }

  #changed(job) {
    this.#list = null;
    this.#works.delete(this.#groups.of(job.id));
  }

  // What a batch has become is told with the changes of its jobs.
  #batchChanged(batch) {
    this.#list = null;
    this.#changes.set(workIdOf(batch.id), { batch });
    this.#schedule();
  }

  /** hasMore reports whether the server has older jobs, or more that the search finds. */
  get hasMore() {
    return (this.#search ? this.#search.next : this.#next) !== null;
  }

  /** searching reports that the answer to a search has not come yet. */
  get searching() {
    return this.#search?.busy ?? false;
  }

  /** search has the server find jobs by {q, kind, status}; null ends the search. What it finds is added to the jobs. */
  async search(query) {
    const key = JSON.stringify(query);
    if (this.#anonymous || key === (this.#search?.key ?? 'null')) return;
    this.#search = query && { key, query, next: {}, busy: true };
    this.#emit('list', {});
    if (query) await this.#find(this.#search);
  }

  async #find(search) {
    search.busy = true;
    try {
      for (let n = 0; n < maxSearchPages; n += 1) {
        const page = await api.list({ limit: pageSize, ...search.query, ...search.next });
        if (this.#search !== search) return;
        search.next = nextOf(page, Boolean(search.query.q));
        for (const job of page.jobs) this.put(job);
        if (page.jobs.length > 0 || search.next === null) break;
      }
    } catch (problem) {
      // An older server cannot search; then only what is here is searched.
      if (problem.status !== 400) throw problem;
      search.next = null;
    } finally {
      search.busy = false;
      if (this.#search === search) this.#emit('list', {});
    }
  }

  /** loaded reports that the list was read at least once. */
  get loaded() {
    return this.#loaded;
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
    if (!before && job.kind === 'audio') this.#groups.claim(job);
    this.#byId.set(job.id, job);
    this.#replaceSorted(job, before);
    this.#noteChange(job, before);
  }

  #noteChange(job, before) {
    const group = this.#groups.of(job.id);
    if (group) {
      before = this.#works.get(group) ?? before;
      this.#changed(job);
      job = this.#longOf(job);
    } else this.#list = null;
    const batch = this.#batches.of(job);
    if (batch) {
      this.#batches.touch(batch);
      this.#batchChanged(batch);
    }
    this.#changes.set(job.id, { job, before: this.#changes.get(job.id)?.before ?? before });
    this.#schedule();
  }

  /** forget removes a job that no longer exists on the server. */
  forget(id) {
    const job = this.#byId.get(id);
    if (!this.#byId.delete(id)) return;
    this.#sorted = null;
    const batch = this.#batches.of(job);
    if (batch) {
      this.#batches.touch(batch);
      this.#batchChanged(batch);
    }
    this.#changed({ id });
    this.#groups.leave(id);
    this.#changes.delete(id);
    this.#emit('remove', { id });
  }

  /** refresh reads the newest jobs and the unfinished ones, and removes those that no longer exist. */
  async refresh() {
    const before = this.#each().filter((job) => !isUnsent(job));
    if (this.#anonymous) return this.#readActive();
    let page;
    try {
      page = await api.list({ limit: pageSize });
    } catch (problem) {
      if (problem.code !== 'identity_required') throw problem;
      this.#anonymous = true;
      this.#loaded = true;
      this.#emit('anonymous', {});
      this.#emit('list', {});
      return this.#readActive();
    }
    const listed = new Set(page.jobs.map((job) => job.id));
    const adopted = new Set(adoptedIds());
    const oldest = page.next_cursor ? page.jobs.at(-1).created_at : '';
    const missing = before.filter((job) => !listed.has(job.id) && !adopted.has(job.id));
    for (const job of missing) if (job.created_at > oldest) this.forget(job.id);
    // The first works appear together, so that none moves another: a batch is shown once it was read.
    this.#held = !this.#loaded;
    try {
      await this.#show(page);
    } finally {
      this.#held = false;
      this.#schedule();
    }
    if (!this.#loaded) {
      await this.#readAdopted(listed);
      await this.#readGroups();
      this.#finishDeleting();
    }
    this.#loaded = true;
    this.#emit('list', {});
    this.flush();
    return this.#readEach(missing.filter((job) => job.created_at <= oldest && !isEnded(job) && !this.#batches.of(job)));
  }

  async #show(page) {
    for (const job of page.jobs) this.put(job);
    // Keep the place of older pages that were loaded already.
    if (!this.#paged) this.#next = nextOf(page);
    await this.#batches.refresh();
    if (this.#loaded) return;
    for (let n = 1; n < maxFirstPages && this.#next?.created_before && this.all().length < fewWorks; n += 1) await this.#readOlder();
  }

  /** more loads older jobs. */
  async more() {
    if (this.#search) return this.#find(this.#search);
    await this.#readOlder();
    this.#emit('list', {});
    return undefined;
  }

  async #readOlder() {
    const page = await api.list({ limit: pageSize, ...this.#next });
    this.#next = nextOf(page);
    this.#paged = true;
    for (const job of page.jobs) this.put(job);
  }

  /** load reads one job; it fails with a Problem. */
  async load(id) {
    const known = this.get(id);
    if (known) return known;
    if (id.startsWith('batch-')) {
      const work = this.#batches.workOf(await this.#batches.open(id.slice('batch-'.length)));
      if (!work) throw new api.Problem(404);
      return work;
    }
    this.put(await api.read(`/api/jobs/${encodeURIComponent(id)}`));
    return this.get(id);
  }

  /** submit creates a job. Without a connection it waits in the outbox and goes by itself; the unsent job is returned. */
  async submit(request, key) {
    if (request.kind === 'audio' && [...request.input.text].length > this.#maxText) return this.#submitLong(request);
    try {
      const job = await api.submit(request, key);
      this.put(job);
      return job;
    } catch (problem) {
      if (problem.status !== 0) throw problem;
      const job = this.#outbox.add(request, key);
      this.put(job);
      return job;
    }
  }

  /** submitBatch creates many jobs that are one work: all of them, or none if one is refused. */
  async submitBatch(requests, key) {
    return this.#openBatch(await api.submitBatch(requests, key));
  }

  // A batch was accepted; that its jobs cannot be read at the moment does not undo it.
  async #openBatch(head) {
    const batch = await this.#batches.open(head.id, head).catch(() => this.#batches.get(head.id));
    return this.#batches.workOf(batch) ?? { id: workIdOf(head.id), status: 'queued', input: {} };
  }

  /** moreOf reads further jobs of a batch and returns it. */
  async moreOf(work) {
    await this.#batches.more(this.#batches.get(work.id));
    return this.get(work.id);
  }

  /** membersOf returns all jobs of a batch that exist. */
  async membersOf(work) {
    const batch = this.#batches.get(work.id);
    await this.#batches.all(batch);
    return batch.ids.map((id) => this.#byId.get(id)).filter(Boolean);
  }

  // Sends a long text in parts. The first tells whether the server takes them; the others follow by themselves.
  async #submitLong(request) {
    const { split } = await later('sentences');
    const texts = split(request.input.text, this.#maxText);
    const group = this.#groups.add(texts, { ...request, input: { ...request.input, text: '' } });
    try {
      await this.#sendPart(group, 0);
    } catch (problem) {
      this.#groups.drop(group);
      throw problem;
    }
    this.#sendParts(group);
    return this.get(idOf(group));
  }

  async #sendPart(group, n) {
    const part = group.parts[n];
    const { input: request } = group;
    this.#groups.sending(part);
    const job = await api.submit({ ...request, input: { ...request.input, text: part.text } }, `${group.key}-${n}`);
    this.#groups.sent(part, job.id);
    this.put(job);
    // Another tab may have had it before this one knew where it belongs.
    this.#changed(job);
    this.#emit('list', {});
  }

  async #sendParts(group) {
    if (this.#sending.has(group.key)) return;
    this.#sending.add(group.key);
    try {
      for (let n = 0; n < group.parts.length;) {
        if (group.parts[n].id) {
          n += 1;
          continue;
        }
        try {
          await this.#sendPart(group, n);
        } catch (problem) {
          if (!(problem instanceof api.Problem)) throw problem;
          const passing = problem.status === 0 || problem.status === 429 || problem.status >= 500;
          if (!passing || problem.retryAfter > longestWait) {
            group.error = problem.sentence;
            break;
          }
          await new Promise((resolve) => { setTimeout(resolve, Math.max(problem.retryAfter, shortestWait) * 1000); });
        }
        if (!this.#groups.all.includes(group)) return;
      }
    } finally {
      this.#sending.delete(group.key);
    }
    this.#touch(group);
  }

  // Shows a change of a group that no job has told.
  #touch(group) {
    this.#groups.save();
    const job = group.parts.map(({ id }) => this.#byId.get(id)).find(Boolean);
    if (job) this.#noteChange(job, job);
    this.#schedule();
  }

  // Reads the jobs of long works that are not on the first page, and sends what was not sent before the page was closed.
  async #readGroups() {
    const groups = [...this.#groups.all];
    await Promise.all(groups.flatMap(({ parts }) => parts).filter(({ id }) => id && !this.#byId.has(id)).map(async ({ id }) => {
      try {
        this.put(await api.read(`/api/jobs/${encodeURIComponent(id)}`));
      } catch (problem) {
        if (problem.status === 404) this.#groups.leave(id);
      }
    }));
    for (const group of groups) if (!group.error && idOf(group)) this.#sendParts(group);
  }

  // The jobs of a long work.
  #partsOf(job) {
    return (this.#groups.of(job.id)?.parts ?? []).map(({ id }) => this.#byId.get(id)).filter(Boolean);
  }

  /** flush sends what waits in the outbox. */
  flush() {
    return this.#outbox.flush({
      sent: ({ key, job }) => {
        this.put(job);
        this.#emit('sent', { key, job });
      },
      refused: (detail) => this.#emit('refused', detail),
    });
  }

  /** rememberGuest keeps the ids of a guest's work over a sign-in, so that it stays in view. */
  rememberGuest() {
    keepAdopted(this.all().filter((job) => !isUnsent(job) && !job.batch).map((job) => job.id));
  }

  /** forgetGuest drops them after a sign-out. */
  forgetGuest() {
    keepAdopted([]);
  }

  // Work that this browser made as a guest can still be read by its id after signing in.
  async #readAdopted(listed) {
    const ids = adoptedIds().filter((id) => !listed.has(id));
    if (ids.length === 0) return;
    const left = [];
    await Promise.all(ids.map(async (id) => {
      try {
        this.put(await api.read(`/api/jobs/${encodeURIComponent(id)}`));
        left.push(id);
      } catch (problem) {
        if (problem.status !== 404) left.push(id);
      }
    }));
    keepAdopted(left);
  }

  /** retry creates a new job from a finished one, even if that one no longer exists on the server. */
  async retry(job, key) {
    if (job.batch) return this.#openBatch(await api.retry(job, key));
    const group = this.#groups.of(job.id);
    if (group) {
      delete group.error;
      for (const part of this.#partsOf(job)) {
        if (part.status !== 'failed' && part.status !== 'canceled') continue;
        const next = await api.retry(part, `${key}-${part.id}`);
        group.parts.find(({ id }) => id === part.id).id = next.id;
        this.#byId.delete(part.id);
        this.#sorted = null;
        this.#groups.save();
        this.put(next);
      }
      this.#touch(group);
      this.#sendParts(group);
      return this.get(idOf(group));
    }
    try {
      const next = await api.retry(job, key);
      this.put(next);
      return next;
    } catch (problem) {
      if (problem.status !== 404) throw problem;
      return this.submit({ kind: job.kind, input: job.input, ...(job.tags && { tags: job.tags }) }, key);
    }
  }

  /** cancel cancels a job; if it has finished meanwhile, the result is shown. */
  async cancel(job) {
    if (isUnsent(job)) {
      this.#outbox.remove(job.key);
      return;
    }
    const group = job.long && this.#groups.of(job.id);
    if (group) {
      group.parts = group.parts.filter(({ id }) => id);
      this.#touch(group);
      await Promise.all(this.#partsOf(job).filter((part) => !isEnded(part)).map((part) => this.cancel(part)));
      return;
    }
    if (job.batch) {
      const head = await api.cancel(job);
      await this.#openBatch(head);
      return;
    }
    try {
      this.put(await api.cancel(job));
    } catch (problem) {
      if (problem.code === 'already_finished') this.put(problem.job ?? (await api.read(job.links.self)));
      else if (problem.status === 404) this.forget(job.id);
      else throw problem;
    }
  }

  /** remove deletes a finished job; it also works while the page is being closed. */
  async remove(job) {
    if (job.batch) {
      await this.#removeBatch(job);
      return;
    }
    if (job.long) {
      await Promise.all(this.#partsOf(job).map((part) => this.remove(part)));
      return;
    }
    try {
      await api.remove(job);
    } catch (problem) {
      if (problem.status !== 404) throw problem;
    }
    this.forget(job.id);
  }

  // The server deletes one job at a time. Whatever is left when the page is closed is deleted when it is opened again.
  async #removeBatch(work) {
    const { id } = this.#batches.get(work.id);
    write(deletingKey, JSON.stringify([...new Set([...readList(deletingKey), id])]));
    const members = await this.membersOf(work);
    await Promise.all(Array.from({ length: atOnce }, async () => {
      while (members.length > 0) {
        const job = members.pop();
        await api.remove(job).catch((problem) => {
          if (problem.status !== 404) throw problem;
        });
        this.#byId.delete(job.id);
      }
    }));
    write(deletingKey, JSON.stringify(readList(deletingKey).filter((other) => other !== id)));
    this.#batches.drop(this.#batches.get(id));
    this.#sorted = null;
    this.#list = null;
    this.#emit('remove', { id: work.id });
  }

  #finishDeleting() {
    for (const id of readList(deletingKey)) {
      this.#batches.open(id).then((batch) => this.#removeBatch({ id: workIdOf(batch.id) })).catch((problem) => {
        if (problem.status === 404) write(deletingKey, JSON.stringify(readList(deletingKey).filter((other) => other !== id)));
      });
    }
  }

  async #readActive() {
    await this.#batches.refresh();
    return this.#readEach(this.active().filter((job) => !job.batch));
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

  // Replaces a job in the sorted list; only a new one makes it necessary to sort again.
  #replaceSorted(job, before) {
    if (!this.#sorted) return;
    const place = before ? this.#sorted.indexOf(before) : -1;
    if (place < 0) this.#sorted = null;
    else this.#sorted[place] = job;
  }

  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const deliver = () => {
      this.#scheduled = false;
      if (this.#held) return;
      const changes = [...this.#changes.values()].map((change) => (change.batch ? this.#batches.change(change.batch) : change)).filter(({ job }) => job);
      this.#changes.clear();
      if (changes.length > 0) this.#emit('changes', changes);
    };
    // No frames are drawn while the page is hidden.
    if (document.hidden) setTimeout(deliver, 0);
    else requestAnimationFrame(deliver);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

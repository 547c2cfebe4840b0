// What can be done with a result: stop, try again, vary, keep, share, download, delete. The frames of the sheet and the dialog
// of one work use the same.
import { Problem, newKey } from './api.js';
import { suggestReferenceModel } from './catalogue.js';
import { textOf } from './describe.js';
import { copyText, el, notTwice } from './dom.js';
import { framesOf, mediaAt, missingAt } from './frame.js';
import { t } from './i18n.js';
import { isEnded } from './jobs.js';
import { withModule } from './later.js';
import { tagsText } from './tags.js';
import { toast } from './toast.js';
import { workPath } from './router.js';

const emptyArchive = 22;
const maxNameLength = 40;
// The formats in which one file after the other is a file.
const joinable = ['audio/mpeg', 'audio/aac'];

// guard shows the error of an action, if any.
const guard = (action) => async (...parameters) => {
  try {
    return await action(...parameters);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    toast(error.sentence, { bad: true });
    return undefined;
  }
};

// inputOf returns the settings of one picture of a set, or of the job as a whole.
function inputOf({ job, index }) {
  const input = { ...job.input };
  if (job.kind !== 'image') return input;
  const seed = mediaAt({ job, index })?.seed ?? (input.seed === undefined ? undefined : input.seed + index);
  delete input.n;
  return seed === undefined ? input : { ...input, seed };
}

function fileName({ job, index }, type) {
  const text = textOf(job).normalize('NFKC').replace(/[^\p{L}\p{N}]+/gu, '-');
  const words = [...text].slice(0, maxNameLength).join('').replace(/^-+|-+$/g, '');
  const extension = { 'image/jpeg': 'jpg', 'image/png': 'png', 'image/webp': 'webp', 'audio/mpeg': 'mp3' }[type] ?? type.split('/')[1]?.replace(/^x-/, '').split(';')[0] ?? 'bin';
  return `${words || job.kind}${index > 0 ? `-${index + 1}` : ''}.${extension}`;
}

/** makeActions returns the actions on {job, index}. fill fills the composer; saved returns the saved pictures of a member. */
export function makeActions({ jobs, saved, router, sheet, fill, refer, useText, progress }) {
  const leaving = new Map();
  const submit = async ({ job: { kind, tags } }, input, options = {}) => {
    const job = await jobs.submit({ kind, input, ...(tags && { tags }), ...options }, newKey());
    toast(t('work.started'), { label: t('work.show'), action: () => router.go(workPath(job.id)) });
    return job;
  };

  const end = async (job) => {
    if (!leaving.delete(job.id)) return;
    try {
      if (!isEnded(jobs.get(job.id) ?? job)) await jobs.cancel(job);
      await jobs.remove(jobs.get(job.id) ?? job);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      sheet().unhide(job.id);
      toast(error.sentence, { bad: true });
    }
  };
  // What was deleted and not taken back is deleted when the page is closed.
  addEventListener('pagehide', () => {
    for (const job of leaving.values()) end(job);
  });

  // Deletes jobs unless they are taken back within a few seconds.
  const remove = (list) => {
    const unique = [...new Map(list.map((job) => [job.id, job])).values()];
    for (const job of unique) {
      leaving.set(job.id, job);
      sheet().hide(job.id);
    }
    // A set goes as a whole.
    const count = unique.reduce((sum, job) => sum + (job.batch?.count ?? framesOf(job).length), 0);
    toast(count === 1 ? t('announce.deleted') : t('announce.deleted_n', { n: count }), {
      label: t('action.undo'),
      undoes: true,
      action: () => {
        for (const job of unique) {
          leaving.delete(job.id);
          sheet().unhide(job.id);
        }
      },
      onClose: () => unique.forEach(end),
    });
  };

  // The file of a work with its settings inside, as {name, blob, date}. It fails with a Problem, with status 404 if it is gone.
  const fileOf = async (part, { withSettings }) => {
    const media = mediaAt(part);
    const date = new Date(part.job.finished_at);
    if (!media) return { name: fileName(part, 'text/txt'), blob: new Blob([part.job.result.text], { type: 'text/plain' }), date };
    let response;
    try {
      response = await fetch(media.url);
      if (!response.ok) throw new Problem(response.status);
      return { name: fileName(part, media.content_type), blob: await withSettings(await response.blob(), inputOf(part)), date };
    } catch (error) {
      if (error instanceof Problem) throw error;
      throw new Problem(0);
    }
  };

  // The files of a work. The parts of a long speech are joined where the format allows it; otherwise they are numbered.
  async function* filesOf(part, module) {
    if (!part.job.long || part.job.result.media.length < 2) {
      yield fileOf(part, module);
      return;
    }
    const blobs = [];
    for (const [n, { index }] of part.job.result.media.entries()) {
      const file = await fileOf({ ...part, index }, n === 0 ? module : { withSettings: (blob) => blob });
      if (joinable.includes(file.blob.type)) blobs.push(file.blob);
      else yield file;
    }
    if (blobs.length > 0) yield { name: fileName(part, blobs[0].type), blob: new Blob(blobs, { type: blobs[0].type }), date: new Date(part.job.finished_at ?? part.job.created_at) };
  }

  // The server packs the files of a batch.
  const downloadBatch = ({ links }) => {
    const link = el('a', { href: links.results, download: true });
    document.body.append(link);
    link.click();
    link.remove();
  };

  const download = (part) => {
    if (part.job.batch) return downloadBatch(part.job);
    if (part.job.long && !joinable.includes(mediaAt(part)?.content_type)) return downloadAll([part]);
    return withModule('embed', async (module) => {
      for await (const { name, blob } of filesOf(part, module)) module.saveFile(blob, name);
    });
  };

  // Downloads several works as one archive, and says if some of them are no longer there.
  const downloadAll = (parts) => withModule('embed', (module) => withModule('archive', async ({ zip }) => {
    const each = await Promise.all(parts.map(async (part) => (part.job.batch ? (await jobs.membersOf(part.job)).flatMap(framesOf) : part)));
    const wanted = each.flat().filter((part) => mediaAt(part) || part.job.result?.text);
    let gone = 0;
    async function* files() {
      for (const [n, part] of wanted.entries()) {
        progress(t('archive.progress', { n: n + 1, count: wanted.length }));
        try {
          yield* filesOf(part, module);
        } catch (error) {
          if (error.status !== 404) throw error;
          gone += 1;
        }
      }
    }
    const archive = await zip(files());
    if (archive.size > emptyArchive) module.saveFile(archive, `text2image-audio-${new Date().toISOString().slice(0, 10)}.zip`);
    progress('');
    if (gone > 0) toast(t('archive.gone', { n: gone }), { bad: true });
    else toast(t('archive.done', { n: wanted.length }));
  }));

  // What the composer is filled with. The settings of a batch are those of its first job, with the texts of all as lines.
  const settingsOf = async (part) => {
    const { kind, tags, batch, input } = part.job;
    if (!batch) return [kind, { ...(kind === 'image' && (input.n ?? 1) > 1 ? inputOf(part) : input), tags: tagsText(tags) }];
    const { seed, ...settings } = input;
    const lines = (await jobs.membersOf(part.job)).filter((job) => job.kind === kind).map((job) => textOf(job).replace(/\s*\n\s*/g, ' '));
    return [kind, { ...settings, tags: tagsText(tags), [kind === 'image' ? 'prompt' : 'text']: lines.join('\n') }, { lines: true }];
  };

  return {
    stop: guard(({ job }) => jobs.cancel(job)),
    retry: guard(async (part) => {
      if (missingAt(part) && !part.job.long) await submit(part, inputOf(part));
      else {
        await jobs.retry(part.job, newKey());
        toast(t('work.started'));
      }
    }),
    variation: guard((part) => {
      const input = inputOf(part);
      delete input.seed;
      return submit(part, input);
    }),
    again: guard((part) => submit(part, inputOf(part))),
    // The server is not to give the result of an earlier identical request.
    anew: guard(({ job }) => submit({ job }, job.input, { cache: false })),
    // The next frame moves to the place of one that is deleted, under the second click.
    remove: notTwice(({ job }) => {
      if (router.route.id === job.id) router.leave();
      remove([job]);
    }),
    removeAll: notTwice((parts) => remove(parts.map(({ job }) => job))),
    keep: guard(async (part) => {
      const media = mediaAt(part);
      if (saved()?.has(part.job, media.index) ?? true) return;
      await saved().save(part.job, media.index);
      toast(t('announce.saved'));
    }),
    canKeep: () => Boolean(saved()),
    isKept: (part) => saved()?.has(part.job, part.index) ?? false,
    reuse: guard(async (part) => fill(...await settingsOf(part))),
    useText,
    canRefer: () => Boolean(suggestReferenceModel()),
    refer: (part) => refer((references) => references.add(`job:${part.job.id}/${part.index}`, textOf(part.job))),
    download: guard(download),
    downloadAll: guard((parts) => (parts.length === 1 ? download(parts[0]) : downloadAll(parts))),
    share: guard(async (part) => {
      const media = mediaAt(part);
      const url = new URL(workPath(part.job.id, part.index), location.origin).href;
      try {
        const blob = await (await fetch(media.url)).blob();
        const file = new File([blob], fileName(part, media.content_type), { type: media.content_type });
        if (navigator.canShare?.({ files: [file] })) {
          await navigator.share({ files: [file], title: textOf(part.job) });
          return;
        }
      } catch (error) {
        if (error.name === 'AbortError') return;
      }
      toast(t(await copyText(url) ? 'work.copied' : 'action.copy.failed'));
    }),
    more: guard(() => jobs.more()),
    search: guard((query) => jobs.search(query)),
  };
}

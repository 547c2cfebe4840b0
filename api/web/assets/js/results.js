// What a finished job made, as elements: pictures, a recording, a text, and both prompts.
import { el } from './dom.js';
import { number, t } from './i18n.js';

/** textOf returns the words that a job was asked with. */
export const textOf = (job) => job.input.prompt ?? job.input.text ?? '';

/** failureSentence says why something failed, in the language of the page, and what had kept a job that was late. */
export function failureSentence(error, known) {
  const key = `failure.${error.code}`;
  const cause = `failure.${error.cause}`;
  if (!known(key)) return error.message;
  return known(cause) ? t('result.with_cause', { failure: t(key), cause: t(cause) }) : t(key);
}

/** fileSize writes a number of bytes. */
export function fileSize(bytes) {
  if (bytes < 1000) return `${number(bytes)} B`;
  if (bytes < 1e6) return `${number(Math.round(bytes / 1000))} kB`;
  return `${number(Math.round(bytes / 1e5) / 10)} MB`;
}

/** downloads returns a link for each file that saves it. */
export function downloads(media) {
  return media.map((file, index) => el('a', {
    class: 'button quiet', href: `${file.url}?download=1`, download: '',
    text: media.length === 1 ? t('action.download') : t('action.download.numbered', { n: index + 1 }),
  }));
}

/** pictures returns the pictures of a job; open is called with the index of the one that is chosen. */
export function pictures(job, open) {
  const media = job.result.media;
  return el('div', { class: `pictures of-${Math.min(media.length, 4)}` }, ...media.map((picture, index) => {
    const n = index + 1;
    const alt = media.length === 1 ? textOf(job) : t('result.alt', { prompt: textOf(job), n, count: media.length });
    const image = el('img', { src: picture.url, alt, width: picture.width, height: picture.height, loading: 'lazy', decoding: 'async' });
    const button = el('button', { type: 'button', class: 'picture', 'aria-label': t('result.open', { n, prompt: textOf(job) }), on: { click: () => open(index) } }, image);
    image.addEventListener('error', () => button.replaceWith(el('p', { class: 'quiet-text', text: t('result.expired') })));
    return button;
  }));
}

/** recording returns a player, or a remark when the browser cannot play this type. */
export function recording(job) {
  const media = job.result.media[0];
  const player = el('audio', { controls: true, preload: 'metadata', src: media.url, 'aria-label': t('result.audio', { text: textOf(job) }) });
  if (player.canPlayType(media.content_type) === '') {
    return el('p', { class: 'quiet-text', text: t('result.unplayable', { type: media.content_type }) });
  }
  return player;
}

/** words returns titled texts in one box; parts are [title, text], and the last one has a button that copies it. */
export function words(...parts) {
  return el('div', { class: 'words' }, ...parts.flatMap(([title, text], index) => [
    el('div', { class: 'words-head' }, el('h4', { text: title }), index === parts.length - 1 ? copyButton(text) : null),
    el('p', { text }),
  ]));
}

function copyButton(text) {
  const button = el('button', { type: 'button', class: 'quiet small', text: t('action.copy') });
  button.addEventListener('click', async () => {
    const done = await toClipboard(text);
    button.textContent = t(done ? 'action.copied' : 'action.copy.failed');
    setTimeout(() => { button.textContent = t('action.copy'); }, 2000);
  });
  return button;
}

// toClipboard also works on pages without TLS, which have no navigator.clipboard.
async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const box = el('textarea', { class: 'hidden', 'aria-hidden': 'true' });
    box.value = text;
    document.body.append(box);
    box.select();
    const done = document.execCommand('copy');
    box.remove();
    return done;
  }
}

/** settings returns what a job was asked with, in short words. */
export function settings(job) {
  const input = job.input;
  const media = job.result?.media ?? [];
  const seed = media.length === 1 ? media[0].seed ?? input.seed : input.seed;
  return [
    input.model,
    input.width && t('detail.size', { width: input.width, height: input.height }),
    input.n > 1 && t('detail.count', { n: input.n }),
    seed !== undefined && t('detail.seed', { seed }),
    input.optimize && t('detail.optimize'),
    input.voice,
    input.speed !== undefined && t('detail.speed', { speed: number(input.speed) }),
    input.format && input.format !== 'mp3' && input.format.toUpperCase(),
    input.quality,
    input.negative && t('detail.negative', { negative: input.negative }),
    media.length > 0 && fileSize(media.reduce((sum, file) => sum + file.bytes, 0)),
  ].filter(Boolean);
}

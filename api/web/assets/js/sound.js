// Speech: its waveform, computed from the samples, and the one player of the page.
import { el, icon } from './dom.js';
import { formatDuration, t } from './i18n.js';

const peakCount = 120;
const rate = 8000;
const peaks = new Map();
const player = new Audio();
let playing = null;

player.preload = 'none';

async function decode(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`status ${response.status}`);
  const context = new OfflineAudioContext(1, 1, rate);
  const buffer = await context.decodeAudioData(await response.arrayBuffer());
  const samples = buffer.getChannelData(0);
  const step = Math.max(1, Math.floor(samples.length / peakCount));
  const list = [];
  for (let at = 0; at + step <= samples.length && list.length < peakCount; at += step) {
    let sum = 0;
    for (let i = at; i < at + step; i += 1) sum += samples[i] * samples[i];
    list.push(Math.sqrt(sum / step));
  }
  const top = Math.max(...list, 0.001);
  return { list: list.map((value) => value / top), seconds: buffer.duration };
}

// waveOf returns {list, seconds}: the loudness over time from 0 to 1. It fails when the browser cannot decode the file.
function waveOf(url) {
  if (!peaks.has(url)) {
    const wave = decode(url);
    wave.catch(() => peaks.delete(url));
    peaks.set(url, wave);
  }
  return peaks.get(url);
}

function draw(canvas, list, part) {
  const scale = Math.min(devicePixelRatio || 1, 2);
  const { clientWidth: width, clientHeight: height } = canvas;
  if (width === 0) return;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext('2d');
  const style = getComputedStyle(canvas);
  pen.scale(scale, scale);
  const bars = Math.min(list.length, Math.floor(width / 4));
  const gap = width / bars;
  for (let bar = 0; bar < bars; bar += 1) {
    const from = Math.floor((bar * list.length) / bars);
    const to = Math.max(from + 1, Math.floor(((bar + 1) * list.length) / bars));
    const value = Math.max(...list.slice(from, to));
    const tall = Math.max(2, value * height * 0.94);
    pen.fillStyle = (bar + 0.5) / bars <= part ? style.getPropertyValue('--accent') : style.color;
    pen.fillRect(bar * gap, (height - tall) / 2, Math.max(1.5, gap * 0.55), tall);
  }
}

function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

// watch loads a waveform once it is near the screen.
const watcher = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    watcher.unobserve(target);
    target.dispatchEvent(new Event('near'));
  }
}, { rootMargin: '300px' });

/** stopSound stops what is playing. */
export function stopSound() {
  player.pause();
}

const boxes = new WeakMap();

/** updateSound gives a box that soundBox has returned more files. */
export const updateSound = (box, files) => boxes.get(box)?.(files);

// The loudness of files that follow each other, as one list.
function joined(waves) {
  if (waves.length === 1) return waves[0].list;
  const total = waves.reduce((sum, { seconds }) => sum + seconds, 0);
  return Array.from({ length: peakCount }, (_, n) => {
    let at = ((n + 0.5) / peakCount) * total;
    const wave = waves.find(({ seconds }) => {
      if (at < seconds) return true;
      at -= seconds;
      return false;
    }) ?? waves.at(-1);
    return wave.list[Math.min(wave.list.length - 1, Math.floor((at / (wave.seconds || 1)) * wave.list.length))] ?? 0;
  });
}

/**
 * soundBox returns a play button with the waveform of files that are played one after the other, which also is the slider of
 * the position. label names the speech for screen readers.
 */
export function soundBox(media, label) {
  let files = media;
  if (player.canPlayType(files[0].content_type) === '') {
    return el('p', { class: 'state', text: t('result.unplayable', { type: files[0].content_type }) });
  }
  const canvas = el('canvas', { class: 'wave', 'aria-hidden': 'true' });
  const time = el('span', { class: 'sound-time' });
  const button = el('button', { type: 'button', class: 'play', 'aria-label': t('sound.play', { text: label }) }, icon('play'));
  const slider = el('input', { type: 'range', class: 'seek', min: 0, max: 1000, value: 0, 'aria-label': t('sound.position') });
  const box = el('div', { class: 'sound' }, button, el('div', { class: 'wave-box' }, canvas, slider), time);
  const flat = { list: new Array(peakCount).fill(0.08), seconds: 0 };
  let waves = [flat];
  // The length of the files before one, as far as it is known.
  const before = (n) => waves.slice(0, n).reduce((sum, { seconds }) => sum + seconds, 0);
  const own = {
    at: 0,
    show(active) {
      const mine = playing === own;
      const total = before(files.length) || (mine && player.duration) || 0;
      const now = mine ? before(own.at) + player.currentTime : 0;
      const part = total ? Math.min(1, now / total) : 0;
      draw(canvas, joined(waves), part);
      slider.value = String(Math.round(part * 1000));
      slider.setAttribute('aria-valuetext', formatDuration(now));
      time.textContent = clock(part > 0 ? now : total);
      button.replaceChildren(icon(active ? 'pause' : 'play'));
      button.setAttribute('aria-label', t(active ? 'sound.pause' : 'sound.play', { text: label }));
    },
    // next plays the file that follows, if there is one.
    next() {
      if (own.at + 1 >= files.length) {
        own.play(0, 0, false);
        return;
      }
      own.play(own.at + 1, 0);
    },
    play(n, seconds, start = true) {
      own.at = n;
      if (player.dataset.url !== files[n].url) {
        player.dataset.url = files[n].url;
        player.src = files[n].url;
      }
      if (player.currentTime !== seconds) player.currentTime = seconds;
      if (start) player.play().catch(() => rest());
      else own.show(false);
    },
  };
  const rest = () => own.show(playing === own && !player.paused);
  let loading = false;
  async function load() {
    if (loading) return;
    loading = true;
    rest();
    const loaded = [];
    for (let n = 0; n < files.length; n += 1) {
      try {
        loaded.push(await waveOf(files[n].url));
        waves = [...loaded];
      } catch {
        // Some browsers play formats that they cannot decode; then the line stays flat.
        loaded.push(flat);
      }
    }
    loading = false;
    rest();
  }
  canvas.addEventListener('near', load);
  boxes.set(box, (more) => {
    if (more.length === files.length) return;
    files = more;
    load();
  });
  new ResizeObserver(rest).observe(canvas);
  watcher.observe(canvas);
  const start = (part) => {
    const last = playing;
    if (last !== own) {
      player.pause();
      playing = own;
      own.at = 0;
      last?.show(false);
      own.play(0, 0, part === undefined);
    }
    if (part === undefined) {
      if (last === own) player.play().catch(() => rest());
      return;
    }
    let seconds = part * (before(files.length) || player.duration || 0);
    let n = 0;
    while (n < files.length - 1 && seconds >= waves[n]?.seconds) {
      seconds -= waves[n].seconds;
      n += 1;
    }
    own.play(n, seconds);
  };
  button.addEventListener('click', (event) => {
    event.preventDefault();
    if (playing === own && !player.paused) player.pause();
    else start();
  });
  slider.addEventListener('change', () => start(Number(slider.value) / 1000));
  return box;
}

let frame = 0;
function follow() {
  cancelAnimationFrame(frame);
  if (!playing) return;
  playing.show(!player.paused);
  if (!player.paused) frame = requestAnimationFrame(follow);
}
for (const type of ['play', 'pause', 'seeked']) player.addEventListener(type, follow);
player.addEventListener('ended', () => playing?.next());

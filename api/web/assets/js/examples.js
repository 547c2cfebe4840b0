// The examples of an empty sheet: pictures that this project has drawn, and a sentence read aloud. Each fills the composer.
import { shapes } from './catalogue.js';
import { byId, el, icon } from './dom.js';
import { language, t } from './i18n.js';
import { soundBox } from './sound.js';

// In the order of the sheet, with their shapes. The element #examples names the files.
const pictures = [
  ['lighthouse', '16:9'], ['fox', '1:1'], ['cabin', '3:4'], ['oranges', '4:3'], ['linocut', '3:4'], ['station', '16:9'], ['gull', '1:1'],
  ['teapot', '1:1'], ['market', '3:4'], ['saltflat', '16:9'], ['astronaut', '1:1'], ['terraces', '4:3'],
];
const soundPlace = 6;
const soundRatio = 2.3;

/** showExamples renders the examples in the current language; fill is called with the kind and the input of the chosen one. */
export function showExamples(fill) {
  const list = byId('examples');
  const items = pictures.map(([name, shape]) => picture(list.dataset[name], t(`example.${name}`), shape, fill));
  items.splice(soundPlace, 0, speech(list.dataset[language() === 'zh' ? 'speechZh' : 'speechEn'], t('speech.1'), fill));
  list.replaceChildren(...items);
}

function frame(kind, ratio, prompt, ...content) {
  const item = el('li', { class: 'example', data: { kind } }, el('div', { class: 'cell' }, ...content),
    el('p', { class: 'caption', 'aria-hidden': 'true', title: prompt }, icon(kind), el('span', { text: prompt })));
  item.style.setProperty('--r', String(ratio));
  return item;
}

function picture(url, prompt, shape, fill) {
  const [width, height] = shapes[shape].standard;
  const image = el('img', { alt: '', width, height, loading: 'lazy', decoding: 'async', src: url });
  return frame('image', width / height, prompt, el('button', { type: 'button', class: 'open', 'aria-label': t('example.use', { prompt }), on: { click: () => fill('image', { prompt, width, height }) } }, image));
}

function speech(url, text, fill) {
  const use = el('button', { type: 'button', class: 'open words', 'aria-label': t('example.speak', { prompt: text }), on: { click: () => fill('audio', { text }) } }, el('span', { text }));
  return frame('audio', soundRatio, text, use, soundBox([{ url, content_type: 'audio/mpeg' }], text));
}

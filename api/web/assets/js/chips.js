// The line of chips below a text: what is set, each opening its choices. Whatever differs from the default is a chip that can
// be removed.
import { defaults, imageModel, speechModel } from './catalogue.js';
import { deadlineName, sizeOf, voiceName } from './choices.js';
import { el, icon, setText } from './dom.js';
import { setValue, valueOf } from './fields.js';
import { formatNumber, t } from './i18n.js';

const shortText = 22;
const short = (text) => ([...text].length > shortText ? `${[...text].slice(0, shortText - 1).join('')}…` : text);

// The chips that are always there, by their data-chip.
const standing = {
  shape(form) {
    const [width, height] = sizeOf(form);
    const ratio = valueOf(form, 'ratio');
    const size = width > 0 && height > 0 ? `${width}×${height}` : '…';
    return ratio === 'custom' ? size : `${ratio} · ${size}`;
  },
  model(form) {
    const name = valueOf(form, 'model');
    const isImage = form.dataset.kind === 'image';
    return isImage ? imageModel(name).title : speechModel(name).title;
  },
  count: (form) => `×${valueOf(form, 'n')}`,
  voice: (form) => voiceName(valueOf(form, 'voice') || (speechModel(valueOf(form, 'model')).voices.split(' ').includes(defaults.voice) ? defaults.voice : t('choice.default'))),
  speed: (form) => `${formatNumber(Number(valueOf(form, 'speed')))}×`,
  options: () => t('chip.options'),
};

// The chips that appear when something is set; the value that "×" restores.
const optional = {
  seed: { text: (value) => t('chip.seed', { seed: value }), popover: 'pop-options' },
  negative: { text: (value) => t('chip.negative', { negative: short(value) }), popover: 'pop-options' },
  quality: { text: (value) => t('chip.quality', { quality: t(`quality.${value}`) }), popover: 'pop-options' },
  transparent: { text: () => t('chip.transparent'), popover: 'pop-options' },
  optimize: { text: () => t('chip.optimize'), popover: 'pop-options' },
  format: { text: (value) => value.toUpperCase(), popover: 'pop-audio-options' },
  tags: { text: (value) => t('chip.tags', { tags: short(value) }), popover: '' },
  deadline_seconds: { text: (value) => t('chip.deadline', { time: deadlineName(Number(value)) }), popover: '' },
};

/** showChips renders the chips of a form; onRemove is called after one was removed. */
export function showChips(form, onRemove) {
  const line = form.querySelector('.chips');
  for (const chip of line.querySelectorAll('[data-chip]')) setText(chip.querySelector('.chip-text'), standing[chip.dataset.chip](form));
  const wanted = Object.keys(optional).filter((name) => form.elements.namedItem(name) && valueOf(form, name) !== '');
  const present = new Map([...line.querySelectorAll('[data-set]')].map((chip) => [chip.dataset.set, chip]));
  for (const [name, chip] of present) if (!wanted.includes(name)) chip.remove();
  for (const name of wanted) {
    const text = optional[name].text(valueOf(form, name));
    const chip = present.get(name) ?? line.appendChild(newChip(form, name, onRemove));
    setText(chip.querySelector('.chip-text'), text);
    chip.querySelector('.chip-remove').setAttribute('aria-label', t('chip.remove', { what: text }));
  }
}

function newChip(form, name, onRemove) {
  const popover = optional[name].popover || (form.dataset.kind === 'image' ? 'pop-options' : 'pop-audio-options');
  const open = el('button', { type: 'button', class: 'chip-text', popovertarget: popover });
  // The focus goes to the field of the chip, not to the first one.
  open.addEventListener('click', () => requestAnimationFrame(() => form.elements.namedItem(name).focus()));
  const remove = el('button', { type: 'button', class: 'chip-remove' }, icon('close'));
  remove.addEventListener('click', () => {
    setValue(form, name, '');
    form.querySelector('.chips [data-chip]').focus();
    onRemove();
  });
  return el('span', { class: 'chip set', data: { set: name } }, open, remove);
}

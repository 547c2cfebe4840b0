// Form options that depend on the catalogue, on other fields or on the language.
import { defaults, healthOf, imageModels, limits, maxPixelsOf, priceOf, shapeOf, shapes, speechModel, speechModels } from './catalogue.js';
import { byId, el } from './dom.js';
import { checkWhole, setValue, valueOf } from './fields.js';
import { formatNumber, t } from './i18n.js';

const deadlines = [60, 300, 900, 3600, 21600, 86400];

/** deadlineName names a time limit. */
export function deadlineName(seconds) {
  if (seconds < 3600) return t(seconds === 60 ? 'deadline.minute' : 'deadline.minutes', { n: seconds / 60 });
  return t(seconds === 3600 ? 'deadline.hour' : 'deadline.hours', { n: seconds / 3600 });
}

function fill(select, options) {
  const selected = select.value;
  select.replaceChildren(...options);
  if ([...select.options].some((option) => option.value === selected)) select.value = selected;
}

const defaultOption = (name) => el('option', { value: '', text: name ? t('choice.default_of', { name }) : t('choice.default') });

// priceText names the price of a model, or nothing when it is not known.
function priceText(name) {
  const price = priceOf(name);
  if (!price) return '';
  if (price.per_image) return t('price.image', { price: price.per_image, currency: price.currency });
  if (price.per_thousand_characters) return t('price.characters', { price: price.per_thousand_characters, currency: price.currency });
  return '';
}

const modelOption = (model) => el('option', {
  value: model.name,
  text: [model.title, priceText(model.name), healthOf(model.name) === 'degraded' && t('model.degraded')].filter(Boolean).join(' · '),
});

const titleOf = (list, name) => list.find((model) => model.name === name)?.title ?? name;

/** fillChoices renders the options of all forms in the current language and keeps the selection. */
export function fillChoices() {
  for (const select of document.querySelectorAll('select[data-deadlines]')) {
    fill(select, [defaultOption(''), ...deadlines.map((s) => el('option', { value: s, text: deadlineName(s) }))]);
  }
  const images = imageModels.flatMap(({ models }) => models);
  fill(byId('image-model'), [defaultOption(titleOf(images, defaults.image)), ...imageModels.filter(({ models }) => models.length > 0).map(({ group, models }) => el('optgroup', { label: group }, ...models.map(modelOption)))]);
  fill(byId('audio-model'), [defaultOption(titleOf(speechModels, defaults.audio)), ...speechModels.map(modelOption)]);
  fillVoices();
}

/** voiceName names a voice as people write it. */
export function voiceName(voice) {
  const bare = voice.replace(/^[a-z]{2}_/, '').replaceAll('_', ' ');
  return bare.charAt(0).toUpperCase() + bare.slice(1);
}

/** fillVoices renders the voices of the selected speech model. */
export function fillVoices() {
  const voices = speechModel(byId('audio-model').value).voices.split(' ');
  fill(byId('audio-voice'), [defaultOption(voices.includes(defaults.voice) ? voiceName(defaults.voice) : ''), ...voices.map((voice) => el('option', { value: voice, text: voiceName(voice) }))]);
}

/** sizeOf returns the size in the image form as [width, height]; NaN where the input is not a number. */
export function sizeOf(form) {
  const ratio = valueOf(form, 'ratio');
  if (ratio in shapes) return shapes[ratio][valueOf(form, 'scale')] ?? shapes[ratio].standard;
  return [Number(valueOf(form, 'width')), Number(valueOf(form, 'height'))];
}

/** showSize shows the fields for a custom size, or the dimensions of a preset. */
export function showSize(form) {
  const custom = valueOf(form, 'ratio') === 'custom';
  for (const row of form.querySelectorAll('[data-when]')) row.hidden = (row.dataset.when === 'custom') !== custom;
  const [width, height] = sizeOf(form);
  byId('image-measure').textContent = width > 0 && height > 0 ? t('image.measure', { width, height }) : '';
}

/** setSize sets the size in the image form. */
export function setSize(form, width, height) {
  const shape = shapeOf(width, height);
  setValue(form, 'ratio', shape?.ratio ?? 'custom');
  setValue(form, 'scale', shape?.scale ?? 'standard');
  setValue(form, 'width', String(width));
  setValue(form, 'height', String(height));
  showSize(form);
}

/** checkSize validates the size and returns the errors. */
export function checkSize(form) {
  const custom = valueOf(form, 'ratio') === 'custom';
  if (custom) {
    const errors = ['width', 'height'].map((side) => checkWhole(`/input/${side}`, valueOf(form, side), limits.minSide, limits.maxSide));
    if (errors.some(Boolean)) return errors.filter(Boolean);
  }
  const [width, height] = sizeOf(form);
  const max = maxPixelsOf(valueOf(form, 'model'));
  if (width * height <= max) return [];
  return [{ pointer: custom ? '/input/width' : '/input/model', code: 'too_many_pixels', params: { max: formatNumber(max) } }];
}

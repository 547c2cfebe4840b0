// Form options that depend on the catalogue, on other fields or on the language.
import { imageModels, limits, maxPixelsOf, shapeOf, shapes, speechModels } from './catalogue.js';
import { byId, el } from './dom.js';
import { checkWhole, setValue, valueOf } from './fields.js';
import { formatNumber, t } from './i18n.js';

const deadlines = [60, 300, 900, 3600, 21600, 86400];

function deadlineName(seconds) {
  if (seconds === 60) return t('deadline.minute');
  if (seconds === 3600) return t('deadline.hour');
  return seconds < 3600 ? t('deadline.minutes', { n: seconds / 60 }) : t('deadline.hours', { n: seconds / 3600 });
}

function fill(select, options) {
  const selected = select.value;
  select.replaceChildren(...options);
  if ([...select.options].some((option) => option.value === selected)) select.value = selected;
}

const defaultOption = () => el('option', { value: '', text: t('choice.default') });

/** fillChoices renders the options of all forms in the current language and keeps the selection. */
export function fillChoices() {
  for (const select of document.querySelectorAll('select[data-deadlines]')) {
    fill(select, [defaultOption(), ...deadlines.map((s) => el('option', { value: s, text: deadlineName(s) }))]);
  }
  for (const select of document.querySelectorAll('select[data-models="image"]')) {
    const groups = imageModels.map(({ group, models }) => el('optgroup', { label: group },
      ...models.map((model) => el('option', { value: model.name, text: model.title }))));
    fill(select, [defaultOption(), ...groups]);
  }
  for (const select of document.querySelectorAll('select[data-models="audio"]')) {
    fill(select, [defaultOption(), ...speechModels.map((model) => el('option', { value: model.name, text: model.title }))]);
  }
  fillVoices();
}

/** fillVoices renders the voices of the selected speech model. */
export function fillVoices() {
  const model = speechModels.find(({ name }) => name === byId('audio-model').value) ?? speechModels[0];
  fill(byId('audio-voice'), [defaultOption(), ...model.voices.split(' ').map((voice) => el('option', { value: voice, text: voice }))]);
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

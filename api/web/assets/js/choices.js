// The choices of the forms that depend on the catalogue, on other choices and on the language.
import { imageModels, limits, pixelsOf, shapeOf, shapes, speechModels } from './catalogue.js';
import { byId, el } from './dom.js';
import { checkWhole, setValue, valueOf } from './fields.js';
import { number, t } from './i18n.js';

const deadlines = [60, 300, 900, 3600, 21600, 86400];

function deadlineName(seconds) {
  if (seconds === 60) return t('deadline.minute');
  if (seconds === 3600) return t('deadline.hour');
  return seconds < 3600 ? t('deadline.minutes', { n: seconds / 60 }) : t('deadline.hours', { n: seconds / 3600 });
}

function fill(select, options) {
  const chosen = select.value;
  select.replaceChildren(...options);
  if ([...select.options].some((option) => option.value === chosen)) select.value = chosen;
}

const standard = () => el('option', { value: '', text: t('choice.default') });

/** fillChoices writes the choices of all forms anew, in the language in use, and keeps what was chosen. */
export function fillChoices() {
  for (const select of document.querySelectorAll('select[data-deadlines]')) {
    fill(select, [standard(), ...deadlines.map((s) => el('option', { value: s, text: deadlineName(s) }))]);
  }
  for (const select of document.querySelectorAll('select[data-models="image"]')) {
    const groups = imageModels.map(({ group, models }) => el('optgroup', { label: group },
      ...models.map((model) => el('option', { value: model.name, text: model.title }))));
    fill(select, [standard(), ...groups]);
  }
  for (const select of document.querySelectorAll('select[data-models="audio"]')) {
    fill(select, [standard(), ...speechModels.map((model) => el('option', { value: model.name, text: model.title }))]);
  }
  fillVoices();
}

/** fillVoices offers the voices of the chosen speech model. */
export function fillVoices() {
  const model = speechModels.find(({ name }) => name === byId('audio-model').value) ?? speechModels[0];
  fill(byId('audio-voice'), [standard(), ...model.voices.split(' ').map((voice) => el('option', { value: voice, text: voice }))]);
}

/** sizeOf returns the size that the image form stands at, as [width, height]; NaN where it is not a number. */
export function sizeOf(form) {
  const ratio = valueOf(form, 'ratio');
  if (ratio in shapes) return shapes[ratio][valueOf(form, 'scale')] ?? shapes[ratio].standard;
  return [Number(valueOf(form, 'width')), Number(valueOf(form, 'height'))];
}

/** showSize shows the fields of an own size or the measure of a ready-made one. */
export function showSize(form) {
  const own = valueOf(form, 'ratio') === 'custom';
  for (const row of form.querySelectorAll('[data-when]')) row.hidden = (row.dataset.when === 'custom') !== own;
  const [width, height] = sizeOf(form);
  byId('image-measure').textContent = width > 0 && height > 0 ? t('image.measure', { width, height }) : '';
}

/** setSize puts the image form to a size. */
export function setSize(form, width, height) {
  const shape = shapeOf(width, height);
  setValue(form, 'ratio', shape?.ratio ?? 'custom');
  setValue(form, 'scale', shape?.scale ?? 'standard');
  setValue(form, 'width', String(width));
  setValue(form, 'height', String(height));
  showSize(form);
}

/** checkSize returns what is wrong with the size. */
export function checkSize(form) {
  const own = valueOf(form, 'ratio') === 'custom';
  if (own) {
    const faults = ['width', 'height'].map((side) => checkWhole(`/input/${side}`, valueOf(form, side), limits.minSide, limits.maxSide));
    if (faults.some(Boolean)) return faults.filter(Boolean);
  }
  const [width, height] = sizeOf(form);
  const max = pixelsOf(valueOf(form, 'model'));
  if (width * height <= max) return [];
  return [{ pointer: own ? '/input/width' : '/input/model', code: 'too_many_pixels', gaps: { max: number(max) } }];
}

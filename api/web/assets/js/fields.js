// Form fields: values, validation, error messages, character counters and drafts.
import { el } from './dom.js';
import { formatNumber, language, t } from './i18n.js';
import { read, write } from './storage.js';

/** length counts characters as the server does: code points. */
export const length = (text) => [...text].length;

/** controls returns the named controls of a form, each radio group once. */
export function controls(form) {
  const seen = new Set();
  return [...form.elements].filter((control) => {
    if (!control.name || seen.has(control.name)) return false;
    seen.add(control.name);
    return true;
  });
}

/** valueOf returns the value of a control as text; "on" or "" for a checkbox. */
export function valueOf(form, name) {
  const control = form.elements.namedItem(name);
  if (control instanceof RadioNodeList) return control.value;
  if (control.type === 'checkbox') return control.checked ? 'on' : '';
  return control.value;
}

/** setValue sets the value of a control. A missing option is added, so that no value is changed silently. */
export function setValue(form, name, text) {
  const control = form.elements.namedItem(name);
  if (!control) return;
  if (control instanceof RadioNodeList) {
    control.value = text;
    return;
  }
  if (control.type === 'checkbox') {
    control.checked = text === 'on';
    return;
  }
  if (control instanceof HTMLSelectElement && ![...control.options].some((option) => option.value === text)) {
    control.append(el('option', { value: text, text }));
  }
  control.value = text;
}

/** typed returns the value of a control in the type that the API expects, or undefined when it is empty. */
export function typed(form, control) {
  const text = valueOf(form, control.name);
  if (control.dataset.type === 'bool') return text === 'on' ? true : undefined;
  if (text.trim() === '' || text === control.dataset.skip) return undefined;
  if (control.dataset.type === 'int' || control.dataset.type === 'number') return Number(text);
  return text;
}

/** checkField validates a control by its data- attributes and returns {pointer, code, params}, or null when it is valid. */
export function checkField(form, control) {
  const { pointer, parts, type, min, limit } = control.dataset;
  const max = control.dataset.max && Number(control.dataset.max) * Number(parts ?? 1);
  const text = valueOf(form, control.name);
  if ('required' in control.dataset && text.trim() === '') return { pointer, code: 'required' };
  if (max && length(text) > max) return { pointer, code: 'too_long', params: { max: formatNumber(max) } };
  if (type === 'int' && text.trim() !== '') return checkWhole(pointer, text, Number(min ?? 0), Number(limit ?? Infinity));
  return null;
}

/** checkWhole validates an integer. */
export function checkWhole(pointer, text, min, max) {
  if (!/^-?\d+$/.test(text.trim())) return { pointer, code: 'whole_number' };
  const value = Number(text);
  if (value < min || value > max) return { pointer, code: 'out_of_range', params: { min: formatNumber(min), max: formatNumber(max) } };
  return null;
}

/** toSentence capitalizes and punctuates a field error of the API, which is written to follow the field's name. */
export function toSentence(detail) {
  const capital = detail.charAt(0).toUpperCase() + detail.slice(1);
  return /[.!?。！？]$/.test(capital) ? capital : capital + (language() === 'zh' ? '。' : '.');
}

/** showFieldError shows an error next to the control with the given pointer; it returns false when there is no such control. */
export function showFieldError(form, pointer, sentence) {
  const control = form.querySelector(`[data-pointer="${CSS.escape(pointer)}"]`);
  if (!control) return false;
  const id = `${form.id}${pointer.replaceAll('/', '-')}-error`;
  let line = form.querySelector(`#${CSS.escape(id)}`);
  if (!line) {
    line = el('p', { class: 'field-error', id });
    (control.closest('.field') ?? control.parentElement).append(line);
  }
  line.textContent = sentence;
  control.setAttribute('aria-invalid', 'true');
  const described = new Set((control.getAttribute('aria-describedby') ?? '').split(' ').filter(Boolean));
  control.setAttribute('aria-describedby', [...described.add(id)].join(' '));
  const details = control.closest('details');
  if (details) details.open = true;
  const popover = control.closest('[popover]');
  if (popover && !popover.matches(':popover-open')) popover.showPopover();
  return true;
}

/** clearFieldErrors removes the errors of all controls. */
export function clearFieldErrors(form) {
  for (const control of controls(form)) clearFieldError(form, control);
}

/** clearFieldError removes the error of a control. */
export function clearFieldError(form, control) {
  if (control.getAttribute('aria-invalid') !== 'true') return;
  control.removeAttribute('aria-invalid');
  const line = form.querySelector(`#${CSS.escape(`${form.id}${control.dataset.pointer.replaceAll('/', '-')}-error`)}`);
  if (!line) return;
  const rest = (control.getAttribute('aria-describedby') ?? '').split(' ').filter((id) => id && id !== line.id);
  if (rest.length > 0) control.setAttribute('aria-describedby', rest.join(' '));
  else control.removeAttribute('aria-describedby');
  line.remove();
}

/** count updates the character counter of a control. */
export function count(form, control) {
  const counter = form.querySelector(`output.counter[for="${control.id}"]`);
  if (!counter) return;
  const used = length(control.value);
  const max = Number(control.dataset.max);
  const parts = Number(control.dataset.parts ?? 1);
  const [n, limit] = [formatNumber(used), formatNumber(max)];
  // A text that takes several requests says so instead.
  counter.textContent = used > max && parts > 1 ? t('form.parts', { n, max: formatNumber(max * parts), parts: Math.ceil(used / max) }) : t('form.counter', { n, max: limit });
  counter.classList.toggle('over', used > max * parts);
}

const draftKey = (form) => `draft_${form.dataset.kind}`;

/** saveDraft stores the values of a form. */
export function saveDraft(form) {
  const values = {};
  for (const control of controls(form)) values[control.name] = valueOf(form, control.name);
  write(draftKey(form), JSON.stringify(values));
}

/** loadDraft restores the stored values of a form. */
export function loadDraft(form) {
  let values;
  try {
    values = JSON.parse(read(draftKey(form)) ?? 'null');
  } catch {
    return;
  }
  if (values === null || typeof values !== 'object') return;
  for (const control of controls(form)) {
    if (typeof values[control.name] === 'string') setValue(form, control.name, values[control.name]);
  }
}

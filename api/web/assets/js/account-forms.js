// What the parts of the account view share that scripts create: texts, fields and buttons, and the way a form is sent.
import { Problem } from './api.js';
import { el } from './dom.js';
import { checkField, clearFieldError, clearFieldErrors, controls, showFieldError, toSentence } from './fields.js';
import { t } from './i18n.js';

/** title returns a text that follows the language. */
export const title = (key) => el('span', { data: { i18n: key }, text: t(key) });

/** note returns a paragraph that explains. */
export const note = (key) => el('p', { class: 'saved-note', data: { i18n: key }, text: t(key) });

/** field returns a control with its label. */
export function field(id, label, control, ...further) {
  control.id = id;
  return el('div', { class: 'field' }, el('label', { for: id }, label), control, ...further);
}

/**
 * button returns a button that runs an action. With sure, the message of a question, only a second click does, since what it
 * does cannot be undone; a double click is not one.
 */
export function button(key, action, { sure = '', ...properties } = {}) {
  const node = el('button', { type: 'button', class: 'quiet', ...properties, data: { i18n: key }, text: t(key) });
  if (!sure) {
    node.addEventListener('click', action);
    return node;
  }
  const ask = (asks) => {
    node.classList.toggle('danger', asks);
    rename(node, asks ? sure : key);
  };
  node.addEventListener('click', (event) => {
    if (event.detail > 1) return;
    const confirmed = node.classList.contains('danger');
    ask(!confirmed);
    if (confirmed) action();
  });
  node.addEventListener('blur', () => ask(false));
  return node;
}

/** rename gives a button another text. */
export function rename(node, key) {
  node.dataset.i18n = key;
  node.textContent = t(key);
}

/** onSubmit calls send when a form is sent and its fields are valid, and shows what fails; one request at a time. */
export function onSubmit(form, send) {
  const sender = form.querySelector('[type="submit"]');
  form.addEventListener('input', ({ target }) => clearFieldError(form, target));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (sender.getAttribute('aria-disabled') === 'true') return;
    clearFieldErrors(form);
    const errors = controls(form).map((control) => checkField(form, control)).filter(Boolean);
    for (const { pointer, code, params } of errors) showFieldError(form, pointer, t(`invalid.${code}`, params));
    if (errors.length === 0) {
      sender.setAttribute('aria-disabled', 'true');
      await attempt(form, send);
      sender.setAttribute('aria-disabled', 'false');
    }
    form.querySelector('[aria-invalid="true"]')?.focus();
  });
}

/** attempt runs an action and shows its failure in a form. It returns the problem, or null. */
export async function attempt(form, action) {
  const alert = form.querySelector('.alert');
  alert.textContent = '';
  try {
    await action();
    return null;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const unmatched = error.errors.filter(({ pointer, detail }) => !showFieldError(form, pointer, toSentence(detail)));
    if (unmatched.length > 0 || error.errors.length === 0) alert.textContent = error.sentence;
    return error;
  }
}

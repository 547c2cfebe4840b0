// What the member's work has cost, in the account view: in all, by day with a bar for each, and by model; and what it may cost.
import { attempt, field, note, onSubmit, title } from './account-forms.js';
import { listKeys, readUsage, setBudget } from './api.js';
import { imageModels, speechModels } from './catalogue.js';
import { byId, el, setText } from './dom.js';
import { formatCost, formatDay, formatNumber, formatTime, onLanguage, t } from './i18n.js';
import { toast } from './toast.js';

const day = 86400000;
const periods = [7, 30, 90];

let usage = null;

/** openUsage reads and shows what the member's work has cost. */
export function openUsage() {
  usage ??= new Usage();
  return usage.open();
}

// sums adds up rows by a key, in their order: {name, units, unknown, costs by currency}. Amounts are decimal texts of few digits.
function sums(rows, keyOf) {
  const all = new Map();
  for (const row of rows) {
    const name = keyOf(row);
    const sum = all.get(name) ?? { name, units: 0, unknown: 0, costs: {} };
    sum.units += row.units;
    sum.unknown += row.unpriced_jobs;
    if (row.cost !== null) sum.costs[row.currency] = Math.round(((sum.costs[row.currency] ?? 0) + Number(row.cost)) * 1e9) / 1e9;
    all.set(name, sum);
  }
  return [...all.values()];
}

function costText({ costs, unknown }) {
  const known = Object.entries(costs).map(([currency, cost]) => t('price.image', { price: formatCost(cost), currency }));
  return [...known, unknown > 0 && t('usage.unknown', { n: formatNumber(unknown) })].filter(Boolean).join(' + ');
}

function modelName(name) {
  if (name === null) return t('usage.texts');
  return [...imageModels.flatMap(({ models }) => models), ...speechModels].find((model) => model.name === name)?.title ?? name;
}

const amount = (name) => el('input', { type: 'text', name, inputmode: 'decimal', autocomplete: 'off', 'data-pointer': `/${name}` });

/** Usage is the part of the account view with costs. */
class Usage {
  #report = null;
  #period = el('select', { name: 'period' });
  #total = el('p', { class: 'usage-total', role: 'status' });
  #tables = el('div', { class: 'usage-tables' });
  #budgets = el('ul', { class: 'feedback-list' });
  #perDay = amount('per_day');
  #perMonth = amount('per_month');
  #keys = [];
  #form;
  #budgetForm;

  constructor() {
    this.#form = el('form', { id: 'usage-form', novalidate: true }, field('usage-period', title('usage.period'), this.#period), el('p', { class: 'alert', role: 'alert' }));
    this.#form.addEventListener('submit', (event) => event.preventDefault());
    this.#period.addEventListener('change', () => this.open());
    this.#budgetForm = el('form', { id: 'budget-form', novalidate: true },
      el('h3', {}, title('budget.title')), note('budget.hint'), this.#budgets,
      el('div', { class: 'row' }, field('budget-day', title('budget.day'), this.#perDay), field('budget-month', title('budget.month'), this.#perMonth)),
      el('p', { class: 'alert', role: 'alert' }), el('button', { type: 'submit', class: 'quiet', data: { i18n: 'budget.save' }, text: t('budget.save') }));
    onSubmit(this.#budgetForm, () => this.#saveBudget());
    byId('usage').replaceChildren(note('usage.hint'), this.#form, this.#total, this.#tables, this.#budgetForm);
    this.#showPeriods();
    this.#period.value = '30';
    onLanguage(() => {
      this.#showPeriods();
      this.#show();
    });
  }

  /** open reads the costs of the chosen days again. */
  open() {
    return attempt(this.#form, async () => {
      // Days are those of UTC, as the server counts them.
      const since = new Date(Date.now() - (Number(this.#period.value) - 1) * day).toISOString().slice(0, 10);
      const report = await readUsage({ since, group_by: 'day,model' });
      if (report.budgets.some(({ api_key: id }) => id)) this.#keys = (await listKeys()).keys;
      this.#report = report;
      this.#show();
      this.#fillBudget();
    });
  }

  #fillBudget() {
    const limit = (period) => this.#report.budgets.find((budget) => budget.scope === 'account' && budget.period === period)?.limit ?? '';
    this.#perDay.value = limit('day');
    this.#perMonth.value = limit('month');
  }

  async #saveBudget() {
    const { budgets } = await setBudget({ per_day: this.#perDay.value.trim() || null, per_month: this.#perMonth.value.trim() || null });
    this.#report.budgets = budgets;
    this.#show();
    toast(t('budget.saved'));
  }

  #budget({ scope, period, limit, used, currency, resets_at: resets, api_key: id }) {
    const name = scope === 'account' ? t(`budget.account.${period}`) : t(`budget.key.${period}`, { name: this.#keys.find((key) => key.id === id)?.name ?? id });
    const text = t('budget.used', { used: formatCost(used), limit: formatCost(limit), currency, time: formatTime(new Date(resets)) });
    return el('li', {}, el('p', { class: 'feedback-head', text: name }),
      el('progress', { max: limit, value: Math.min(Number(used), Number(limit)), 'aria-label': name }), el('p', { class: 'feedback-meta', text }));
  }

  #showPeriods() {
    const chosen = this.#period.value;
    this.#period.replaceChildren(...periods.map((n) => el('option', { value: n, text: t('usage.days', { n }) })));
    this.#period.value = chosen;
  }

  #show() {
    if (!this.#report) return;
    const { rows, budgets } = this.#report;
    this.#budgets.replaceChildren(...budgets.map((budget) => this.#budget(budget)));
    const [total] = sums(rows, () => '');
    setText(this.#total, total ? costText(total) : t('usage.none'));
    const days = sums(rows, (row) => row.day);
    // Bars of several currencies cannot be compared.
    const [currency] = Object.keys(total?.costs ?? {});
    const models = sums(rows, (row) => row.model).sort((x, y) => (y.costs[currency] ?? 0) - (x.costs[currency] ?? 0));
    this.#tables.replaceChildren(...(rows.length === 0 ? [] : [
      this.#table(t('usage.by_day'), t('usage.day'), days, currency, formatDay),
      this.#table(t('usage.by_model'), t('field.model'), models, currency, modelName),
    ]));
  }

  #table(caption, heading, list, currency, nameOf) {
    const most = Math.max(...list.map(({ costs }) => costs[currency] ?? 0));
    const rows = list.map((sum) => {
      const bar = el('i', { class: 'usage-bar', 'aria-hidden': 'true' });
      bar.style.inlineSize = `${most > 0 ? (100 * (sum.costs[currency] ?? 0)) / most : 0}%`;
      return el('tr', {}, el('th', { scope: 'row' }, nameOf(sum.name), bar), el('td', { text: formatNumber(sum.units) }), el('td', { text: costText(sum) }));
    });
    const head = [heading, t('usage.units'), t('usage.cost')].map((text) => el('th', { scope: 'col', text }));
    return el('table', { class: 'usage-table' }, el('caption', { text: caption }), el('thead', {}, el('tr', {}, ...head)), el('tbody', {}, ...rows));
  }
}

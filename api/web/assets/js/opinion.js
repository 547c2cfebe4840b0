// One piece of feedback as it is shown, to its writer and to the operator. What somebody wrote is text and never markup.
import { el } from './dom.js';
import { known, moment, t } from './i18n.js';

/** category returns the words for a category; one that somebody made up stands for itself. */
export const category = (name) => (known(`category.${name}`) ? t(`category.${name}`) : name);

/** opinion makes an entry of a list; who has written it is said where that is not plain. Further children come last. */
export function opinion(feedback, who = '', ...further) {
  const { category: name, status, created_at: created, content } = feedback;
  return el(
    'li', { data: { status } },
    el(
      'p', { class: 'feedback-top' },
      el('bdi', { text: category(name) }),
      el('span', { class: 'pill', text: t(status === 'processed' ? 'feedback.processed' : 'feedback.pending') }),
    ),
    el('p', { class: 'feedback-words', dir: 'auto', text: content }),
    el('p', { class: 'feedback-from' }, el('time', { datetime: created, text: moment(new Date(created)) }), who && el('bdi', { text: who })),
    ...further,
  );
}

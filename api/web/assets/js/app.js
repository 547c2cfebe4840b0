// The page as a whole: makes the parts and joins them.
import { Account } from './account.js';
import { Problem, newKey } from './api.js';
import { fillChoices } from './choices.js';
import { byId } from './dom.js';
import { setValue } from './fields.js';
import { Feedback } from './feedback.js';
import { Form } from './forms.js';
import { Gallery } from './gallery.js';
import { language, onLanguage, setLanguage, t, translate } from './i18n.js';
import { Jobs, isEnded } from './jobs.js';
import { Live } from './live.js';
import { Quota } from './quota.js';
import { Operator } from './operator.js';
import { Tabs } from './tabs.js';
import { initTheme } from './theme.js';
import { View } from './view.js';
import { Viewer } from './viewer.js';

const jobs = new Jobs();
const viewer = new Viewer();
const gallery = new Gallery((picture) => viewer.open(picture, 0));
const account = new Account((user) => gallery.start(user));
const quota = new Quota(jobs, (lane) => account.heed(lane));
const tabs = new Tabs(document.querySelector('[role="tablist"]'), (kind) => quota.choose(kind));

translate(document);
fillChoices();

const say = (sentence) => { byId('status').textContent = sentence; };

function notice(sentence) {
  const text = sentence || (jobs.anonymous ? t('error.cookies') : '');
  byId('notice').textContent = text;
  byId('notice').hidden = text === '';
}

/** accepted shows the new job; on a narrow screen the list lies below the form. */
function accepted() {
  say(t('form.accepted'));
  const list = byId('work-title');
  if (list.getBoundingClientRect().top > innerHeight) list.scrollIntoView({ block: 'start' });
}

const forms = Object.fromEntries([...document.querySelectorAll('form.panel')]
  .map((form) => [form.dataset.kind, new Form(form, jobs, accepted)]));

/** attempt runs an action on a job and shows what went wrong. */
async function attempt(action) {
  try {
    await action();
    notice('');
  } catch (trouble) {
    if (!(trouble instanceof Problem)) throw trouble;
    notice(trouble.sentence);
  }
}

function reuse(job) {
  tabs.choose(job.kind);
  forms[job.kind].fill(job.input);
  say(t('form.refilled'));
}

const view = new View(jobs, {
  cancel: (job) => attempt(() => jobs.cancel(job)),
  remove: (job) => attempt(async () => {
    await jobs.remove(job);
    say(t('announce.deleted'));
  }),
  retry: (job) => attempt(async () => {
    await jobs.retry(job, newKey());
    say(t('form.accepted'));
  }),
  reuse,
  save: (job, index) => attempt(async () => {
    await gallery.save(job, index);
    say(t('announce.saved'));
  }),
  useText: (kind, text) => {
    tabs.choose(kind);
    const form = byId(`panel-${kind}`);
    setValue(form, kind === 'image' ? 'prompt' : 'text', text);
    form.dispatchEvent(new Event('input', { bubbles: true }));
    forms[kind].focus();
  },
  view: (job, index) => viewer.open(job, index),
}, gallery);

jobs.addEventListener('change', ({ detail: { job, before } }) => {
  if (before && !isEnded(before) && isEnded(job)) attempt(() => gallery.heed(job));
});

byId('image-swap').addEventListener('click', () => {
  const [width, height] = [byId('image-width'), byId('image-height')];
  [width.value, height.value] = [height.value, width.value];
  width.dispatchEvent(new Event('input', { bubbles: true }));
});

byId('more').addEventListener('click', () => attempt(() => jobs.more()));

const linkState = byId('link-state');
function showLink(state) {
  linkState.dataset.state = state;
  linkState.textContent = t(`connection.${state}`);
}

jobs.addEventListener('anonymous', () => notice(''));

initTheme(byId('theme'));
byId('language').value = language();
byId('language').addEventListener('change', (event) => setLanguage(event.target.value));
onLanguage(() => {
  fillChoices();
  for (const form of Object.values(forms)) form.show();
  view.rebuild();
  quota.show();
  showLink(linkState.dataset.state);
});

// A token that ended is forgotten with the answer that says so: after a reload this browser is a guest.
addEventListener('signed-out', () => location.assign('/'));

account.start();
new Feedback().start();
new Operator().start();
quota.read();
new Live(jobs, showLink, notice).start();

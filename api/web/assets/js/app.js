// The entry point of the page: creates the parts and wires them together.
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
const gallery = new Gallery((image) => viewer.open(image, 0));
const account = new Account((user) => gallery.start(user));
const quota = new Quota(jobs, (lane) => account.handleLane(lane));
const tabs = new Tabs(document.querySelector('[role="tablist"]'), (kind) => quota.choose(kind));

translate(document);
fillChoices();

const announce = (sentence) => { byId('status').textContent = sentence; };

function notice(sentence) {
  const text = sentence || (jobs.anonymous ? t('error.cookies') : '');
  byId('notice').textContent = text;
  byId('notice').hidden = text === '';
}

/** onSubmitted reveals the new job: on a narrow screen the list is below the form. */
function onSubmitted() {
  announce(t('form.accepted'));
  const list = byId('work-title');
  if (list.getBoundingClientRect().top > innerHeight) list.scrollIntoView({ block: 'start' });
}

const forms = Object.fromEntries([...document.querySelectorAll('form.panel')]
  .map((form) => [form.dataset.kind, new Form(form, jobs, onSubmitted)]));

/** attempt runs an action and shows its error, if any. */
async function attempt(action) {
  try {
    await action();
    notice('');
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    notice(error.sentence);
  }
}

function reuse(job) {
  tabs.choose(job.kind);
  forms[job.kind].fill(job.input);
  announce(t('form.refilled'));
}

const view = new View(jobs, {
  cancel: (job) => attempt(() => jobs.cancel(job)),
  remove: (job) => attempt(async () => {
    await jobs.remove(job);
    announce(t('announce.deleted'));
  }),
  retry: (job) => attempt(async () => {
    await jobs.retry(job, newKey());
    announce(t('form.accepted'));
  }),
  reuse,
  save: (job, index) => attempt(async () => {
    await gallery.save(job, index);
    announce(t('announce.saved'));
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
  if (before && !isEnded(before) && isEnded(job)) attempt(() => gallery.autosave(job));
});

byId('image-swap').addEventListener('click', () => {
  const [width, height] = [byId('image-width'), byId('image-height')];
  [width.value, height.value] = [height.value, width.value];
  width.dispatchEvent(new Event('input', { bubbles: true }));
});

byId('more').addEventListener('click', () => attempt(() => jobs.more()));

const connection = byId('link-state');
function showConnection(state) {
  connection.dataset.state = state;
  connection.textContent = t(`connection.${state}`);
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
  showConnection(connection.dataset.state);
});

// The API clears the cookie of an expired token. Reload as a guest.
addEventListener('signed-out', () => location.assign('/'));

account.start();
new Feedback().start();
new Operator().start();
quota.read();
new Live(jobs, showConnection, notice).start();

// The entry point of the page: creates the parts and wires them together.
import { makeActions } from './actions.js';
import { Problem } from './api.js';
import { loadCatalogue, suggestReferenceModel } from './catalogue.js';
import { fillChoices } from './choices.js';
import { Composer } from './composer.js';
import { byId, drawIcons, setText } from './dom.js';
import { language, loadLanguage, onLanguage, setLanguage, t, translate } from './i18n.js';
import { Jobs, isEnded } from './jobs.js';
import { initKeys } from './keys.js';
import { isLoaded, later, withModule } from './later.js';
import { Live } from './live.js';
import { Member, hasPendingLink, takeArrival } from './member.js';
import { Notifier } from './notify.js';
import { initPopovers } from './popover.js';
import { Quota } from './quota.js';
import { Router } from './router.js';
import { Sheet } from './sheet.js';
import { initTheme } from './theme.js';
import { toast } from './toast.js';
import { Verbs } from './verbs.js';

const sheets = ['studio', 'gallery', 'voice'];
// What may come a moment after everything else, in milliseconds.
const afterFirstView = 1000;
const texts = ['help', 'privacy', 'terms'];
const phone = matchMedia('(width < 62.5rem)');

await loadLanguage();
translate(document);
drawIcons(document);
initPopovers();
fillChoices();

const router = new Router();
const jobs = new Jobs(Number(byId('audio-text').dataset.max));
// The saved pictures of a member; guests have none.
let saved = null;
const member = new Member(startSaved);
const quota = new Quota(jobs, (lane) => member.handleLane(lane));
const composers = Object.fromEntries([...document.querySelectorAll('form.composer')]
  .map((form) => [form.dataset.kind, new Composer(form, jobs, quota, onSubmitted)]));
for (const [kind, composer] of Object.entries(composers)) new Verbs(byId(`panel-${kind}`), composer, jobs);
const actions = makeActions({ jobs, saved: () => saved, router, sheet: () => sheet, fill, refer, progress: showProgress, useText: (kind, text) => fill(kind, { [kind === 'image' ? 'prompt' : 'text']: text }) });
const sheet = new Sheet(jobs, actions);
new Notifier(jobs, router);
const rail = byId('compose');

// The modules of the dialog of one work and of the pages of text, once they are there.
let work = null;
let pagesOfText = null;

const showVoices = () => withModule('voices', ({ showVoices: show }) => show(byId('panel-audio'), jobs));

async function startSaved(user) {
  await withModule('saved', async ({ Saved }) => {
    saved ??= new Saved();
    saved.addEventListener('change', () => {
      sheet.showKept();
      work?.showAgain();
    });
    await saved.start(user);
  });
}

const focusTitle = () => document.querySelector('[data-page]:not([hidden]) h1')?.focus();
function announce(sentence) {
  byId('status').textContent = sentence;
}

// Says how far a download of many has come, in the place of their number.
function showProgress(sentence) {
  announce(sentence);
  setText(byId('picked-count'), sentence || t('sheet.picked', { n: sheet.picked.length }));
}

function notice(sentence) {
  const text = sentence || (jobs.anonymous ? t('error.cookies') : '');
  setText(byId('notice'), text);
  byId('notice').hidden = text === '';
}

/** fold closes the composer of a phone, so that the new frames are in view. */
function fold(open) {
  rail.classList.toggle('open', open);
  byId('rail-fold').setAttribute('aria-expanded', String(open));
  setText(byId('rail-fold').lastElementChild, t(open ? 'rail.fold' : 'rail.unfold'));
}

function onSubmitted() {
  announce(t('compose.accepted'));
  if (!phone.matches) return;
  document.activeElement?.blur();
  fold(false);
  scrollTo({ top: 0 });
}

function fill(kind, input, { lines = false } = {}) {
  const target = kind === 'translation' || kind === 'prompt' ? 'image' : kind;
  router.go(target === 'audio' ? '/voice' : '/');
  composers[target].fill(target === kind ? input : { prompt: input.text }, { lines });
  fold(true);
  composers[target].focus();
  announce(t('compose.refilled'));
}

// refer adds to the reference pictures of the composer.
async function refer(add) {
  router.go('/');
  fold(true);
  composers.image.focus();
  const references = await composers.image.references();
  if (references) await add(references);
}

const isPicture = ({ type }) => type.startsWith('image/');
const referTo = (files) => refer((references) => Promise.all([...files].map((file) => references.upload(file))));

// Views.

const pages = [...document.querySelectorAll('[data-page]')];
router.addEventListener('route', ({ detail: { route, behind, before } }) => {
  const overSheet = route.view === 'work';
  const base = overSheet ? behind : route;
  document.documentElement.dataset.view = base.view;
  for (const page of pages) page.hidden = !page.dataset.page.split(' ').includes(base.view);
  for (const link of document.querySelectorAll('[data-nav]')) {
    if (link.dataset.nav === base.view) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  byId('panel-image').hidden = base.view === 'voice';
  byId('panel-audio').hidden = base.view !== 'voice';
  showTitle();
  if (sheets.includes(base.view)) {
    const filter = { view: base.view, kind: base.query.get('kind') ?? '', q: base.query.get('q') ?? '', state: base.query.get('state') ?? '', tags: base.query.getAll('tag').join('\n'), from: base.query.get('from') ?? '', to: base.query.get('to') ?? '' };
    showFilter(filter);
    sheet.choose(filter);
  }
  if (base.view === 'voice') {
    showVoices();
    takeVoiceSettings(base.query);
  }
  if (base.view === 'studio' && base.query.has('prompt')) takePrompt(base.query.get('prompt'));
  if (base.view === 'account') showAccount();
  if (base.view === 'operator') withModule('operator', ({ openOperator }) => openOperator(router));
  if (texts.includes(base.view)) showPages(before.view !== route.view);
  if (overSheet) showWork();
  else work?.closeWork();
  if (!overSheet && before.view !== 'work' && before.view !== route.view) {
    scrollTo({ top: 0 });
    if (!sheets.includes(route.view)) focusTitle();
  }
});

function showTitle() {
  const view = document.documentElement.dataset.view;
  const name = { studio: '', work: '' }[view] ?? t(`nav.${view}`);
  document.documentElement.dataset.title = name;
  document.title = name ? `${name} · Text2Image Audio` : 'Text2Image Audio';
  if (sheets.includes(view)) setText(byId('sheet-title'), t(`sheet.title.${view}`));
}

const showWork = () => withModule('work', (module) => {
  work = module;
  if (router.route.view === 'work') work.openWork(router.route, jobs, sheet, router, actions);
});

async function showAccount() {
  await known;
  await withModule('account', ({ openAccount }) => {
    openAccount({ router, jobs, member }, arrival);
    arrival = null;
  });
  if (!member.user) return;
  saved?.refresh();
  withModule('feedback', ({ openFeedback }) => openFeedback());
}

const startWith = (idea) => fill('image', { prompt: idea });

const showPages = (moved) => withModule('pages', (module) => {
  pagesOfText = module;
  module.showPages(startWith);
  if (moved && texts.includes(router.route.view)) focusTitle();
});

// Nobody has asked for the examples, so a lost connection is no news: they come with the next list.
let missesExamples = false;
async function showExamples() {
  const module = await later('examples').catch(() => null);
  missesExamples = !module;
  module?.showExamples(fill);
}

// They are below what somebody comes for, and must not delay it.
sheet.addEventListener('empty', () => setTimeout(showExamples, afterFirstView));
jobs.addEventListener('list', () => {
  if (missesExamples) showExamples();
});

function takePrompt(text) {
  composers.image.setText(text);
  router.go('/', { replace: true });
}

// The address of the original's voice page may carry settings.
function takeVoiceSettings(query) {
  if (!query.has('text')) return;
  composers.audio.fill({ text: query.get('text'), ...(query.get('voice') && { voice: query.get('voice') }), ...(Number(query.get('speed')) && { speed: Number(query.get('speed')) }) });
  router.go('/voice', { replace: true });
}

// Filters of the sheet. They are in the address.

function showFilter({ kind, q, state, tags, from, to }) {
  for (const radio of byId('filters').querySelectorAll('input[name="kind"]')) radio.checked = radio.value === kind;
  byId('filter-state').value = state;
  byId('filter-from').value = from;
  byId('filter-to').value = to;
  byId('filter-dates').setAttribute('aria-pressed', String(from !== '' || to !== ''));
  byId('filter-clear').hidden = !(kind || q || state || tags || from || to);
  if (document.activeElement !== byId('filter-q')) byId('filter-q').value = q;
}

function filter() {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(byId('filters'))) if (value) query.append(name, value);
  const base = { studio: '/', voice: '/voice' }[router.route.view] ?? '/gallery';
  router.go(base + (query.size > 0 ? `?${query}` : ''), { replace: true });
}
for (const id of ['filters', 'filter-tags']) byId(id).addEventListener('input', filter);
byId('filters').addEventListener('submit', (event) => event.preventDefault());

byId('stop-all').addEventListener('click', () => Promise.all(jobs.active().map((job) => actions.stop({ job }))));

sheet.addEventListener('picked', () => {
  const n = sheet.picked.length;
  // The focused button is hidden when what was selected is deleted.
  if (n === 0 && sheet.picking && byId('picked').contains(document.activeElement)) byId('picked-clear').focus();
  byId('picked').hidden = !sheet.picking;
  byId('select').setAttribute('aria-pressed', String(sheet.picking));
  for (const id of ['picked-download', 'picked-delete']) byId(id).hidden = n === 0;
  setText(byId('picked-count'), t('sheet.picked', { n }));
});
byId('picked-download').addEventListener('click', () => actions.downloadAll(sheet.picked));
byId('picked-delete').addEventListener('click', () => actions.removeAll(sheet.picked));
byId('picked-all').addEventListener('click', () => sheet.pickAll());
byId('picked-clear').addEventListener('click', () => {
  sheet.picking = false;
  byId('select').focus();
});
byId('select').addEventListener('click', () => { sheet.picking = !sheet.picking; });

// Saved pictures.

jobs.addEventListener('changes', ({ detail }) => {
  for (const { job, before } of detail) {
    if (!job.batch && before && !isEnded(before) && isEnded(job)) saved?.autosave(job).catch((error) => { if (!(error instanceof Problem)) throw error; });
  }
});

// The composer.

byId('image-swap').addEventListener('click', () => {
  const [width, height] = [byId('image-width'), byId('image-height')];
  [width.value, height.value] = [height.value, width.value];
  width.dispatchEvent(new Event('input', { bubbles: true }));
});
byId('rail-fold').addEventListener('click', () => fold(!rail.classList.contains('open')));
rail.addEventListener('focusin', ({ target }) => {
  if (phone.matches && target.matches('textarea')) fold(true);
});
// It must not cover what has the focus.
document.addEventListener('focusin', ({ target }) => {
  if (phone.matches && rail.classList.contains('open') && !rail.contains(target) && byId('main').contains(target)) fold(false);
});
quota.addEventListener('change', () => {
  for (const composer of Object.values(composers)) composer.showLine();
});
jobs.addEventListener('refused', ({ detail: { problem, request } }) => {
  composers[request.kind]?.showAlert(problem.sentence);
  toast(problem.sentence, { bad: true });
});
// An alert about the connection does not outlast the outage.
jobs.addEventListener('list', () => {
  for (const composer of Object.values(composers)) composer.dropAlert(t('error.network'));
});
jobs.addEventListener('sent', () => announce(t('compose.accepted')));

// Files may be dropped anywhere: one with settings inside brings them back, any other picture becomes a reference.
const dropping = (on) => document.documentElement.classList.toggle('dropping', on);
addEventListener('dragover', (event) => {
  if (![...event.dataTransfer.types].includes('Files')) return;
  event.preventDefault();
  dropping(true);
});
addEventListener('dragleave', ({ relatedTarget }) => dropping(relatedTarget !== null && document.documentElement.classList.contains('dropping')));
addEventListener('drop', async (event) => {
  const files = [...event.dataTransfer.files];
  dropping(false);
  if (files.length === 0) return;
  event.preventDefault();
  await withModule('embed', async ({ readSettings }) => {
    const pictures = suggestReferenceModel() ? files.filter(isPicture) : [];
    const settings = files.length === 1 && (await readSettings(files[0]));
    if (settings) {
      fill('text' in settings ? 'audio' : 'image', settings);
      if (pictures.length > 0) toast(t('drop.restored'), { label: t('action.reference'), action: () => referTo(pictures) });
    } else if (pictures.length > 0) referTo(pictures);
    else toast(t('drop.none'), { bad: true });
  });
});
byId('reference-add').addEventListener('click', () => byId('reference-file').click());
byId('reference-file').addEventListener('change', ({ target }) => {
  // Reset, so that the same file may be chosen again.
  const files = [...target.files];
  target.value = '';
  if (files.length > 0) referTo(files);
});
byId('panel-image').addEventListener('paste', (event) => {
  const files = [...event.clipboardData.files].filter(isPicture);
  // Programs for texts add a picture of what was copied.
  if (files.length === 0 || event.clipboardData.types.includes('text/plain') || !suggestReferenceModel()) return;
  event.preventDefault();
  referTo(files);
});

// Connection, language and theme.

const connection = byId('link-state');
function showConnection(state) {
  connection.dataset.state = state;
  setText(connection, t(`connection.${state}`));
}

initTheme(byId('theme'));
byId('language').value = language();
byId('language').addEventListener('change', (event) => setLanguage(event.target.value));
onLanguage(() => {
  fillChoices();
  for (const composer of Object.values(composers)) composer.translateAgain();
  sheet.rebuild();
  work?.showAgain();
  if (isLoaded('voices')) showVoices();
  if (pagesOfText) showPages(false);
  if (isLoaded('examples')) showExamples();
  showTitle();
  notice('');
  fold(rail.classList.contains('open'));
  showConnection(connection.dataset.state);
});
jobs.addEventListener('anonymous', () => notice(''));

// The API clears the cookie of an expired token. Reload as a guest.
addEventListener('signed-out', () => location.assign('/'));

initKeys(router, composers, fold);
fold(false);
let arrival = takeArrival();
const known = member.start();
known.then(() => {
  if (member.user && !member.user.hasGoogle && hasPendingLink()) router.go('/account');
});
router.start();
quota.start();
new Live(jobs, showConnection, notice).start();
loadCatalogue().then(() => {
  fillChoices();
  for (const composer of Object.values(composers)) composer.show();
  byId('reference-add').hidden = !suggestReferenceModel();
  if (isLoaded('voices')) showVoices();
});
document.documentElement.dataset.ready = 'true';

// The dialog of a work is there before somebody opens one.
jobs.addEventListener('list', function prepare() {
  if (jobs.all().length === 0) return;
  jobs.removeEventListener('list', prepare);
  (window.requestIdleCallback ?? setTimeout)(() => later('work').catch(() => {}));
});

// Without a connection the page still opens and says so. This comes last: it must not delay anything.
if ('serviceWorker' in navigator) {
  setTimeout(() => navigator.serviceWorker.register('/assets/offline.js', { scope: '/' }).catch(() => {}), 10000);
}

// Loads the modules that the first view does not need. The script element of app.js names their files.
import { loadMore, t } from './i18n.js';
import { toast } from './toast.js';

const files = document.querySelector('script[data-work]').dataset;
// Modules whose messages are all in the table of the first view.
const withoutMessages = ['work', 'embed', 'archive', 'sentences'];
const loading = {};

/** later loads a module; it fails without a connection, and may then be tried again. */
export function later(name) {
  if (!loading[name]) {
    loading[name] = Promise.all([import(files[name]), withoutMessages.includes(name) ? null : loadMore()]).then(([module]) => module);
    loading[name].catch(() => { delete loading[name]; });
  }
  return loading[name];
}

/** isLoaded reports whether a module was asked for. */
export const isLoaded = (name) => name in loading;

/** withModule loads a module and calls use with it. Without a connection, or after an update of the server, it says so. */
export async function withModule(name, use) {
  let module;
  try {
    module = await later(name);
  } catch {
    toast(t('error.network'), { bad: true, label: t('error.reload'), action: () => location.reload() });
    return undefined;
  }
  return use(module);
}

// Short messages at the edge of the page, with at most one action each. They are announced by screen readers.
import { byId, el } from './dom.js';

const shown = 6000;

/** toast shows a sentence. With an action it has a button, for which Ctrl + Z is another way if it undoes something; the returned function closes it. */
export function toast(sentence, { label = '', action = null, undoes = false, onClose = null, bad = false } = {}) {
  const node = el('div', { class: bad ? 'toast bad' : 'toast' }, el('span', { text: sentence }));
  let timer = 0;
  const close = () => {
    clearTimeout(timer);
    if (!node.isConnected) return;
    node.remove();
    onClose?.();
  };
  if (action) {
    node.append(el('button', { type: 'button', text: label, 'aria-keyshortcuts': undoes && 'Control+Z Meta+Z', on: { click: () => {
      onClose = null;
      close();
      action();
    } } }));
  }
  // Pausing while the pointer or the focus is on it gives everybody the time they need.
  const start = () => { timer = setTimeout(close, shown); };
  node.addEventListener('pointerenter', () => clearTimeout(timer));
  node.addEventListener('pointerleave', start);
  node.addEventListener('focusin', () => clearTimeout(timer));
  node.addEventListener('focusout', start);
  const box = byId('toasts');
  box.append(node);
  // In the top layer, so that it is above an open dialog.
  if (box.showPopover) {
    if (box.matches(':popover-open')) box.hidePopover();
    box.showPopover();
  }
  start();
  return close;
}

/** undo takes back what the newest message says, if that can be taken back; it returns whether it was. */
export function undo() {
  const button = [...byId('toasts').querySelectorAll('[aria-keyshortcuts]')].at(-1);
  button?.click();
  return Boolean(button);
}

// Keys: Ctrl + Z takes back a deletion, "/" goes to the text, "?" shows the help, Escape closes what is open or folds the composer; arrows move between frames.
import { byId } from './dom.js';
import { closePopovers } from './popover.js';
import { undo } from './toast.js';

const isText = (target) => target.matches('input:not([type="checkbox"], [type="radio"], [type="range"]), textarea, select');

function moveFocus(event) {
  const links = [...byId('sheet').querySelectorAll('.frame a.open')];
  const at = links.indexOf(document.activeElement);
  if (at < 0) return;
  const here = links[at].getBoundingClientRect();
  let next = null;
  if (event.key === 'ArrowRight') next = links[at + 1];
  else if (event.key === 'ArrowLeft') next = links[at - 1];
  else {
    // The frame of the next row whose middle is nearest.
    const down = event.key === 'ArrowDown';
    const distance = (link) => {
      const box = link.getBoundingClientRect();
      const dy = down ? box.top - here.top : here.top - box.top;
      return dy < 20 ? Infinity : dy * 4 + Math.abs(box.left + box.width / 2 - here.left - here.width / 2);
    };
    next = links.reduce((best, link) => (distance(link) < (best ? distance(best) : Infinity) ? link : best), null);
  }
  if (!next) return;
  event.preventDefault();
  next.focus();
}

/** initKeys connects the keys. fold opens or folds the composer of a phone. */
export function initKeys(router, composers, fold) {
  document.addEventListener('keydown', (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === 'z' && !isText(event.target) && undo()) event.preventDefault();
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector('dialog[open]')) return;
    if (event.key === 'Escape') {
      if (closePopovers()) return;
      if (event.target.closest?.('#compose')) fold(false);
      return;
    }
    if (isText(event.target)) return;
    if (event.key === '/') {
      event.preventDefault();
      if (!['studio', 'voice'].includes(router.route.view)) router.go('/');
      composers[router.route.view === 'voice' ? 'audio' : 'image'].focus();
    } else if (event.key === '?') router.go('/help');
    else if (event.key.startsWith('Arrow')) moveFocus(event);
  });
}

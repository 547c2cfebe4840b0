// Places popovers beside the button that opens them. On a narrow screen style sheets put them at the lower edge instead.

const gap = 6;
const margin = 8;

/** placePopover places an open popover, again after its content has changed. */
export function placePopover(popover) {
  const button = document.querySelector(`[popovertarget="${popover.id}"][aria-expanded="true"]`) ?? document.querySelector(`[popovertarget="${popover.id}"]`);
  if (!button || matchMedia('(width < 40rem)').matches) {
    popover.style.removeProperty('inset');
    return;
  }
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = popover;
  const left = Math.max(margin, Math.min(at.left, innerWidth - width - margin));
  const below = at.bottom + gap;
  const above = at.top - gap - height;
  const top = below + height <= innerHeight - margin || above < margin ? Math.max(margin, Math.min(below, innerHeight - height - margin)) : above;
  popover.style.inset = `${top}px auto auto ${left}px`;
}

/** initPopovers places all popovers of the document that a button opens. */
export function initPopovers() {
  for (const popover of document.querySelectorAll('[popover]:not([popover="manual"])')) {
    const buttons = document.querySelectorAll(`[popovertarget="${popover.id}"]`);
    popover.addEventListener('toggle', ({ newState }) => {
      for (const button of buttons) button.setAttribute('aria-expanded', String(newState === 'open'));
      if (newState !== 'open') return;
      placePopover(popover);
      (popover.querySelector('[aria-invalid="true"], [autofocus], :checked') ?? popover.querySelector('button, input, select, textarea, a'))?.focus();
    });
    for (const button of buttons) button.setAttribute('aria-expanded', 'false');
  }
  addEventListener('resize', () => {
    for (const popover of document.querySelectorAll('[popover]:popover-open:not([popover="manual"])')) placePopover(popover);
  });
}

/** closePopovers closes every open popover and reports whether there was one. */
export function closePopovers() {
  const open = document.querySelectorAll('[popover]:popover-open:not([popover="manual"])');
  for (const popover of open) popover.hidePopover();
  return open.length > 0;
}

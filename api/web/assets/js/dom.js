// Creating and finding elements. Text enters the document only as textContent, never as markup.

/** byId returns the element with the given id; it throws when there is none. */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element #${id}`);
  return found;
}

/**
 * el creates an element. Properties: class, text, on (event listeners), data (data- attributes); everything else becomes
 * an attribute, unless it is null, undefined or false. Children that are null or false are left out.
 */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'class') node.className = value;
    else if (name === 'text') node.textContent = value;
    else if (name === 'on') for (const [type, listener] of Object.entries(value)) node.addEventListener(type, listener);
    else if (name === 'data') Object.assign(node.dataset, value);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const svgNamespace = 'http://www.w3.org/2000/svg';

// Drawn on a grid of 24, with one line width and no fills.
const drawings = {
  image: 'M4 5h16v14H4z m0 10.5 4.5-4.5 4 4 2.5-2.5 5 5 M15.5 9.200v.1',
  audio: 'M4 10v4 M8 7v10 M12 4v16 M16 8v8 M20 10.500v3',
  text: 'M5 6h14 M5 11h14 M5 16h8',
  improve: 'm5 19 9-9 M12 4v3 M18.5 5.500l-2 2 M20 12h-3 M9 5l1.5 1.5 M17.5 15l1.5 1.5',
  translate: 'M4 6h9 M8.5 4v2 M11 6c-.7 3.6-3.3 6.4-6.5 8 M6.5 9c1 2 2.7 3.7 5 4.8 M12.5 20l4-9 4 9 M14 17h5',
  idea: 'M9 18h6 M10 21h4 M12 3a6 6 0 0 0-3.5 10.900c.6.5.9 1.2.9 2.100h5.200c0-.9.3-1.6.9-2.100A6 6 0 0 0 12 3z',
  undo: 'M9 7 4.5 11.5 9 16 M5 11.500h9a5 5 0 0 1 0 10h-2',
  clear: 'M5 5l14 14 M19 5 5 19',
  close: 'M6 6l12 12 M18 6 6 18',
  download: 'M12 4v11 M7.5 11 12 15.5 16.5 11 M5 20h14',
  share: 'M12 15V4 M8 7.5 12 3.500l4 4 M6 11v9h12v-9',
  trash: 'M5 7h14 M10 7V4h4v3 M7 7l1 13h8l1-13 M10.5 11v5 M13.5 11v5',
  again: 'M19 12a7 7 0 1 1-2.2-5.1 M19 3.500V8h-4.5',
  variation: 'M4 7h3l9 10h4 M17 14l3 3-3 3 M4 17h3l2.5-2.8 M13.5 9.8 16 7h4 M17 4l3 3-3 3',
  keep: 'M7 4h10v16l-5-4-5 4z',
  settings: 'M4 8h9 M17 8h3 M15 6v4 M4 16h3 M11 16h9 M9 14v4',
  stop: 'M7 7h10v10H7z',
  play: 'M8 5v14l11-7z',
  pause: 'M8 5v14 M16 5v14',
  previous: 'M15 5l-7 7 7 7',
  next: 'M9 5l7 7-7 7',
  menu: 'M4 7h16 M4 12h16 M4 17h16',
  search: 'M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13z M15.5 15.5 20 20',
  attach: 'M13 5H4v14h16v-8 M4 15.500l4.5-4.500 4 4 2.500-2.500 5 5 M18 2.500v6 M15 5.500h6',
  pick: 'M5 12.500l4.5 4.500L19 7.5',
  compare: 'M12 3v18 M4 6h5v12H4 M20 6h-5v12h5',
  all: 'M4 4h7v7H4z M13 4h7v7h-7z M4 13h7v7H4z M13 13h7v7h-7z',
  edit: 'M4 20l1-4L16 5l3 3L8 19z M14 7l3 3',
  person: 'M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8z M5 20c.8-3.5 3.5-5.5 7-5.500s6.2 2 7 5.5',
  swap: 'M4 9h15l-3.5-3.5 M20 15H5l3.5 3.5',
  alert: 'M12 4 3 20h18z M12 10v5 M12 17.500v.1',
};

/** icon returns an icon; it is decorative and hidden from assistive technology. */
export function icon(name) {
  const svg = document.createElementNS(svgNamespace, 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(svgNamespace, 'path');
  path.setAttribute('d', drawings[name] ?? '');
  svg.append(path);
  return svg;
}

/** drawIcons puts the icons into the elements that name one in data-icon. */
export function drawIcons(root) {
  for (const node of root.querySelectorAll('[data-icon]')) node.prepend(icon(node.dataset.icon));
}

// Longer than the time between the clicks of a double click.
const pause = 600;

/**
 * once runs an action of the button that was clicked and ignores further clicks while it runs, and those of a double click.
 * Disabling the button instead would lose the focus.
 */
export async function once(event, action) {
  const button = event.currentTarget;
  if (button.getAttribute('aria-disabled') === 'true') return;
  button.setAttribute('aria-disabled', 'true');
  const ready = new Promise((resolve) => { setTimeout(resolve, pause); });
  try {
    await action();
  } finally {
    ready.then(() => button.removeAttribute('aria-disabled'));
  }
}

/** notTwice returns an action that ignores the second click of a double click, even if it meets another button. */
export function notTwice(action) {
  let last = -pause;
  return (...parameters) => {
    if (performance.now() - last < pause) return undefined;
    last = performance.now();
    return action(...parameters);
  };
}

/** setText sets the text of an element if it differs, so that nothing is laid out again without need. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** copyText copies a text; it also works on pages served without TLS, where navigator.clipboard does not exist. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const box = el('textarea', { class: 'hidden', 'aria-hidden': 'true' });
    box.value = text;
    (document.querySelector('dialog[open]') ?? document.body).append(box);
    box.select();
    const done = document.execCommand('copy');
    box.remove();
    return done;
  }
}

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

const drawings = {
  image: ['M6 4h12a3 3 0 0 1 3 3v10a3 3 0 0 1-3 3H6a3 3 0 0 1-3-3V7a3 3 0 0 1 3-3z', 'm4 18 5-4.5 3.5 3 4-4.5 4 4.5'],
  audio: ['M4 10v4', 'M8 7v10', 'M12 4v16', 'M16 8v8', 'M20 10.5v3'],
  prompt: ['m5 19 9.5-9.5', 'M13 4v3', 'm18.5 6-2 2', 'M20 11h-3', 'm16 14.5 1.5 1.5', 'M9.5 6.5 11 8'],
  translation: ['M4 6h9', 'M8.5 4v2', 'M11 6c-.7 3.6-3.3 6.4-6.5 8', 'M6.5 9c1 2 2.7 3.7 5 4.8', 'm12.5 20 4-9 4 9', 'M14 17h5'],
};

/** icon returns the icon of a kind of job; it is decorative and hidden from assistive technology. */
export function icon(kind) {
  const svg = document.createElementNS(svgNamespace, 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  for (const d of drawings[kind] ?? []) {
    const path = document.createElementNS(svgNamespace, 'path');
    path.setAttribute('d', d);
    svg.append(path);
  }
  return svg;
}

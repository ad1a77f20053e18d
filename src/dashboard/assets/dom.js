// Creates elements. Text is always inserted as text, never as markup.

const SVG = 'http://www.w3.org/2000/svg';

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'on') {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === 'vars') {
      for (const [property, setting] of Object.entries(value)) element.style.setProperty(property, setting);
    } else {
      element.setAttribute(name, value === true ? '' : value);
    }
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child);
  }
  return element;
}

function el(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function svg(name, attributes, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

let lastId = 0;
function newId(prefix) {
  lastId += 1;
  return `${prefix}-${lastId}`;
}

// Announces a message to screen readers.
function say(text) {
  document.getElementById('said').textContent = text;
}

function card(title, options, ...children) {
  const id = newId('card');
  return el('section', { class: `card ${options.class || ''}`, 'aria-labelledby': id },
    el('div', { class: 'card-head' },
      el('h2', { id }, title),
      options.tools ? el('div', { class: 'tools' }, options.tools) : null),
    options.note ? el('p', { class: 'facts' }, options.note) : null,
    children);
}

// Returns a placeholder for a chart or list without data: a title, and a hint on how to get data.
function empty(title, hint) {
  return el('div', { class: 'empty-state' }, el('p', { class: 'empty-title' }, title), el('p', {}, hint));
}

async function copyText(text, button) {
  let copied = false;
  try {
    await navigator.clipboard.writeText(text);
    copied = true;
  } catch {
    // Some browsers have no clipboard API for local files, but can copy a selection.
    const area = el('textarea', { class: 'hidden', 'aria-hidden': 'true', tabindex: '-1' });
    area.value = text;
    document.body.append(area);
    area.select();
    try { copied = document.execCommand('copy'); } catch { copied = false; }
    area.remove();
    button.focus();
  }
  const label = button.textContent;
  button.textContent = copied ? 'Copied' : 'Not copied';
  say(copied ? 'Copied as CSV' : 'The browser does not allow copying');
  setTimeout(() => { button.textContent = label; }, 1500);
}

function copyButton(title, rows) {
  return el('button', {
    type: 'button', class: 'quiet copy', 'aria-label': `Copy ${title} as CSV`,
    on: { click: (event) => copyText(csv(rows()), event.currentTarget) },
  }, 'Copy as CSV');
}

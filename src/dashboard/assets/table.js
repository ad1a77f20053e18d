// Tables that can be sorted, searched and expanded.

const FEW_ROWS = 8;

// Returns the columns of a group: names, then metrics, with the share after the main metric.
function groupColumns(group) {
  const names = group.dimensions.map(([key, label], index) => ({ key, label, name: index }));
  const metrics = group.metrics.map(([key, label, unit], index) => ({ key, label, unit, metric: index }));
  if (group.total !== null && group.total !== undefined && group.bar !== null) {
    metrics.splice(group.bar + 1, 0, { key: 'share', label: 'Share', unit: 'percent', share: group.bar });
  }
  return [...names, ...metrics];
}

// Returns 100 × part / whole in hundredths, rounded half up, without floating point.
function share(part, whole) {
  if (part === null || !whole) return 0;
  return Number((BigInt(part) * 20000n + BigInt(whole)) / (2n * BigInt(whole)));
}

function cellValue(group, column, row) {
  if (column.name !== undefined) return row.names[column.name];
  if (column.share !== undefined) return share(row.values[column.share], group.total);
  return row.values[column.metric];
}

function classOf(column) {
  if (column.name !== undefined) return 'name';
  return column.share !== undefined ? 'number share' : 'number';
}

function compare(a, b) {
  if (a === b) return 0;
  if (a === null) return 1;
  if (b === null) return -1;
  if (typeof a === 'string') return a < b ? -1 : 1;
  return a - b;
}

// Returns the rows of a group for CSV, with the keys of JSON as header.
function groupCsv(group) {
  const columns = groupColumns(group);
  const cells = (row) => columns.map((column) => {
    const value = cellValue(group, column, row);
    return column.name !== undefined ? value : plain(value, column.unit);
  });
  const rest = group.rest ? [cells({ names: group.dimensions.map((_, index) => (index ? '' : '(other)')), values: group.rest })] : [];
  return [columns.map((column) => column.key), ...group.rows.map(cells), ...rest];
}

// Returns a table of a group. With `limit`, the table shows that many rows, and a button that shows
// all rows.
function groupTable(group, options) {
  const columns = groupColumns(group).filter((column) => !(options.omit || []).includes(column.key));
  const state = { sort: null, descending: true, search: '', expanded: !options.limit };
  const body = el('tbody');
  const head = el('tr');
  const more = el('button', { type: 'button', class: 'quiet', hidden: true, on: { click: () => { state.expanded = !state.expanded; draw(); } } });
  const matches = el('span', { class: 'faint' });
  const longest = group.bar === null ? 0 : Math.max(0, ...group.rows.map((row) => row.values[group.bar] || 0));

  const cell = (row, column, index) => {
    const value = cellValue(group, column, row);
    const text = column.name !== undefined ? value : format(value, column.unit);
    if (index > 0) {
      return el('td', { class: classOf(column) }, column.name !== undefined ? el('bdi', {}, text) : text);
    }
    const width = longest > 0 && !row.isRest ? (100 * Math.max(0, row.values[group.bar] || 0)) / longest : 0;
    return el('th', { scope: 'row', class: 'name' },
      width > 0 ? el('span', { class: 'fill', vars: { '--width': `${width}%` } }) : null,
      el('bdi', { class: 'label', title: text }, text));
  };
  const draw = () => {
    head.replaceChildren(...columns.map((column) => {
      const sorted = state.sort === column;
      const order = state.descending ? 'descending' : 'ascending';
      const sort = () => {
        state.descending = sorted ? !state.descending : column.name === undefined;
        state.sort = column;
        draw();
        head.children[columns.indexOf(column)].querySelector('button').focus();
      };
      return el('th', { scope: 'col', class: classOf(column), 'aria-sort': sorted ? order : 'none' },
        el('button', { type: 'button', class: 'sort', on: { click: sort } }, column.label,
          el('span', { class: 'arrow', 'aria-hidden': 'true' }, sorted ? (state.descending ? '↓' : '↑') : '')));
    }));
    const wanted = state.search.trim().toLowerCase();
    let rows = group.rows.filter((row) => row.names.some((name) => name.toLowerCase().includes(wanted)) || !row.names.length);
    const found = rows.length;
    if (state.sort) {
      const sign = state.descending ? -1 : 1;
      const value = (row) => cellValue(group, state.sort, row);
      rows = rows.map((row, index) => [row, index]).sort(([a, i], [b, j]) => sign * compare(value(a), value(b)) || i - j).map(([row]) => row);
    }
    if (!state.expanded) rows = rows.slice(0, options.limit);
    const shown = rows.map((row) => el('tr', {}, columns.map((column, index) => cell(row, column, index))));
    if (group.rest && !wanted && (state.expanded || found <= options.limit)) {
      const rest = { isRest: true, values: group.rest, names: group.dimensions.map((_, index) => (index ? '' : `+ ${digits(group.hidden)} more`)) };
      shown.push(el('tr', { class: 'faint' }, columns.map((column, index) => cell(rest, column, index))));
    }
    body.replaceChildren(...shown);
    more.hidden = found <= (options.limit || Infinity);
    more.textContent = state.expanded ? 'Show less' : `Show all ${digits(found)}`;
    more.setAttribute('aria-expanded', String(state.expanded));
    matches.textContent = wanted ? (found ? `${digits(found)} found` : 'Nothing found') : '';
  };
  draw();
  const scroll = el('div', { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': options.title },
    el('table', {}, el('caption', { class: 'hidden' }, options.title), el('thead', {}, head), body));
  const search = options.search && group.rows.length > FEW_ROWS
    ? el('input', {
      type: 'search', class: 'search', placeholder: 'Search', 'aria-label': `Search ${options.title}`, autocomplete: 'off', spellcheck: 'false',
      on: { input: (event) => { state.search = event.target.value; draw(); say(matches.textContent); } },
    }) : null;
  const foot = el('div', { class: 'card-foot' }, more, matches, el('span', { class: 'grow' }), copyButton(options.title, () => groupCsv(group)));
  return el('div', { class: 'list' }, search, scroll, foot);
}

// Returns the table behind a chart, initially closed.
function behind(title, group, options) {
  const details = el('details', { class: 'behind' }, el('summary', {}, 'Show as table'));
  details.addEventListener('toggle', () => {
    if (details.open && details.children.length === 1) {
      details.append(groupTable({ ...group, bar: null }, { title, ...options }));
    }
  });
  return details;
}

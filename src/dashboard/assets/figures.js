// The main figures, and the time series of the selected one.

// The figures with a series: key, group of the series, key of the series.
const MAIN_FIGURES = [
  ['total_sessions', 'trends', 'sessions'],
  ['unique_visitors', 'visitors', 'unique_visitors'],
  ['total_conversations', 'trends', 'conversations'],
  ['conversion_rate', 'trends', 'conversion_rate'],
  ['new_visitors', 'visitors', 'new_visitors'],
  ['returning_visitors', 'visitors', 'returning_visitors'],
];
const MORE_FIGURES = [
  'total_messages_sent', 'total_messages_received', 'avg_response_time_ms', 'avg_session_duration_seconds',
  'error_count', 'bot_sessions_excluded',
];

// Returns the change of a figure, and its previous value.
function change(found) {
  if (found.previous === null || found.previous === undefined) {
    return el('span', { class: 'change' }, 'no previous figure');
  }
  const before = format(found.previous, found.unit);
  if (found.value === null) return el('span', { class: 'change' }, `before: ${before}`);
  if (found.percent === null) {
    return el('span', { class: 'change' }, found.value === found.previous ? 'unchanged' : `before: ${before}`);
  }
  const sign = found.percent > 0 ? '+' : '';
  const arrow = found.percent > 0 ? '▲' : found.percent < 0 ? '▼' : '';
  return el('span', { class: 'change' },
    el('span', {},
      arrow ? el('span', { class: 'way', 'aria-hidden': 'true' }, `${arrow} `) : null,
      `${sign}${hundredths(found.percent)}%`),
    ' ',
    el('span', { class: 'before' }, `from ${before}`));
}

// Returns the days, values and previous values of a series. `begins` is the first day of the store.
function seriesOf(view, data, groupName, key) {
  const answer = view[groupName];
  const group = answer.groups[groupName === 'visitors' ? 'days' : 'trends'];
  const [, label, unit] = group.metrics[group.metricKeys.indexOf(key)];
  const days = group.rows.map((row) => row.names[0]);
  const previousDays = days.map((day) => plusDays(day, -view.window.days));
  // The comparison of trends has the days of the window; the previous visitors have their own days.
  const [compared, comparedDays] = groupName === 'visitors'
    ? [view.previous_visitors.groups.days, previousDays]
    : [answer.previous.trends, days];
  let previous = null;
  if (compared) {
    const index = group.metricKeys.indexOf(key);
    const byDay = new Map(compared.rows.map((row) => [row.names[0], row.values[index]]));
    previous = comparedDays.map((day) => (byDay.has(day) ? byDay.get(day) : null));
    if (previous.every((value) => value === null)) previous = null;
  }
  const labels = { unique_visitors: 'Visitors', new_visitors: 'New visitors', returning_visitors: 'Returning visitors' };
  return {
    key, unit, days, previous, previousDays, group,
    label: labels[key] || label,
    values: column(group, key),
    begins: (data.health.tables.find(([name]) => name === 'sessions') || [])[1] || null,
  };
}

// Returns the main figures and the chart of the selected one.
function figures(view, data, state) {
  const place = el('div', { class: 'series' });
  const tiles = [];
  const select = (chosen) => {
    state.metric = chosen;
    tiles.forEach(([key, tile]) => tile.setAttribute('aria-pressed', String(key === chosen)));
    const source = [...MAIN_FIGURES, ['messages', 'trends', 'messages']].find(([key]) => key === chosen) || MAIN_FIGURES[0];
    const series = seriesOf(view, data, source[1], source[2]);
    const notes = data.annotations.filter(([day]) => series.days.includes(day));
    place.replaceChildren(...[
      el('div', { class: 'legend' },
        el('span', { class: 'key key-now' }, series.label),
        series.previous ? el('span', { class: 'key key-before' }, 'Previous period') : null),
      series.days.length ? timeChart(series, notes) : empty('No days', 'The days of this period are pruned, or in the future.'),
      notes.length ? el('ol', { class: 'notes' }, notes.map(([day, text]) => el('li', {}, el('span', { class: 'faint' }, `${longDay(day)} `), el('bdi', {}, text)))) : null,
      behind(`${source[1] === 'visitors' ? 'Visitors' : 'Sessions'} by day`, series.group, {}),
    ].filter(Boolean));
  };
  for (const [key, group, metric] of MAIN_FIGURES) {
    const found = figure(view.summary, 'summary', key);
    const tile = el('button', { type: 'button', class: 'tile', 'aria-pressed': 'false', 'data-figure': key, on: { click: () => select(key) } },
      el('span', { class: 'tile-label' }, found.label),
      el('span', { class: 'tile-value' }, format(found.value, found.unit)),
      change(found),
      sparkline(seriesOf(view, data, group, metric).values.map((value) => value || 0)));
    tiles.push([key, tile]);
  }
  const messages = el('button', { type: 'button', class: 'quiet', on: { click: () => select('messages') } }, 'Messages by day');
  tiles.push(['messages', messages]);
  messages.setAttribute('aria-pressed', 'false');
  const more = MORE_FIGURES.map((key) => {
    const found = figure(view.summary, 'summary', key);
    return el('div', { class: 'small-figure', 'data-figure': key },
      el('dt', {}, found.label), el('dd', {}, el('b', {}, format(found.value, found.unit)), change(found)));
  });
  select(tiles.some(([key]) => key === state.metric) ? state.metric : MAIN_FIGURES[0][0]);
  return [
    el('div', { class: 'tiles', role: 'group', 'aria-label': 'Figures; press one to show its days' }, tiles.slice(0, -1).map(([, tile]) => tile)),
    card('By day', { class: 'wide', tools: messages }, place),
    el('dl', { class: 'small-figures card wide' }, more),
  ];
}

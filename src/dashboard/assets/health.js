// The health of the store.

function healthCard(data, view) {
  const { health } = data;
  const counts = health.ingest ? health.ingest[1] : [];
  const bots = figure(view.summary, 'summary', 'bot_sessions_excluded');
  const table = (title, columns, rows, units) => groupTable({
    name: title, dimensions: columns.slice(0, columns.length - units.length).map((label) => [label.toLowerCase(), label]),
    metrics: units.map((unit, index) => [columns[columns.length - units.length + index].toLowerCase(), columns[columns.length - units.length + index], unit]),
    metricKeys: [], rows, bar: null, rest: null, hidden: 0, total: null,
  }, { title });
  return card('Ingest health', { class: 'wide', note: 'The whole store, all chatbots and days.' },
    smallFigures([
      ['Last ingest', health.ingest ? health.ingest[0].replace('T', ' ').replace('Z', ' UTC') : 'never'],
      ['Files ingested', digits(health.files)],
      ['Rejected lines stored', digits(health.rejected)],
      ['Bot sessions excluded', format(bots.value, bots.unit), 'in this view'],
    ]),
    health.warnings.map((warning) => el('p', { class: 'banner' }, warning)),
    el('div', { class: 'halves' },
      el('div', { class: 'half' }, el('h3', {}, 'Last ingest'),
        counts.length ? table('Last ingest', ['Outcome', 'Lines'], counts.map(([name, count]) => ({ names: [name.replace(/_/g, ' ')], values: [count] })), ['count'])
          : el('p', { class: 'facts' }, 'Nothing has been ingested: run wa ingest FILES.')),
      el('div', { class: 'half' }, el('h3', {}, 'Rejected lines by reason'),
        health.reasons.length ? table('Rejected lines', ['Reason', 'Lines'], health.reasons.map(([reason, count]) => ({ names: [reason], values: [count] })), ['count'])
          : el('p', { class: 'facts' }, 'No rejected lines are stored.'),
        health.reasons.length ? el('p', { class: 'facts' }, 'wa rejects lists them.') : null),
      el('div', { class: 'half' }, el('h3', {}, 'Tables'),
        table('Tables', ['Table', 'From', 'To', 'Rows'], health.tables.map(([name, first, last, rows]) => ({ names: [name, first || UNKNOWN, last || UNKNOWN], values: [rows] })), ['count']))));
}

// Funnel, retention and heatmap.

function funnelCard(view) {
  // Goals, if defined, take the other half of the row.
  const wide = view.goals ? '' : 'wide';
  const answer = view.funnel;
  const group = answer.groups.steps;
  const first = group.rows.length ? group.rows[0].values[0] : 0;
  const title = 'Funnel';
  if (!first) {
    return card(title, { class: wide, note: answer.facts.join('; ') }, empty('No session reached the first step',
      `The first step is the event ${group.rows.length ? group.rows[0].names[0] : 'widget_loaded'}. If your events have other names, rename them in a map ([names]), or use wa report funnel --step EVENT.`));
  }
  const value = (row, key) => row.values[group.metricKeys.indexOf(key)];
  const unit = (key) => group.metrics[group.metricKeys.indexOf(key)][2];
  const steps = group.rows.map((row, index) => el('li', { class: 'step' },
    el('div', { class: 'step-head' },
      el('bdi', { class: 'step-name' }, row.names[0]),
      el('b', {}, format(value(row, 'count'), 'count')),
      el('span', { class: 'faint' }, format(value(row, 'conversion_rate'), 'percent'))),
    el('div', { class: 'track' }, el('span', { class: 'run', vars: { '--width': `${(100 * value(row, 'count')) / first}%` } })),
    index > 0 ? el('p', { class: 'facts' },
      `${format(value(row, 'step_conversion_rate'), 'percent')} of the previous step, ${digits(value(row, 'drop_off'))} lost`,
      value(row, 'median_seconds') === null ? '' : `, median time ${format(value(row, 'median_seconds'), unit('median_seconds'))}`) : null));
  return card(title, { class: wide, note: answer.facts.join('; ') }, el('ol', { class: 'steps' }, steps), behind(title, group, {}));
}

function shaded(value, max, text, options) {
  const level = max > 0 && value > 0 ? 8 + (38 * value) / max : 0;
  return el('td', { class: `cell ${options.class || ''}`, title: options.title, vars: { '--level': `${level.toFixed(1)}%` } }, text);
}

function retentionCard(view) {
  const answer = view.retention;
  const group = answer.groups.cohorts;
  const cohorts = [];
  for (const row of group.rows) {
    const [cohort, , complete] = row.names;
    const [size, visitors, rate] = row.values;
    if (!cohorts.length || cohorts[cohorts.length - 1].cohort !== cohort) cohorts.push({ cohort, size, cells: [] });
    cohorts[cohorts.length - 1].cells.push({ visitors, rate, complete: complete === 'true' });
  }
  const title = 'Retention';
  if (!cohorts.some((cohort) => cohort.size > 0)) {
    return card(title, { class: 'wide', note: answer.facts.join('; ') }, empty('No new visitors',
      'Retention needs visitors that are recognized when they return: log anonymous_id or user_id. Choose a longer period to see more.'));
  }
  const count = Math.max(...cohorts.map((cohort) => cohort.cells.length));
  const max = Math.max(1, ...cohorts.flatMap((cohort) => cohort.cells.slice(1).map((cell) => cell.rate)));
  const percent = (rate) => (rate > 0 && rate < 100 ? '<1%' : `${Math.floor((rate + 50) / 100)}%`);
  const rows = cohorts.map(({ cohort, size, cells }) => el('tr', {},
    el('th', { scope: 'row', class: 'time' }, longDay(cohort)),
    el('td', { class: 'number' }, digits(size)),
    cells.slice(1).map((cell, index) => shaded(cell.rate, max, percent(cell.rate), {
      class: cell.complete ? '' : 'incomplete',
      title: `${plural(cell.visitors, 'visitor')}, ${format(cell.rate, 'percent')}${cell.complete ? '' : '; not over yet'} (${index + 1})`,
    })),
    Array.from({ length: count - cells.length }, () => el('td', {}))));
  const means = answer.means || [];
  const table = el('table', { class: 'matrix' },
    el('caption', { class: 'hidden' }, 'Share of new visitors that came back'),
    el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'First seen'), el('th', { scope: 'col', class: 'number' }, 'Visitors'),
      Array.from({ length: count - 1 }, (_, index) => el('th', { scope: 'col', class: 'number' }, String(index + 1))))),
    el('tbody', {}, rows),
    el('tfoot', {}, el('tr', { class: 'strong' }, el('th', { scope: 'row' }, 'Mean'), el('td', {}),
      Array.from({ length: count - 1 }, (_, index) => el('td', { class: 'number' }, means[index] === null || means[index] === undefined ? UNKNOWN : percent(means[index]))))));
  return card(title, { class: 'wide', note: answer.facts.join('; ') },
    el('div', { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': title }, table),
    cohorts.some(({ cells }) => cells.some((cell) => !cell.complete)) ? el('p', { class: 'facts' }, 'Striped periods are not over and are left out of the mean.') : null,
    behind(title, group, {}));
}

function heatmapCard(view, state) {
  const answer = view.heatmap;
  const group = answer.groups.cells;
  const title = 'Weekdays and hours';
  if (!column(group, 'sessions').some((value) => value > 0)) return card(title, { class: 'wide' }, empty(...NO_SESSIONS));
  const place = el('div');
  const draw = (key) => {
    state.heat = key;
    const values = column(group, key);
    const max = Math.max(1, ...values);
    const [, label, unit] = group.metrics[group.metricKeys.indexOf(key)];
    const hours = Array.from({ length: 24 }, (_, hour) => hour);
    place.replaceChildren(el('div', { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': `${label} by weekday and hour` },
      el('table', { class: 'heat' },
        el('caption', { class: 'hidden' }, `${label} by weekday and hour`),
        el('thead', {}, el('tr', {}, el('td', {}), hours.map((hour) => el('th', { scope: 'col' }, el('span', { class: hour % 3 ? 'hidden' : '' }, String(hour).padStart(2, '0')))))),
        el('tbody', {}, WEEKDAYS.map((day, weekdayIndex) => el('tr', {}, el('th', { scope: 'row' }, day),
          hours.map((hour) => {
            const value = values[weekdayIndex * 24 + hour];
            return shaded(value, max, el('span', { class: 'hidden' }, format(value, unit)), { title: `${day} ${String(hour).padStart(2, '0')}:00, ${label.toLowerCase()}: ${format(value, unit)}` });
          })))))));
  };
  const pick = el('select', { 'aria-label': 'Metric of the heatmap', on: { change: (event) => draw(event.target.value) } },
    group.metrics.map(([key, label]) => el('option', { value: key }, label)));
  pick.value = state.heat || 'sessions';
  draw(pick.value);
  return card(title, { class: 'wide', tools: pick, note: 'By the hour in which sessions started, in the time zone of the store.' }, place, behind(title, group, {}));
}

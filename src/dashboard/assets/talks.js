// Conversations and performance.

function smallFigures(items) {
  return el('dl', { class: 'small-figures' }, items.filter(Boolean).map(([label, value, note]) => el('div', { class: 'small-figure' },
    el('dt', {}, label), el('dd', {}, el('b', {}, value), note ? el('span', { class: 'change' }, note) : null))));
}

// Combines groups with a single row, such as response and load times, into one group.
function stacked(answer, names, dimension) {
  const first = answer.groups[names[0]];
  return {
    ...first, name: dimension, single: false, bar: null, rest: null, hidden: 0, total: null,
    dimensions: [['name', dimension]],
    rows: names.map((name) => ({ names: [answer.groups[name].label], values: answer.groups[name].rows[0].values })),
  };
}

function conversationsCard(view) {
  const answer = view.conversations;
  const get = (group, key) => {
    const found = figure(answer, group, key);
    return found ? format(found.value, found.unit) : null;
  };
  const title = 'Conversations';
  if (!figure(answer, 'conversations', 'conversations').value) {
    return card(title, { class: 'wide' }, empty('No conversations',
      'A conversation is a session with the event message_sent. If your events have other names, rename them in a map ([names]); wa preview FILE suggests names.'));
  }
  const rated = figure(answer, 'csat', 'ratings').value > 0;
  const hours = answer.groups.hours;
  const weekdays = answer.groups.weekdays;
  const chart = (group, labels, name) => (group.rows.length ? el('div', { class: 'half' }, el('h3', {}, name),
    columnChart(labels, column(group, 'conversations'), 'count', name),
    behind(name, group, {})) : null);
  return card(title, { class: 'wide' },
    smallFigures([
      ['Conversations', get('conversations', 'conversations')],
      ['Answered', get('conversations', 'answered'), get('conversations', 'answered_rate')],
      ['Unanswered', get('conversations', 'unanswered')],
      ['Last message unanswered', get('conversations', 'dropped')],
      ['First response', get('first_response_ms', 'p50'), `p90 ${get('first_response_ms', 'p90')}`],
      ['Reply', get('reply_ms', 'p50'), `p90 ${get('reply_ms', 'p90')}`],
      ['Messages per conversation', get('conversations', 'messages_per_conversation')],
      ['Average duration', get('conversations', 'avg_duration_seconds')],
      rated ? ['Satisfaction', get('csat', 'rate'), `${get('csat', 'ratings')} ratings, ${get('csat', 'response_rate')} of conversations`]
        : ['Satisfaction', UNKNOWN, 'no ratings: log feedback_given with rating'],
      answer.groups.handoffs ? ['Handoffs', get('handoffs', 'conversations'), get('handoffs', 'rate')] : null,
      answer.groups.resolutions ? ['Resolutions', get('resolutions', 'conversations'), get('resolutions', 'rate')] : null,
    ]),
    el('div', { class: 'halves' },
      chart(hours, hours.rows.map((row) => row.names[0].slice(0, 2)), 'Conversations by hour'),
      chart(weekdays, WEEKDAYS, 'Conversations by weekday')),
    el('h3', {}, 'Waiting times'),
    groupTable(stacked(answer, ['first_response_ms', 'reply_ms'], 'Time'), { title: 'Waiting times' }));
}

function performanceCard(view) {
  const answer = view.performance;
  const counts = ['response_time_ms', 'load_time_ms'].map((name) => figure(answer, name, 'count').value);
  const errors = answer.groups.errors;
  const slow = figure(answer, 'slow_responses', 'count');
  const logged = figure(answer, 'slow_responses', 'logged');
  const times = counts.some((count) => count > 0)
    ? [
      smallFigures([[answer.groups.slow_responses.label, format(slow.value, slow.unit), `${format(figure(answer, 'slow_responses', 'share').value, 'percent')} of responses`],
        ['slow_response events', format(logged.value, logged.unit)]]),
      groupTable(stacked(answer, ['response_time_ms', 'load_time_ms'], 'Time'), { title: 'Response and load times' }),
    ]
    : empty('No times', 'Log message_received events, or the properties response_time_ms and load_time_ms.');
  return card('Performance', { class: 'wide' }, times,
    el('h3', {}, 'Errors'),
    errors.rows.length ? groupTable(errors, { title: 'Errors', limit: FEW_ROWS, search: true })
      : el('p', { class: 'facts' }, 'No events of the category error in this period.'));
}

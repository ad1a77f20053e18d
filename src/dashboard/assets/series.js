// Draws daily series: sparklines and time series charts.

const CHART_HEIGHT = 260;
// The width of A4 without its margins, in CSS pixels.
const PRINT_WIDTH = 700;

// Draws the shown chart at a width, or without one at the width of its container.
let redraw = () => {};

// Returns the path commands for the points of a series.
function path(points) {
  return points.map(([x, y], index) => `${index ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`).join('');
}

// Returns a small line without axes.
function sparkline(values) {
  const [width, height] = [120, 32];
  const max = Math.max(1, ...values);
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  const points = values.map((value, index) => [index * step, height - 2 - (value / max) * (height - 4)]);
  if (points.length === 1) points.push([width, points[0][1]]);
  const area = `${path(points)}L${width} ${height}L0 ${height}Z`;
  return svg('svg', { class: 'spark', viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    points.length ? [svg('path', { class: 'area', d: area }), svg('path', { class: 'line', d: path(points) })] : null);
}

// Returns round axis ticks from 0 to at least `max`.
function ticks(max, unit) {
  if (max <= 0) return [0, 1];
  const rough = max / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const least = unit === 'count' ? 1 : 0;
  const step = Math.max(least, [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough && (size % 1 === 0 || unit !== 'count')) || 10 * power);
  const all = [];
  for (let value = 0; value < max + step; value += step) all.push(value);
  return all;
}

// Returns the chart of one metric. `series`: days, values, previous (or null), previousDays, begins,
// label, unit. The line of the previous period starts where the data begins: before that, no session
// was logged, which differs from a day without sessions.
function timeChart(series, annotations) {
  const { days, values, previous, label, unit } = series;
  const frame = el('div', { class: 'chart', tabindex: '0', role: 'group', 'aria-label': `${label} by day. Use the arrow keys to read the days.` });
  const tip = el('div', { class: 'tip', hidden: true });
  const marks = new Map();
  annotations.forEach(([day, text], index) => {
    if (days.includes(day)) marks.set(day, [...(marks.get(day) || []), [index + 1, text]]);
  });
  let cursor = null;
  let layout = null;

  const draw = (printed) => {
    const width = printed || Math.max(260, frame.clientWidth || 700);
    const [left, right, top, bottom] = [46, 10, 14, 26];
    const all = [...values, ...(previous || [])].filter((value) => value !== null);
    const steps = ticks(Math.max(0, ...all), unit);
    const max = steps[steps.length - 1];
    const x = (index) => left + (days.length > 1 ? (index * (width - left - right)) / (days.length - 1) : (width - left - right) / 2);
    const y = (value) => top + (1 - value / max) * (CHART_HEIGHT - top - bottom);
    const line = (list) => list.map((value, index) => (value === null ? null : [x(index), y(value)])).filter(Boolean);
    const every = Math.max(1, Math.ceil(days.length / Math.max(2, Math.floor((width - left) / 78))));
    const points = line(values);
    const isLogged = (index) => series.begins === null || series.previousDays[index] >= series.begins;
    const drawnBefore = line((previous || []).map((value, index) => (isLogged(index) ? value : null)));
    const parts = [
      steps.map((value) => [
        svg('line', { class: 'grid', x1: left, x2: width - right, y1: y(value), y2: y(value) }),
        svg('text', { class: 'tick', x: left - 8, y: y(value) + 4, 'text-anchor': 'end' }, short(value, unit)),
      ]),
      days.map((day, index) => (index % every === 0 && index + every / 2 < days.length + every
        ? svg('text', {
          class: 'tick', x: x(index), y: CHART_HEIGHT - 6,
          'text-anchor': index === 0 ? 'start' : x(index) > width - 34 ? 'end' : 'middle',
        }, shortDay(day)) : null)),
      points.length > 1 ? svg('path', { class: 'area', d: `${path(points)}L${points[points.length - 1][0]} ${y(0)}L${points[0][0]} ${y(0)}Z` }) : null,
      drawnBefore.length > 1 ? svg('path', { class: 'previous', d: path(drawnBefore) }) : null,
      points.length > 1 ? svg('path', { class: 'line', d: path(points) }) : points.map(([px, py]) => svg('circle', { class: 'dot', cx: px, cy: py, r: 4 })),
      [...marks].map(([day, notes]) => {
        const at = x(days.indexOf(day));
        return [
          svg('line', { class: 'note-line', x1: at, x2: at, y1: top, y2: CHART_HEIGHT - bottom }),
          svg('circle', { class: 'note-dot', cx: at, cy: top, r: 6 + 3 * Math.min(3, notes.length) }),
          svg('text', { class: 'note-number', x: at, y: top + 4, 'text-anchor': 'middle' }, notes.map(([number]) => number).join(',')),
        ];
      }),
    ];
    const cursorLine = svg('line', { class: 'cursor', y1: top, y2: CHART_HEIGHT - bottom, visibility: 'hidden' });
    const cursorDot = svg('circle', { class: 'dot', r: 4, visibility: 'hidden' });
    const picture = svg('svg', { viewBox: `0 0 ${width} ${CHART_HEIGHT}`, width: '100%', height: CHART_HEIGHT, 'aria-hidden': 'true' }, parts, cursorLine, cursorDot);
    layout = { x, y, width, cursorLine, cursorDot, left, right };
    frame.replaceChildren(picture, tip);
    if (cursor !== null) show(cursor);
  };

  const describe = (index) => {
    const lines = [[label, format(values[index], unit)]];
    if (previous) lines.push([`Previous period, ${longDay(series.previousDays[index])}`, format(previous[index], unit)]);
    for (const [number, text] of marks.get(days[index]) || []) lines.push([`Note ${number}`, text]);
    return lines;
  };
  const show = (index) => {
    cursor = index;
    const at = layout.x(index);
    for (const [name, value] of [['x1', at], ['x2', at], ['visibility', 'visible']]) layout.cursorLine.setAttribute(name, value);
    if (values[index] !== null) {
      for (const [name, value] of [['cx', at], ['cy', layout.y(values[index])], ['visibility', 'visible']]) layout.cursorDot.setAttribute(name, value);
    }
    tip.replaceChildren(
      el('strong', {}, `${weekday(days[index])}, ${longDay(days[index])}`),
      ...describe(index).map(([name, value]) => el('div', { class: 'tip-row' }, el('span', {}, name), el('b', {}, value))));
    tip.hidden = false;
    const space = layout.width - tip.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(space, at > layout.width / 2 ? at - tip.offsetWidth - 12 : at + 12))}px`;
  };
  const hide = () => {
    cursor = null;
    tip.hidden = true;
    layout.cursorLine.setAttribute('visibility', 'hidden');
    layout.cursorDot.setAttribute('visibility', 'hidden');
  };
  frame.addEventListener('pointermove', (event) => {
    const box = frame.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * layout.width;
    const share = (at - layout.left) / (layout.width - layout.left - layout.right);
    show(Math.max(0, Math.min(days.length - 1, Math.round(share * (days.length - 1)))));
  });
  frame.addEventListener('pointerleave', hide);
  frame.addEventListener('blur', hide);
  frame.addEventListener('keydown', (event) => {
    const last = days.length - 1;
    const now = cursor === null ? last : cursor;
    const next = { ArrowLeft: cursor === null ? last : now - 1, ArrowRight: cursor === null ? 0 : now + 1, Home: 0, End: last }[event.key];
    if (event.key === 'Escape') hide();
    if (next === undefined) return;
    event.preventDefault();
    show(Math.max(0, Math.min(last, next)));
    say([longDay(days[cursor]), ...describe(cursor).map((parts) => parts.join(' '))].join(', '));
  });
  new ResizeObserver(() => draw()).observe(frame);
  redraw = draw;
  draw();
  return frame;
}

// Returns a column chart of a few values, such as the hours of a day.
function columnChart(labels, values, unit, title) {
  const max = Math.max(1, ...values.map((value) => value || 0));
  return el('div', { class: 'columns', role: 'img', 'aria-label': `${title}: ${labels.map((label, index) => `${label} ${format(values[index], unit)}`).join(', ')}` },
    values.map((value, index) => el('div', { class: 'column', title: `${labels[index]}: ${format(value, unit)}` },
      el('span', { class: 'stick', vars: { '--height': `${(100 * (value || 0)) / max}%` } }),
      el('span', { class: 'column-label' }, labels.length > 12 && index % 3 ? '' : labels[index]))));
}

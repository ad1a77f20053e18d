// The controls, and the view that they select.

function remember(name, value) {
  try { localStorage.setItem(name, value); } catch { /* A file in a sandbox has no storage. */ }
}

function remembered(name) {
  try { return localStorage.getItem(name); } catch { return null; }
}

function setTheme(theme) {
  if (theme === 'light' || theme === 'dark') document.documentElement.setAttribute('data-theme', theme);
  else document.documentElement.removeAttribute('data-theme');
}

function startTheme() {
  const pick = document.getElementById('theme');
  const theme = remembered('wa-theme');
  pick.value = ['light', 'dark'].includes(theme) ? theme : 'auto';
  setTheme(pick.value);
  pick.addEventListener('change', () => {
    setTheme(pick.value);
    remember('wa-theme', pick.value);
  });
}

function scopeName(data, scope) {
  const ids = data.scopes[scope];
  if (ids.length === 1) return ids[0];
  if (ids.length) return `${ids.length} chatbots together`;
  return 'All chatbots';
}

function windowName(days) {
  return days === 365 ? '12 months' : plural(days, 'day');
}

// The URL fragment stores the selection, so that a reload and a bookmark keep it.
function readChoice(data) {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const scope = data.scopes.findIndex((_, index) => scopeName(data, index) === parameters.get('chatbot'));
  const window = data.windows.findIndex(([days]) => String(days) === parameters.get('days'));
  return { scope: Math.max(0, scope), window: window < 0 ? data.selected : window };
}

function writeChoice(data, state) {
  const parameters = new URLSearchParams();
  if (state.scope > 0) parameters.set('chatbot', scopeName(data, state.scope));
  parameters.set('days', data.windows[state.window][0]);
  try { history.replaceState(null, '', `#${parameters}`); } catch { /* Not allowed in some frames. */ }
}

function banners(data, view) {
  const all = [];
  if (data.conditions.length) all.push(`Only sessions with: ${data.conditions.join(' and ')}`);
  if (data.includeBots) all.push('Bot sessions are included.');
  all.push(...view.notes);
  return all.length ? el('ul', { class: 'banner', 'aria-label': 'Notes' }, all.map((text) => el('li', {}, el('bdi', {}, text)))) : null;
}

function drawView(data, state) {
  const view = readView(data, state.scope, state.window);
  const { from, to, previousFrom, previousTo, partial } = view.window;
  document.getElementById('period').textContent =
    `${longDay(from)} to ${longDay(to)}${partial ? ', the last day is not over' : ''} · compared with ${longDay(previousFrom)} to ${longDay(previousTo)} · ${data.zone}`;
  document.title = `${scopeName(data, state.scope)} · Chat widget analytics`;
  const others = data.otherCount
    ? el('p', { class: 'facts' }, `${plural(data.otherCount, 'more chatbot')} without separate views, included in All chatbots: ${data.others.join(', ')}${data.otherCount > data.others.length ? ', …' : ''}. Use wa dashboard --chatbot ID.`) : null;
  document.getElementById('view').replaceChildren(...[
    banners(data, view),
    ...figures(view, data, state),
    el('div', { class: 'cards' }, listCards(view, state), funnelCard(view), retentionCard(view), conversationsCard(view), heatmapCard(view, state), performanceCard(view), healthCard(data, view)),
    others,
    el('footer', { class: 'foot' }, `Generated ${data.generated.replace('T', ' ').replace('Z', ' UTC')} by wa ${data.wa}. All figures are those of wa report for the same chatbot and days.`),
  ].filter(Boolean));
}

function startControls(data, state) {
  const scope = document.getElementById('scope');
  scope.replaceChildren(...data.scopes.map((_, index) => el('option', { value: index }, scopeName(data, index))));
  scope.value = state.scope;
  scope.disabled = data.scopes.length === 1;
  const change = () => {
    writeChoice(data, state);
    drawView(data, state);
    say(`${scopeName(data, state.scope)}, ${windowName(data.windows[state.window][0])}`);
  };
  scope.addEventListener('change', () => {
    state.scope = Number(scope.value);
    change();
  });
  const buttons = data.windows.map(([days], index) => el('button', {
    type: 'button', 'aria-pressed': String(index === state.window),
    on: {
      click: () => {
        state.window = index;
        buttons.forEach((button, other) => button.setAttribute('aria-pressed', String(other === index)));
        change();
      },
    },
  }, windowName(days)));
  document.getElementById('windows').replaceChildren(...buttons);
  document.documentElement.setAttribute('data-ready', '');
}

async function start() {
  startTheme();
  try {
    const data = await load();
    const state = { ...readChoice(data), tabs: {}, metric: 'total_sessions', heat: 'sessions' };
    startControls(data, state);
    drawView(data, state);
  } catch (error) {
    const failure = document.getElementById('failure');
    failure.textContent = typeof DecompressionStream === 'undefined'
      ? 'This browser is too old for the charts of this page: it needs a version from 2023 or later.'
      : `The page cannot be shown: ${error.message}`;
    failure.hidden = false;
  }
}

window.addEventListener('beforeprint', () => redraw(PRINT_WIDTH));
window.addEventListener('afterprint', () => redraw());

start();

// Cards of lists: sources, pages, locations, devices, events, goals.

// Returns a card with a tab for each list.
function tabs(title, lists, state, key) {
  const place = el('div', { class: 'tab-body' });
  const buttons = lists.map(({ label }, index) => el('button', {
    type: 'button', role: 'tab', id: newId('tab'), 'aria-selected': 'false', tabindex: '-1',
    on: {
      click: () => select(index),
      keydown: (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        const next = (index + step + lists.length) % lists.length;
        select(next);
        buttons[next].focus();
      },
    },
  }, label));
  const select = (index) => {
    state.tabs[key] = index;
    buttons.forEach((button, other) => {
      button.setAttribute('aria-selected', String(other === index));
      button.setAttribute('tabindex', other === index ? '0' : '-1');
    });
    place.setAttribute('aria-labelledby', buttons[index].id);
    place.replaceChildren(lists[index].body());
  };
  place.setAttribute('role', 'tabpanel');
  select(Math.min(state.tabs[key] || 0, lists.length - 1));
  return card(title, { tools: el('div', { class: 'tabs', role: 'tablist', 'aria-label': title }, buttons) }, place);
}

function list(group, title, missing) {
  if (!group.rows.length) return empty(missing[0], missing[1]);
  return groupTable(group, { title, limit: FEW_ROWS, search: true });
}

const NO_SESSIONS = ['No sessions', 'No session started in this period. Choose a longer one, or ingest newer logs with wa ingest.'];

// Returns the hint for a list whose only value stands for missing values, such as `unknown`; null
// for other lists.
function unknownOnly(group, names, title, hint) {
  const known = group.rows.some((row) => !names.includes(row.names[0]));
  return known || !group.rows.length ? null : el('div', {}, empty(title, hint), behind(title, group, {}));
}

function listCards(view, state) {
  const { sources, pages, locations, devices, events, goals } = view;
  const tab = (label, group, unknown) => ({
    label,
    body: () => (unknown && unknownOnly(group, unknown[0], unknown[1], unknown[2])) || list(group, label, NO_SESSIONS),
  });
  const noLocation = [['unknown'], 'No locations',
    'Set a location database (geoip in wa.toml, or wa ingest --geoip FILE), or log country_code and city.'];
  const cards = [
    tabs('Sources', [
      tab('Channels', sources.groups.channels),
      tab('Referrers', sources.groups.referrers, [['direct'], 'No referrers', 'All sessions are direct visits, or the log has no referrer field.']),
      tab('Campaigns', sources.groups.utm_sources, [['unknown'], 'No campaigns', 'Add utm_source to the links of a campaign. The log needs page_url with its query.']),
    ], state, 'sources'),
    card('Landing pages', {}, list(pages.groups[Object.keys(pages.groups)[0]], 'Landing pages', NO_SESSIONS)),
    tabs('Locations', [
      tab('Countries', locations.groups.countries, noLocation),
      tab('Cities', locations.groups.cities, noLocation),
    ], state, 'locations'),
    tabs('Devices', [
      tab('Devices', devices.groups.devices, [['unknown'], 'No devices', 'Log the field user_agent.']),
      tab('Browsers', devices.groups.browsers, [['unknown'], 'No browsers', 'Log the field user_agent.']),
      tab('Operating systems', devices.groups.operating_systems, [['unknown'], 'No operating systems', 'Log the field user_agent.']),
    ], state, 'devices'),
    card('Events', {}, list(events.groups.events, 'Events', NO_SESSIONS)),
  ];
  const visitors = view.visitors.groups.frequency;
  cards.push(card('Visitors by number of sessions', {}, list(visitors, 'Visitors by number of sessions', ['Unknown', 'Sessions of this period are pruned.'])));
  if (goals) cards.push(card('Goals', {}, list(goals.groups.goals, 'Goals', NO_SESSIONS)));
  return cards;
}

// Reads the embedded data. Its format is described in `dashboard/encode.rs`.

const VERSION = 1;

// Returns the data: base64 of zlib of JSON.
async function load() {
  const text = document.getElementById('data').textContent.trim();
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  const data = JSON.parse(await new Response(stream).text());
  if (data.version !== VERSION) throw new Error('unknown version of the data');
  return data;
}

// Splits a flat array into rows of names and values.
function unflatten(data, flat, names, values) {
  const rows = [];
  for (let at = 0; at < flat.length; at += names + values) {
    rows.push({
      names: flat.slice(at, at + names).map((index) => data.texts[index]),
      values: flat.slice(at + names, at + names + values),
    });
  }
  return rows;
}

// Returns a group: its columns, its rows, and the sum of the rows that are not shown.
function readGroup(data, schema, encoded) {
  const group = { ...schema, metricKeys: schema.metrics.map(([key]) => key) };
  if (schema.single) {
    group.rows = [{ names: [], values: encoded }];
    return group;
  }
  const [flat, hidden, rest, total] = encoded;
  group.rows = unflatten(data, flat, schema.dimensions.length, schema.metrics.length);
  group.hidden = hidden;
  group.rest = rest || null;
  group.total = total;
  return group;
}

// Returns the answers of a scope and a window by the name of the report.
function readView(data, scope, window) {
  const view = { notes: [], scope: data.scopes[scope], window: readWindow(data.windows[window]) };
  data.cells[scope][window].forEach((number, part) => {
    const [groups, comparison, notes, facts, means] = data.answers[number];
    const schema = data.parts[part];
    const answer = { groups: {}, previous: {}, facts: facts.map((index) => data.texts[index]), means: means || null };
    schema.groups.forEach((group, index) => {
      answer.groups[group.name] = readGroup(data, group, groups[index]);
      const compared = comparison && comparison[index];
      if (!compared) return;
      const count = group.metrics.length;
      answer.previous[group.name] = group.single
        ? { values: compared.slice(0, count), percents: compared.slice(count) }
        : { rows: unflatten(data, compared, group.dimensions.length, count) };
    });
    view[schema.name] = answer;
    for (const note of notes.map((index) => data.texts[index])) {
      if (!view.notes.includes(note)) view.notes.push(note);
    }
  });
  return view;
}

function readWindow([days, from, to, previousFrom, previousTo, partial]) {
  return { days, from, to, previousFrom, previousTo, partial };
}

// Returns a value of a group of a single row, and its unit.
function figure(answer, name, key) {
  const group = answer && answer.groups[name];
  const index = group ? group.metricKeys.indexOf(key) : -1;
  if (index < 0) return null;
  const [, label, unit] = group.metrics[index];
  const previous = answer.previous[name];
  return {
    key, label, unit,
    value: group.rows[0].values[index],
    previous: previous ? previous.values[index] : null,
    percent: previous ? previous.percents[index] : null,
  };
}

// Returns the values of a metric in all rows of a list.
function column(group, key) {
  const index = group.metricKeys.indexOf(key);
  return group.rows.map((row) => row.values[index]);
}

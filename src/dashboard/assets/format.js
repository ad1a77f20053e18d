// Formats values like the tables of `wa report`.

const UNKNOWN = '–';

function digits(number) {
  const sign = number < 0 ? '-' : '';
  return sign + String(Math.abs(number)).replace(/\B(?=(\d{3})+$)/g, ',');
}

function hundredths(number) {
  const sign = number < 0 ? '-' : '';
  const absolute = Math.abs(number);
  return `${sign}${digits(Math.floor(absolute / 100))}.${String(absolute % 100).padStart(2, '0')}`;
}

function duration(seconds) {
  const sign = seconds < 0 ? '-' : '';
  const all = Math.abs(seconds);
  const pad = (number) => String(number).padStart(2, '0');
  const [h, m, s] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  if (h === 0 && m === 0) return `${sign}${s}s`;
  if (h === 0) return `${sign}${m}m ${pad(s)}s`;
  return h < 1000 ? `${sign}${h}h ${pad(m)}m` : `${sign}${digits(h)}h`;
}

// Formats a value, which is in hundredths for some units.
function format(value, unit) {
  if (value === null || value === undefined) return UNKNOWN;
  switch (unit) {
    case 'percent': return `${hundredths(value)}%`;
    case 'ratio': return hundredths(value);
    case 'seconds': return duration(value);
    case 'fractional_seconds':
      return value < 1000 ? `${hundredths(value)}s` : duration(Math.floor((value + 50) / 100));
    case 'ms': return value < 10000 ? `${digits(value)} ms` : duration(Math.floor((value + 500) / 1000));
    default: return digits(value);
  }
}

// Formats a value for CSV, as `wa report --format csv` does.
function plain(value, unit) {
  if (value === null || value === undefined) return '';
  const scaled = ['percent', 'ratio', 'fractional_seconds'].includes(unit);
  if (!scaled) return String(value);
  return hundredths(value).replace(/,/g, '').replace(/\.?0+$/, (zeros) => (zeros.startsWith('.') ? '' : zeros.replace(/0+$/, '')));
}

// Formats a number for an axis: 1,200 as 1.2k.
function short(value, unit) {
  if (unit === 'percent') return `${+(value / 100).toFixed(1)}%`;
  if (unit === 'count' && value >= 1e6) return `${+(value / 1e6).toFixed(1)}M`;
  if (unit === 'count' && value >= 1e4) return `${+(value / 1e3).toFixed(1)}k`;
  return format(value, unit);
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

// Formats a day, `YYYY-MM-DD`, as `3 Nov 2026`.
function longDay(day) {
  const [year, month, date] = day.split('-').map(Number);
  return `${date} ${MONTHS[month - 1]} ${year}`;
}

function shortDay(day) {
  const [, month, date] = day.split('-').map(Number);
  return `${date} ${MONTHS[month - 1]}`;
}

function weekday(day) {
  return WEEKDAYS[(new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7];
}

// Returns the day a number of days later.
function plusDays(day, days) {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * 86400000).toISOString().slice(0, 10);
}

function plural(count, noun) {
  return `${digits(count)} ${noun}${count === 1 ? '' : 's'}`;
}

// A spreadsheet could evaluate a string that begins with one of these characters.
const FORMULA = /^[\s\u200b-\u200f\u2060\ufeff]*[=+\-@\t\r\n＝＋－＠]/;

const NUMBER = /^-?\d+(\.\d+)?$/;

function csvCell(value) {
  const text = FORMULA.test(value) && !NUMBER.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

function csv(rows) {
  return rows.map((row) => `${row.map(csvCell).join(',')}\r\n`).join('');
}

//! What a night costs, and what the store takes after it.

use std::path::Path;

use wa::store::columns::Table;
use wa::store::manifest::Manifest;

/// What a night without a mishap cost, and what it left.
#[derive(Clone, Debug)]
pub struct Cost {
    /// Its number.
    pub night: i32,
    /// Processor time of its commands, in hundredths of a second, where the system tells.
    pub ticks: Option<u64>,
    /// Seconds from its beginning to its end.
    pub seconds: f64,
    /// Files of each table.
    pub files: [u64; 4],
    /// Bytes of each table.
    pub bytes: [u64; 4],
    /// Files of all kinds that lie in the store.
    pub all_files: u64,
}

impl Cost {
    /// Takes note of what a night has left.
    pub fn of(night: i32, ticks: Option<u64>, seconds: f64, manifest: &Manifest, dir: &Path) -> Cost {
        let files = Table::ALL.map(|table| manifest.files(table).len() as u64);
        let bytes = Table::ALL.map(|table| manifest.files(table).iter().map(|file| file.bytes).sum());
        Cost { night, ticks, seconds, files, bytes, all_files: count(dir) }
    }
}

/// Counts the files below a folder.
fn count(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries.map(|e| if e.file_type().unwrap().is_dir() { count(&e.path()) } else { 1 }).sum()
}

/// Returns the processor time that this process's children have taken, in ticks of the system.
pub fn children_ticks() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in parentheses, may hold blanks: fields count from behind it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(fields.get(13)?.parse::<u64>().ok()? + fields.get(14)?.parse::<u64>().ok()?)
}

/// Returns the mean of a figure over some nights.
pub fn mean(costs: &[Cost], nights: std::ops::Range<i32>, figure: impl Fn(&Cost) -> f64) -> f64 {
    let of: Vec<f64> = costs.iter().filter(|cost| nights.contains(&cost.night)).map(figure).collect();
    of.iter().sum::<f64>() / of.len() as f64
}

/// Writes the means of some stretches of nights as a table.
pub fn table(costs: &[Cost], stretches: &[std::ops::Range<i32>]) -> String {
    let mut text = format!(
        "{:>12} {:>9} {:>9} {:>7} {:>8} {:>8} {:>9} {:>9} {:>9} {:>9}\n",
        "nights",
        "cpu ms",
        "wall ms",
        "events",
        "sessions",
        "files",
        "events",
        "sessions",
        "visitors",
        "days"
    );
    for stretch in stretches {
        let mean = |figure: &dyn Fn(&Cost) -> f64| mean(costs, stretch.clone(), figure);
        text.push_str(&format!(
            "{:>12} {:>9.0} {:>9.0} {:>7.1} {:>8.1} {:>8.1} {:>9.0} {:>9.0} {:>9.0} {:>9.0}\n",
            format!("{}-{}", stretch.start, stretch.end - 1),
            mean(&|cost| cost.ticks.unwrap_or(0) as f64 * 10.0),
            mean(&|cost| cost.seconds * 1000.0),
            mean(&|cost| cost.files[0] as f64),
            mean(&|cost| cost.files[1] as f64),
            mean(&|cost| cost.all_files as f64),
            mean(&|cost| cost.bytes[0] as f64),
            mean(&|cost| cost.bytes[1] as f64),
            mean(&|cost| cost.bytes[3] as f64),
            mean(&|cost| cost.bytes[2] as f64),
        ));
    }
    text
}

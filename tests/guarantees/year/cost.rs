//! The cost of a night, and the size of the store after it.

use std::path::Path;

use wa::store::columns::Table;
use wa::store::manifest::Manifest;

/// The cost of a night without a disruption, and the size of the store after that night.
#[derive(Clone, Debug)]
pub struct Cost {
    /// The number of the night.
    pub night: i32,
    /// CPU time of its commands in hundredths of a second, if the operating system provides it.
    pub ticks: Option<u64>,
    /// Wall-clock time in seconds.
    pub seconds: f64,
    /// Number of files of each table.
    pub files: [u64; 4],
    /// Bytes of each table.
    pub bytes: [u64; 4],
    /// Number of all files in the store.
    pub all_files: u64,
}

impl Cost {
    /// Measures the store after a night.
    pub fn measure(night: i32, ticks: Option<u64>, seconds: f64, manifest: &Manifest, dir: &Path) -> Cost {
        let files = Table::ALL.map(|table| manifest.files(table).len() as u64);
        let bytes = Table::ALL.map(|table| manifest.files(table).iter().map(|file| file.bytes).sum());
        Cost { night, ticks, seconds, files, bytes, all_files: count(dir) }
    }
}

/// Returns the number of files below a folder.
fn count(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries.map(|e| if e.file_type().unwrap().is_dir() { count(&e.path()) } else { 1 }).sum()
}

/// Returns the CPU time of this process's children in clock ticks.
pub fn children_ticks() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the process, in parentheses, may contain spaces; the other fields follow it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(fields.get(13)?.parse::<u64>().ok()? + fields.get(14)?.parse::<u64>().ok()?)
}

/// Returns the mean of a metric over a range of nights.
pub fn mean(costs: &[Cost], nights: std::ops::Range<i32>, metric: impl Fn(&Cost) -> f64) -> f64 {
    let values: Vec<f64> = costs.iter().filter(|cost| nights.contains(&cost.night)).map(metric).collect();
    values.iter().sum::<f64>() / values.len() as f64
}

/// Formats the means over periods of nights as a table.
pub fn table(costs: &[Cost], periods: &[std::ops::Range<i32>]) -> String {
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
    for period in periods {
        let mean = |metric: &dyn Fn(&Cost) -> f64| mean(costs, period.clone(), metric);
        text.push_str(&format!(
            "{:>12} {:>9.0} {:>9.0} {:>7.1} {:>8.1} {:>8.1} {:>9.0} {:>9.0} {:>9.0} {:>9.0}\n",
            format!("{}-{}", period.start, period.end - 1),
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

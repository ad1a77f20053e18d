//! Compares the classification of labelled user agents by woothee alone, by `wa`, and by other
//! versions.
//!
//! Usage: `cargo run --release --example evaluate_agents -- [OPTIONS] FILE…`
//!
//! A file contains one JSON object per line: `user_agent`, and any of `browser_name`, `os_name`,
//! `device_type` and `is_bot` as labels, and `weight` (default 1). Names are compared without case,
//! spaces and the words Mobile, iOS, WebView and Browser.
//!
//! - `--aliases FILE`: equal names, one pair per line: `IE = Internet Explorer`.
//! - `--write DIRECTORY`: write the results of `wa` to files with the names of the inputs.
//! - `--compare NAME=DIRECTORY`: add a column for such results, for example of another version.
//! - `--failures METRIC`: print user agents that `wa` classifies differently, instead of the table.
//! - `--confusions N`: print the N most frequent confusions of `wa` for each file and metric.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use wa::enrich::Enricher;

/// A labelled user agent.
#[derive(Deserialize)]
struct Labelled {
    user_agent: String,
    weight: Option<f64>,
    #[serde(flatten)]
    labels: Classes,
}

/// The result of a classifier, or the labels of a user agent.
#[derive(Default, Deserialize, Serialize)]
struct Classes {
    browser_name: Option<String>,
    os_name: Option<String>,
    device_type: Option<String>,
    is_bot: Option<bool>,
}

/// A metric of the table, in its order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Metric {
    Browser,
    Os,
    DeviceType,
    BotsFound,
    PeopleAsBots,
}

const METRICS: [(Metric, &str); 5] = [
    (Metric::Browser, "browser"),
    (Metric::Os, "operating system"),
    (Metric::DeviceType, "device type"),
    (Metric::BotsFound, "bots found"),
    (Metric::PeopleAsBots, "people classified as bots"),
];

/// The number of user agents of one metric, and the weight that each classifier returned as
/// labelled.
struct Tally {
    count: usize,
    /// The sum of the weights.
    labelled: f64,
    matching: Vec<f64>,
    confusions: HashMap<(String, String), usize>,
}

#[derive(Default)]
struct Options {
    aliases: HashMap<String, String>,
    compare: Vec<(String, PathBuf)>,
    write: Option<PathBuf>,
    failures: Option<Metric>,
    confusions: usize,
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} requires a value"));
        match argument.as_str() {
            "--aliases" => {
                let file = value()?;
                let text =
                    std::fs::read_to_string(&file).map_err(|error| format!("cannot read {file}: {error}"))?;
                for (from, to) in text.lines().filter_map(|line| line.split_once('=')) {
                    options.aliases.insert(normalized(from), normalized(to));
                }
            }
            "--compare" => {
                let value = value()?;
                let (name, directory) = value.split_once('=').ok_or("--compare requires NAME=DIRECTORY")?;
                options.compare.push((name.to_owned(), directory.into()));
            }
            "--write" => options.write = Some(value()?.into()),
            "--failures" => {
                let value = value()?;
                let metric = METRICS.iter().find(|(_, name)| *name == value);
                options.failures = Some(metric.ok_or(format!("unknown metric: {value}"))?.0);
            }
            "--confusions" => {
                options.confusions = value()?.parse().map_err(|_| "--confusions requires a number")?
            }
            _ => options.files.push(argument.into()),
        }
    }
    if options.files.is_empty() {
        return Err("no files of labelled user agents given".to_owned());
    }
    Ok(options)
}

fn run(options: &Options) -> Result<(), String> {
    let mut classifiers = vec!["woothee alone".to_owned()];
    classifiers.extend(options.compare.iter().map(|(name, _)| name.clone()));
    classifiers.push("wa".to_owned());
    if options.failures.is_none() {
        println!("| set | metric | user agents | {} |", classifiers.join(" | "));
        println!("| --- | --- | ---: |{}", " ---: |".repeat(classifiers.len()));
    }
    let mut all = BTreeMap::new();
    for file in &options.files {
        let tallies = evaluate(options, file)?;
        print(&file.file_stem().unwrap_or_default().to_string_lossy(), &tallies, options);
        for (metric, tally) in tallies {
            let sum = all.entry(metric).or_insert_with(|| Tally::new(classifiers.len()));
            sum.count += tally.count;
            sum.labelled += tally.labelled;
            sum.matching.iter_mut().zip(tally.matching).for_each(|(sum, matching)| *sum += matching);
        }
    }
    if options.files.len() > 1 {
        print("all", &all, options);
    }
    Ok(())
}

/// Classifies the user agents of a file and compares the results with the labels.
fn evaluate(options: &Options, file: &Path) -> Result<BTreeMap<Metric, Tally>, String> {
    let enricher = Enricher::new(None).map_err(|error| error.to_string())?;
    let woothee = woothee::parser::Parser::new();
    let name = file.file_name().ok_or(format!("{} is not a file", file.display()))?;
    let mut others = Vec::new();
    for (_, directory) in &options.compare {
        others.push(lines(&directory.join(name))?);
    }
    let mut output = match &options.write {
        Some(directory) => {
            let path = directory.join(name);
            let created = std::fs::File::create(&path);
            Some(BufWriter::new(
                created.map_err(|error| format!("cannot create {}: {error}", path.display()))?,
            ))
        }
        None => None,
    };
    let mut tallies = BTreeMap::new();
    for line in lines(file)? {
        let labelled: Labelled = line?;
        let mut results = vec![by_woothee(&woothee, &labelled.user_agent)];
        for other in &mut others {
            results.push(other.next().ok_or(format!("fewer results than lines in {}", file.display()))??);
        }
        results.push(by_wa(&enricher, &labelled.user_agent));
        if let (Some(output), Some(result)) = (&mut output, results.last()) {
            let line = serde_json::to_string(result).map_err(|error| error.to_string())?;
            writeln!(output, "{line}").map_err(|error| format!("cannot write results: {error}"))?;
        }
        compare(options, &labelled, &results, &mut tallies);
    }
    Ok(tallies)
}

/// Parses the lines of a file.
fn lines<T: for<'de> Deserialize<'de>>(
    file: &Path,
) -> Result<impl Iterator<Item = Result<T, String>> + use<T>, String> {
    let name = file.display().to_string();
    let input = std::fs::File::open(file).map_err(|error| format!("cannot read {name}: {error}"))?;
    Ok(BufReader::new(input).lines().enumerate().map(move |(number, line)| {
        let line = line.map_err(|error| format!("cannot read {name}: {error}"))?;
        serde_json::from_str(&line).map_err(|error| format!("{name}, line {}: {error}", number + 1))
    }))
}

/// Classifies a user agent with `wa`.
fn by_wa(enricher: &Enricher, user_agent: &str) -> Classes {
    let found = enricher.user_agent(user_agent);
    Classes {
        browser_name: found.browser_name.clone(),
        os_name: found.os_name.clone(),
        device_type: Some(found.device_type.name().to_owned()),
        is_bot: Some(found.is_bot),
    }
}

/// Classifies a user agent with woothee alone, in the names of `wa`.
fn by_woothee(parser: &woothee::parser::Parser, user_agent: &str) -> Classes {
    let Some(found) = parser.parse(user_agent) else { return Classes::default() };
    let is_bot = found.category == "crawler" || found.name == "HTTP Library";
    let device_type = match (found.category, found.os) {
        _ if is_bot => "bot",
        ("pc", _) => "desktop",
        ("smartphone", "iPad") => "tablet",
        ("smartphone" | "mobilephone", _) => "mobile",
        ("appliance", _) => "tv",
        _ => "unknown",
    };
    let os_name = match found.os {
        "Mac OSX" | "Mac OS Classic" => "macOS",
        "iPhone" | "iPad" | "iPod" => "iOS",
        "BSD" => "FreeBSD",
        "Windows Phone OS" => "Windows Phone",
        "BlackBerry" | "BlackBerry 10" => "BlackBerry OS",
        "SymbianOS" => "Symbian",
        "Windows CE" => "Windows CE",
        os => os.split_once(' ').map_or(os, |(family, _)| family),
    };
    let browser_name = match found.name {
        "SamsungBrowser" => "Samsung Internet",
        name => name,
    };
    let known = |name: &str| (name != woothee::woothee::VALUE_UNKNOWN).then(|| name.to_owned());
    Classes {
        browser_name: known(browser_name),
        os_name: known(os_name),
        device_type: Some(device_type.to_owned()),
        is_bot: Some(is_bot),
    }
}

impl Tally {
    fn new(classifiers: usize) -> Tally {
        Tally { count: 0, labelled: 0.0, matching: vec![0.0; classifiers], confusions: HashMap::new() }
    }
}

/// Adds the results that match the labels.
fn compare(
    options: &Options,
    labelled: &Labelled,
    results: &[Classes],
    tallies: &mut BTreeMap<Metric, Tally>,
) {
    let name = |name: &Option<String>| {
        let normalized = normalized(name.as_deref().unwrap_or("none"));
        options.aliases.get(&normalized).cloned().unwrap_or(normalized)
    };
    for (metric, _) in METRICS {
        let value = |classes: &Classes| match metric {
            Metric::Browser => name(&classes.browser_name),
            Metric::Os => name(&classes.os_name),
            Metric::DeviceType => name(&classes.device_type),
            _ if classes.is_bot == Some(true) => "bot".to_owned(),
            _ => "person".to_owned(),
        };
        let labels = &labelled.labels;
        let is_labelled = match metric {
            Metric::Browser => labels.browser_name.is_some(),
            Metric::Os => labels.os_name.is_some(),
            Metric::DeviceType => labels.device_type.is_some(),
            Metric::BotsFound => labels.is_bot == Some(true),
            Metric::PeopleAsBots => labels.is_bot == Some(false),
        };
        if !is_labelled {
            continue;
        }
        let tally = tallies.entry(metric).or_insert_with(|| Tally::new(results.len()));
        let weight = labelled.weight.unwrap_or(1.0);
        tally.count += 1;
        tally.labelled += weight;
        let expected = value(labels);
        for (matching, result) in tally.matching.iter_mut().zip(results) {
            *matching += if value(result) == expected { weight } else { 0.0 };
        }
        if let Some(found) = results.last().map(value).filter(|found| *found != expected) {
            if options.failures == Some(metric) {
                println!("{expected} | {found} | {}", labelled.user_agent);
            }
            *tally.confusions.entry((expected, found)).or_default() += 1;
        }
    }
}

/// Returns the normal form of a name for comparisons.
fn normalized(name: &str) -> String {
    let lower = name.to_lowercase();
    let words = lower
        .split(|c: char| c.is_whitespace() || c == '/')
        .filter(|word| !matches!(*word, "mobile" | "ios" | "webview" | "browser" | "ui" | "wkwebview"));
    let letters: String = words.collect::<String>().chars().filter(|c| c.is_alphanumeric()).collect();
    if letters.is_empty() { lower.trim().to_owned() } else { letters }
}

/// Prints the rows of a set.
fn print(set: &str, tallies: &BTreeMap<Metric, Tally>, options: &Options) {
    if options.failures.is_some() {
        return;
    }
    for (metric, name) in METRICS {
        let Some(tally) = tallies.get(&metric) else { continue };
        let share = |matching: &f64| match metric {
            Metric::PeopleAsBots => format!("{:.1} in 10,000", 1e4 * (1.0 - matching / tally.labelled)),
            _ => format!("{:.2} %", 100.0 * matching / tally.labelled),
        };
        let shares: Vec<String> = tally.matching.iter().map(share).collect();
        println!("| {set} | {name} | {} | {} |", tally.count, shares.join(" | "));
    }
    for (metric, name) in METRICS {
        let Some(tally) = tallies.get(&metric) else { continue };
        let mut worst: Vec<_> = tally.confusions.iter().collect();
        worst.sort_by_key(|((expected, found), count)| (std::cmp::Reverse(**count), expected, found));
        for ((expected, found), count) in worst.into_iter().take(options.confusions) {
            println!("{count:>8}  {name}: {expected} classified as {found}");
        }
    }
}

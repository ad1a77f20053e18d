//! Measures what `wa` reads in user agents against a set of labelled ones.
//!
//! Usage: `cargo run --release --example evaluate_agents -- [--aliases FILE] [--confusions N] [--failures FIELD] FILE …`
//!
//! Each file holds one JSON object a line: `user_agent`, and any of `browser_name`, `os_name`, `device_type`, `is_bot`
//! as they should be, and `weight` (1 where it is missing). Names are compared without regard to case
//! and spaces, and without the words Mobile, iOS, WebView and Browser; a file of aliases has lines `A = B`,
//! for names that other tools give otherwise (`IE = Internet Explorer`).

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::process::ExitCode;

use serde::Deserialize;
use wa::enrich::{Agent, Enricher};

/// A labelled user agent.
#[derive(Deserialize)]
struct Labelled {
    user_agent: String,
    browser_name: Option<String>,
    os_name: Option<String>,
    device_type: Option<String>,
    is_bot: Option<bool>,
    weight: Option<f64>,
}

/// How often a field was as labelled.
#[derive(Default)]
struct Agreement {
    right: usize,
    all: usize,
    right_weight: f64,
    all_weight: f64,
    confusions: HashMap<(String, String), usize>,
}

struct Options {
    aliases: HashMap<String, String>,
    confusions: usize,
    failures: Option<String>,
    files: Vec<String>,
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
    let mut options = Options { aliases: HashMap::new(), confusions: 12, failures: None, files: Vec::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
        match argument.as_str() {
            "--aliases" => {
                let file = value()?;
                let text =
                    std::fs::read_to_string(&file).map_err(|error| format!("cannot read {file}: {error}"))?;
                for (from, to) in text.lines().filter_map(|line| line.split_once('=')) {
                    options.aliases.insert(folded(from), folded(to));
                }
            }
            "--confusions" => {
                options.confusions = value()?.parse().map_err(|_| "--confusions wants a number")?
            }
            "--failures" => options.failures = Some(value()?),
            _ => options.files.push(argument),
        }
    }
    if options.files.is_empty() {
        return Err("name files of labelled user agents (NDJSON)".to_owned());
    }
    Ok(options)
}

fn run(options: &Options) -> Result<(), String> {
    let enricher = Enricher::new(None).map_err(|error| error.to_string())?;
    for file in &options.files {
        let mut fields = BTreeMap::<&str, Agreement>::new();
        let input = std::fs::File::open(file).map_err(|error| format!("cannot read {file}: {error}"))?;
        for (number, line) in BufReader::new(input).lines().enumerate() {
            let line = line.map_err(|error| format!("cannot read {file}: {error}"))?;
            let labelled: Labelled = serde_json::from_str(&line)
                .map_err(|error| format!("{file}, line {}: {error}", number + 1))?;
            compare(options, &labelled, &enricher.user_agent(&labelled.user_agent), &mut fields);
        }
        if options.failures.is_none() {
            print(file, options.confusions, &fields);
        }
    }
    Ok(())
}

/// Counts the fields that a label gives.
fn compare(options: &Options, labelled: &Labelled, agent: &Agent, fields: &mut BTreeMap<&str, Agreement>) {
    let name = |name: Option<&str>| {
        let folded = folded(name.unwrap_or("nothing"));
        options.aliases.get(&folded).cloned().unwrap_or(folded)
    };
    let bot = |is_bot: bool| if is_bot { "robot" } else { "person" };
    let compared = [
        ("browser_name", labelled.browser_name.as_deref(), agent.browser_name.as_deref()),
        ("os_name", labelled.os_name.as_deref(), agent.os_name.as_deref()),
        ("device_type", labelled.device_type.as_deref(), Some(agent.device_type.name())),
        ("is_bot", labelled.is_bot.map(bot), Some(bot(agent.is_bot))),
    ];
    for (field, expected, found) in compared {
        let Some(expected) = expected else { continue };
        let field_agreement = fields.entry(field).or_default();
        let weight = labelled.weight.unwrap_or(1.0);
        field_agreement.all += 1;
        field_agreement.all_weight += weight;
        if name(Some(expected)) == name(found) {
            field_agreement.right += 1;
            field_agreement.right_weight += weight;
            continue;
        }
        let found = found.unwrap_or("nothing").to_owned();
        if options.failures.as_deref() == Some(field) {
            println!("{expected} | {found} | {}", labelled.user_agent);
        }
        *field_agreement.confusions.entry((expected.to_owned(), found)).or_default() += 1;
    }
}

/// Returns a name as it is compared.
fn folded(name: &str) -> String {
    let lower = name.to_lowercase();
    let words = lower
        .split(|c: char| c.is_whitespace() || c == '/')
        .filter(|word| !matches!(*word, "mobile" | "ios" | "webview" | "browser" | "ui" | "wkwebview"));
    let kept: String = words.collect::<String>().chars().filter(|c| c.is_alphanumeric()).collect();
    if kept.is_empty() { lower } else { kept }
}

fn print(file: &str, confusions: usize, fields: &BTreeMap<&str, Agreement>) {
    println!("{file}");
    for (field, agreement) in fields {
        let percent = 100.0 * agreement.right as f64 / agreement.all as f64;
        let weighted = 100.0 * agreement.right_weight / agreement.all_weight;
        println!(
            "  {field:<13} {percent:6.2} %  weighted {weighted:7.3} %  {} of {}",
            agreement.right, agreement.all
        );
        let mut worst: Vec<_> = agreement.confusions.iter().collect();
        worst.sort_by_key(|((expected, found), count)| (std::cmp::Reverse(**count), expected, found));
        for ((expected, found), count) in worst.into_iter().take(confusions) {
            println!("      {count:>6}  {expected} was read as {found}");
        }
    }
}

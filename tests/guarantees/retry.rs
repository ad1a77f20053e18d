//! Retried rejects: each event of a log is stored exactly once, for any order of ingests and
//! retries, any selection of lines, and files that disappear and come back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::*;
use wa::ingest::IngestOptions;
use wa::progress::NoProgress;
use wa::settings::{IpPolicy, Settings};
use wa::store::manifest::Manifest;
use wa::time::SECOND;

use super::support::fixtures;
use super::support::generated_logs::NOW;
use super::support::memory_file_system::MemoryFileSystem;
use super::support::tables;

/// A batch size so small that a retry reads the input file again for each of its rejected lines.
const ONE_LINE: usize = 256;

/// A line of a log. Lines of a file with the same number are equal.
#[derive(Clone, Copy, Debug)]
enum Line {
    /// An event with a chatbot.
    Accepted(u8),
    /// An event without a chatbot.
    Short(u8),
    /// An event without a chatbot that is longer than the stored text.
    Long(u8),
    /// Two events without a chatbot.
    Pair(u8, u8),
    /// An envelope of an event with a chatbot, an event without one, and an invalid event.
    Envelope(u8),
    /// A line that is never accepted.
    Broken,
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Ingest { file: usize, with_chatbot: bool },
    Retry { file: Option<usize>, reason: Option<&'static str>, with_chatbot: bool, in_rounds: bool },
    Hide(usize),
    Show(usize),
}

fn event(file: usize, name: &str, chatbot: bool, text: &str) -> String {
    let chatbot = if chatbot { r#","chatbot_id":"shop""# } else { "" };
    format!(
        r#"{{"session_id":"s{file}","event_name":"{name}","timestamp":"2026-11-09T10:00:00Z","text":"{text}"{chatbot}}}"#
    )
}

impl Line {
    fn text(self, file: usize) -> String {
        match self {
            Line::Accepted(n) => event(file, &format!("accepted{n}"), true, ""),
            Line::Short(n) => event(file, &format!("short{n}"), false, ""),
            Line::Long(n) => event(file, &format!("long{n}"), false, &"x".repeat(66_000)),
            Line::Pair(a, b) => format!("{} {}", Line::Short(a).text(file), Line::Short(b).text(file)),
            Line::Envelope(n) => {
                // The elements are the same in all envelopes and files.
                let element = |name: &str, rest: &str| format!(r#"{{"event_name":"{name}"{rest}}}"#);
                let (time, chatbot) = (r#","timestamp":"2026-11-09T10:00:00Z""#, r#","chatbot_id":"shop""#);
                let elements = [
                    element("known", &format!("{time}{chatbot}")),
                    element("unknown", time),
                    element("late", r#","timestamp":"soon""#),
                ];
                format!(r#"{{"session_id":"e{file}-{n}","events":[{}]}}"#, elements.join(","))
            }
            Line::Broken => "{broken".to_owned(),
        }
    }

    /// Returns the sessions and names of the events that are stored in the end.
    fn events(self, file: usize) -> Vec<(String, String)> {
        let event = |name: String| (format!("s{file}"), name);
        match self {
            Line::Accepted(n) => vec![event(format!("accepted{n}"))],
            Line::Short(n) => vec![event(format!("short{n}"))],
            Line::Long(n) => vec![event(format!("long{n}"))],
            Line::Pair(a, b) => vec![event(format!("short{a}")), event(format!("short{b}"))],
            Line::Envelope(n) => {
                ["known", "unknown"].map(|name| (format!("e{file}-{n}"), name.to_owned())).to_vec()
            }
            Line::Broken => Vec::new(),
        }
    }
}

type Events = BTreeMap<(String, String), usize>;

struct Logs {
    folder: tempfile::TempDir,
    disk: Arc<MemoryFileSystem>,
}

impl Logs {
    fn path(&self, file: usize) -> PathBuf {
        self.folder.path().join(format!("{file}.ndjson.gz"))
    }

    fn hide(&self, file: usize, hide: bool) {
        let (shown, hidden) = (self.path(file), self.folder.path().join(format!("hidden{file}")));
        let (from, to) = if hide { (shown, hidden) } else { (hidden, shown) };
        if from.exists() {
            std::fs::rename(from, to).unwrap();
        }
    }

    fn options(&self, inputs: Vec<String>, with_chatbot: bool) -> IngestOptions {
        let chatbot = with_chatbot.then(|| "shop".to_owned());
        IngestOptions { chatbot, atomic: true, ..fixtures::ingest_options(inputs, NOW) }
    }

    fn run(&self, operation: Operation) {
        let settings = fixtures::settings();
        match operation {
            Operation::Hide(file) => self.hide(file, true),
            Operation::Show(file) => self.hide(file, false),
            Operation::Ingest { file, with_chatbot } => {
                let options = self.options(vec![self.path(file).display().to_string()], with_chatbot);
                let report = fixtures::ingest(&self.disk, &settings, &options).unwrap();
                assert!(report.failure.is_none() && report.summary.adds_up());
            }
            Operation::Retry { file, reason, with_chatbot, in_rounds } => {
                let file = file.map(|file| self.path(file).display().to_string());
                let selects = |reject: &wa::store::rejects::RejectRecord| {
                    file.as_ref().is_none_or(|file| *file == reject.file)
                        && reason.is_none_or(|reason| reason == reject.reason)
                };
                let mut options = self.options(Vec::new(), with_chatbot);
                if in_rounds {
                    options.batch_bytes = Some(ONE_LINE);
                }
                self.retry(&settings, &options, &selects);
            }
        }
    }

    fn retry(
        &self,
        settings: &Settings,
        options: &IngestOptions,
        selects: &dyn Fn(&wa::store::rejects::RejectRecord) -> bool,
    ) {
        let first = || Manifest::new(NOW, "UTC", 1800 * SECOND);
        let writer = fixtures::store_in(&self.disk).writer_without_lock(first).unwrap();
        let enricher = fixtures::enricher();
        let report =
            wa::ingest::retry_with_writer(writer, settings, options, enricher, selects, &NoProgress).unwrap();
        assert!(report.ingest.failure.is_none() && report.ingest.summary.adds_up());
        let unread: u64 = report.unreadable.values().map(|unread| unread.lines).sum();
        assert_eq!(report.lines, report.accepted + report.rejected + unread);
    }

    /// Returns the number of stored events by session and name.
    fn events(&self) -> Events {
        let mut events = Events::new();
        let Ok(snapshot) = fixtures::store_in(&self.disk).snapshot() else { return events };
        for row in &tables::read(&snapshot).unwrap()["events"] {
            let text = |column: &str| row[column].as_str().unwrap().to_owned();
            *events.entry((text("session_id"), text("event_name"))).or_default() += 1;
        }
        events
    }

    fn reasons(&self) -> BTreeMap<String, u64> {
        let snapshot = fixtures::store_in(&self.disk).snapshot().unwrap();
        let mut reasons = BTreeMap::new();
        for file in &snapshot.manifest().rejects {
            let content = snapshot.read_checked(&file.path, &file.checksum).unwrap();
            for reject in wa::store::rejects::rewrite::records(file, &content) {
                *reasons.entry(reject.unwrap().reason).or_default() += 1;
            }
        }
        reasons
    }
}

fn gzip(text: &str) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn line() -> impl Strategy<Value = Line> {
    prop_oneof![
        (0..2u8).prop_map(Line::Accepted),
        (0..3u8).prop_map(Line::Short),
        (0..2u8).prop_map(Line::Long),
        (0..3u8, 0..3u8).prop_map(|(a, b)| Line::Pair(a, b)),
        (0..2u8).prop_map(Line::Envelope),
        Just(Line::Broken),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let reason = prop_oneof![Just(None), Just(Some("no_chatbot_id")), Just(Some("not_json"))];
    prop_oneof![
        3 => (0..2usize, any::<bool>()).prop_map(|(file, with_chatbot)| Operation::Ingest { file, with_chatbot }),
        4 => (proptest::option::of(0..2usize), reason, any::<[bool; 2]>()).prop_map(|(file, reason, flags)| {
            let [with_chatbot, in_rounds] = flags;
            Operation::Retry { file, reason, with_chatbot, in_rounds }
        }),
        1 => (0..2usize).prop_map(Operation::Hide),
        1 => (0..2usize).prop_map(Operation::Show),
    ]
}

fn check(files: &[Vec<Line>], operations: &[Operation]) {
    let logs = Logs { folder: fixtures::folder(), disk: MemoryFileSystem::new() };
    let mut expected = Events::new();
    for (number, lines) in files.iter().enumerate() {
        let text: String = lines.iter().map(|line| line.text(number) + "\n").collect();
        std::fs::write(logs.path(number), gzip(&text)).unwrap();
        for event in lines.iter().flat_map(|line| line.events(number)) {
            *expected.entry(event).or_default() += 1;
        }
    }
    let mut ingested = [false; 2];
    for operation in operations {
        if let Operation::Ingest { file, .. } = operation {
            if !logs.path(*file).exists() {
                continue;
            }
            ingested[*file] = true;
        }
        if matches!(operation, Operation::Retry { .. }) && !ingested.contains(&true) {
            continue;
        }
        logs.run(*operation);
        for (event, count) in logs.events() {
            assert!(count <= expected[&event], "{event:?} after {operation:?}");
        }
    }
    (0..2).for_each(|file| logs.hide(file, false));
    // A retry of all lines stores every rejected event without another ingest.
    if ingested.contains(&true) {
        logs.run(Operation::Retry { file: None, reason: None, with_chatbot: true, in_rounds: false });
        let is_ingested = |(session, _): &(String, String)| {
            (0..2).any(|n| {
                ingested[n] && (session == &format!("s{n}") || session.starts_with(&format!("e{n}-")))
            })
        };
        let expected: Events =
            expected.iter().filter(|(event, _)| is_ingested(event)).map(|(e, n)| (e.clone(), *n)).collect();
        assert_eq!(logs.events(), expected);
        let reasons = logs.reasons();
        assert!(reasons.keys().all(|reason| ["not_json", "bad_timestamp"].contains(&reason.as_str())));
    }
    for file in 0..2 {
        logs.run(Operation::Ingest { file, with_chatbot: true });
    }
    assert_eq!(logs.events(), expected);
    fixtures::verify(&logs.disk).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: fixtures::cases(40), ..ProptestConfig::default() })]

    #[test]
    fn retried_events_are_stored_exactly_once(
        files in [proptest::collection::vec(line(), 0..8), proptest::collection::vec(line(), 0..8)],
        operations in proptest::collection::vec(operation(), 0..9),
    ) {
        check(&files, &operations);
    }
}

#[test]
fn record_of_two_rejected_lines_is_read_in_two_rounds() {
    let logs = Logs { folder: fixtures::folder(), disk: MemoryFileSystem::new() };
    let line = r#"{"session_id":"s0","ip":"192.0.2.7","event_name":"a","timestamp":"2026-11-09T10:00:00Z"}"#;
    std::fs::write(logs.path(0), gzip(&format!("{line}\n{line}\n"))).unwrap();
    // The stored texts differ, because the IP address was masked in two ways.
    for ip in [IpPolicy::Truncate, IpPolicy::Drop] {
        let settings = Settings { ip, ..fixtures::settings() };
        let mut options = logs.options(vec![logs.path(0).display().to_string()], false);
        options.force = true;
        fixtures::ingest(&logs.disk, &settings, &options).unwrap();
    }
    assert_eq!(logs.reasons(), BTreeMap::from([("no_chatbot_id".to_owned(), 2)]));
    let options = IngestOptions { batch_bytes: Some(ONE_LINE), ..logs.options(Vec::new(), true) };
    logs.retry(&fixtures::settings(), &options, &|_| true);
    assert_eq!(logs.events().values().sum::<usize>(), 2);
    assert!(logs.reasons().is_empty());
}

//! Guarantee 7, robustness: a damaged file of a store never changes a figure.
//!
//! A case damages one file, mostly by flipping one bit, and runs one command in this process. The
//! command must have the same result as with the intact store, or fail with an error that names the
//! file. After a command that changes the store, the file is restored, and the rows must equal
//! those of the intact store. `WA_BIT_FLIPS` is the number of cases: see `docs/testing.md`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once};

use wa::cli::{self, Printer};
use wa::store::Store;

use super::support::fixtures;
use super::support::generated_logs::write_logs;
use super::support::rng::Rng;
use super::support::tables::{self, Tables, WRITE_TIMES};

/// Commands that only read a store.
const READERS: &[&str] = &[
    "report summary --days 30 --as-of latest --format json",
    "report summary --days 30 --as-of latest --compare --format json",
    "report trends --days 30 --as-of latest --format json",
    "report events --days 30 --as-of latest --format json",
    "report sources --days 30 --as-of latest --format json",
    "report devices --days 30 --as-of latest --format json",
    "report active --format json",
    "report sessions --days 30 --as-of latest --format json",
    "report sessions --days 30 --as-of latest --visitor a3 --format json",
    "report performance --days 30 --as-of latest --format json",
    "report pages --days 30 --as-of latest --format json",
    "report locations --days 30 --as-of latest --format json",
    "report visitors --days 30 --as-of latest --format json",
    "report all --days 30 --as-of latest --format json",
    "report summary --days 30 --as-of latest --chatbot c1",
    "events --days 30 --as-of latest --limit 0 --format ndjson",
    "events --days 30 --as-of latest --limit 5 --format csv",
    "export",
    "export --user u2",
    "export --format csv --from 2026-03-01 --to 2026-11-30",
    "lint --days 30 --as-of latest --format json",
    "lint --days 30 --as-of latest --infer-plan",
    "rejects --limit all --format json",
    "status --format json",
    "files events",
    "files sessions",
    "files daily_stats",
    "files visitors",
    "config",
    "verify --format json",
    "verify",
    "gc --dry-run --keep-events 3d --format json",
    "forget --user u2 --dry-run --format json",
];

/// Commands that change a store. `N` stands for the folder of the logs.
const WRITERS: &[&str] = &[
    "ingest N/new.ndjson",
    "ingest --force N/00.ndjson",
    "ingest --force N/people.ndjson",
    "gc --yes",
    "gc --yes --keep-events 3d --keep-sessions 3d",
    "rebuild",
    "forget --user u2 --anonymous-id a3",
    "anonymize --older-than 1d",
];

/// One in this many cases runs a command that changes the store.
const WRITER_SHARE: u64 = 8;

#[test]
fn robustness_flipped_bit_never_changes_a_figure() {
    let number = |variable: &str| std::env::var(variable).ok().and_then(|number| number.parse().ok());
    let cases = number("WA_BIT_FLIPS").unwrap_or_else(|| u64::from(fixtures::cases(300)));
    check_cases(cases, number("WA_BIT_FLIPS_SEED").unwrap_or(5), Intact::flip_bit);
}

#[test]
fn robustness_overwritten_file_never_changes_a_figure() {
    check_cases(u64::from(fixtures::cases(150)), 6, Intact::overwrite);
}

/// Runs random commands on stores with a file that `damage` has chosen and damaged.
fn check_cases(cases: u64, seed: u64, damage: fn(&Intact, &mut Rng) -> Damage) {
    let folder = fixtures::folder();
    let mut stores = [Intact::with_all_files(folder.path()), Intact::golden(folder.path())];
    let mut rng = Rng(seed);
    let mut counts: BTreeMap<(&str, Outcome), u64> = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in 0..cases {
        // One case in five uses the golden store.
        let store = &mut stores[usize::from(case % 5 == 4)];
        let damage = damage(store, &mut rng);
        let command = match rng.below(WRITER_SHARE) {
            0 => WRITERS[rng.below(WRITERS.len() as u64) as usize],
            _ => READERS[rng.below(READERS.len() as u64) as usize],
        };
        let (outcome, message) = if WRITERS.contains(&command) {
            store.change_damaged(command, &damage)
        } else {
            store.read_damaged(command, &damage)
        };
        *counts.entry((damage.kind(), outcome)).or_default() += 1;
        if !outcome.is_right() && wrong.len() < 20 {
            wrong.push(format!("{outcome:?}: {command} with {damage:?}: {message}"));
        }
    }
    println!("{cases} damaged files");
    for ((kind, outcome), count) in counts {
        println!("{kind:12} {outcome:?}: {count}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The outcome of a command on a damaged store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// The command had the same result as with the intact store.
    Same,
    /// The command failed with an error that names the damaged file.
    Error,
    /// The damage results in a different valid setting, as if a user had changed the setting.
    OtherSetting,
    /// The command succeeded with a different output or different rows.
    Wrong,
    /// The command failed with an error that does not name the damaged file.
    Unnamed,
    Panic,
    /// A later run with the restored file did not result in the right rows.
    NotRepaired,
}

impl Outcome {
    fn is_right(self) -> bool {
        matches!(self, Outcome::Same | Outcome::Error | Outcome::OtherSetting)
    }
}

/// A damaged file.
struct Damage {
    /// The path in the store.
    path: PathBuf,
    /// A description of the damage, for messages.
    description: String,
    /// The damaged contents.
    bytes: Vec<u8>,
    in_footer: bool,
    /// Whether `wa.toml` is valid TOML with different values.
    is_other_setting: bool,
}

impl Damage {
    fn file_name(&self) -> &str {
        self.path.file_name().unwrap().to_str().unwrap()
    }
}

impl std::fmt::Debug for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.description)
    }
}

impl Damage {
    fn new(path: PathBuf, description: String, intact: &[u8], bytes: Vec<u8>) -> Damage {
        let is_other_setting = path == Path::new("wa.toml") && is_other_setting(intact, &bytes);
        Damage { path, description, bytes, in_footer: false, is_other_setting }
    }

    /// Returns the kind of the file, for the list of counts.
    fn kind(&self) -> &'static str {
        let name = self.path.to_str().unwrap();
        match name {
            _ if self.in_footer => "footer",
            _ if name.ends_with(".parquet") => "pages",
            "manifest.json" => "manifest",
            "wa.toml" => "settings",
            "key" => "key",
            "lock" => "lock",
            _ if name.starts_with("rejects") => "rejects",
            _ if name.contains("sources-") => "sources",
            _ if name.contains("ledger-") => "ledger",
            _ => "other",
        }
    }

    /// Damages the file of a store.
    fn apply(&self, store: &Path) {
        fs::write(store.join(&self.path), &self.bytes).unwrap();
    }

    /// Writes the intact file again, unless the command has removed it.
    fn restore(&self, store: &Path, intact: &Path) {
        if store.join(&self.path).exists() {
            fs::write(store.join(&self.path), fs::read(intact.join(&self.path)).unwrap()).unwrap();
        }
    }
}

/// An intact store, and the results of commands on it.
struct Intact {
    /// The folder of the logs.
    logs: PathBuf,
    /// The store, which is never damaged.
    intact: PathBuf,
    /// The copy in which files are damaged. All commands use this path, so that their outputs are
    /// comparable.
    damaged: PathBuf,
    now: &'static str,
    files: Vec<PathBuf>,
    outputs: BTreeMap<&'static str, Run>,
    rows: BTreeMap<&'static str, Tables>,
}

impl Intact {
    /// Returns a store with all kinds of files: some partitions have several files, rows were
    /// pruned, and a person was erased.
    fn with_all_files(folder: &Path) -> Intact {
        let logs = folder.join("new");
        fs::create_dir(&logs).unwrap();
        write_logs(&logs, 3, 90);
        fs::write(logs.join("people.ndjson"), people()).unwrap();
        fs::write(logs.join("new.ndjson"), people().replace("2026-10-31", "2026-11-01")).unwrap();
        let store = Intact::new(logs, "2026-11-03T02:00:00Z");
        for command in [
            "init --timezone Europe/Berlin",
            "ingest N/00.ndjson N/people.ndjson",
            "ingest N/01.ndjson",
            "forget --user u8",
            "gc --yes --keep-events 20d --keep-sessions 20d",
            "ingest N/02.ndjson",
        ] {
            let run = store.run(&store.intact, command);
            assert!(
                matches!(run.status, Some(None | Some(wa::ErrorKind::PartialInput))),
                "{command}: {run:?}"
            );
        }
        store.ready()
    }

    /// Returns the golden store of version 0.1, whose manifest has no checksums of footers.
    fn golden(folder: &Path) -> Intact {
        let logs = folder.join("golden");
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden/0.1");
        copy(&golden.join("wa-store"), &logs.join("intact"));
        fs::copy(golden.join("first.ndjson"), logs.join("00.ndjson")).unwrap();
        fs::copy(golden.join("first.ndjson"), logs.join("people.ndjson")).unwrap();
        fs::copy(golden.join("second.ndjson"), logs.join("new.ndjson")).unwrap();
        Intact::new(logs, "2026-03-12T12:00:00Z").ready()
    }

    fn new(logs: PathBuf, now: &'static str) -> Intact {
        Intact {
            intact: logs.join("intact"),
            damaged: logs.join("damaged"),
            logs,
            now,
            files: Vec::new(),
            outputs: BTreeMap::new(),
            rows: BTreeMap::new(),
        }
    }

    fn ready(mut self) -> Intact {
        let mut folders = vec![self.intact.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false if fs::metadata(&path).unwrap().len() == 0 => {}
                    false => self.files.push(path.strip_prefix(&self.intact).unwrap().to_owned()),
                }
            }
        }
        self.files.sort();
        copy(&self.intact, &self.damaged);
        self
    }

    /// Flips a bit of any file. In a Parquet file, half of the flipped bits are in the footer.
    fn flip_bit(&self, rng: &mut Rng) -> Damage {
        let (path, intact) = self.choose_file(rng);
        let mut start = 0;
        if path.extension().is_some_and(|e| e == "parquet") {
            let length = u32::from_le_bytes(intact[intact.len() - 8..intact.len() - 4].try_into().unwrap());
            start = intact.len() - 8 - length as usize;
        }
        let range = if start > 0 && rng.below(2) == 0 { start..intact.len() } else { 0..intact.len() };
        let at = range.start + rng.below(range.len() as u64) as usize;
        let bit = 1 << rng.below(8);
        let mut bytes = intact.clone();
        bytes[at] ^= bit;
        let description = format!("byte {at} of {}, bit {bit}", bytes.len());
        Damage { in_footer: start > 0 && at >= start, ..Damage::new(path, description, &intact, bytes) }
    }

    /// Truncates, extends or replaces any file, or clears a part of it.
    fn overwrite(&self, rng: &mut Rng) -> Damage {
        let (path, intact) = self.choose_file(rng);
        let mut bytes = intact.clone();
        let at = rng.below(bytes.len() as u64) as usize;
        let description = match rng.below(5) {
            0 => {
                bytes.truncate(at);
                format!("truncated to {at} bytes")
            }
            1 => {
                let length = (1 + rng.below(512) as usize).min(bytes.len() - at);
                bytes[at..at + length].fill(0);
                format!("{length} zeros from byte {at}")
            }
            2 => {
                bytes.extend((0..1 + rng.below(512)).map(|_| rng.next() as u8));
                "extended".to_owned()
            }
            3 => {
                bytes.clear();
                "emptied".to_owned()
            }
            _ => {
                let (other, contents) = self.choose_file(rng);
                bytes = contents;
                format!("replaced by {}", other.display())
            }
        };
        Damage::new(path, description, &intact, bytes)
    }

    fn choose_file(&self, rng: &mut Rng) -> (PathBuf, Vec<u8>) {
        let path = self.files[rng.below(self.files.len() as u64) as usize].clone();
        let bytes = fs::read(self.intact.join(&path)).unwrap();
        (path, bytes)
    }

    /// Runs a command that only reads, in the store with a damaged file.
    fn read_damaged(&mut self, command: &'static str, damage: &Damage) -> (Outcome, String) {
        if !self.outputs.contains_key(command) {
            let run = self.run(&self.damaged, command);
            assert!(run.status.is_some(), "{command}: {run:?}");
            self.outputs.insert(command, run);
        }
        damage.apply(&self.damaged);
        let run = self.run(&self.damaged, command);
        damage.restore(&self.damaged, &self.intact);
        // A failed dry run leaves the same files as an interrupted writer.
        if self.damaged.join("staging").exists() {
            self.copy_again();
        }
        let expected = &self.outputs[command];
        let outcome = match run.status {
            None => Outcome::Panic,
            status if status == expected.status && run.figures() == expected.figures() => Outcome::Same,
            // The status of a damaged store contains no chatbots, and has a warning that names the
            // file.
            Some(None) if run.out.contains("\"chatbots\": null") && run.out.contains(damage.file_name()) => {
                Outcome::Error
            }
            Some(None) => Outcome::Wrong,
            Some(Some(_)) => named(&run, damage),
        };
        (or_other_setting(outcome, damage), format!("{run:?}"))
    }

    /// Runs a command that changes a store, in a copy with a damaged file. If it fails, restores
    /// the file and runs the command again.
    fn change_damaged(&mut self, command: &'static str, damage: &Damage) -> (Outcome, String) {
        if !self.rows.contains_key(command) {
            let run = self.run(&self.damaged, command);
            assert_eq!(run.status, Some(None), "{command}: {run:?}");
            let rows = self.read_rows().unwrap();
            self.rows.insert(command, rows);
            self.copy_again();
        }
        damage.apply(&self.damaged);
        let run = self.run(&self.damaged, command);
        damage.restore(&self.damaged, &self.intact);
        let mut message = format!("{run:?}");
        let mut outcome = match run.status {
            None => Outcome::Panic,
            Some(None) => Outcome::Same,
            Some(Some(_)) => named(&run, damage),
        };
        if outcome == Outcome::Error && !damage.is_other_setting {
            let again = self.run(&self.damaged, command);
            if again.status != Some(None) {
                message.push_str(&format!("\nthen {again:?}"));
                outcome = Outcome::NotRepaired;
            }
        }
        if outcome.is_right() && !damage.is_other_setting {
            let difference = match self.read_rows() {
                Ok(rows) => tables::difference(&self.rows[command], &rows, WRITE_TIMES),
                Err(error) => Some(error.to_string()),
            };
            if let Some(difference) = difference {
                message.push_str(&difference);
                outcome = if outcome == Outcome::Same { Outcome::Wrong } else { Outcome::NotRepaired };
            }
        }
        self.copy_again();
        (or_other_setting(outcome, damage), message)
    }

    fn read_rows(&self) -> wa::Result<Tables> {
        tables::read(&Store::new(&self.damaged).snapshot()?)
    }

    fn copy_again(&self) {
        fs::remove_dir_all(&self.damaged).unwrap();
        copy(&self.intact, &self.damaged);
    }

    fn run(&self, store: &Path, command: &str) -> Run {
        let command = command.replace("N/", &format!("{}/", self.logs.display()));
        let globals = ["wa", "--store", store.to_str().unwrap(), "--now", self.now];
        let arguments = globals.into_iter().chain(command.split(' ')).map(OsString::from);
        let parsed = cli::parse(arguments).unwrap();
        let (out, err) = (Buffer::default(), Buffer::default());
        let printer = Printer::with_streams(Box::new(out.clone()), Box::new(err.clone()), false);
        let panics = panics();
        let status = catch_unwind(AssertUnwindSafe(|| {
            let clock = parsed.clock();
            printer.finish(cli::run(parsed, clock, &printer)).err()
        }));
        // A panic that `wa` caught counts as well.
        let status = status.ok().filter(|_| panics == self::panics());
        Run { status, out: out.text(), err: err.text() }
    }
}

/// The output of a command.
#[derive(Debug)]
struct Run {
    /// `None` after a panic, `Some(None)` if the command succeeded.
    status: Option<Option<wa::ErrorKind>>,
    out: String,
    err: String,
}

impl Run {
    /// Returns the output without the line numbers of `wa.toml`, which change if a line feed in a
    /// comment is flipped.
    fn figures(&self) -> Vec<&str> {
        self.out.lines().map(|line| line.split("wa.toml, line ").next().unwrap_or(line)).collect()
    }
}

/// Returns the outcome of a failed command: its output should name the damaged file and give a
/// hint.
fn named(run: &Run, damage: &Damage) -> Outcome {
    let name = damage.file_name();
    // `wa verify` lists damaged files on standard output.
    let is_named = run.err.contains(name) || run.out.contains(name);
    if is_named && run.err.contains("hint: ") { Outcome::Error } else { Outcome::Unnamed }
}

fn or_other_setting(outcome: Outcome, damage: &Damage) -> Outcome {
    if damage.is_other_setting && outcome != Outcome::Panic { Outcome::OtherSetting } else { outcome }
}

/// Returns whether a damaged settings text is valid TOML with different values.
fn is_other_setting(intact: &[u8], damaged: &[u8]) -> bool {
    let parse = |bytes: &[u8]| toml::from_str::<toml::Table>(std::str::from_utf8(bytes).ok()?).ok();
    parse(damaged).is_some_and(|settings| Some(settings) != parse(intact))
}

/// Events of people with user ids, IP addresses and user agents, and rejected lines.
fn people() -> String {
    let agents = [
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
        "Googlebot/2.1 (+http://www.google.com/bot.html)",
    ];
    let mut lines =
        String::from("no json\n{\"chatbot_id\":\"c1\",\"event_name\":\"a\",\"timestamp\":\"never\"}\n");
    for n in 0..60 {
        let (day, minute) = (["2026-10-09", "2026-10-31", "2026-11-02"][n % 3], n % 55);
        let user = if n % 2 == 0 {
            format!(",\"user_id\":\"u{}\",\"user_email\":\"u{n}@example.org\"", n % 10)
        } else {
            String::new()
        };
        let agent = agents[n % agents.len()];
        lines.push_str(&format!(
            "{{\"chatbot_id\":\"c{}\",\"event_id\":\"{day}-{n}\",\"session_id\":\"p{}\",\"event_name\":\"message_sent\",\
             \"timestamp\":\"{day}T1{}:{minute:02}:00Z\",\"ip_address\":\"203.0.113.{n}\",\"user_agent\":\"{agent}\",\
             \"response_time_ms\":{n}00,\"referrer\":\"https://www.google.com/\",\"country_code\":\"DE\",\
             \"properties\":{{\"button\":\"b{n}\"}}{user}}}\n",
            n % 2,
            n % 7,
            n % 10,
        ));
    }
    lines
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
            continue;
        }
        fs::copy(entry.path(), &target).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

/// Returns the number of panics in this process.
fn panics() -> u64 {
    static PANICS: AtomicU64 = AtomicU64::new(0);
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            print(info);
        }));
    });
    PANICS.load(Ordering::SeqCst)
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! A fixture for unit tests that need a store: a temporary folder with logs and a store.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Error;
use crate::identity::{Identifier, IdentifierKind};
use crate::ingest::IngestCounts;
use crate::ingest::{self, IngestOptions};
use crate::privacy::export::{Export, ExportOptions};
use crate::privacy::{ErasureReceipt, ForgetOptions, forget};
use crate::progress::NoProgress;
use crate::render::events::{EventRenderer, LineFormat};
use crate::settings::Settings;
use crate::store::Store;
use crate::store::columns::{ColumnType, Table};
use crate::store::frame::{Frame, RecordReader};
use crate::time::{Clock, parse_human};

/// The time of the clock in most tests.
pub(crate) const NOW: &str = "2026-11-10T02:00:00Z";

/// Returns a clock that shows a time.
pub(crate) fn clock(now: &str) -> Clock {
    Clock { now: parse_human(now).unwrap() }
}

/// Returns the line of an event; `ids` are JSON members.
pub(crate) fn event_line(time: &str, ids: &str, name: &str) -> String {
    format!(r#"{{"chatbot_id":"shop","event_name":"{name}","timestamp":"{time}",{ids}}}"#)
}

/// Returns events of Ada, who has a user id, an email address and two cookies, and of other people,
/// some of whom mention her.
pub(crate) fn ada_among_others() -> Vec<String> {
    let at = |minute: u32| format!("2026-11-09T08:{minute:02}:00Z");
    vec![
        event_line(&at(0), r#""session_id":"s-ada-1","anonymous_id":"cookie-ada-1""#, "widget_loaded"),
        event_line(
            &at(1),
            r#""session_id":"s-ada-1","anonymous_id":"cookie-ada-1","user_id":"user_ada","user_email":"Ada@Example.org","user_name":"Ada""#,
            "message_sent",
        ),
        // The same cookie before the login.
        event_line(
            "2026-11-01T08:00:00Z",
            r#""session_id":"s-ada-0","anonymous_id":"cookie-ada-1","page_url":"https://shop.example/secret-of-ada""#,
            "widget_loaded",
        ),
        // A second device: one session has both cookies.
        event_line(
            "2026-11-03T08:00:00Z",
            r#""session_id":"s-ada-2","anonymous_id":"cookie-ada-1""#,
            "widget_loaded",
        ),
        event_line(
            "2026-11-03T08:01:00Z",
            r#""session_id":"s-ada-2","anonymous_id":"cookie-ada-2""#,
            "widget_opened",
        ),
        event_line(
            "2026-11-04T08:01:00Z",
            r#""session_id":"s-ada-3","anonymous_id":"cookie-ada-2""#,
            "widget_opened",
        ),
        // Other people.
        event_line(
            &at(0),
            r#""session_id":"s-bob","anonymous_id":"cookie-bob","user_id":"user_bob","properties":{"colleague":"user_ada","user_ada":["user_ada"],"n":1}"#,
            "message_sent",
        ),
        event_line(
            &at(2),
            r#""session_id":"s-bob","anonymous_id":"cookie-bob","page_url":"https://shop.example/u/user%5Fada?ref=user_ada","referrer":"https://other.example/?u=user%255Fada","page_title":"Chat with user_ada","seen":"user\u005fada","utm_source":"user_ada""#,
            "page_viewed",
        ),
        event_line(&at(3), r#""session_id":"s-cy","user_id":"user_ada2""#, "message_sent"),
    ]
}

/// A store in a temporary folder, with room for logs next to it.
pub(crate) struct TestStore {
    dir: tempfile::TempDir,
}

impl TestStore {
    /// Creates the folder; the first ingest creates the store.
    pub(crate) fn new() -> TestStore {
        TestStore { dir: tempfile::tempdir().unwrap() }
    }

    /// Returns the store.
    pub(crate) fn store(&self) -> Store {
        Store::new(self.dir.path().join("store"))
    }

    /// Writes a log and returns its path.
    pub(crate) fn write_log(&self, name: &str, lines: &[String]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        path
    }

    /// Ingests a log, even if it is unchanged, and returns the totals of the ingest summary.
    pub(crate) fn ingest(&self, path: &Path, now: &str) -> IngestCounts {
        self.ingest_with(path, now, &Settings::default())
    }

    /// Ingests a log with other settings.
    pub(crate) fn ingest_with(&self, path: &Path, now: &str, settings: &Settings) -> IngestCounts {
        self.ingest_by(path, now, settings, None, None)
    }

    /// Ingests a log with a map and a chatbot.
    pub(crate) fn ingest_mapped(
        &self,
        path: &Path,
        now: &str,
        map: &ingest::SharedMap,
        chatbot: &str,
    ) -> IngestCounts {
        self.ingest_by(path, now, &Settings::default(), Some(map.clone()), Some(chatbot.to_owned()))
    }

    fn ingest_by(
        &self,
        path: &Path,
        now: &str,
        settings: &Settings,
        map: Option<ingest::SharedMap>,
        chatbot: Option<String>,
    ) -> IngestCounts {
        let options = IngestOptions {
            map,
            timezone: None,
            inputs: vec![path.to_owned()],
            chatbot,
            force: true,
            atomic: false,
            max_rejects: None,
            clock: clock(now),
            lock_timeout: Duration::ZERO,
            key_file: None,
            batch_bytes: None,
            batches_per_commit: ingest::BATCHES_PER_COMMIT,
        };
        let report = ingest::run(&self.store(), &settings.clone().into(), &options, &NoProgress).unwrap();
        assert!(report.failure.is_none() && report.summary.adds_up(), "{report:?}");
        report.summary.total
    }

    /// Erases a person at [`NOW`].
    pub(crate) fn forget(&self, kind: IdentifierKind, value: &str) -> ErasureReceipt {
        self.forget_at(kind, value, NOW, false)
    }

    /// Erases a person with the clock at `now`, or does a dry run.
    pub(crate) fn forget_at(
        &self,
        kind: IdentifierKind,
        value: &str,
        now: &str,
        dry_run: bool,
    ) -> ErasureReceipt {
        let options =
            ForgetOptions { clock: clock(now), dry_run, lock_timeout: Duration::ZERO, key_file: None };
        forget(&self.store(), &[Identifier::new(kind, value)], &options).unwrap().report
    }

    /// Exports events; returns the header, if any, and the lines.
    pub(crate) fn export(&self, options: ExportOptions, format: LineFormat) -> Vec<String> {
        let export = Export::open(&self.store().snapshot().unwrap(), options).unwrap();
        let text = render_export(&export, &EventRenderer::new(format, false).unwrap());
        text.lines().map(str::to_owned).collect()
    }

    /// Returns the number of rows of a table.
    pub(crate) fn row_count(&self, table: Table) -> u64 {
        self.store().snapshot().unwrap().manifest().files(table).iter().map(|file| file.rows).sum()
    }

    /// Returns all rows of a table as text, sorted, without `created_at` and `updated_at`.
    pub(crate) fn row_texts(&self, table: Table) -> Vec<String> {
        let snapshot = self.store().snapshot().unwrap();
        let mut rows = Vec::new();
        for file in snapshot.manifest().files(table) {
            let frame = snapshot.read_file(file, None).unwrap();
            let reader = RecordReader::all_columns(&frame, table).unwrap();
            for row in 0..frame.height() {
                let record = reader.record(row);
                let cells = record.entries().filter(|(c, _)| !matches!(c.name, "created_at" | "updated_at"));
                rows.push(cells.map(|(c, value)| format!("{}={value:?};", c.name)).collect());
            }
        }
        rows.sort();
        rows
    }

    /// Returns all text in the store's folder: file names, the text columns and the pages of all
    /// Parquet files, including orphan files, and the bytes of all files.
    pub(crate) fn all_text(&self) -> String {
        let mut all = String::new();
        collect_text(&self.dir.path().join("store"), &mut all);
        all
    }
}

/// Returns the text of an export.
pub(crate) fn render_export(export: &Export, renderer: &EventRenderer) -> String {
    let mut text = renderer.header().unwrap().unwrap_or_default();
    let append = |frame: &Frame, rows: &[usize]| {
        let lines = renderer.lines(frame)?;
        rows.iter().try_for_each(|row| {
            text.push_str(&lines.line(*row)?);
            Ok::<_, Error>(())
        })
    };
    export.for_each_file(append).unwrap();
    text
}

/// Appends the decompressed pages of a Parquet file, dictionaries included.
fn collect_pages(bytes: &[u8], all: &mut String) {
    for at in memchr::memmem::find_iter(bytes, b"\x28\xb5\x2f\xfd") {
        let mut page = Vec::new();
        let frame = zstd::stream::read::Decoder::with_buffer(&bytes[at..]);
        // The bytes of the magic number can also occur in other data.
        if frame.and_then(|frame| frame.single_frame().read_to_end(&mut page)).is_ok() {
            all.push_str(&String::from_utf8_lossy(&page));
            all.push('\n');
        }
    }
}

fn collect_text(dir: &Path, all: &mut String) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        all.push_str(path.file_name().unwrap().to_str().unwrap());
        all.push('\n');
        if path.is_dir() {
            collect_text(&path, all);
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        // The raw bytes of a Parquet file can contain statistics and dictionaries as plain text.
        all.push_str(&String::from_utf8_lossy(&bytes));
        if path.extension().is_some_and(|e| e == "parquet") {
            collect_pages(&bytes, all);
            let frame = crate::store::parquet::decode(bytes, None).unwrap();
            let table = Table::ALL.into_iter().find(|t| path.components().any(|c| c.as_os_str() == t.name()));
            for column in table.unwrap().columns() {
                if matches!(column.kind, ColumnType::Text | ColumnType::Uuid | ColumnType::Json) {
                    for text in frame.texts(column.name).unwrap().iter().flatten() {
                        all.push_str(text);
                        all.push('\n');
                    }
                }
            }
        }
    }
}

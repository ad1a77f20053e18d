//! Erases people from a store, in one commit.

use std::path::PathBuf;
use std::time::Duration;

use super::erase::{self, ErasedSession};
use super::erasure_receipt::{ErasedCounts, ErasureReceipt, RedactedCounts, SOURCE_LOGS, SearchStats};
use super::identity_resolution::{ResolvedIdentity, resolve};
use super::matcher::IdentifierMatcher;
use super::shared_ids::{self, SharedIds};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::Identifier;
use crate::ingest::batch::suppression;
use crate::ingest::input::source_registry::SourceRegistry;
use crate::ingest::parse::rejected;
use crate::store::key::{self, SecretKey};
use crate::store::ledger::{Forgotten, Ledger};
use crate::store::manifest::Manifest;
use crate::store::rejects::RejectRecord;
use crate::store::rejects::rewrite::{self, RejectChange};
use crate::store::snapshot::Snapshot;
use crate::store::transaction::Transaction;
use crate::store::{Completed, Store, Writer, update};
use crate::time::{Clock, Micros, format_utc};

/// Options of an erasure.
#[derive(Clone, Debug)]
pub struct ForgetOptions {
    /// The clock, which gives the time of the erasure.
    pub clock: Clock,
    /// Report the rows to erase, and change nothing.
    pub dry_run: bool,
    /// How long to wait for another writer.
    pub lock_timeout: Duration,
    /// The path of the secret key, if it is not in the store.
    pub key_file: Option<PathBuf>,
}

/// Erases the sessions that contain one of the identifiers, their events, and every other
/// occurrence of the identifiers as a value.
///
/// # Errors
/// Fails with [`ErrorKind::Usage`] if no identifier is given. Fails if there is no store.
pub fn forget(
    store: &Store,
    identifiers: &[Identifier],
    options: &ForgetOptions,
) -> Result<Completed<ErasureReceipt>> {
    // A mistyped path must not create a store.
    let snapshot = store.snapshot()?;
    let first = || Manifest::new(options.clock.now, snapshot.zone().name(), snapshot.timeout());
    let mut writer = store.writer("wa forget", options.lock_timeout, first)?;
    let outcome = forget_with_writer(&mut writer, identifiers, options);
    writer.complete(outcome)
}

/// Runs a [`forget`] with an open writer.
///
/// # Errors
/// Fails with [`ErrorKind::Usage`] if no identifier is given.
pub fn forget_with_writer(
    writer: &mut Writer,
    identifiers: &[Identifier],
    options: &ForgetOptions,
) -> Result<ErasureReceipt> {
    let named: Vec<Identifier> = identifiers.iter().filter(|i| !i.value.is_empty()).cloned().collect();
    if named.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "no identifier is given"));
    }
    let now = options.clock.now;
    let key = match options.dry_run {
        true => None,
        false => Some(key::load_or_create(writer.store(), writer.manifest(), options.key_file.as_deref())?),
    };
    let snapshot = writer.snapshot()?;
    let mut ledger = Ledger::load(&snapshot)?;
    let known_shared = SharedIds::load(&snapshot, &ledger, options.key_file.as_deref())?;
    let identity = resolve(&snapshot, &named, &known_shared)?;
    let matcher = IdentifierMatcher::new(&identity.identifiers)?;

    let pruned_days = update::pruned_days::PrunedDays::load(&snapshot, &ledger, Micros::MIN)?;
    let mut transaction = writer.begin();
    let events = erase::erase_events(&mut transaction, &identity, &matcher)?;
    let sessions = erase::erase_sessions(&mut transaction, &identity, &matcher)?;
    let visitors = erase::erase_visitors(&mut transaction, &identity)?;
    let days_recomputed = sessions.days.len() as u64;
    let after = transaction.snapshot()?;
    let days = update::changed_days::ChangedDays::of_all_chatbots(sessions.days);
    let changed = update::sessions::SessionChanges { days, ..Default::default() };
    update::daily::update(&after, &mut transaction, changed, &[], &pruned_days, now)?;
    let entries = erase::erase_top_list_entries(&mut transaction, &matcher, now)?;
    let rejects = erase_rejects(&mut transaction, &matcher)?;
    let log_names = redact_file_names(&snapshot, &mut transaction, &matcher, now)?;

    let receipt = ErasureReceipt {
        dry_run: options.dry_run,
        erased_at: format_utc(now),
        identifiers: SearchStats {
            named: named.len() as u64,
            followed: identity.followed,
            shared: identity.shared.len() as u64,
        },
        erased: ErasedCounts {
            events: events.erased,
            sessions: sessions.erased,
            visitors: visitors.erased,
            rejects: rejects.erased,
            daily_stats_entries: entries.erased,
        },
        redacted: RedactedCounts { events: events.redacted, sessions: sessions.redacted, log_names },
        days_recomputed,
        files_replaced: events.files + sessions.files + visitors.files + entries.files + rejects.files,
        source_logs: SOURCE_LOGS,
    };
    let Some(key) = key else {
        // In a dry run, the writer removes the staged files when it finishes.
        return Ok(receipt);
    };
    record_erasure(&mut ledger, &key, &identity, &sessions.sessions, &rejects, &snapshot, now);
    ledger.write(&mut transaction, now)?;
    transaction.manifest().key_fingerprint = Some(key.fingerprint());
    writer.commit(transaction, now)?;
    // Orphan files of an interrupted run can contain the identifiers too.
    writer.remove_orphans_after_commit();
    Ok(receipt)
}

/// The rejected lines that were erased.
#[derive(Default)]
struct ErasedRejects {
    erased: u64,
    /// The SHA-256 of each line as stored.
    sha256: Vec<String>,
    /// The keyed hash of each line as it appeared in the log.
    keyed_hashes: Vec<String>,
    /// Files that were rewritten or removed.
    files: u64,
}

/// Erases the rejected lines that contain an identifier, and redacts the file names of all other
/// lines.
fn erase_rejects(transaction: &mut Transaction, matcher: &IdentifierMatcher) -> Result<ErasedRejects> {
    let mut rejects = ErasedRejects::default();
    rejects.files = rewrite::rewrite(
        transaction,
        |_| true,
        |reject| {
            let given = reject.given.as_deref().unwrap_or("").as_bytes();
            if matcher.matches(&reject.raw_bytes()) || matcher.matches(given) {
                rejects.erased += 1;
                rejects.sha256.push(reject.sha256.clone());
                rejects.keyed_hashes.extend(reject.keyed_hash.clone());
                return RejectChange::Remove;
            }
            match matcher.redact(&reject.file) {
                Some(file) => RejectChange::Replace(Box::new(RejectRecord { file, ..reject.clone() })),
                None => RejectChange::Keep,
            }
        },
    )?;
    Ok(rejects)
}

/// Redacts the names of ingested files in the source registry. Returns their number.
fn redact_file_names(
    snapshot: &Snapshot,
    transaction: &mut Transaction,
    matcher: &IdentifierMatcher,
    now: Micros,
) -> Result<u64> {
    let Some(old) = &snapshot.manifest().sources else { return Ok(0) };
    let mut registry = SourceRegistry::from_bytes(&snapshot.read_checked(&old.path, &old.checksum)?)?;
    let renamed = registry.rename(|path| matcher.redact(path));
    if renamed > 0 {
        let rows = registry.len() as u64;
        transaction.replace_state_file("sources", |m| &mut m.sources, &registry.to_bytes()?, rows, now)?;
    }
    Ok(renamed)
}

/// Records in the ledger, as keyed hashes, the identifiers, the erased sessions with their time
/// spans, and the erased rejected lines. An ingest suppresses matching lines.
fn record_erasure(
    ledger: &mut Ledger,
    key: &SecretKey,
    identity: &ResolvedIdentity,
    sessions: &[ErasedSession],
    rejects: &ErasedRejects,
    snapshot: &Snapshot,
    now: Micros,
) {
    let mut forgotten = Vec::new();
    let mut add = |hash: String, from: Option<Micros>, until: Micros| {
        forgotten.push(Forgotten { hash, from, until });
    };
    ledger.bare_emails |= identity.identifiers.has_bare_emails();
    for identifier in identity.identifiers.all() {
        add(identifier.hash(key), None, now);
    }
    ledger.shared_ids.extend(identity.shared.iter().map(|id| shared_ids::hash(key, id)));
    for session in sessions {
        // An event up to one session timeout before or after the session would have belonged to it.
        // Events after the erasure are not suppressed.
        let start = session.start.saturating_sub(snapshot.timeout());
        let end = session.end.saturating_add(snapshot.timeout()).min(now).max(session.end);
        if !identity.identifiers.contains(&session.value) || end > now {
            let hash = suppression::session_hash(key, &session.chatbot_id, session.kind, &session.value);
            add(hash, Some(start), end);
        }
    }
    // The stored line can differ from the line in the log: an ingest masks IP addresses by the
    // policy at that time, and `anonymize` removes them. The hashes of both forms are recorded.
    let stored = rejects.sha256.iter().map(|sha256| rejected::hex_line_hash(key, sha256));
    for hash in stored.chain(rejects.keyed_hashes.iter().cloned()) {
        add(hash, None, now);
    }
    ledger.forget(forgotten);
}

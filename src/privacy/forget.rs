//! Erases persons, in one change of the store.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::erase::{self, ErasedSession};
use super::erasure_receipt::{Erased, ErasureReceipt, Redacted, SOURCE_LOGS, SearchStats};
use super::identity_resolution::{ResolvedIdentity, resolve};
use super::matcher::IdentifierMatcher;
use super::rejects::{self, RejectChange};
use super::shared_ids::{self, SharedIds};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::identifier::Identifier;
use crate::ingest::batch::suppression;
use crate::ingest::input::source_registry::SourceRegistry;
use crate::store::key::{self, SecretKey};
use crate::store::ledger::{Forgotten, Ledger};
use crate::store::manifest::Manifest;
use crate::store::snapshot::Snapshot;
use crate::store::transaction::Transaction;
use crate::store::{Store, Writer, update};
use crate::time::{Clock, Micros, format_utc};

/// What an erasure is told.
#[derive(Clone, Debug)]
pub struct ForgetOptions {
    /// The present: the time of the erasure.
    pub clock: Clock,
    /// Only say what would be erased.
    pub dry_run: bool,
    /// How long to wait for another writer.
    pub lock_timeout: Duration,
    /// Where the secret key lies, if not in the store.
    pub key_file: Option<PathBuf>,
}

/// Erases all sessions that carry one of the identifiers, their events, and all other places where an
/// identifier stands as a value.
///
/// # Errors
/// [`ErrorKind::Usage`] where nobody is named.
pub fn forget(store: &Store, given: &[Identifier], options: &ForgetOptions) -> Result<ErasureReceipt> {
    // A store that is not there is an error, not one to be made.
    let snapshot = store.snapshot()?;
    let first = || Manifest::new(options.clock.now, snapshot.zone().name(), snapshot.timeout());
    let mut writer = store.writer("wa forget", options.lock_timeout, first)?;
    let receipt = forget_with_writer(&mut writer, given, options)?;
    writer.finish()?;
    Ok(receipt)
}

/// Does it with a writer that is open already.
pub fn forget_with_writer(
    writer: &mut Writer,
    given: &[Identifier],
    options: &ForgetOptions,
) -> Result<ErasureReceipt> {
    if given.iter().all(|identifier| identifier.value.is_empty()) {
        return Err(Error::new(ErrorKind::Usage, "nobody is named to be forgotten"));
    }
    let given: Vec<Identifier> = given.iter().filter(|i| !i.value.is_empty()).cloned().collect();
    let now = options.clock.now;
    let key = match options.dry_run {
        true => None,
        false => Some(key::of(writer.store(), writer.manifest(), options.key_file.as_deref())?),
    };
    let snapshot = writer.snapshot()?;
    let ledger = Ledger::of(&snapshot)?;
    let shared = SharedIds::of(&snapshot, &ledger, options.key_file.as_deref())?;
    let identity = resolve(&snapshot, &given, &shared)?;
    let matcher = IdentifierMatcher::new(&identity.identifiers)?;

    let frozen = update::pruned_days::Frozen::before(&snapshot, &ledger, Micros::MIN)?;
    let mut transaction = writer.begin();
    let events = erase::events(&mut transaction, &identity, &matcher)?;
    let (sessions, days, gone) = erase::sessions(&mut transaction, &identity, &matcher)?;
    let visitors = erase::visitors(&mut transaction, &identity)?;
    let days_recomputed = days.len() as u64;
    let after = transaction.snapshot()?;
    let changed = update::sessions::Changed { days, ..Default::default() };
    update::daily::update(&after, &mut transaction, changed, &[], &frozen, now)?;
    let entries = erase::daily_stats_entries(&mut transaction, &matcher, now)?;
    let lines = refused_lines(&mut transaction, &matcher)?;
    let log_names = log_names(&snapshot, &mut transaction, &matcher, now)?;

    let receipt = ErasureReceipt {
        dry_run: options.dry_run,
        erased_at: format_utc(now),
        identifiers: SearchStats {
            named: given.len() as u64,
            followed: identity.followed,
            shared: identity.shared.len() as u64,
        },
        erased: Erased {
            events: events.erased,
            sessions: sessions.erased,
            visitors: visitors.erased,
            rejects: lines.erased,
            daily_stats_entries: entries.erased,
        },
        redacted: Redacted { events: events.redacted, sessions: sessions.redacted, log_names },
        days_recomputed,
        files_replaced: events.files + sessions.files + visitors.files + entries.files + lines.files,
        source_logs: SOURCE_LOGS,
    };
    let Some(key) = key else {
        // The files that were staged for it go when the writer ends.
        return Ok(receipt);
    };
    let mut ledger = ledger;
    remember(&mut ledger, &key, &identity, &gone, &lines, &snapshot, now);
    ledger.write(&mut transaction, now)?;
    transaction.manifest().key_check = Some(key.check());
    writer.commit(transaction, now)?;
    // What an interrupted run left may hold the identifier as well.
    writer.sweep()?;
    Ok(receipt)
}

/// The refused lines that went.
#[derive(Default)]
struct Lines {
    erased: u64,
    /// SHA-256 of what was kept of them.
    sha256: Vec<String>,
    /// Keyed hashes of them as they came.
    keyed: Vec<String>,
    files: u64,
}

fn refused_lines(transaction: &mut Transaction, matcher: &IdentifierMatcher) -> Result<Lines> {
    let mut lines = Lines::default();
    lines.files = rejects::rewrite(
        transaction,
        |_| true,
        |reject| {
            if matcher.is_in(&rejects::raw(reject)) {
                lines.erased += 1;
                lines.sha256.push(reject.sha256.clone());
                lines.keyed.extend(reject.keyed_hash.clone());
                return RejectChange::Remove;
            }
            match matcher.redact(&reject.file) {
                Some(file) => RejectChange::Replace(crate::store::rejects::Reject { file, ..reject.clone() }),
                None => RejectChange::Keep,
            }
        },
    )?;
    Ok(lines)
}

/// Redacts the names of known logs. Returns how many.
fn log_names(
    snapshot: &Snapshot,
    transaction: &mut Transaction,
    matcher: &IdentifierMatcher,
    now: Micros,
) -> Result<u64> {
    let Some(old) = &snapshot.manifest().sources else { return Ok(0) };
    let mut known = SourceRegistry::from_bytes(&snapshot.bytes_checked(&old.path, &old.checksum)?)?;
    let renamed = known.rename(|path| matcher.redact(path));
    if renamed > 0 {
        let rows = known.len() as u64;
        transaction.replace_note("sources", |m| &mut m.sources, &known.to_bytes()?, rows, now)?;
    }
    Ok(renamed)
}

/// Writes down what is to stay out: the identifiers, the stretches of time of the sessions, and the
/// refused lines, each as a keyed hash.
fn remember(
    ledger: &mut Ledger,
    key: &SecretKey,
    identity: &ResolvedIdentity,
    gone: &[ErasedSession],
    lines: &Lines,
    snapshot: &Snapshot,
    now: Micros,
) {
    let mut forgotten: BTreeMap<(String, Option<Micros>), Micros> = BTreeMap::new();
    let mut add = |hash: String, from: Option<Micros>, at: Micros| {
        let until = forgotten.entry((hash, from)).or_insert(at);
        *until = at.max(*until);
    };
    for old in std::mem::take(&mut ledger.forgotten) {
        add(old.hash, old.from, old.at);
    }
    ledger.bare_emails |= identity.identifiers.has_bare_emails();
    for identifier in identity.identifiers.all() {
        add(identifier.hash(key), None, now);
    }
    ledger.shared.extend(identity.shared.iter().map(|id| shared_ids::hash(key, id)));
    for session in gone {
        // Within a timeout of it an event would have belonged to it; what comes after the erasure is stored as
        // anybody's.
        let from = session.from.saturating_sub(snapshot.timeout());
        let to = session.to.saturating_add(snapshot.timeout()).min(now).max(session.to);
        if !identity.identifiers.contains(&session.value) || to > now {
            add(
                suppression::session_hash(key, &session.chatbot_id, session.kind, &session.value),
                Some(from),
                to,
            );
        }
    }
    // A line can come again under another policy of addresses, or have lost its own here: it is known as it
    // was kept, and as it came.
    for hash in
        lines.sha256.iter().map(|sha256| suppression::hex_line_hash(key, sha256)).chain(lines.keyed.clone())
    {
        add(hash, None, now);
    }
    ledger.forgotten = forgotten.into_iter().map(|((hash, from), at)| Forgotten { hash, from, at }).collect();
}

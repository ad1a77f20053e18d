//! Finds the sessions that carry an identifier, and follows it to the visitors behind it.
//!
//! A session carries an identifier where one of its own columns does, a profile kept for merging, or
//! one of its events. An anonymous id found in such a session is followed where no user id ever used
//! it but the person's own, so that the cookie of a kiosk does not lead to everybody who stood there.
//!
//! The tables are read file by file; memory holds what belongs to the identifiers alone.

use std::collections::{BTreeSet, HashMap, HashSet};

use rayon::prelude::*;
use serde::Deserialize;

use super::identifier::{Identifier, Identifiers, Kind};
use super::shared::Shared;
use crate::error::{Error, Result};
use crate::event::{KeyKind, key_hash};
use crate::store::columns::Table;
use crate::store::frame::{Ints, Texts, ints, texts};
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::time::Micros;

/// The columns by which an event is assigned to a session and a person.
pub const EVENT_COLUMNS: [&str; 6] =
    ["chatbot_id", "session_id", "anonymous_id", "user_id", "user_email", "timestamp"];
/// The same of a session.
pub const SESSION_COLUMNS: [&str; 8] = [
    "chatbot_id",
    "session_id",
    "anonymous_id",
    "user_id",
    "user_email",
    "started_at",
    "ended_at",
    "merge_state",
];

/// Some sessions: by the hash of their key, from when to when, in order; no two of a key overlap.
#[derive(Clone, Debug, Default)]
pub struct Sessions(HashMap<u128, Vec<(Micros, Micros)>>);

impl Sessions {
    /// Tells whether a moment of a key belongs to one of them.
    pub fn hold(&self, key: u128, time: Micros) -> bool {
        self.span(key, time).is_some()
    }

    /// Returns from when to when the one lasted that holds a moment of a key.
    pub fn span(&self, key: u128, time: Micros) -> Option<(Micros, Micros)> {
        let spans = self.0.get(&key)?;
        let next = spans.partition_point(|&(from, _)| from <= time);
        spans.get(next.checked_sub(1)?).copied().filter(|&(_, to)| time <= to)
    }

    /// Returns how many there are.
    pub fn len(&self) -> u64 {
        self.0.values().map(|spans| spans.len() as u64).sum()
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What belongs to some identifiers.
#[derive(Clone, Debug, Default)]
pub struct Traced {
    /// The identifiers, and the anonymous ids that were followed.
    pub identifiers: Identifiers,
    /// How many anonymous ids were followed.
    pub followed: u64,
    /// Those that were found and are not followed, since others used them too.
    pub shared: Vec<String>,
    /// The sessions that carry any of them.
    pub sessions: Sessions,
}

/// Finds what belongs to the identifiers given; `before`: the anonymous ids that were shared with users who
/// are erased.
pub fn trace(snapshot: &Snapshot, given: &[Identifier], before: &Shared) -> Result<Traced> {
    let mut identifiers = Identifiers::new(given.iter().cloned());
    let mut around = Around::of(snapshot, &identifiers)?;
    let own = around.own_users(&identifiers);
    let mut looked_at: HashSet<String> = HashSet::new();
    let (mut followed, mut shared) = (0, Vec::new());
    let mut found: BTreeSet<String> = around.anonymous.iter().flatten().cloned().collect();
    loop {
        // Every round looks at ids that none before did: there are no more rounds than ids.
        let candidates = found.iter().filter(|id| !identifiers.have(id) && !looked_at.contains(*id));
        let candidates =
            Identifiers::new(candidates.map(|id| Identifier::new(Kind::AnonymousId, id.as_str())));
        if candidates.is_empty() {
            break;
        }
        let theirs = Around::of(snapshot, &candidates)?;
        found.clear();
        for (number, candidate) in candidates.all().iter().enumerate() {
            looked_at.insert(candidate.value.clone());
            let is_own = theirs.users.get(number).is_some_and(|users| users.is_subset(&own));
            if is_own && !before.has(&candidate.value) {
                found.extend(theirs.anonymous.get(number).into_iter().flatten().cloned());
                identifiers.add(candidate.clone());
                followed += 1;
            } else {
                shared.push(candidate.value.clone());
            }
        }
    }
    if followed > 0 {
        around = Around::of(snapshot, &identifiers)?;
    }
    let sessions = around
        .sessions
        .into_iter()
        .map(|(key, spans)| (key, spans.into_iter().map(|s| (s.from, s.to)).collect()))
        .collect();
    Ok(Traced { identifiers, followed, shared, sessions: Sessions(sessions) })
}

/// A session that carries identifiers, by their numbers.
struct Span {
    from: Micros,
    to: Micros,
    carries: BTreeSet<usize>,
}

/// What was found in the sessions that carry each of some identifiers.
struct Around {
    /// By session key, in order; no two overlap.
    sessions: HashMap<u128, Vec<Span>>,
    /// The anonymous ids in those sessions.
    anonymous: Vec<HashSet<String>>,
    /// The user ids in them.
    users: Vec<HashSet<String>>,
    /// The user ids right beside the identifier: in one event or one profile with it.
    beside: Vec<HashSet<String>>,
}

/// What one file adds: an identifier's number, and which of the sets gets which id.
#[derive(Default)]
struct Finds {
    anonymous: HashSet<(usize, String)>,
    users: HashSet<(usize, String)>,
    beside: HashSet<(usize, String)>,
}

impl Around {
    fn of(snapshot: &Snapshot, identifiers: &Identifiers) -> Result<Around> {
        let count = identifiers.all().len();
        let empty = || vec![HashSet::new(); count];
        let mut around =
            Around { sessions: HashMap::new(), anonymous: empty(), users: empty(), beside: empty() };
        let moments = around.carrying_events(snapshot, identifiers)?;
        around.carrying_sessions(snapshot, identifiers, &moments)?;
        around.other_events(snapshot)?;
        Ok(around)
    }

    /// Returns the user ids that are the person's own: named, or beside a named e-mail address, or the
    /// one and only user of a named visitor or session.
    fn own_users(&self, identifiers: &Identifiers) -> HashSet<String> {
        let mut own = HashSet::new();
        for (number, identifier) in identifiers.all().iter().enumerate() {
            match identifier.kind {
                Kind::User => {
                    own.insert(identifier.value.clone());
                    // And however else the log writes it.
                    let users = self.users.get(number).into_iter().flatten();
                    own.extend(users.filter(|user| identifiers.have(user)).cloned());
                }
                Kind::Email => own.extend(self.beside.get(number).into_iter().flatten().cloned()),
                Kind::AnonymousId | Kind::SessionId => {
                    own.extend(
                        self.users
                            .get(number)
                            .filter(|users| users.len() == 1)
                            .into_iter()
                            .flatten()
                            .cloned(),
                    );
                }
            }
        }
        own
    }

    fn take(&mut self, finds: Vec<Finds>) {
        let put = |sets: &mut Vec<HashSet<String>>, found: HashSet<(usize, String)>| {
            for (number, id) in found {
                if let Some(set) = sets.get_mut(number) {
                    set.insert(id);
                }
            }
        };
        for found in finds {
            put(&mut self.anonymous, found.anonymous);
            put(&mut self.users, found.users);
            put(&mut self.beside, found.beside);
        }
    }

    /// Finds the events that carry identifiers themselves: by session key their times, in order.
    fn carrying_events(
        &mut self,
        snapshot: &Snapshot,
        identifiers: &Identifiers,
    ) -> Result<HashMap<u128, Vec<(Micros, usize)>>> {
        let found = each_file(snapshot, Table::Events, &EVENT_COLUMNS, |ids, row, finds: &mut Finds| {
            let carried = ids.carried(row, identifiers);
            for &number in &carried {
                finds.beside.extend(ids.user.get(row).map(|user| (number, user.to_owned())));
            }
            carried.into_iter().map(|number| (ids.key(row), ids.from.or_zero(row), number)).collect()
        })?;
        let mut moments: HashMap<u128, Vec<(Micros, usize)>> = HashMap::new();
        let mut finds = Vec::new();
        for (rows, more) in found {
            for (key, time, number) in rows.into_iter().flatten() {
                moments.entry(key).or_default().push((time, number));
            }
            finds.push(more);
        }
        self.take(finds);
        moments.values_mut().for_each(|moments| moments.sort_unstable());
        Ok(moments)
    }

    fn carrying_sessions(
        &mut self,
        snapshot: &Snapshot,
        identifiers: &Identifiers,
        moments: &HashMap<u128, Vec<(Micros, usize)>>,
    ) -> Result<()> {
        let broken = std::sync::Mutex::new(None);
        let found = each_file(snapshot, Table::Sessions, &SESSION_COLUMNS, |ids, row, finds: &mut Finds| {
            let key = ids.key(row);
            let (from, to) = (ids.from.or_zero(row), ids.to.or_zero(row));
            let profiles = match ids.profiles(row) {
                Ok(profiles) => profiles,
                Err(error) => {
                    broken.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert(error);
                    return Vec::new();
                }
            };
            let mut carries: BTreeSet<usize> = ids.carried(row, identifiers).into_iter().collect();
            let own = carries.clone();
            for profile in &profiles {
                for value in [&profile.user_id, &profile.user_email].into_iter().flatten() {
                    identifiers.each(value, |number| {
                        carries.insert(number);
                        finds.beside.extend(profile.user_id.clone().map(|user| (number, user)));
                    });
                }
            }
            let moments = moments.get(&key).map_or(&[][..], Vec::as_slice);
            let within = moments.iter().skip(moments.partition_point(|&(time, _)| time < from));
            carries.extend(within.take_while(|&&(time, _)| time <= to).map(|&(_, number)| number));
            for &number in &carries {
                let users = ids.user.get(row).map(str::to_owned);
                let users = users.into_iter().chain(profiles.iter().filter_map(|p| p.user_id.clone()));
                finds.users.extend(users.map(|user| (number, user)));
                finds.anonymous.extend(ids.anonymous.get(row).map(|id| (number, id.to_owned())));
                if own.contains(&number) {
                    // A session shows the address of its own user.
                    finds.beside.extend(ids.user.get(row).map(|user| (number, user.to_owned())));
                }
            }
            if carries.is_empty() { Vec::new() } else { vec![(key, Span { from, to, carries })] }
        })?;
        if let Some(error) = broken.into_inner().unwrap_or_else(|e| e.into_inner()) {
            return Err(error);
        }
        let mut finds = Vec::new();
        for (rows, more) in found {
            for (key, span) in rows.into_iter().flatten() {
                self.sessions.entry(key).or_default().push(span);
            }
            finds.push(more);
        }
        self.sessions.values_mut().for_each(|spans| spans.sort_unstable_by_key(|span| span.from));
        self.take(finds);
        Ok(())
    }

    /// Looks at all events of those sessions, for the ids in them.
    fn other_events(&mut self, snapshot: &Snapshot) -> Result<()> {
        if self.sessions.is_empty() {
            return Ok(());
        }
        let sessions = &self.sessions;
        let found = each_file(snapshot, Table::Events, &EVENT_COLUMNS, |ids, row, finds: &mut Finds| {
            let time = ids.from.or_zero(row);
            let spans = sessions.get(&ids.key(row)).map_or(&[][..], Vec::as_slice);
            let last = spans.partition_point(|span| span.from <= time).checked_sub(1);
            if let Some(span) = last.and_then(|last| spans.get(last)).filter(|span| time <= span.to) {
                for &number in &span.carries {
                    finds.users.extend(ids.user.get(row).map(|id| (number, id.to_owned())));
                    finds.anonymous.extend(ids.anonymous.get(row).map(|id| (number, id.to_owned())));
                }
            }
            Vec::<()>::new()
        })?;
        self.take(found.into_iter().map(|(_, finds)| finds).collect());
        Ok(())
    }
}

/// Goes through the rows of all files of a table, files in parallel.
fn each_file<T: Send>(
    snapshot: &Snapshot,
    table: Table,
    columns: &[&str],
    look: impl Fn(&Ids, usize, &mut Finds) -> Vec<T> + Sync,
) -> Result<Vec<(Vec<Vec<T>>, Finds)>> {
    let files: &[DataFile] = snapshot.manifest().files(table);
    files
        .par_iter()
        .map(|file| {
            let frame = snapshot.read_file(file, Some(columns))?;
            let ids = Ids::of(&frame, table)?;
            let mut finds = Finds::default();
            let rows = (0..frame.height()).map(|row| look(&ids, row, &mut finds));
            Ok((rows.filter(|found| !found.is_empty()).collect(), finds))
        })
        .collect()
}

/// The columns of identity of a file of events or sessions.
pub struct Ids {
    chatbot: Texts,
    session: Texts,
    anonymous: Texts,
    user: Texts,
    email: Texts,
    /// Time of the event, or of the session's first.
    pub from: Ints,
    /// Time of the event, or of the session's last.
    pub to: Ints,
    merge_state: Option<Texts>,
}

impl Ids {
    /// Finds the columns in a frame.
    pub fn of(frame: &polars::prelude::DataFrame, table: Table) -> Result<Ids> {
        let sessions = table == Table::Sessions;
        let (from, to) = if sessions { ("started_at", "ended_at") } else { ("timestamp", "timestamp") };
        Ok(Ids {
            chatbot: texts(frame, "chatbot_id")?,
            session: texts(frame, "session_id")?,
            anonymous: texts(frame, "anonymous_id")?,
            user: texts(frame, "user_id")?,
            email: texts(frame, "user_email")?,
            from: ints(frame, from)?,
            to: ints(frame, to)?,
            merge_state: if sessions { Some(texts(frame, "merge_state")?) } else { None },
        })
    }

    /// Returns the session key of a row: its chatbot, which id it is, and the id.
    pub fn key_parts(&self, row: usize) -> (&str, KeyKind, &str) {
        let (kind, value) = match (self.session.get(row), self.anonymous.get(row)) {
            (Some(id), _) => (KeyKind::Session, id),
            (None, Some(id)) => (KeyKind::Anonymous, id),
            (None, None) => (KeyKind::User, self.user.get(row).unwrap_or("")),
        };
        (self.chatbot.get(row).unwrap_or(""), kind, value)
    }

    /// Returns the hash of a row's session key.
    pub fn key(&self, row: usize) -> u128 {
        let (chatbot, kind, value) = self.key_parts(row);
        key_hash(chatbot, kind, value)
    }

    /// Returns the numbers of the identifiers that a row's columns carry.
    pub fn carried(&self, row: usize, identifiers: &Identifiers) -> Vec<usize> {
        let columns = [&self.session, &self.anonymous, &self.user, &self.email];
        let mut numbers = Vec::new();
        for value in columns.iter().filter_map(|column| column.get(row)) {
            identifiers.each(value, |number| numbers.push(number));
        }
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    fn profiles(&self, row: usize) -> Result<Vec<HeldProfile>> {
        let Some(text) = self.merge_state.as_ref().and_then(|column| column.get(row)) else {
            return Ok(Vec::new());
        };
        serde_json::from_str::<HeldProfiles>(text)
            .map(|state| state.profiles)
            .map_err(|e| Error::failed("a session's merge_state cannot be read").caused_by(e))
    }
}

/// What of a session's `merge_state` names a person.
#[derive(Deserialize)]
struct HeldProfiles {
    #[serde(default)]
    profiles: Vec<HeldProfile>,
}

#[derive(Deserialize)]
struct HeldProfile {
    user_id: Option<String>,
    user_email: Option<String>,
}

//! FoundIds the sessions that carry an identifier, and follows it to the visitors behind it.
//!
//! A session carries an identifier where one of its own columns does, a profile kept for merging, or
//! one of its events. An anonymous id found in such a session is followed where no user id ever used
//! it but the person's own, so that the cookie of a kiosk does not lead to everybody who stood there.
//!
//! The tables are read file by file; memory holds what belongs to the identifiers alone.

use std::collections::{BTreeSet, HashMap, HashSet};

use rayon::prelude::*;
use serde::Deserialize;

use super::shared_ids::SharedIds;
use crate::error::{Error, Result};
use crate::event::{KeyKind, session_key_hash};
use crate::identity::identifier::{Identifier, IdentifierKind, Identifiers};
use crate::store::columns::Table;
use crate::store::frame::{Ints, Texts};
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
pub struct ResolvedIdentity {
    /// The identifiers, and the anonymous ids that were followed.
    pub identifiers: Identifiers,
    /// How many anonymous ids were followed.
    pub followed: u64,
    /// Those that were found and are not followed, since others used them too.
    pub shared: Vec<String>,
    /// The sessions that carry any of them.
    pub sessions: Sessions,
}

/// FoundIds what belongs to the identifiers given; `before`: the anonymous ids that were shared with users who
/// are erased.
pub fn resolve(snapshot: &Snapshot, given: &[Identifier], before: &SharedIds) -> Result<ResolvedIdentity> {
    let mut identifiers = Identifiers::new(given.iter().cloned());
    let mut graph = IdentityGraph::of(snapshot, &identifiers)?;
    let own = graph.own_users(&identifiers);
    let mut looked_at: HashSet<String> = HashSet::new();
    let (mut followed, mut shared) = (0, Vec::new());
    let mut found: BTreeSet<String> = graph.spans().flat_map(|span| &span.anonymous).cloned().collect();
    loop {
        // Every round looks at ids that none before did: there are no more rounds than ids.
        let candidates = found.iter().filter(|id| !identifiers.contains(id) && !looked_at.contains(*id));
        let candidates =
            Identifiers::new(candidates.map(|id| Identifier::new(IdentifierKind::AnonymousId, id.as_str())));
        if candidates.is_empty() {
            break;
        }
        let theirs = IdentityGraph::of(snapshot, &candidates)?;
        // Session by session: thousands of ids can be in one, with thousands of users.
        let mut is_own: Vec<bool> = candidates.all().iter().map(|id| !before.has(&id.value)).collect();
        for span in theirs.spans().filter(|span| !span.users.is_subset(&own)) {
            span.carries.iter().for_each(|&number| is_own[number] = false);
        }
        let leads_on = |span: &&Span| span.carries.iter().any(|&number| is_own[number]);
        found = theirs.spans().filter(leads_on).flat_map(|span| &span.anonymous).cloned().collect();
        for (candidate, is_own) in candidates.all().iter().zip(is_own) {
            looked_at.insert(candidate.value.clone());
            if is_own {
                identifiers.add(candidate.clone());
                followed += 1;
            } else {
                shared.push(candidate.value.clone());
            }
        }
    }
    if followed > 0 {
        graph = IdentityGraph::of(snapshot, &identifiers)?;
    }
    let sessions = graph
        .sessions
        .into_iter()
        .map(|(key, spans)| (key, spans.into_iter().map(|s| (s.from, s.to)).collect()))
        .collect();
    Ok(ResolvedIdentity { identifiers, followed, shared, sessions: Sessions(sessions) })
}

/// A session that carries identifiers.
struct Span {
    from: Micros,
    to: Micros,
    /// Their numbers.
    carries: BTreeSet<usize>,
    /// The user ids in it.
    users: HashSet<String>,
    /// The anonymous ids in it.
    anonymous: HashSet<String>,
}

/// What was found in the sessions that carry some identifiers.
struct IdentityGraph {
    /// By session key, in order; no two overlap.
    sessions: HashMap<u128, Vec<Span>>,
    /// For each identifier, the user ids right beside it: in one event or one profile with it.
    beside: Vec<HashSet<String>>,
}

/// What one file adds.
#[derive(Default)]
struct FoundIds {
    /// An identifier's number, and a user id right beside it.
    beside: HashSet<(usize, String)>,
    /// A session's key and its place among those of the key, and an id in it.
    users: HashSet<(u128, usize, String)>,
    anonymous: HashSet<(u128, usize, String)>,
}

impl IdentityGraph {
    fn of(snapshot: &Snapshot, identifiers: &Identifiers) -> Result<IdentityGraph> {
        let beside = vec![HashSet::new(); identifiers.all().len()];
        let mut graph = IdentityGraph { sessions: HashMap::new(), beside };
        let moments = graph.carrying_events(snapshot, identifiers)?;
        graph.carrying_sessions(snapshot, identifiers, &moments)?;
        graph.other_events(snapshot)?;
        Ok(graph)
    }

    fn span(&mut self, key: u128, place: usize) -> Option<&mut Span> {
        self.sessions.get_mut(&key)?.get_mut(place)
    }

    fn spans(&self) -> impl Iterator<Item = &Span> {
        self.sessions.values().flatten()
    }

    /// Returns the user ids in the sessions that carry an identifier.
    fn users(&self, number: usize) -> HashSet<&str> {
        let carrying = self.spans().filter(|span| span.carries.contains(&number));
        carrying.flat_map(|span| &span.users).map(String::as_str).collect()
    }

    /// Returns the user ids that are the person's own: named, or beside a named e-mail address, or the
    /// one and only user of a named visitor or session.
    fn own_users(&self, identifiers: &Identifiers) -> HashSet<String> {
        let mut own = HashSet::new();
        for (number, identifier) in identifiers.all().iter().enumerate() {
            match identifier.kind {
                IdentifierKind::User => {
                    own.insert(identifier.value.clone());
                    // And however else the log writes it.
                    let users = self.users(number).into_iter();
                    own.extend(users.filter(|user| identifiers.contains(user)).map(str::to_owned));
                }
                IdentifierKind::Email => own.extend(self.beside.get(number).into_iter().flatten().cloned()),
                IdentifierKind::AnonymousId | IdentifierKind::SessionId => {
                    let users = self.users(number);
                    if users.len() == 1 {
                        own.extend(users.into_iter().map(str::to_owned));
                    }
                }
            }
        }
        own
    }

    fn take(&mut self, finds: Vec<FoundIds>) {
        for found in finds {
            for (number, id) in found.beside {
                if let Some(ids) = self.beside.get_mut(number) {
                    ids.insert(id);
                }
            }
            for (key, place, id) in found.users {
                if let Some(span) = self.span(key, place) {
                    span.users.insert(id);
                }
            }
            for (key, place, id) in found.anonymous {
                if let Some(span) = self.span(key, place) {
                    span.anonymous.insert(id);
                }
            }
        }
    }

    /// FoundIds the events that carry identifiers themselves: by session key their times, in order.
    fn carrying_events(
        &mut self,
        snapshot: &Snapshot,
        identifiers: &Identifiers,
    ) -> Result<HashMap<u128, Vec<(Micros, usize)>>> {
        let found = each_file(snapshot, Table::Events, &EVENT_COLUMNS, |ids, row, finds: &mut FoundIds| {
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
        let found =
            each_file(snapshot, Table::Sessions, &SESSION_COLUMNS, |ids, row, finds: &mut FoundIds| {
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
                        identifiers.for_each_match(value, |number| {
                            carries.insert(number);
                            finds.beside.extend(profile.user_id.clone().map(|user| (number, user)));
                        });
                    }
                }
                let moments = moments.get(&key).map_or(&[][..], Vec::as_slice);
                let within = moments.iter().skip(moments.partition_point(|&(time, _)| time < from));
                carries.extend(within.take_while(|&&(time, _)| time <= to).map(|&(_, number)| number));
                if carries.is_empty() {
                    return Vec::new();
                }
                // A session shows the address of its own user.
                let user = ids.user.get(row).map(str::to_owned);
                finds.beside.extend(own.iter().filter_map(|&number| Some((number, user.clone()?))));
                let users = user.into_iter().chain(profiles.into_iter().filter_map(|p| p.user_id)).collect();
                let anonymous = ids.anonymous.get(row).map(str::to_owned).into_iter().collect();
                vec![(key, Span { from, to, carries, users, anonymous })]
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
        let found = each_file(snapshot, Table::Events, &EVENT_COLUMNS, |ids, row, finds: &mut FoundIds| {
            let time = ids.from.or_zero(row);
            let key = ids.key(row);
            let spans = sessions.get(&key).map_or(&[][..], Vec::as_slice);
            let last = spans.partition_point(|span| span.from <= time).checked_sub(1);
            if let Some(place) = last.filter(|&last| spans.get(last).is_some_and(|span| time <= span.to)) {
                finds.users.extend(ids.user.get(row).map(|id| (key, place, id.to_owned())));
                finds.anonymous.extend(ids.anonymous.get(row).map(|id| (key, place, id.to_owned())));
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
    look: impl Fn(&IdentityColumns, usize, &mut FoundIds) -> Vec<T> + Sync,
) -> Result<Vec<(Vec<Vec<T>>, FoundIds)>> {
    let files: &[DataFile] = snapshot.manifest().files(table);
    files
        .par_iter()
        .map(|file| {
            let frame = snapshot.read_file(file, Some(columns))?;
            let ids = IdentityColumns::of(&frame, table)?;
            let mut finds = FoundIds::default();
            let rows = (0..frame.height()).map(|row| look(&ids, row, &mut finds));
            Ok((rows.filter(|found| !found.is_empty()).collect(), finds))
        })
        .collect()
}

/// The columns of identity of a file of events or sessions.
pub struct IdentityColumns {
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

impl IdentityColumns {
    /// FoundIds the columns in a frame.
    pub fn of(frame: &crate::store::frame::Frame, table: Table) -> Result<IdentityColumns> {
        let sessions = table == Table::Sessions;
        let [from, to] = table.times();
        Ok(IdentityColumns {
            chatbot: frame.texts("chatbot_id")?.clone(),
            session: frame.texts("session_id")?.clone(),
            anonymous: frame.texts("anonymous_id")?.clone(),
            user: frame.texts("user_id")?.clone(),
            email: frame.texts("user_email")?.clone(),
            from: frame.ints(from)?.clone(),
            to: frame.ints(to)?.clone(),
            merge_state: if sessions { Some(frame.texts("merge_state")?.clone()) } else { None },
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
        session_key_hash(chatbot, kind, value)
    }

    /// Returns the numbers of the identifiers that a row's columns carry.
    pub fn carried(&self, row: usize, identifiers: &Identifiers) -> Vec<usize> {
        let columns = [&self.session, &self.anonymous, &self.user, &self.email];
        let mut numbers = Vec::new();
        for value in columns.iter().filter_map(|column| column.get(row)) {
            identifiers.for_each_match(value, |number| numbers.push(number));
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

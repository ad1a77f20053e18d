//! Finds the sessions that contain given identifiers, and the ids that occur with them.
//!
//! A session contains an identifier if the identifier is in one of its columns, in a profile of its
//! merge state, or in one of its events. The tables are read file by file. Only the sessions that
//! contain an identifier, and the ids in them, are kept in memory.

use std::collections::{BTreeSet, HashMap, HashSet};

use rayon::prelude::*;

use super::identity_columns::{EVENT_COLUMNS, IdentityColumns, SESSION_COLUMNS};
use crate::error::Result;
use crate::identity::{IdentifierKind, Identifiers};
use crate::store::columns::Table;
use crate::store::snapshot::Snapshot;
use crate::time::Micros;

/// A session that contains identifiers.
pub(super) struct SessionNode {
    /// The time of the session's first event.
    pub(super) start: Micros,
    /// The time of the session's last event.
    pub(super) end: Micros,
    /// The numbers of the identifiers in the session.
    pub(super) identifiers: BTreeSet<usize>,
    /// The user ids in the session.
    pub(super) users: HashSet<String>,
    /// The anonymous ids in the session.
    pub(super) anonymous: HashSet<String>,
}

/// The sessions that contain given identifiers.
pub(super) struct IdentityGraph {
    /// The sessions by session key hash, sorted by start; sessions of one key do not overlap.
    pub(super) sessions: HashMap<u128, Vec<SessionNode>>,
    /// For each identifier, the user ids that occur with it in one event or profile.
    linked_users: Vec<HashSet<String>>,
}

/// The ids found in one file.
#[derive(Default)]
struct FoundIds {
    /// An identifier's number, and a user id that occurs with it in one event or profile.
    linked_users: HashSet<(usize, String)>,
    /// The key and index of a session, and a user id in it.
    users: HashSet<(u128, usize, String)>,
    /// The key and index of a session, and an anonymous id in it.
    anonymous: HashSet<(u128, usize, String)>,
}

impl IdentityGraph {
    /// Reads the sessions that contain one of the identifiers.
    pub(super) fn load(snapshot: &Snapshot, identifiers: &Identifiers) -> Result<IdentityGraph> {
        let linked_users = vec![HashSet::new(); identifiers.all().len()];
        let mut graph = IdentityGraph { sessions: HashMap::new(), linked_users };
        let event_times = graph.find_matching_events(snapshot, identifiers)?;
        graph.find_matching_sessions(snapshot, identifiers, &event_times)?;
        graph.collect_ids_of_sessions(snapshot)?;
        Ok(graph)
    }

    /// Returns all sessions, in any order.
    pub(super) fn sessions(&self) -> impl Iterator<Item = &SessionNode> {
        self.sessions.values().flatten()
    }

    /// Returns the user ids in the sessions that contain an identifier.
    fn co_occurring_users(&self, number: usize) -> HashSet<&str> {
        let sessions = self.sessions().filter(|session| session.identifiers.contains(&number));
        sessions.flat_map(|session| &session.users).map(String::as_str).collect()
    }

    /// Returns the user ids that belong to the person: named user ids, user ids that occur with a
    /// named email address, and the user id of a named visitor or session with a single user.
    pub(super) fn own_users(&self, identifiers: &Identifiers) -> HashSet<String> {
        let mut own = HashSet::new();
        for (number, identifier) in identifiers.all().iter().enumerate() {
            match identifier.kind {
                IdentifierKind::User => {
                    own.insert(identifier.value.clone());
                    // Add other spellings of the same id in the log.
                    let users = self.co_occurring_users(number).into_iter();
                    own.extend(users.filter(|user| identifiers.contains(user)).map(str::to_owned));
                }
                IdentifierKind::Email => {
                    own.extend(self.linked_users.get(number).into_iter().flatten().cloned());
                }
                IdentifierKind::AnonymousId | IdentifierKind::SessionId => {
                    let users = self.co_occurring_users(number);
                    if users.len() == 1 {
                        own.extend(users.into_iter().map(str::to_owned));
                    }
                }
            }
        }
        own
    }

    fn session_mut(&mut self, key: u128, index: usize) -> Option<&mut SessionNode> {
        self.sessions.get_mut(&key)?.get_mut(index)
    }

    fn add(&mut self, files: Vec<FoundIds>) {
        for found in files {
            for (number, id) in found.linked_users {
                if let Some(ids) = self.linked_users.get_mut(number) {
                    ids.insert(id);
                }
            }
            for (key, index, id) in found.users {
                if let Some(session) = self.session_mut(key, index) {
                    session.users.insert(id);
                }
            }
            for (key, index, id) in found.anonymous {
                if let Some(session) = self.session_mut(key, index) {
                    session.anonymous.insert(id);
                }
            }
        }
    }

    /// Finds the events that contain identifiers. Returns their times and the numbers of the
    /// identifiers by session key, sorted by time.
    fn find_matching_events(
        &mut self,
        snapshot: &Snapshot,
        identifiers: &Identifiers,
    ) -> Result<HashMap<u128, Vec<(Micros, usize)>>> {
        let files = scan_files(snapshot, Table::Events, &EVENT_COLUMNS, |ids, row, found: &mut FoundIds| {
            let matches = ids.matches(row, identifiers);
            for &number in &matches {
                found.linked_users.extend(ids.user.get(row).map(|user| (number, user.to_owned())));
            }
            let (key, time) = (ids.session_key_hash(row), ids.start.or_zero(row));
            Ok(matches.into_iter().map(|number| (key, time, number)).collect())
        })?;
        let mut times: HashMap<u128, Vec<(Micros, usize)>> = HashMap::new();
        let mut found = Vec::new();
        for (rows, ids) in files {
            for (key, time, number) in rows.into_iter().flatten() {
                times.entry(key).or_default().push((time, number));
            }
            found.push(ids);
        }
        self.add(found);
        times.values_mut().for_each(|times| times.sort_unstable());
        Ok(times)
    }

    /// Finds the sessions that contain identifiers in their columns, profiles or events.
    fn find_matching_sessions(
        &mut self,
        snapshot: &Snapshot,
        identifiers: &Identifiers,
        event_times: &HashMap<u128, Vec<(Micros, usize)>>,
    ) -> Result<()> {
        let files = scan_files(snapshot, Table::Sessions, &SESSION_COLUMNS, |ids, row, found| {
            let key = ids.session_key_hash(row);
            let (start, end) = (ids.start.or_zero(row), ids.end.or_zero(row));
            let profiles = ids.profiles(row)?;
            let in_columns = ids.matches(row, identifiers);
            let mut matches: BTreeSet<usize> = in_columns.iter().copied().collect();
            for profile in &profiles {
                for value in [&profile.user_id, &profile.user_email].into_iter().flatten() {
                    identifiers.for_each_match(value, |number| {
                        matches.insert(number);
                        found.linked_users.extend(profile.user_id.clone().map(|user| (number, user)));
                    });
                }
            }
            let times = event_times.get(&key).map_or(&[][..], Vec::as_slice);
            let within = times.iter().skip(times.partition_point(|&(time, _)| time < start));
            matches.extend(within.take_while(|&&(time, _)| time <= end).map(|&(_, number)| number));
            if matches.is_empty() {
                return Ok(Vec::new());
            }
            // The columns of a session show the profile of one user.
            let user = ids.user.get(row).map(str::to_owned);
            found.linked_users.extend(in_columns.iter().filter_map(|&number| Some((number, user.clone()?))));
            let users = user.into_iter().chain(profiles.into_iter().filter_map(|p| p.user_id)).collect();
            let anonymous = ids.anonymous.get(row).map(str::to_owned).into_iter().collect();
            Ok(vec![(key, SessionNode { start, end, identifiers: matches, users, anonymous })])
        })?;
        let mut found = Vec::new();
        for (rows, ids) in files {
            for (key, session) in rows.into_iter().flatten() {
                self.sessions.entry(key).or_default().push(session);
            }
            found.push(ids);
        }
        self.sessions.values_mut().for_each(|all| all.sort_unstable_by_key(|session| session.start));
        self.add(found);
        Ok(())
    }

    /// Reads all events of the sessions found, and adds the ids in them.
    fn collect_ids_of_sessions(&mut self, snapshot: &Snapshot) -> Result<()> {
        if self.sessions.is_empty() {
            return Ok(());
        }
        let sessions = &self.sessions;
        let files = scan_files(snapshot, Table::Events, &EVENT_COLUMNS, |ids, row, found: &mut FoundIds| {
            let (key, time) = (ids.session_key_hash(row), ids.start.or_zero(row));
            let of_key = sessions.get(&key).map_or(&[][..], Vec::as_slice);
            let last = of_key.partition_point(|session| session.start <= time).checked_sub(1);
            let index = last.filter(|&last| of_key.get(last).is_some_and(|session| time <= session.end));
            if let Some(index) = index {
                found.users.extend(ids.user.get(row).map(|id| (key, index, id.to_owned())));
                found.anonymous.extend(ids.anonymous.get(row).map(|id| (key, index, id.to_owned())));
            }
            Ok(Vec::<()>::new())
        })?;
        self.add(files.into_iter().map(|(_, found)| found).collect());
        Ok(())
    }
}

/// Calls a function with every row of a table, in parallel over the files. Returns, for each file,
/// the non-empty results of its rows and the ids found.
fn scan_files<T: Send>(
    snapshot: &Snapshot,
    table: Table,
    columns: &[&str],
    scan_row: impl Fn(&IdentityColumns, usize, &mut FoundIds) -> Result<Vec<T>> + Sync,
) -> Result<Vec<(Vec<Vec<T>>, FoundIds)>> {
    let files = snapshot.manifest().files(table);
    files
        .par_iter()
        .map(|file| {
            let frame = snapshot.read_file(file, Some(columns))?;
            let ids = IdentityColumns::new(&frame, table)?;
            let (mut rows, mut found) = (Vec::new(), FoundIds::default());
            for row in 0..frame.height() {
                let results = scan_row(&ids, row, &mut found)?;
                if !results.is_empty() {
                    rows.push(results);
                }
            }
            Ok((rows, found))
        })
        .collect()
}

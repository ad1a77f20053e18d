//! Resolves identifiers to the sessions of a person, and follows anonymous ids.
//!
//! An anonymous id in one of the person's sessions is *followed* to other sessions only if it never
//! occurred with another person's user id. Otherwise the cookie of a shared kiosk would lead to all
//! its users.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::identity_graph::{IdentityGraph, SessionNode};
use super::shared_ids::SharedIds;
use crate::error::Result;
use crate::identity::{Identifier, IdentifierKind, Identifiers};
use crate::store::snapshot::Snapshot;
use crate::time::Micros;

/// The time spans of sessions by session key hash, sorted; spans of one key do not overlap.
#[derive(Clone, Debug, Default)]
pub(super) struct SessionSpans(HashMap<u128, Vec<(Micros, Micros)>>);

impl SessionSpans {
    /// Returns whether one of the sessions of a key contains a time.
    pub(super) fn contains(&self, key: u128, time: Micros) -> bool {
        self.find(key, time).is_some()
    }

    /// Returns the start and end of the session of a key that contains a time.
    pub(super) fn find(&self, key: u128, time: Micros) -> Option<(Micros, Micros)> {
        let spans = self.0.get(&key)?;
        let next = spans.partition_point(|&(start, _)| start <= time);
        spans.get(next.checked_sub(1)?).copied().filter(|&(_, end)| time <= end)
    }

    /// Returns the number of sessions.
    pub(super) fn len(&self) -> u64 {
        self.0.values().map(|spans| spans.len() as u64).sum()
    }
}

/// The identifiers and sessions that belong to a person.
#[derive(Clone, Debug, Default)]
pub(super) struct ResolvedIdentity {
    /// The named identifiers, and the anonymous ids that were followed.
    pub(super) identifiers: Identifiers,
    /// The number of anonymous ids that were followed.
    pub(super) followed: u64,
    /// The anonymous ids that were not followed, since other users used them too.
    pub(super) shared: Vec<String>,
    /// The sessions that contain any of the identifiers.
    pub(super) sessions: SessionSpans,
}

/// Resolves the identifiers of a person. `known_shared` are the anonymous ids that were shared with
/// users who were erased earlier.
pub(super) fn resolve(
    snapshot: &Snapshot,
    named: &[Identifier],
    known_shared: &SharedIds,
) -> Result<ResolvedIdentity> {
    let mut identifiers = Identifiers::new(named.iter().cloned());
    let mut graph = IdentityGraph::load(snapshot, &identifiers)?;
    let own_users = graph.own_users(&identifiers);
    let mut checked: HashSet<String> = HashSet::new();
    let (mut followed, mut shared) = (0, Vec::new());
    let mut found: BTreeSet<String> =
        graph.sessions().flat_map(|session| &session.anonymous).cloned().collect();
    // Each round checks ids that no earlier round has checked, so the loop ends.
    loop {
        let candidates = found.iter().filter(|id| !identifiers.contains(id) && !checked.contains(*id));
        let candidates =
            Identifiers::new(candidates.map(|id| Identifier::new(IdentifierKind::AnonymousId, id.as_str())));
        if candidates.is_empty() {
            break;
        }
        let neighbors = IdentityGraph::load(snapshot, &candidates)?;
        // Decide session by session. One session can have thousands of ids and users, so a set of
        // users for each id would take gigabytes.
        let mut is_own: Vec<bool> =
            candidates.all().iter().map(|id| !known_shared.contains(&id.value)).collect();
        for session in neighbors.sessions().filter(|session| !session.users.is_subset(&own_users)) {
            session.identifiers.iter().for_each(|&number| is_own[number] = false);
        }
        let is_followed = |session: &&SessionNode| session.identifiers.iter().any(|&n| is_own[n]);
        found = neighbors
            .sessions()
            .filter(is_followed)
            .flat_map(|session| &session.anonymous)
            .cloned()
            .collect();
        for (candidate, is_own) in candidates.all().iter().zip(is_own) {
            checked.insert(candidate.value.clone());
            if is_own {
                identifiers.add(candidate.clone());
                followed += 1;
            } else {
                shared.push(candidate.value.clone());
            }
        }
    }
    if followed > 0 {
        graph = IdentityGraph::load(snapshot, &identifiers)?;
    }
    let spans = |sessions: Vec<SessionNode>| sessions.into_iter().map(|s| (s.start, s.end)).collect();
    let sessions = graph.sessions.into_iter().map(|(key, sessions)| (key, spans(sessions))).collect();
    Ok(ResolvedIdentity { identifiers, followed, shared, sessions: SessionSpans(sessions) })
}

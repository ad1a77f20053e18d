//! Checks that each event is stored once.

use std::collections::{BTreeMap, HashSet};

use super::difference::Differences;
use crate::error::Result;
use crate::event::parse_uuid;
use crate::ingest::batch::stored_ids::EventKeys;
use crate::prehashed::PreHashed;
use crate::store::columns::Table;
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::time::Day;

/// Number of events of a date whose ids are compared together. Each takes up to 34 bytes. Larger
/// dates are read several times.
const EVENTS_TOGETHER: u64 = 1 << 20;

/// Finds events that are stored twice on a UTC date.
pub(super) fn check_event_ids(snapshot: &Snapshot) -> Result<Differences> {
    check_in_parts(snapshot, EVENTS_TOGETHER)
}

/// Compares about `events_together` events of a date at a time.
pub(super) fn check_in_parts(snapshot: &Snapshot, events_together: u64) -> Result<Differences> {
    let mut dates: BTreeMap<Day, Vec<&DataFile>> = BTreeMap::new();
    for file in snapshot.manifest().files(Table::Events) {
        dates.entry(file.day).or_default().push(file);
    }
    let (keys, mut differences) = (EventKeys::default(), Differences::default());
    let mut seen: HashSet<u128, PreHashed> = HashSet::default();
    for files in dates.into_values() {
        let events: u64 = files.iter().map(|file| file.rows).sum();
        let parts = events.div_ceil(events_together).max(1);
        for part in 0..parts {
            seen.clear();
            let mut is_new = |key: u128| (key >> 64) as u64 % parts != part || seen.insert(key);
            files
                .iter()
                .try_for_each(|file| check_file(snapshot, file, &keys, &mut is_new, &mut differences))?;
        }
    }
    Ok(differences)
}

/// Reports the events of a file for whose keys `is_new` returns false.
fn check_file(
    snapshot: &Snapshot,
    file: &DataFile,
    keys: &EventKeys,
    is_new: &mut impl FnMut(u128) -> bool,
    differences: &mut Differences,
) -> Result<()> {
    snapshot.read_groups(file, &["id", "chatbot_id"], |frame| {
        let (ids, chatbots) = (frame.texts("id")?, frame.texts("chatbot_id")?);
        let mut of_chatbot = None;
        for row in 0..frame.height() {
            let (token, chatbot) = (chatbots.token(row), chatbots.get(row).unwrap_or(""));
            let key = match &of_chatbot {
                Some((last, key)) if *last == token => key,
                _ => &of_chatbot.insert((token, keys.chatbot_keys(chatbot))).1,
            };
            let id = ids.get(row).and_then(parse_uuid).unwrap_or_default();
            if !is_new(key(id)) {
                let id = uuid::Uuid::from_u128(id);
                differences.add("events", || format!("event {id} of chatbot {chatbot:?} is stored twice"));
            }
        }
        Ok(())
    })
}

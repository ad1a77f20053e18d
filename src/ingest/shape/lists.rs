//! Finds the list that holds the events of a record, such as the messages of a conversation.

use serde_json::Value;

use super::keys::Keys;
use super::times::is_time;
use crate::ingest::map::expression::display::escape_key;

/// The largest number of nested lists.
const MAX_LISTS: usize = 3;
/// The largest number of objects between a record and its list.
const MAX_OBJECTS: usize = 2;

/// The events of several records.
#[derive(Debug, PartialEq)]
pub struct Events<'v> {
    /// The path of the events, as in `unwrap`: `/chats/*/history/*`.
    pub place: String,
    /// The events, each with the objects around it: first the record, last the event.
    pub levels: Vec<Vec<&'v Value>>,
    /// The keys of the lists, from the outermost to the innermost.
    pub names: Vec<String>,
}

/// Returns the events in the innermost list whose elements are objects with a time; `None` if the
/// records have no such list.
pub fn find(records: &[Value]) -> Option<Events<'_>> {
    let levels = records.iter().map(|record| vec![record]).collect();
    let mut events = Events { place: String::new(), levels, names: Vec::new() };
    for _ in 0..MAX_LISTS {
        match inner(&events) {
            Some(found) => events = found,
            None => break,
        }
    }
    Some(events).filter(|events| !events.names.is_empty())
}

/// Returns the elements of the longest list of objects within the current objects. Only lists whose
/// elements have times, or contain lists of objects with times, are considered.
fn inner<'v>(events: &Events<'v>) -> Option<Events<'v>> {
    let mut places: Vec<Vec<String>> = Vec::new();
    for object in events.levels.iter().filter_map(|levels| levels.last()) {
        add_lists(object, &mut Vec::new(), &mut places);
    }
    let found = places.into_iter().map(|path| at(events, &path)).filter(|found| {
        found.levels.len() >= events.levels.len() && (has_time(found) || inner_has_time(found))
    });
    found.max_by_key(|found| found.levels.len())
}

/// Returns whether the elements of a list contain lists of objects with a time.
fn inner_has_time(events: &Events<'_>) -> bool {
    events.names.len() < MAX_LISTS && inner(events).is_some()
}

/// Adds the paths of the lists of objects in an object.
fn add_lists(value: &Value, path: &mut Vec<String>, places: &mut Vec<Vec<String>>) {
    for (key, member) in value.as_object().into_iter().flatten() {
        path.push(key.clone());
        match member {
            Value::Array(elements) if elements.iter().any(Value::is_object) && !places.contains(path) => {
                places.push(path.clone());
            }
            Value::Object(_) if path.len() <= MAX_OBJECTS => add_lists(member, path, places),
            _ => {}
        }
        path.pop();
    }
}

fn at<'v>(events: &Events<'v>, path: &[String]) -> Events<'v> {
    let steps: String = path.iter().map(|key| format!("/{}", escape_key(key))).collect();
    let mut levels = Vec::new();
    for outer in &events.levels {
        let Some(object) = outer.last() else { continue };
        let list = path.iter().try_fold(*object, |value, key| value.get(key));
        for element in list.and_then(Value::as_array).into_iter().flatten().filter(|each| each.is_object()) {
            levels.push(outer.iter().copied().chain([element]).collect());
        }
    }
    let names = events.names.iter().chain(path.last()).cloned().collect();
    Events { place: format!("{}{steps}/*", events.place), levels, names }
}

/// Returns whether the events have a key with times.
fn has_time(events: &Events<'_>) -> bool {
    let mut keys = Keys::default();
    for event in events.levels.iter().filter_map(|levels| levels.last()).take(20) {
        keys.add_record(event);
    }
    keys.into_list().iter().any(is_time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_are_the_innermost_elements_with_a_time() {
        let message = |at: u64| json!({ "text": "hi", "at": 1_794_214_800 + at });
        let record = json!({
            "data": { "chats": [
                { "id": 1, "tags": [{ "name": "x" }], "history": [message(1), message(2)] },
                { "id": 2, "history": [message(3)] },
            ] },
        });
        let records = [record];
        let events = find(&records).unwrap();
        assert_eq!(events.place, "/data/chats/*/history/*");
        assert_eq!((events.names, events.levels.len()), (vec!["chats".to_owned(), "history".into()], 3));
        assert_eq!(events.levels[2][1]["id"], 2);
        assert_eq!(events.levels[2][2]["at"], 1_794_214_803);
    }

    #[test]
    fn lists_without_times_hold_no_events() {
        for record in [
            json!({ "items": [{ "sku": 1 }], "at": 1_794_214_800 }),
            json!({ "times": [1_794_214_800] }),
            json!({ "list": [] }),
            json!(5),
        ] {
            assert_eq!(find(std::slice::from_ref(&record)), None, "{record}");
        }
    }
}

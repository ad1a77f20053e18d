//! Finds values inside a record: `unwrap` of a map.

use super::filter::{self, Filter};
use super::pointer::{ListStep, Pointer, Step};
use super::record::Record;
use crate::json::{Kind, NodeId, Span};

/// A pointer to wrapped values, with filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The steps; `*` means every element.
    pub pointer: Pointer,
    /// The filters that are applied to a string.
    pub filters: Vec<Filter>,
}

/// How to join text whose parts are in several records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// The pointer to a value that all parts of the text have in common.
    pub by: Pointer,
    /// How the end of the text is recognized.
    pub until: JoinEnd,
}

/// How the end of text is recognized whose parts are in several records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinEnd {
    /// The text continues as long as the record of a part satisfies this condition.
    While(super::condition::Condition),
    /// The text ends with the first part that ends with a line feed.
    Newline,
}

/// A value inside a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwrapped {
    /// The levels, from the record to the value.
    pub levels: Vec<NodeId>,
    /// The text, if the value is a string.
    pub text: Option<Span>,
}

/// The largest total output of the filters of a record, in bytes.
pub const UNWRAPPED_LIMIT: usize = 2 * filter::LIMIT;

/// A filter cannot be applied to a value, or the total output of the filters is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadWrapping;

/// Returns the values at the given pointers of a record, in order.
///
/// # Errors
/// [`BadWrapping`] if a filter cannot be applied, or the total output exceeds [`UNWRAPPED_LIMIT`].
pub fn values_at(
    record: &mut Record<'_, '_>,
    root: NodeId,
    places: &[Place],
) -> Result<Vec<Unwrapped>, BadWrapping> {
    let mut found = Found::default();
    for place in places {
        collect(record, &mut vec![root], root, &place.pointer.steps, place, &mut found)?;
    }
    Ok(found.values)
}

/// The values that were found so far.
#[derive(Default)]
struct Found {
    values: Vec<Unwrapped>,
    /// The total output of the filters, in bytes.
    output: usize,
}

fn collect(
    record: &mut Record<'_, '_>,
    levels: &mut Vec<NodeId>,
    node: NodeId,
    steps: &[Step],
    place: &Place,
    found: &mut Found,
) -> Result<(), BadWrapping> {
    let Some((step, rest)) = steps.split_first() else {
        return end(record, levels, node, place, found);
    };
    let kind = record.values.tree.value(node).kind();
    if step.in_list == ListStep::Any && kind == Kind::Array {
        let elements: Vec<NodeId> = record.values.tree.children(node).collect();
        for element in elements {
            levels.push(element);
            collect(record, levels, element, rest, place, found)?;
            levels.pop();
        }
        return Ok(());
    }
    if kind == Kind::String {
        return match record.json_in_text(node) {
            Some(inner) => collect(record, levels, inner, steps, place, found),
            None => Ok(()),
        };
    }
    match record.walk(node, std::slice::from_ref(step)) {
        Some(next) => collect(record, levels, next, rest, place, found),
        None => Ok(()),
    }
}

/// Adds the values to which a pointer leads.
fn end(
    record: &mut Record<'_, '_>,
    levels: &mut Vec<NodeId>,
    node: NodeId,
    place: &Place,
    found: &mut Found,
) -> Result<(), BadWrapping> {
    let value = record.values.tree.value(node);
    if value.kind() == Kind::Array && !record.values.tree.is_empty(node) {
        if let Some(text) = byte_list(record, node) {
            let text = Some(record.buffer.push(&text));
            found.values.push(Unwrapped { levels: with(levels, node), text });
            return Ok(());
        }
        let elements: Vec<NodeId> = record.values.tree.children(node).collect();
        for element in elements {
            levels.push(element);
            add(record, levels, element, place, found)?;
            levels.pop();
        }
        return Ok(());
    }
    add(record, levels, node, place, found)
}

/// Adds one value.
fn add(
    record: &mut Record<'_, '_>,
    levels: &[NodeId],
    node: NodeId,
    place: &Place,
    found: &mut Found,
) -> Result<(), BadWrapping> {
    if record.is_null(node) {
        return Ok(());
    }
    let mut text = None;
    if record.values.tree.value(node).kind() == Kind::String {
        let mut span = record.decoded(node);
        if !place.filters.is_empty() {
            let filtered = filter::apply_all(&place.filters, record.buffer.get(span).unwrap_or(""));
            span = record.buffer.push(&filtered.ok_or(BadWrapping)?);
            found.output += span.len as usize;
            if found.output > UNWRAPPED_LIMIT {
                return Err(BadWrapping);
            }
        }
        text = Some(span);
    }
    found.values.push(Unwrapped { levels: with(levels, node), text });
    Ok(())
}

/// Returns the total length of the texts of values.
pub fn output_size(found: &[Unwrapped]) -> usize {
    found.iter().filter_map(|value| value.text).map(|text| text.len as usize).sum()
}

/// Returns the levels, followed by the node to which a pointer leads.
fn with(levels: &[NodeId], end: NodeId) -> Vec<NodeId> {
    let mut levels = levels.to_vec();
    if levels.last() != Some(&end) {
        levels.push(end);
    }
    levels
}

/// Returns the text of a list of byte values, the form in which journald writes a message that is
/// not plain text.
fn byte_list(record: &Record<'_, '_>, list: NodeId) -> Option<String> {
    let tree = &record.values.tree;
    let bytes: Option<Vec<u8>> = tree
        .children(list)
        .map(|element| {
            let value = tree.value(element);
            (value.kind() == Kind::Number).then(|| record.buffer.get(value.raw())?.parse().ok())?
        })
        .collect();
    Some(String::from_utf8_lossy(&bytes?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::map::expression::FilteredPlace;
    use crate::ingest::map::nulls::Nulls;
    use crate::ingest::map::record::Values;
    use crate::json::{Scanner, TextBuffer};

    /// Returns the values at the given pointers, and the number of levels of each.
    fn unwrapped(record: &str, places: &[&str]) -> Result<Vec<(String, usize)>, BadWrapping> {
        let places: Vec<Place> = places
            .iter()
            .map(|text| {
                let FilteredPlace { pointer, filters } = FilteredPlace::parse(text).unwrap();
                Place { pointer, filters }
            })
            .collect();
        let mut values = Values::default();
        let mut buffer = TextBuffer::new(record);
        let (root, _) = values.tree.add(&mut Scanner::new(record.as_bytes()), 0, 0).unwrap();
        let nulls = Nulls::default();
        let mut record = Record { buffer: &mut buffer, values: &mut values, nulls: &nulls, levels: &[root] };
        let found = values_at(&mut record, root, &places)?;
        let text = |value: &Unwrapped| {
            let node = *value.levels.last().unwrap();
            let span = value.text.unwrap_or_else(|| record.values.tree.value(node).raw());
            (record.buffer.get(span).unwrap().to_owned(), value.levels.len())
        };
        Ok(found.iter().map(text).collect())
    }

    #[test]
    fn missing_value_is_skipped_and_list_yields_elements() {
        let record = r#"{"source":{"id":1},"parts":{"list":[{"id":2},{"id":3}]},"empty":[],"nothing":null}"#;
        let found = unwrapped(record, &["/source", "/parts/list/*", "/other", "/empty", "/nothing"]).unwrap();
        assert_eq!(found, [(r#"{"id":1}"#.into(), 2), (r#"{"id":2}"#.into(), 2), (r#"{"id":3}"#.into(), 2)]);
        assert_eq!(unwrapped(record, &["/parts/list"]).unwrap(), found[1..]);
    }

    #[test]
    fn star_in_the_middle_is_a_level() {
        let record =
            r#"{"logEvents":[{"id":"a","message":"{\"x\":1}"},{"id":"b"},{"id":"c","message":"text"}]}"#;
        let found = unwrapped(record, &["/logEvents/*/message"]).unwrap();
        assert_eq!(found, [(r#"{"x":1}"#.into(), 3), ("text".into(), 3)]);
    }

    #[test]
    fn list_of_byte_values_is_a_string() {
        assert_eq!(unwrapped(r#"{"m":[104,105,10]}"#, &["/m"]).unwrap(), [("hi\n".into(), 2)]);
        assert_eq!(unwrapped(r#"{"m":[104,256]}"#, &["/m"]).unwrap().len(), 2);
    }

    #[test]
    fn filters_are_applied_to_a_string() {
        assert_eq!(unwrapped(r#"{"d":"aGk="}"#, &["/d|base64"]).unwrap(), [("hi".into(), 2)]);
        assert_eq!(unwrapped(r#"{"d":"?"}"#, &["/d|base64"]), Err(BadWrapping));
    }
}

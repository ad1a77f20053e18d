//! Infers a tracking plan from events.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::properties::JsonType;
use crate::json::lenient::{each_element, each_member};
use crate::json::unescape;

/// The maximum number of different properties in a plan. Schemas omit further ones.
const MAX_PROPERTIES: usize = 20_000;
/// The maximum number of different events in a plan.
const MAX_EVENTS: usize = 10_000;
/// Objects nested deeper than this are described without their members.
const MAX_DEPTH: usize = 8;

/// A tracking plan that matches all events from which it was inferred.
#[derive(Debug, Default)]
pub struct InferredPlan {
    events: BTreeMap<String, Shape>,
    properties: usize,
    is_incomplete: bool,
}

/// The types of the values that a property had.
#[derive(Debug, Default)]
struct Shape {
    /// The number of values of each type, in the order of [`JsonType::ALL`].
    types: [u64; JsonType::ALL.len()],
    nulls: u64,
    has_fractions: bool,
    members: BTreeMap<String, Shape>,
    /// Whether members were omitted because of the limits.
    has_further_members: bool,
    elements: Option<Box<Shape>>,
}

/// The file of an inferred plan.
#[derive(Serialize)]
struct PlanFile {
    description: &'static str,
    events: Map<String, Value>,
    additional_events: bool,
}

impl InferredPlan {
    /// Adds an event.
    pub(super) fn add(&mut self, event_name: &str, properties: Option<&str>) {
        if !self.events.contains_key(event_name) && self.events.len() >= MAX_EVENTS {
            self.is_incomplete = true;
            return;
        }
        let shape = self.events.entry(event_name.to_owned()).or_default();
        shape.add(properties.unwrap_or("{}"), 0, &mut self.properties);
    }

    /// Returns whether the plan omits events or properties because there are too many.
    pub fn is_incomplete(&self) -> bool {
        self.is_incomplete || self.properties >= MAX_PROPERTIES
    }

    /// Returns the plan as JSON.
    pub fn to_json(&self) -> String {
        let events = self.events.iter().map(|(name, shape)| (name.clone(), shape.schema())).collect();
        let file = PlanFile {
            description: "Inferred from events by `wa lint --infer-plan`. Each schema describes the \
                          properties of an event.",
            events,
            additional_events: self.is_incomplete,
        };
        // A map of JSON values can always be serialized.
        serde_json::to_string_pretty(&file).unwrap_or_default()
    }
}

impl Shape {
    fn add(&mut self, value: &str, depth: usize, properties: &mut usize) {
        let Some(json_type) = JsonType::of(value) else {
            self.nulls += 1;
            return;
        };
        if let Some(count) = self.types.get_mut(json_type as usize) {
            *count += 1;
        }
        if depth >= MAX_DEPTH {
            self.has_further_members = true;
            return;
        }
        match json_type {
            JsonType::Number => self.has_fractions |= value.contains(['.', 'e', 'E']),
            JsonType::Object => {
                each_member(value, |key, value| {
                    let key = unescape(key);
                    if !self.members.contains_key(&*key) {
                        if *properties >= MAX_PROPERTIES {
                            self.has_further_members = true;
                            return;
                        }
                        *properties += 1;
                    }
                    self.members.entry(key.into_owned()).or_default().add(value, depth + 1, properties);
                });
            }
            JsonType::Array => {
                each_element(value, |_, value| {
                    self.elements.get_or_insert_default().add(value, depth + 1, properties);
                });
            }
            _ => {}
        }
    }

    fn count(&self, json_type: JsonType) -> u64 {
        self.types.get(json_type as usize).copied().unwrap_or(0)
    }

    /// Returns the number of values, nulls included.
    fn total(&self) -> u64 {
        self.types.iter().sum::<u64>() + self.nulls
    }

    fn schema(&self) -> Value {
        let mut schema = Map::new();
        let mut types: Vec<&str> = JsonType::ALL
            .into_iter()
            .filter(|json_type| self.count(*json_type) > 0)
            .map(|json_type| match json_type {
                JsonType::Number if !self.has_fractions => "integer",
                other => other.name(),
            })
            .collect();
        if self.nulls > 0 {
            types.push("null");
        }
        match types.as_slice() {
            [one] => schema.insert("type".to_owned(), json!(one)),
            several => schema.insert("type".to_owned(), json!(several)),
        };
        let objects = self.count(JsonType::Object);
        if objects > 0 {
            let required: Vec<&String> = self
                .members
                .iter()
                .filter(|(_, shape)| shape.total() == objects)
                .map(|(key, _)| key)
                .collect();
            if !required.is_empty() {
                schema.insert("required".to_owned(), json!(required));
            }
            let members: Map<String, Value> =
                self.members.iter().map(|(key, shape)| (key.clone(), shape.schema())).collect();
            schema.insert("properties".to_owned(), Value::Object(members));
            if !self.has_further_members {
                schema.insert("additionalProperties".to_owned(), json!(false));
            }
        }
        if let Some(elements) = self.elements.as_ref().filter(|elements| elements.total() > 0) {
            schema.insert("items".to_owned(), elements.schema());
        }
        Value::Object(schema)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::TrackingPlan;
    use crate::lint::plan::Check;
    use proptest::prelude::*;

    #[test]
    fn plan_has_types_and_required_properties() {
        let mut plan = InferredPlan::default();
        plan.add("rated", Some(r#"{"stars":5,"by":{"id":1},"tags":["a"],"note":"x"}"#));
        plan.add("rated", Some(r#"{"stars":4.5,"by":{"id":2,"name":"y"},"tags":[],"note":null}"#));
        plan.add("opened", None);
        let expected = json!({
            "opened": {"type": "object", "properties": {}, "additionalProperties": false},
            "rated": {
                "type": "object",
                "required": ["by", "note", "stars", "tags"],
                "properties": {
                    "by": {
                        "type": "object",
                        "required": ["id"],
                        "properties": {"id": {"type": "integer"}, "name": {"type": "string"}},
                        "additionalProperties": false
                    },
                    "note": {"type": ["string", "null"]},
                    "stars": {"type": "number"},
                    "tags": {"type": "array", "items": {"type": "string"}}
                },
                "additionalProperties": false
            }
        });
        let file: Value = serde_json::from_str(&plan.to_json()).unwrap();
        assert_eq!(file["events"], expected);
        assert_eq!(file["additional_events"], json!(false));
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            any::<f32>().prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map("[a-d\"/]{1,2}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// A plan that is inferred from events allows all of them.
        #[test]
        fn inferred_plan_allows_its_events(
            events in prop::collection::vec(prop::collection::hash_map("[a-c]", values(), 0..4), 1..6),
        ) {
            let events: Vec<String> =
                events.iter().map(|properties| serde_json::to_string(properties).unwrap()).collect();
            let mut plan = InferredPlan::default();
            events.iter().for_each(|properties| plan.add("e", Some(properties)));
            let plan = TrackingPlan::parse(&plan.to_json()).unwrap();
            for properties in &events {
                prop_assert_eq!(plan.check("e", Some(properties)), Check::Passed);
            }
        }
    }
}

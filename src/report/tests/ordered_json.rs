//! JSON values that keep the order of keys, and a checker for the subset of JSON Schema that
//! `docs/schemas` uses.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON value. Objects keep the order of their keys.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub fn parse(text: &str) -> Json {
        serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }

    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Object(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    pub fn keys(&self) -> Vec<&str> {
        match self {
            Json::Object(entries) => entries.iter().map(|(key, _)| key.as_str()).collect(),
            other => panic!("not an object: {other:?}"),
        }
    }

    pub fn list(&self) -> &[Json] {
        match self {
            Json::List(items) => items,
            other => panic!("not a list: {other:?}"),
        }
    }

    pub fn text(&self) -> &str {
        match self {
            Json::Text(text) => text,
            other => panic!("not a text: {other:?}"),
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "boolean",
            Json::Number(number) if number.is_i64() || number.is_u64() => "integer",
            Json::Number(_) => "number",
            Json::Text(_) => "string",
            Json::List(_) => "array",
            Json::Object(_) => "object",
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Json;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
                Ok(Json::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
                Ok(Json::Number(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
                Ok(Json::Number(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
                Ok(serde_json::Number::from_f64(value).map_or(Json::Null, Json::Number))
            }
            fn visit_str<E>(self, value: &str) -> Result<Json, E> {
                Ok(Json::Text(value.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = items.next_element()? {
                    all.push(item);
                }
                Ok(Json::List(all))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
                let mut all = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    all.push(entry);
                }
                Ok(Json::Object(all))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// A schema in `docs/schemas`.
pub struct Schema {
    root: Json,
}

impl Schema {
    pub fn read(name: &str) -> Schema {
        let path = format!("{}/docs/schemas/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        Schema { root: Json::parse(&text) }
    }

    pub fn root(&self) -> &Json {
        &self.root
    }

    /// Asserts that a value matches the schema, with its keys in the schema's order.
    pub fn check(&self, value: &Json) {
        self.check_at(&self.root, value, "$");
    }

    fn check_at(&self, schema: &Json, value: &Json, at: &str) {
        let Json::Object(keywords) = schema else { panic!("{at}: not a schema: {schema:?}") };
        for (keyword, wanted) in keywords {
            match (keyword.as_str(), value) {
                ("$schema" | "title" | "description" | "$defs", _) => {}
                ("$ref", _) => match wanted.text().strip_prefix("#/$defs/") {
                    Some(name) => {
                        let defs = self.root.get("$defs").and_then(|defs| defs.get(name));
                        self.check_at(defs.unwrap_or_else(|| panic!("there is no $def {name}")), value, at);
                    }
                    None => Schema::read(wanted.text().trim_end_matches(".schema.json")).check(value),
                },
                ("type", _) => {
                    let kinds = match wanted {
                        Json::Text(kind) => vec![kind.as_str()],
                        list => list.list().iter().map(Json::text).collect(),
                    };
                    let kind = value.kind();
                    let fits = kinds.contains(&kind) || (kind == "integer" && kinds.contains(&"number"));
                    assert!(fits, "{at}: {value:?} is {kind}, not {kinds:?}");
                }
                ("enum", _) => {
                    assert!(wanted.list().contains(value), "{at}: {value:?} not one of {wanted:?}")
                }
                ("minimum", Json::Number(n)) => assert!(n.as_f64() >= number(wanted), "{at}: {n} too small"),
                ("maximum", Json::Number(n)) => assert!(n.as_f64() <= number(wanted), "{at}: {n} too large"),
                ("minimum" | "maximum", _) => {}
                ("format", Json::Text(text)) => match wanted.text() {
                    "date" => assert!(crate::time::Day::parse(text).is_some(), "{at}: {text}"),
                    "date-time" => {
                        assert!(chrono::DateTime::parse_from_rfc3339(text).is_ok(), "{at}: {text}")
                    }
                    other => panic!("{at}: format {other} is not checked"),
                },
                ("format", _) => {}
                ("items", Json::List(items)) => {
                    for (number, item) in items.iter().enumerate() {
                        self.check_at(wanted, item, &format!("{at}[{number}]"));
                    }
                }
                ("items", _) => {}
                ("required", Json::Object(_)) => {
                    for key in wanted.list() {
                        assert!(value.get(key.text()).is_some(), "{at}: {} is missing", key.text());
                    }
                }
                ("required", _) => {}
                ("properties", Json::Object(entries)) => {
                    let known = wanted.keys();
                    let positions = entries.iter().map(|(key, _)| {
                        known
                            .iter()
                            .position(|k| k == key)
                            .unwrap_or_else(|| panic!("{at}: {key} is unknown"))
                    });
                    assert!(
                        positions.collect::<Vec<_>>().is_sorted(),
                        "{at}: keys in the wrong order: {:?}",
                        value.keys()
                    );
                    for (key, value) in entries {
                        if let Some(schema) = wanted.get(key) {
                            self.check_at(schema, value, &format!("{at}.{key}"));
                        }
                    }
                }
                // `properties` panics on an unknown key, so `additionalProperties` needs no check.
                ("properties", _) => {}
                ("additionalProperties", _) => assert_eq!(wanted, &Json::Bool(false)),
                (other, _) => panic!("{at}: {other} is not checked"),
            }
        }
    }
}

fn number(json: &Json) -> Option<f64> {
    match json {
        Json::Number(number) => number.as_f64(),
        _ => None,
    }
}

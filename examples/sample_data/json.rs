//! A writer of JSON objects that keeps the order of keys.

/// An object under construction.
#[derive(Clone, Default)]
pub struct Object(String);

impl Object {
    pub fn new() -> Object {
        Object::default()
    }

    /// Adds a string.
    pub fn text(self, key: &str, value: &str) -> Object {
        let value = quote(value);
        self.raw(key, &value)
    }

    /// Adds a string, if there is one.
    pub fn maybe(self, key: &str, value: Option<&str>) -> Object {
        match value {
            Some(value) => self.text(key, value),
            None => self,
        }
    }

    /// Adds a number.
    pub fn number(self, key: &str, value: i64) -> Object {
        self.raw(key, &value.to_string())
    }

    /// Adds raw JSON.
    pub fn raw(mut self, key: &str, json: &str) -> Object {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(&format!("{}:{json}", quote(key)));
        self
    }

    /// Adds an object, unless it is empty.
    pub fn object(self, key: &str, value: &Object) -> Object {
        if value.0.is_empty() { self } else { self.raw(key, &value.json()) }
    }

    /// Returns the JSON text.
    pub fn json(&self) -> String {
        format!("{{{}}}", self.0)
    }
}

/// Returns a JSON string.
pub fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if (c as u32) < 0x20 => quoted.push_str(&format!("\\u{:04x}", c as u32)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

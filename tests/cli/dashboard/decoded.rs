//! The data of a page, decoded independently of the program.

use std::io::Read;

use base64::Engine as _;
use serde_json::Value;

/// A page.
pub struct Page {
    /// The data as text.
    pub json: String,
    /// The data.
    pub data: Value,
}

/// A window of a page.
pub struct PageWindow {
    pub days: u64,
    pub from: String,
    pub to: String,
}

/// A group of an answer, with rows of names and values.
pub struct DecodedGroup {
    pub name: String,
    pub is_single: bool,
    /// The keys of the names.
    pub names: Vec<String>,
    /// The keys of the values. Stored values times their factor are hundredths.
    pub metrics: Vec<(String, i64)>,
    pub rows: Vec<(Vec<String>, Vec<Option<i64>>)>,
    /// The number of rows that are not shown.
    pub hidden: u64,
    /// For a single row: the previous values, and the changes in hundredths of a percent.
    pub previous: Option<Value>,
}

/// Returns the text between `start` and `end`.
pub fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let rest = text.split_once(start).unwrap_or_else(|| panic!("no {start}")).1;
    rest.split_once(end).unwrap_or_else(|| panic!("no {end}")).0
}

impl Page {
    pub fn new(html: &str) -> Page {
        let base64 = between(html, "<script type=\"text/plain\" id=\"data\">", "</script>");
        let bytes = base64::engine::general_purpose::STANDARD.decode(base64.trim()).expect("base64");
        let mut json = String::new();
        flate2::read::ZlibDecoder::new(bytes.as_slice()).read_to_string(&mut json).expect("zlib of UTF-8");
        let data = serde_json::from_str(&json).expect("JSON");
        Page { json, data }
    }

    pub fn selected(&self) -> u64 {
        self.data["selected"].as_u64().unwrap()
    }

    pub fn windows(&self) -> Vec<PageWindow> {
        let window = |window: &Value| PageWindow {
            days: window[0].as_u64().unwrap(),
            from: window[1].as_str().unwrap().to_owned(),
            to: window[2].as_str().unwrap().to_owned(),
        };
        self.data["windows"].as_array().unwrap().iter().map(window).collect()
    }

    pub fn scopes(&self) -> Vec<Vec<String>> {
        serde_json::from_value(self.data["scopes"].clone()).unwrap()
    }

    /// Returns the names of the reports.
    pub fn parts(&self) -> Vec<String> {
        let parts = self.data["parts"].as_array().unwrap().iter();
        parts.map(|part| part["name"].as_str().unwrap().to_owned()).collect()
    }

    pub fn part(&self, name: &str) -> usize {
        self.parts().iter().position(|part| part == name).unwrap()
    }

    /// Returns the index of an answer.
    pub fn cell(&self, scope: usize, window: usize, part: usize) -> u64 {
        self.data["cells"][scope][window][part].as_u64().unwrap()
    }

    fn text(&self, index: &Value) -> String {
        self.data["texts"][index.as_u64().unwrap() as usize].as_str().unwrap().to_owned()
    }

    /// Returns an encoded answer.
    pub fn answer(&self, scope: usize, window: usize, part: usize) -> &Value {
        &self.data["answers"][self.cell(scope, window, part) as usize]
    }

    /// Splits a flat array of strings and values into rows.
    pub fn rows(&self, flat: &Value, names: usize, values: usize) -> Vec<(Vec<String>, Vec<Option<i64>>)> {
        let flat = flat.as_array().unwrap();
        assert_eq!(flat.len() % (names + values), 0);
        let row = |row: &[Value]| {
            let (names, values) = row.split_at(names);
            (names.iter().map(|index| self.text(index)).collect(), values.iter().map(Value::as_i64).collect())
        };
        flat.chunks(names + values).map(row).collect()
    }

    /// Returns the groups of an answer.
    pub fn groups(&self, scope: usize, window: usize, part: usize) -> Vec<DecodedGroup> {
        let answer = self.answer(scope, window, part);
        let schemas = self.data["parts"][part]["groups"].as_array().unwrap();
        let keys = |list: &Value| -> Vec<Vec<String>> { serde_json::from_value(list.clone()).unwrap() };
        let group = |(index, schema): (usize, &Value)| {
            let encoded = &answer[0][index];
            let names: Vec<String> =
                keys(&schema["dimensions"]).into_iter().map(|key| key[0].clone()).collect();
            let factor = |unit: &str| match unit {
                "percent" | "ratio" | "fractional_seconds" => 1,
                _ => 100,
            };
            let metrics = keys(&schema["metrics"]).into_iter().map(|key| (key[0].clone(), factor(&key[2])));
            let metrics: Vec<(String, i64)> = metrics.collect();
            let is_single = schema["single"].as_bool().unwrap();
            let rows = match is_single {
                true => self.rows(encoded, 0, metrics.len()),
                false => self.rows(&encoded[0], names.len(), metrics.len()),
            };
            DecodedGroup {
                name: schema["name"].as_str().unwrap().to_owned(),
                is_single,
                names,
                metrics,
                rows,
                hidden: if is_single { 0 } else { encoded[1].as_u64().unwrap() },
                previous: answer[1].get(index).cloned(),
            }
        };
        schemas.iter().enumerate().map(group).collect()
    }

    /// Returns a value of the group that has a single row.
    pub fn figure(&self, scope: usize, window: usize, part: &str, key: &str) -> Option<i64> {
        let groups = self.groups(scope, window, self.part(part));
        let group = groups.iter().find(|group| group.is_single).unwrap();
        let index = group.metrics.iter().position(|(name, _)| name == key).unwrap();
        group.rows[0].1[index]
    }
}

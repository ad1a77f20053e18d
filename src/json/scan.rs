//! The scanner: checks values of JSON where they stand and says where they end.
//!
//! It works inside one line of a larger text. A line feed is never skipped, so that no value runs
//! into the next line; past the text's end there is nothing but zeros. Nested values are checked
//! with a stack of one bit a level, so that no depth can exhaust the thread's stack.

use super::structural_scan::Marks;
use crate::ingest::parse::text::span::Span;

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs)] // JSON's own words
pub enum Kind {
    Null,
    Bool,
    Number,
    String,
    Object,
    Array,
}

/// A string has escapes; a container holds strings that have.
pub const ESCAPED: u32 = 1 << 8;
/// It holds half of a surrogate pair, which stands for no character.
pub const LONE: u32 = 1 << 9;

/// A value and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// Offset of its first byte; of a string, its quote.
    pub start: u32,
    /// Offset after its last byte.
    pub end: u32,
    /// The kind and the flags, in one word: written as two bytes and read as four, they would make
    /// the processor wait for every value.
    what: u32,
}

impl Value {
    /// Makes a value.
    #[inline]
    pub const fn new(start: usize, end: usize, kind: Kind, flags: u32) -> Value {
        Value { start: start as u32, end: end as u32, what: kind as u32 | flags }
    }

    /// Returns what it is.
    #[inline]
    pub fn kind(self) -> Kind {
        match self.what & 0xff {
            0 => Kind::Null,
            1 => Kind::Bool,
            2 => Kind::Number,
            3 => Kind::String,
            4 => Kind::Object,
            _ => Kind::Array,
        }
    }

    /// Tells whether it has a flag: [`ESCAPED`] or [`LONE`].
    #[inline]
    pub fn has(self, flag: u32) -> bool {
        self.what & flag != 0
    }

    fn flags(self) -> u32 {
        self.what & !0xff
    }

    /// Returns the span of the value as it is written.
    pub fn raw(self) -> Span {
        Span { start: self.start, len: self.end.saturating_sub(self.start) }
    }

    /// Returns the span of what stands between a string's quotes.
    pub fn inner(self) -> Span {
        Span { start: self.start + 1, len: self.end.saturating_sub(self.start + 2) }
    }
}

/// A key of an object and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The key, a string.
    pub key: Value,
    /// The value.
    pub value: Value,
}

/// Checks and delimits the values of a text.
#[derive(Debug)]
pub struct Scanner<'a> {
    text: &'a [u8],
    marks: Marks<'a>,
    /// For every open container one bit: an object.
    open: Vec<u64>,
}

impl<'a> Scanner<'a> {
    /// Makes a scanner of a text of at most 4 GiB.
    pub fn new(text: &'a [u8]) -> Self {
        Scanner { text, marks: Marks::new(text), open: Vec::new() }
    }

    /// Returns the byte at a position, zero past the end.
    #[inline]
    pub fn at(&self, pos: usize) -> u8 {
        self.text.get(pos).copied().unwrap_or(0)
    }

    /// Skips JSON's white space, but no line feed.
    #[inline]
    pub fn space(&self, mut pos: usize) -> usize {
        while matches!(self.at(pos), b' ' | b'\t' | b'\r') {
            pos += 1;
        }
        pos
    }

    /// Scans the object that opens at a position, hands over its members in order, and returns the
    /// position after it; `None` where it is not valid.
    #[inline(always)]
    pub fn object(&mut self, open: usize, mut member: impl FnMut(Member)) -> Option<usize> {
        let mut pos = self.space(open + 1);
        if self.at(pos) == b'}' {
            return Some(pos + 1);
        }
        loop {
            let key = self.string(pos)?;
            pos = self.space(key.end as usize);
            if self.at(pos) != b':' {
                return None;
            }
            let value = self.value(self.space(pos + 1))?;
            member(Member { key, value });
            pos = self.space(value.end as usize);
            match self.at(pos) {
                b',' => pos = self.space(pos + 1),
                b'}' => return Some(pos + 1),
                _ => return None,
            }
        }
    }

    /// Returns the position of an array's first element, or of its end.
    pub fn first_element(&self, open: usize) -> usize {
        self.space(open + 1)
    }

    /// Returns the element of a valid array that begins at a position, and the position of the next
    /// one; `None` at the array's end.
    pub fn element(&mut self, pos: usize) -> Option<(Value, usize)> {
        let value = self.value(pos)?;
        let pos = self.space(value.end as usize);
        Some((value, if self.at(pos) == b',' { self.space(pos + 1) } else { pos }))
    }

    /// Scans the value at a position; `None` where there is no valid one.
    // Inlined, as `string` is, so that a value goes from the scanner to the line in registers.
    #[inline(always)]
    pub fn value(&mut self, pos: usize) -> Option<Value> {
        match self.at(pos) {
            b'"' => self.string(pos),
            b'{' | b'[' => self.container(pos),
            _ => self.scalar(pos),
        }
    }

    #[inline(always)]
    fn string(&mut self, open: usize) -> Option<Value> {
        if self.at(open) != b'"' {
            return None;
        }
        let close = self.marks.next(open + 1);
        match self.at(close) {
            b'"' => Some(Value::new(open, close + 1, Kind::String, 0)),
            b'\\' => self.escaped_string(open, close),
            _ => None,
        }
    }

    #[cold]
    fn escaped_string(&mut self, open: usize, mut pos: usize) -> Option<Value> {
        let mut flags = ESCAPED;
        loop {
            match self.at(pos) {
                b'"' => return Some(Value::new(open, pos + 1, Kind::String, flags)),
                b'\\' => {
                    let escape = self.text.get(pos..)?;
                    let (length, lone) = super::escapes::check(escape)?;
                    flags |= if lone { LONE } else { 0 };
                    pos = self.marks.next(pos + length);
                }
                _ => return None,
            }
        }
    }

    #[inline]
    fn scalar(&self, pos: usize) -> Option<Value> {
        let rest = self.text.get(pos..)?;
        let (kind, length) = match rest.first()? {
            b'-' | b'0'..=b'9' => (Kind::Number, number(rest)?),
            b't' if rest.starts_with(b"true") => (Kind::Bool, 4),
            b'f' if rest.starts_with(b"false") => (Kind::Bool, 5),
            b'n' if rest.starts_with(b"null") => (Kind::Null, 4),
            _ => return None,
        };
        Some(Value::new(pos, pos + length, kind, 0))
    }

    /// Scans an object or array with all that is in it.
    fn container(&mut self, start: usize) -> Option<Value> {
        let (mut depth, mut flags, mut pos) = (0usize, 0, start);
        'values: loop {
            // A value is due.
            match self.at(pos) {
                open @ (b'{' | b'[') => {
                    let object = open == b'{';
                    self.push(depth, object);
                    depth += 1;
                    pos = self.space(pos + 1);
                    if self.at(pos) != if object { b'}' } else { b']' } {
                        if object {
                            pos = self.key(pos, &mut flags)?;
                        }
                        continue 'values;
                    }
                    // Empty: its end follows.
                }
                b'"' => {
                    let string = self.string(pos)?;
                    flags |= string.flags();
                    pos = self.space(string.end as usize);
                }
                _ => pos = self.space(self.scalar(pos)?.end as usize),
            }
            // A comma is due, or the end of the container, and of those around it.
            loop {
                let object = self.is_object(depth.checked_sub(1)?);
                match self.at(pos) {
                    b',' => {
                        pos = self.space(pos + 1);
                        if object {
                            pos = self.key(pos, &mut flags)?;
                        }
                        continue 'values;
                    }
                    b'}' if object => {}
                    b']' if !object => {}
                    _ => return None,
                }
                depth -= 1;
                if depth == 0 {
                    let kind = if object { Kind::Object } else { Kind::Array };
                    return Some(Value::new(start, pos + 1, kind, flags));
                }
                pos = self.space(pos + 1);
            }
        }
    }

    /// Scans a key and its colon.
    fn key(&mut self, pos: usize, flags: &mut u32) -> Option<usize> {
        let key = self.string(pos)?;
        *flags |= key.flags();
        let pos = self.space(key.end as usize);
        (self.at(pos) == b':').then(|| self.space(pos + 1))
    }

    #[inline]
    fn push(&mut self, depth: usize, object: bool) {
        if depth / 64 >= self.open.len() {
            self.open.push(0);
        }
        if let Some(word) = self.open.get_mut(depth / 64) {
            *word = *word & !(1 << (depth % 64)) | u64::from(object) << (depth % 64);
        }
    }

    #[inline]
    fn is_object(&self, depth: usize) -> bool {
        self.open.get(depth / 64).is_some_and(|word| word >> (depth % 64) & 1 == 1)
    }
}

/// Returns the length of the number that a text begins with.
fn number(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or(&[]);
        from + rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len())
    };
    let some_digits = |from: usize| Some(digits(from)).filter(|to| *to > from);

    let sign = usize::from(text.first() == Some(&b'-'));
    let mut pos = match text.get(sign)? {
        b'0' => sign + 1,
        _ => some_digits(sign)?,
    };
    if text.get(pos) == Some(&b'.') {
        pos = some_digits(pos + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(pos) {
        let sign = usize::from(matches!(text.get(pos + 1), Some(b'+' | b'-')));
        pos = some_digits(pos + 1 + sign)?;
    }
    Some(pos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    /// Tells whether a line is one valid value, and which.
    fn scan(line: &str) -> Option<Kind> {
        let mut scanner = Scanner::new(line.as_bytes());
        let value = scanner.value(scanner.space(0))?;
        (scanner.space(value.end as usize) == line.len()).then_some(value.kind())
    }

    fn members(line: &str) -> Option<Vec<(String, String)>> {
        let mut scanner = Scanner::new(line.as_bytes());
        let mut members = Vec::new();
        let end = scanner.object(0, |m| {
            let raw = |v: Value| line[v.start as usize..v.end as usize].to_owned();
            members.push((raw(m.key), raw(m.value)));
        })?;
        (end == line.len()).then_some(members)
    }

    #[test]
    fn members_come_in_order_as_they_are_written() {
        let line = r#"{"a":1,"b" : [1, {"c":"}"}] ,"a":"\"","":null,"z":{}}"#;
        let expected = [
            (r#""a""#, "1"),
            (r#""b""#, r#"[1, {"c":"}"}]"#),
            (r#""a""#, r#""\"""#),
            (r#""""#, "null"),
            (r#""z""#, "{}"),
        ];
        let expected = expected.map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(members(line).unwrap(), expected);
        assert_eq!(members("{ \t\r}").unwrap(), []);
    }

    #[test]
    fn what_the_rfc_refuses_is_refused() {
        for bad in [
            "",
            " ",
            "{",
            "}",
            "[",
            "[}",
            "{]",
            "[1,]",
            "[,1]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{,}",
            "{a:1}",
            "{'a':1}",
            "{\"a\":1 \"b\":2}",
            "{1:2}",
            "01",
            "-",
            "-01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "+1",
            "0x10",
            "NaN",
            "Infinity",
            "-Infinity",
            "nul",
            "True",
            "truefalse",
            "\"",
            "\"\t\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u12g4\"",
            "\"\\",
            "[1]]",
            "{}{}",
            "// x",
            "[1 /* x */]",
            "\u{feff}{}",
            "\u{a0}1",
            "[\n1]",
            "{\n}",
            "\"a\u{0}b\"",
        ] {
            assert_eq!(scan(bad), None, "{bad}");
        }
        for good in
            ["0", "-0", "1.5e-7", "1E400", "\"\u{7f}\"", "[[],{}]", " {} ", "\"\\ud800\"", "\"\\u0000\""]
        {
            assert!(scan(good).is_some(), "{good}");
        }
    }

    #[test]
    fn ten_thousand_levels_are_no_trouble_and_must_be_closed() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let inner = if open == "[" { "" } else { "1" };
            let deep = open.repeat(10_000) + inner + &close.repeat(10_000);
            assert!(scan(&deep).is_some());
            assert_eq!(scan(&deep[..deep.len() - 1]), None);
            assert_eq!(scan(&(deep + close)), None);
        }
        let mixed = "[{\"a\":".repeat(5_000) + "1" + &"}]".repeat(5_000);
        assert!(scan(&mixed).is_some());
        assert_eq!(scan(&("[{\"a\":".repeat(5_000) + "1" + &"]}".repeat(5_000))), None);
    }

    /// Pieces that lines are made of, whole and broken.
    fn soup() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud83d", "\\ude00", "\\n", "\\\\", "\\\"",
            "0", "1", "-", ".", "e", "E5", "+", "true", "false", "null", " ", "\t", "\r", "a", "é", "\"a\"",
            "\"b\":", "{}", "[]", "\u{1}",
        ]);
        proptest::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat())
    }

    /// Valid values, by construction.
    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            "\\PC*".prop_map(Into::into),
            "[\\x00-\\x7f]*".prop_map(Into::into),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
                proptest::collection::hash_map("\\PC{0,5}", inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// `RawValue` checks the grammar only: no limit of depth, no range of numbers, no surrogates.
        #[test]
        fn it_accepts_and_refuses_what_serde_json_does(line in soup()) {
            let theirs = serde_json::from_str::<&RawValue>(&line).is_ok();
            assert_eq!(scan(&line).is_some(), theirs, "{line:?}");
        }

        #[test]
        fn it_accepts_and_refuses_what_serde_json_does_of_mutated_values(
            value in json(), cut in 0usize..400, put in soup(), pretty: bool,
        ) {
            let mut line = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            line = line.replace('\n', "\r");
            assert!(scan(&line).is_some(), "{line:?}");
            let at = (0..=cut.min(line.len())).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
            line.insert_str(at, &put);
            let theirs = serde_json::from_str::<&RawValue>(&line).is_ok();
            assert_eq!(scan(&line).is_some(), theirs, "{line:?}");
        }
    }
}

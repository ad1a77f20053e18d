//! The strict scanner.
//!
//! A [`Scanner`] reads one line of a larger text at a time:
//!
//! - It never skips a line feed, so that no value runs into the next line.
//! - It reads zeros after the end of the text.
//! - It keeps one bit per open container instead of recursing, so that deep nesting cannot exhaust
//!   the stack of the thread.

use super::escapes;
use super::span::Span;
use super::structural_scan::StructuralBits;

/// The kind of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs)] // the names that RFC 8259 uses
pub enum Kind {
    Null,
    Bool,
    Number,
    String,
    Object,
    Array,
}

/// Flag of a string with escapes, and of a container with such a string in it.
pub const ESCAPED: u32 = 1 << 8;
/// Flag of a string with a lone surrogate, and of a container with such a string in it.
pub const LONE_SURROGATE: u32 = 1 << 9;
/// Flag of a string that is plain text, without quotes around it and without escapes. Its span
/// begins and ends one byte outside the text.
pub const UNQUOTED: u32 = 1 << 10;

/// The position and kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// Offset of the first byte; for a string, of its opening quote.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
    /// Kind and flags in one word. As two fields, they would be written by two byte stores and read
    /// by one wider load, which the CPU cannot forward.
    kind_and_flags: u32,
}

impl Value {
    /// Creates a value.
    #[inline]
    pub const fn new(start: usize, end: usize, kind: Kind, flags: u32) -> Value {
        Value { start: start as u32, end: end as u32, kind_and_flags: kind as u32 | flags }
    }

    /// Returns the kind of the value.
    #[inline]
    pub fn kind(self) -> Kind {
        match self.kind_and_flags & 0xff {
            0 => Kind::Null,
            1 => Kind::Bool,
            2 => Kind::Number,
            3 => Kind::String,
            4 => Kind::Object,
            _ => Kind::Array,
        }
    }

    /// Returns whether the value has a flag: [`ESCAPED`], [`LONE_SURROGATE`] or [`UNQUOTED`].
    #[inline]
    pub fn has(self, flag: u32) -> bool {
        self.kind_and_flags & flag != 0
    }

    pub(super) fn flags(self) -> u32 {
        self.kind_and_flags & !0xff
    }

    /// Returns the value shifted by `by` bytes.
    pub fn shifted(self, by: u32) -> Value {
        Value { start: self.start + by, end: self.end + by, ..self }
    }

    /// Returns the span of the whole value.
    pub fn raw(self) -> Span {
        Span { start: self.start, len: self.end.saturating_sub(self.start) }
    }

    /// Returns the span between the quotes of a string.
    pub fn inner(self) -> Span {
        Span { start: self.start + 1, len: self.end.saturating_sub(self.start + 2) }
    }
}

/// A member of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The key, a string.
    pub key: Value,
    /// The value.
    pub value: Value,
}

/// Validates the values of a text and returns their positions.
#[derive(Debug)]
pub struct Scanner<'a> {
    text: &'a [u8],
    structural: StructuralBits<'a>,
    /// One bit per open container: whether the container is an object.
    open: Vec<u64>,
}

impl<'a> Scanner<'a> {
    /// Creates a scanner of a text of at most 4 GiB.
    pub fn new(text: &'a [u8]) -> Self {
        Scanner { text, structural: StructuralBits::new(text), open: Vec::new() }
    }

    /// Returns the text.
    #[inline]
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.text
    }

    /// Returns the byte at a position; zero after the end.
    #[inline]
    pub fn at(&self, pos: usize) -> u8 {
        self.text.get(pos).copied().unwrap_or(0)
    }

    /// Returns the first position at or after `pos` that is not white space. A line feed is not
    /// skipped.
    #[inline(always)]
    pub fn skip_space(&self, pos: usize) -> usize {
        // Most logs have no white space between tokens.
        if self.at(pos) > b' ' { pos } else { self.skip_spaces(pos) }
    }

    fn skip_spaces(&self, mut pos: usize) -> usize {
        while matches!(self.at(pos), b' ' | b'\t' | b'\r') {
            pos += 1;
        }
        pos
    }

    /// Scans the object that opens at a position, calls `member` with each member in order, and
    /// returns the position after the object; `None` if it is invalid.
    #[inline(always)]
    pub fn object(&mut self, open: usize, mut member: impl FnMut(Member)) -> Option<usize> {
        let mut pos = self.skip_space(open + 1);
        if self.at(pos) == b'}' {
            return Some(pos + 1);
        }
        loop {
            let key = self.string(pos)?;
            pos = self.skip_space(key.end as usize);
            if self.at(pos) != b':' {
                return None;
            }
            let value = self.value(self.skip_space(pos + 1))?;
            member(Member { key, value });
            pos = self.skip_space(value.end as usize);
            match self.at(pos) {
                b',' => pos = self.skip_space(pos + 1),
                b'}' => return Some(pos + 1),
                _ => return None,
            }
        }
    }

    /// Returns the position of the first element of an array, or of its closing bracket.
    pub fn first_element(&self, open: usize) -> usize {
        self.skip_space(open + 1)
    }

    /// Returns the element at a position in a valid array and the position of the next element;
    /// `None` at the end of the array.
    pub fn element(&mut self, pos: usize) -> Option<(Value, usize)> {
        let value = self.value(pos)?;
        let pos = self.skip_space(value.end as usize);
        Some((value, if self.at(pos) == b',' { self.skip_space(pos + 1) } else { pos }))
    }

    /// Scans the value at a position; `None` if it is invalid.
    // Inlined, like `string`, so that values pass from the scanner to the parser in registers.
    #[inline(always)]
    pub fn value(&mut self, pos: usize) -> Option<Value> {
        match self.at(pos) {
            b'"' => self.string(pos),
            b'{' | b'[' => self.container(pos),
            _ => self.scalar(pos),
        }
    }

    #[inline(always)]
    pub(super) fn string(&mut self, open: usize) -> Option<Value> {
        if self.at(open) != b'"' {
            return None;
        }
        let close = self.structural.next(open + 1);
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
                    let (length, lone) = escapes::check(escape)?;
                    flags |= if lone { LONE_SURROGATE } else { 0 };
                    pos = self.structural.next(pos + length);
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

    /// Scans an object or array with all values inside it.
    fn container(&mut self, start: usize) -> Option<Value> {
        let (mut depth, mut flags, mut pos) = (0usize, 0, start);
        'values: loop {
            // A value follows.
            match self.at(pos) {
                open @ (b'{' | b'[') => {
                    let object = open == b'{';
                    self.push(depth, object);
                    depth += 1;
                    pos = self.skip_space(pos + 1);
                    if self.at(pos) != if object { b'}' } else { b']' } {
                        if object {
                            pos = self.key(pos, &mut flags)?;
                        }
                        continue 'values;
                    }
                    // Empty: the closing bracket follows.
                }
                b'"' => {
                    let string = self.string(pos)?;
                    flags |= string.flags();
                    pos = self.skip_space(string.end as usize);
                }
                _ => pos = self.skip_space(self.scalar(pos)?.end as usize),
            }
            // A comma follows, or the end of this container and possibly of the containers around
            // it.
            loop {
                let object = self.is_object(depth.checked_sub(1)?);
                match self.at(pos) {
                    b',' => {
                        pos = self.skip_space(pos + 1);
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
                pos = self.skip_space(pos + 1);
            }
        }
    }

    /// Scans a key and its colon; returns the position of the value.
    fn key(&mut self, pos: usize, flags: &mut u32) -> Option<usize> {
        let key = self.string(pos)?;
        *flags |= key.flags();
        let pos = self.skip_space(key.end as usize);
        (self.at(pos) == b':').then(|| self.skip_space(pos + 1))
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

/// Returns the length of the number at the beginning of a text; `None` if there is none.
fn number(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or(&[]);
        from + rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len())
    };
    let at_least_one_digit = |from: usize| Some(digits(from)).filter(|to| *to > from);

    let sign = usize::from(text.first() == Some(&b'-'));
    let mut pos = match text.get(sign)? {
        b'0' => sign + 1,
        _ => at_least_one_digit(sign)?,
    };
    if text.get(pos) == Some(&b'.') {
        pos = at_least_one_digit(pos + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(pos) {
        let sign = usize::from(matches!(text.get(pos + 1), Some(b'+' | b'-')));
        pos = at_least_one_digit(pos + 1 + sign)?;
    }
    Some(pos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    /// Returns the kind of the value that fills the line; `None` if the line is invalid.
    fn scan(line: &str) -> Option<Kind> {
        let mut scanner = Scanner::new(line.as_bytes());
        let value = scanner.value(scanner.skip_space(0))?;
        (scanner.skip_space(value.end as usize) == line.len()).then_some(value.kind())
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
    fn object_members_come_in_order() {
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
    fn invalid_json_is_rejected() {
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
    fn nesting_of_ten_thousand_levels_is_scanned() {
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

    /// Generates lines from fragments of JSON, most of them invalid.
    fn fragments() -> impl Strategy<Value = String> {
        let fragments = prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud83d", "\\ude00", "\\n", "\\\\", "\\\"",
            "0", "1", "-", ".", "e", "E5", "+", "true", "false", "null", " ", "\t", "\r", "a", "é", "\"a\"",
            "\"b\":", "{}", "[]", "\u{1}",
        ]);
        proptest::collection::vec(fragments, 0..24).prop_map(|fragments| fragments.concat())
    }

    /// Generates valid values.
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

        /// `RawValue` checks only the grammar, not the depth, the range of numbers or surrogates.
        #[test]
        fn validity_agrees_with_serde_json(line in fragments()) {
            let expected = serde_json::from_str::<&RawValue>(&line).is_ok();
            assert_eq!(scan(&line).is_some(), expected, "{line:?}");
        }

        #[test]
        fn validity_of_mutated_values_agrees_with_serde_json(
            value in json(), cut in 0usize..400, inserted in fragments(), pretty: bool,
        ) {
            let mut line = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            line = line.replace('\n', "\r");
            assert!(scan(&line).is_some(), "{line:?}");
            let at = (0..=cut.min(line.len())).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
            line.insert_str(at, &inserted);
            let expected = serde_json::from_str::<&RawValue>(&line).is_ok();
            assert_eq!(scan(&line).is_some(), expected, "{line:?}");
        }
    }
}

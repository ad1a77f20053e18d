//! Recognizes inputs that are not logs by their first bytes, so that the error can say what they
//! are and how to read them.
//!
//! An input of text whose first line is invalid counts as a log, because its other lines can be
//! valid.

use memchr::{memchr, memchr_iter};

use super::blocks::LINE_LIMIT;
use crate::error::{Error, ErrorKind};

/// The kind of an input that is not a log, and a hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotALog {
    /// The kind of input: `a zip archive`.
    what: &'static str,
    /// The hint, as an imperative sentence.
    hint: &'static str,
}

/// A file format: its name, the offset and the bytes that identify it, and a hint.
type Format = (&'static str, usize, &'static [u8], &'static str);

const ENCRYPTED_HINT: &str = "decrypt it, for example into a pipe that `wa ingest -` reads";
const OTHER_HINT: &str = "ingest logs of one JSON object per line; `file FILE` describes other files";
const TABLE_HINT: &str = "write its rows as one JSON object per line, and ingest the result";
const TWICE_HINT: &str = "decompress its outer layer into a pipe that `wa ingest -` reads";

/// The formats that are recognized. No line of JSON begins with their bytes.
const FORMATS: [Format; 34] = [
    ("lz4 data", 0, b"\x04\x22\x4d\x18", "run `lz4 -dc FILE | wa ingest -`"),
    ("lz4 data", 0, b"\x02\x21\x4c\x18", "run `lz4 -dc FILE | wa ingest -`"),
    ("lzip data", 0, b"LZIP\x01", "run `lzip -dc FILE | wa ingest -`"),
    ("lzma data", 0, b"\x5d\x00\x00", "run `xz -dc --format=lzma FILE | wa ingest -`"),
    ("lzop data", 0, b"\x89LZO\x00", "run `lzop -dc FILE | wa ingest -`"),
    ("snappy data", 0, b"\xff\x06\x00\x00sNaPpY", "decompress it into a pipe that `wa ingest -` reads"),
    ("data of `compress`", 0, b"\x1f\x9d", "run `uncompress -c FILE | wa ingest -`"),
    ("a zip archive", 0, b"PK\x03\x04", "run `unzip -p FILE | wa ingest -`"),
    ("an empty zip archive", 0, b"PK\x05\x06", OTHER_HINT),
    ("a 7z archive", 0, b"7z\xbc\xaf\x27\x1c", "run `7z x -so FILE | wa ingest -`"),
    ("a rar archive", 0, b"Rar!\x1a\x07", "run `unrar p -inul FILE | wa ingest -`"),
    ("a tar archive", 257, b"ustar", "run `tar -xOf FILE | wa ingest -`"),
    ("data compressed twice", 0, b"\x1f\x8b\x08", TWICE_HINT),
    ("data compressed twice", 0, b"\x28\xb5\x2f\xfd", TWICE_HINT),
    ("data compressed twice", 0, b"\xfd7zXZ\x00", TWICE_HINT),
    ("data compressed twice", 0, b"BZh91AY&SY", TWICE_HINT),
    ("encrypted data", 0, b"age-encryption.org/", ENCRYPTED_HINT),
    ("encrypted data", 0, b"-----BEGIN PGP MESSAGE-----", ENCRYPTED_HINT),
    ("encrypted data", 0, b"Salted__", ENCRYPTED_HINT),
    ("a Parquet file", 0, b"PAR1", TABLE_HINT),
    ("an encrypted Parquet file", 0, b"PARE", TABLE_HINT),
    ("an ORC file", 0, b"ORC\x0a", TABLE_HINT),
    ("an ORC file", 0, b"ORC\x08", TABLE_HINT),
    ("an Avro file", 0, b"Obj\x01", TABLE_HINT),
    ("an Arrow file", 0, b"ARROW1\x00\x00", TABLE_HINT),
    ("a SQLite database", 0, b"SQLite format 3\x00", TABLE_HINT),
    ("a systemd journal", 0, b"LPKSHHRH", "run `journalctl --file FILE -o cat | wa ingest -`"),
    ("a PDF document", 0, b"%PDF-", OTHER_HINT),
    ("a program", 0, b"\x7fELF", OTHER_HINT),
    ("an image", 0, b"\x89PNG\r\n\x1a\n", OTHER_HINT),
    ("UTF-32 text", 0, b"\xff\xfe\x00\x00", "run `iconv -f UTF-32 -t UTF-8 FILE | wa ingest -`"),
    ("UTF-32 text", 0, b"\x00\x00\xfe\xff", "run `iconv -f UTF-32 -t UTF-8 FILE | wa ingest -`"),
    ("UTF-32 text", 0, b"{\x00\x00\x00", "run `iconv -f UTF-32LE -t UTF-8 FILE | wa ingest -`"),
    ("UTF-32 text", 0, b"\x00\x00\x00{", "run `iconv -f UTF-32BE -t UTF-8 FILE | wa ingest -`"),
];

/// Number of leading bytes in which control characters are counted.
const SAMPLE: usize = 4 << 10;
/// In binary data, more than one in this many bytes is a control character. In random bytes, about
/// one in nine is.
const BYTES_PER_CONTROL: usize = 20;
/// Number of bytes that must be printable at the start of a line that begins with a brace. A line
/// that ends with a brace can be shorter.
const PRINTABLE: usize = 12;

impl NotALog {
    /// Recognizes an input by its first bytes, decompressed. `is_all` is set if the input ends
    /// after them. `may_grow` is set if a last line without an end would be left for the next
    /// ingest, as in a plain file.
    pub fn recognize(head: &[u8], is_all: bool, may_grow: bool) -> Option<NotALog> {
        let has_magic =
            |(_, at, magic, _): &&Format| head.get(*at..).is_some_and(|rest| rest.starts_with(magic));
        if let Some((what, _, _, hint)) = FORMATS.iter().find(has_magic) {
            return Some(NotALog { what, hint });
        }
        let mut text = head.trim_ascii_start();
        while let Some(rest) = text.strip_prefix(b"\xef\xbb\xbf") {
            text = rest.trim_ascii_start();
        }
        if is_all && !head.is_empty() && head.iter().all(|byte| *byte == 0) {
            let hint = "restore it from a copy: a crash can leave zeros";
            return Some(NotALog { what: "nothing but zero bytes", hint });
        }
        if is_binary(head) {
            return Some(NotALog { what: "binary data, not text", hint: OTHER_HINT });
        }
        let one_line = is_all && may_grow && memchr(b'\n', text).is_none();
        if one_line && text.first().is_some_and(|first| !matches!(first, b'{' | b'[' | 0x1e)) {
            return Some(NotALog { what: "one line that is not a JSON object", hint: OTHER_HINT });
        }
        None
    }

    /// Describes a file that has no line end and is longer than the line limit.
    pub fn one_long_line() -> NotALog {
        const { assert!(LINE_LIMIT == 1 << 20) };
        let what = "one line of more than 1 MiB";
        NotALog { what, hint: "write one JSON object per line, for example with `jq -c . FILE`" }
    }

    /// Returns the error about an input.
    pub fn error(&self, name: &str) -> Error {
        Error::new(ErrorKind::PartialInput, format!("cannot read {name}: it is {}", self.what))
            .hint(self.hint)
    }
}

/// Returns whether an input is binary: its beginning has many control characters, and none of its
/// lines looks like JSON. Zeros alone are not binary, since a log that was truncated while a
/// program kept writing begins with them.
fn is_binary(head: &[u8]) -> bool {
    let sample = head.get(..SAMPLE).unwrap_or(head);
    let is_control = |byte: &&u8| matches!(byte, 0..=8 | 14..=26 | 28..=31 | 127);
    if sample.iter().filter(is_control).count() * BYTES_PER_CONTROL <= sample.len() {
        return false;
    }
    let starts = std::iter::once(0).chain(memchr_iter(b'\n', head).map(|end| end + 1));
    let is_json = |start: usize| {
        let line = head.get(start..).unwrap_or(&[]);
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        let spaces = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let line = line.get(spaces..).unwrap_or(&[]);
        let line = line.get(..PRINTABLE).unwrap_or(line);
        let end = memchr(b'\n', line).unwrap_or(line.len());
        let printable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r');
        let line = line.get(..end).unwrap_or(line);
        // Accept a short line that begins with `{"` and ends with `"}`, whatever is in between.
        // Random bytes contain such a line about once in 2^39 bytes.
        let is_object = line.starts_with(b"{\"") && line.trim_ascii_end().ends_with(b"\"}");
        let is_printable = line.iter().all(printable);
        line.starts_with(b"{")
            && (is_object
                || is_printable && (line.len() == PRINTABLE || line.trim_ascii_end().ends_with(b"}")))
    };
    head.iter().any(|byte| *byte != 0) && !starts.into_iter().any(is_json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(head: &[u8]) -> Option<&'static str> {
        NotALog::recognize(head, true, true).map(|found| found.what)
    }

    const LINE: &[u8] = b"{\"event_name\":\"x\"}\n";

    /// Returns random bytes (xorshift).
    fn random(count: usize) -> Vec<u8> {
        let mut state = 88_172_645_463_325_252u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn other_formats_are_named() {
        let tar = [b"a.ndjson".as_slice(), &[0; 249], b"ustar\x0000", LINE].concat();
        for (head, expected) in [
            (b"\x04\x22\x4d\x18\x64\x40".as_slice(), "lz4 data"),
            (b"PK\x03\x04\x14\x00", "a zip archive"),
            (b"7z\xbc\xaf\x27\x1c\x00\x04", "a 7z archive"),
            (b"PAR1\x15\x04", "a Parquet file"),
            (b"SQLite format 3\x00\x10", "a SQLite database"),
            (b"Obj\x01\x04\x14", "an Avro file"),
            (b"ORC\x0a\x0b", "an ORC file"),
            (b"%PDF-1.7\n", "a PDF document"),
            (b"\x7fELF\x02\x01", "a program"),
            (b"{\0\0\0\"\0\0\0", "UTF-32 text"),
            (b"\0\0\xfe\xff\0\0\0{", "UTF-32 text"),
            (b"\x1f\x8b\x08\x00", "data compressed twice"),
            (&tar, "a tar archive"),
        ] {
            assert_eq!(what(head), Some(expected), "{head:?}");
        }
    }

    #[test]
    fn binary_data_is_recognized_unless_lines_follow() {
        for size in [1, 50, 1000, 1 << 20] {
            let found = what(&[b"\x01".as_slice(), &random(size)].concat());
            assert_eq!(found, Some("binary data, not text"), "{size}");
        }
        assert_eq!(what(&[0; 5000]), Some("nothing but zero bytes"));
        for text in [
            [&[0; 5000], LINE, LINE].concat(),
            [&random(5000), b"\n".as_slice(), LINE].concat(),
            [&random(5000), b"\n\xef\xbb\xbf \t".as_slice(), LINE].concat(),
            [&random(5000), b"\n{}\r\n".as_slice()].concat(),
            [LINE, &[0; 5000]].concat(),
            b"{\"a\":\"\x01\x02\"}".to_vec(),
            "{\"city\":\"東京\"}\n".into(),
            b"caf\xe9 cr\xe8me br\xfbl\xe9e\n".to_vec(),
            b"\x1b[32mstarted\x1b[0m\n".to_vec(),
            b"".to_vec(),
            b" \n".to_vec(),
            b"{\"cut".to_vec(),
            b"\xef\xbb\xbf\xef\xbb\xbf{\"cut".to_vec(),
            b"a,b\n1,2".to_vec(),
        ] {
            assert_eq!(what(&text), None, "{text:?}");
        }
        // More bytes follow than were read, and they can contain lines.
        assert_eq!(NotALog::recognize(&[0; 5000], false, true), None);
    }

    #[test]
    fn single_line_that_is_not_an_object_is_recognized() {
        let one_line = Some("one line that is not a JSON object");
        assert_eq!(what(b"hello"), one_line);
        // In a pipe, it is rejected like any other line.
        assert_eq!(NotALog::recognize(b"hello", true, false), None);
        assert_eq!(what(b"hello\n"), None);
    }
}

//! Rejected lines: the reasons, and the data that is retained of a line.

mod context;
mod repeats;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::fields::Field;
use super::ip_masking;
use crate::event::TextId;
use crate::ingest::input::blocks::{OVERLONG_HEAD, OverlongLine};
use crate::prehashed::hex;
use crate::settings::IpPolicy;
use crate::store::key::SecretKey;
use crate::store::rejects::RejectRecord;
use crate::time::Micros;

pub use context::RejectContext;
pub(super) use repeats::RepeatedRejects;

/// The largest part of a rejected line that is retained, in bytes.
pub(crate) const RAW_LIMIT: usize = OVERLONG_HEAD;

/// The reason why a line, or an event of an envelope, is rejected. If several apply, the first one
/// in this order is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum RejectReason {
    /// The line is longer than 1 MiB.
    LineTooLong,
    /// The line is not UTF-8.
    NotUtf8,
    /// The line is not JSON (RFC 8259).
    NotJson,
    /// The line, or the element of an envelope, is JSON but not an object.
    NotAnObject,
    /// The line has neither an `event_name`, nor a known `type`, nor an `events` array.
    NoEventName,
    /// The line has no `chatbot_id`, and the ingest has no default chatbot.
    NoChatbotId,
    /// `chatbot_id` is neither a string nor an integer, or is longer than 256 bytes.
    BadChatbotId,
    /// The line has no id of a session, visitor or user, and not both an IP address and a user
    /// agent.
    NoSessionKey,
    /// The line has no timestamp.
    NoTimestamp,
    /// A timestamp cannot be parsed.
    BadTimestamp,
    /// The event is more than 24 hours in the future.
    FutureTimestamp,
    /// The event is before the year 2000.
    ImplausibleTimestamp,
    /// The envelope has no events.
    EmptyEnvelope,
    /// The line does not match the pattern of the map.
    NoMatch,
    /// The row has more or fewer fields than there are columns, or a quote that is not closed.
    WrongWidth,
    /// The wrapped content of the record cannot be decoded from base64 or gzip.
    BadWrapping,
    /// The record has more than four nested wrappings.
    TooDeep,
}

impl RejectReason {
    /// The number of reasons.
    pub const COUNT: usize = RejectReason::ALL.len();

    /// All reasons, in order of precedence.
    pub const ALL: [RejectReason; 17] = [
        RejectReason::LineTooLong,
        RejectReason::NotUtf8,
        RejectReason::NotJson,
        RejectReason::NotAnObject,
        RejectReason::NoEventName,
        RejectReason::NoChatbotId,
        RejectReason::BadChatbotId,
        RejectReason::NoSessionKey,
        RejectReason::NoTimestamp,
        RejectReason::BadTimestamp,
        RejectReason::FutureTimestamp,
        RejectReason::ImplausibleTimestamp,
        RejectReason::EmptyEnvelope,
        RejectReason::NoMatch,
        RejectReason::WrongWidth,
        RejectReason::BadWrapping,
        RejectReason::TooDeep,
    ];

    /// Returns the name that ingest summaries and stored rejects use.
    pub fn name(self) -> &'static str {
        match self {
            RejectReason::LineTooLong => "line_too_long",
            RejectReason::NotUtf8 => "not_utf8",
            RejectReason::NotJson => "not_json",
            RejectReason::NotAnObject => "not_an_object",
            RejectReason::NoEventName => "no_event_name",
            RejectReason::NoChatbotId => "no_chatbot_id",
            RejectReason::BadChatbotId => "bad_chatbot_id",
            RejectReason::NoSessionKey => "no_session_key",
            RejectReason::NoTimestamp => "no_timestamp",
            RejectReason::BadTimestamp => "bad_timestamp",
            RejectReason::FutureTimestamp => "future_timestamp",
            RejectReason::ImplausibleTimestamp => "implausible_timestamp",
            RejectReason::EmptyEnvelope => "empty_envelope",
            RejectReason::NoMatch => "no_match",
            RejectReason::WrongWidth => "wrong_width",
            RejectReason::BadWrapping => "bad_wrapping",
            RejectReason::TooDeep => "too_deep",
        }
    }

    /// Returns the reason with a name.
    pub fn from_name(name: &str) -> Option<RejectReason> {
        RejectReason::ALL.into_iter().find(|r| r.name() == name)
    }
}

impl std::fmt::Display for RejectReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A rejected line, or a rejected event of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedLine {
    /// Line number in the input, from 1.
    pub line: u64,
    /// Index of the event in its envelope, from 0; `None` for a whole line.
    pub index: Option<u32>,
    /// Offset in the decompressed input, if the line number does not identify the record.
    pub offset: Option<u64>,
    /// Keyed hash of the envelope, for an event of an envelope.
    pub envelope: Option<String>,
    /// The reason.
    pub reason: RejectReason,
    /// The number of equal lines, or of equal events of the envelope, that were rejected for the
    /// same reason, including this one. The store keeps the first.
    pub count: u64,
    /// Length in bytes of the line without its end, or of the event of an envelope.
    pub length: u64,
    /// SHA-256 of the line or event.
    pub sha256: [u8; 32],
    /// Keyed hash of the line before IP addresses were masked; `None` for a line without IP
    /// addresses that is stored in full. A forgotten line is recognized by it, or else by `sha256`.
    pub keyed_hash: Option<String>,
    /// The first 64 KiB of the line or event.
    pub raw: Box<[u8]>,
    /// The ids that the line names, if its fields could be read. Lines of a forgotten person are
    /// not stored.
    pub identity: Option<Box<RejectedIdentity>>,
    /// How the line was read; `None` for a native line.
    pub context: Option<Box<RejectContext>>,
    /// The fields of the line with their values. Empty unless the parser traces.
    pub fields: Vec<(Field, Box<str>)>,
}

/// The ids that a rejected line names, as text ids of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the fields of the same names
pub struct RejectedIdentity {
    pub chatbot_id: TextId,
    pub session_id: TextId,
    pub anonymous_id: TextId,
    pub user_id: TextId,
    pub user_email: TextId,
    /// The time of the event, if it could be parsed.
    pub time: Option<Micros>,
}

impl RejectedLine {
    /// Creates a rejected line from its bytes without the line end.
    ///
    /// Unless IP addresses are stored in full, they are masked first, and length and hash describe
    /// the masked text. The hash of the original would reveal the IP address to an attacker who
    /// hashes the line with every possible IP address.
    pub(crate) fn new(
        line: u64,
        reason: RejectReason,
        bytes: &[u8],
        ip: IpPolicy,
        key: &SecretKey,
    ) -> RejectedLine {
        let original = Sha256::digest(bytes).into();
        let masked = ip_masking::mask_text(bytes, ip);
        // The masked text can change under another policy or after `wa anonymize`. That command
        // also removes the last bytes of a truncated text, which can be part of an IP address.
        let is_maskable = masked.is_some()
            || bytes.len() > RAW_LIMIT
            || ip != IpPolicy::Drop && ip_masking::mask_text(bytes, IpPolicy::Drop).is_some();
        let bytes = masked.as_deref().unwrap_or(bytes);
        RejectedLine {
            line,
            index: None,
            offset: None,
            envelope: None,
            reason,
            count: 1,
            length: bytes.len() as u64,
            sha256: masked.as_ref().map_or(original, |masked| Sha256::digest(masked).into()),
            keyed_hash: is_maskable.then(|| line_hash(key, &original)),
            raw: truncated(bytes),
            identity: None,
            context: None,
            fields: Vec::new(),
        }
    }

    /// Creates a rejected line from its beginning, when the rest is not in memory.
    ///
    /// Unless IP addresses are stored in full, only the retained, masked part is hashed. The hash
    /// of the whole line would reveal an IP address in the rest of the line to an attacker who
    /// hashes the line with every possible IP address.
    pub(crate) fn overlong(long: &OverlongLine, ip: IpPolicy, key: &SecretKey) -> RejectedLine {
        let masked = ip_masking::mask_truncated_text(&long.head, ip);
        let raw = truncated(masked.as_deref().unwrap_or(&long.head));
        let sha256 = match ip {
            IpPolicy::Keep => long.sha256,
            IpPolicy::Truncate | IpPolicy::Drop => Sha256::digest(&raw).into(),
        };
        RejectedLine {
            line: long.line,
            index: None,
            offset: None,
            envelope: None,
            reason: RejectReason::LineTooLong,
            count: 1,
            length: long.length,
            sha256,
            keyed_hash: Some(line_hash(key, &long.sha256)),
            raw,
            identity: None,
            context: None,
            fields: Vec::new(),
        }
    }

    /// Returns the estimated memory in bytes of this line and of the buffer to which it will be
    /// written. Even a line of two bytes takes hundreds of bytes.
    pub(crate) fn memory_size(&self) -> usize {
        let identity = self.identity.as_ref().map_or(0, |_| size_of::<RejectedIdentity>());
        let context = self.context.as_ref().map_or(0, |context| context.memory_size());
        let hashes =
            [&self.keyed_hash, &self.envelope].map(|hash| hash.as_ref().map_or(0, |hash| hash.len() + 16));
        let texts = hashes.iter().sum::<usize>() + self.raw.len() + context;
        // The strings count twice, since the buffer can have twice the capacity that it needs.
        size_of::<RejectedLine>()
            + identity
            + size_of::<RejectRecord>()
            + 160
            + 2 * (texts + escaped_bytes(&self.raw))
    }

    /// Converts the line to its stored form. `file` is the name of its input, and `rejected_at` the
    /// current time.
    pub(crate) fn to_record(&self, file: &str, rejected_at: &str) -> RejectRecord {
        RejectRecord {
            file: file.to_owned(),
            line: self.line,
            index: self.index,
            offset: self.offset,
            envelope: self.envelope.clone(),
            reason: self.reason.name().to_owned(),
            length: self.length,
            sha256: hex(&self.sha256),
            keyed_hash: self.keyed_hash.clone(),
            rejected_at: rejected_at.to_owned(),
            raw: None,
            raw_base64: None,
            map: self.context.as_ref().and_then(|context| context.map.as_ref().map(|map| map.name.clone())),
            columns: self.context.as_ref().and_then(|context| context.columns.as_ref().map(|c| c.to_vec())),
            given: self.context.as_ref().and_then(|context| context.given.as_deref().map(str::to_owned)),
            is_part: self.context.as_ref().is_some_and(|context| context.is_part),
            times: (self.count > 1).then_some(self.count),
        }
        .with_raw(&self.raw)
    }
}

/// Returns the keyed hash of a rejected line, given its SHA-256.
pub(crate) fn line_hash(key: &SecretKey, sha256: &[u8; 32]) -> String {
    hex_line_hash(key, &hex(sha256))
}

/// Returns the keyed hash of a rejected line, given its SHA-256 in hexadecimal.
pub(crate) fn hex_line_hash(key: &SecretKey, sha256: &str) -> String {
    key.hash(&[b"forgotten line", sha256.as_bytes()])
}

/// Returns the first [`RAW_LIMIT`] bytes.
fn truncated(bytes: &[u8]) -> Box<[u8]> {
    bytes.get(..RAW_LIMIT).unwrap_or(bytes).into()
}

/// Returns the number of bytes that writing adds: control characters are escaped, and bytes that
/// are not UTF-8 are written in base64.
fn escaped_bytes(bytes: &[u8]) -> usize {
    let added = |byte: &u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 1,
        0..=31 => 5,
        _ => 0,
    };
    // Text may be truncated within its last character, which does not make it invalid UTF-8.
    match std::str::from_utf8(bytes) {
        Err(e) if e.error_len().is_some() => bytes.len().div_ceil(3),
        _ => bytes.iter().map(added).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(reason: RejectReason, bytes: &[u8], ip: IpPolicy) -> RejectedLine {
        RejectedLine::new(3, reason, bytes, ip, &SecretKey::from_bytes([7; 32]))
    }

    #[test]
    fn raw_text_ends_between_characters() {
        let long = "x".repeat(RAW_LIMIT - 1) + "é" + "tail";
        let long_line = rejected(RejectReason::NotJson, long.as_bytes(), IpPolicy::Keep);
        assert_eq!((long_line.raw.len(), long_line.length), (RAW_LIMIT, RAW_LIMIT as u64 + 5));
        let stored = long_line.to_record("a.ndjson", "");
        assert_eq!((stored.raw, stored.raw_base64), (Some("x".repeat(RAW_LIMIT - 1)), None));
        let bytes = rejected(RejectReason::NotUtf8, b"\xff\xfe", IpPolicy::Keep).to_record("a.ndjson", "");
        assert_eq!((bytes.raw, bytes.raw_base64.as_deref()), (None, Some("//4=")));
    }

    #[test]
    fn memory_size_covers_the_written_line() {
        let now = "2026-01-02T03:04:05.000000Z";
        for bytes in
            [&[b'x'; 5000][..], &[1; 5000], &[b'"'; 5000], &[0xff; 5000], "é\n".repeat(900).as_bytes()]
        {
            let rejected = rejected(RejectReason::NotJson, bytes, IpPolicy::Keep);
            let written = serde_json::to_string(&rejected.to_record("a.ndjson", now)).unwrap().len();
            let raw = rejected.raw.len();
            assert!(
                rejected.memory_size() >= raw + written,
                "{} for {raw} and {written}",
                rejected.memory_size()
            );
        }
    }

    #[test]
    fn hash_is_sha256_of_the_whole_line() {
        // The first test vector of FIPS 180-2.
        let abc = rejected(RejectReason::NotJson, b"abc", IpPolicy::Keep);
        let hex: String = abc.sha256.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn masked_line_is_hashed_after_masking() {
        let one = rejected(RejectReason::NotJson, b"from 192.0.2.1", IpPolicy::Drop);
        let two = rejected(RejectReason::NotJson, b"from 192.0.2.2", IpPolicy::Drop);
        assert_eq!((one.sha256, &one.raw), (two.sha256, &two.raw));
        // The keyed hash distinguishes them, under any policy.
        assert_ne!(one.keyed_hash, two.keyed_hash);
        assert_eq!(
            one.keyed_hash,
            rejected(RejectReason::NotJson, b"from 192.0.2.1", IpPolicy::Keep).keyed_hash
        );
        assert_eq!(*one.raw, *b"from -");
        assert_eq!(one.length, 6);
    }

    #[test]
    fn line_without_ip_addresses_has_no_keyed_hash() {
        for ip in [IpPolicy::Keep, IpPolicy::Truncate, IpPolicy::Drop] {
            let is_keyed =
                |text: &str| rejected(RejectReason::NotJson, text.as_bytes(), ip).keyed_hash.is_some();
            assert!(!is_keyed("12:30 and 1.5"), "{ip:?}");
            // Truncation does not change the second line, but `anonymize` removes its IP address.
            assert!(is_keyed("from 192.0.2.1") && is_keyed("from 192.0.2.0"), "{ip:?}");
            assert!(is_keyed(&"x".repeat(RAW_LIMIT + 1)), "{ip:?}");
        }
    }

    #[test]
    fn reason_names_agree_with_json() {
        for (index, reason) in RejectReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            assert_eq!(serde_json::to_string(&reason).unwrap(), format!("\"{reason}\""));
            assert_eq!(RejectReason::from_name(reason.name()), Some(reason));
        }
    }
}

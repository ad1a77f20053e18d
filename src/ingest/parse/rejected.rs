//! Rejected lines: the reasons, and what is retained of a line.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ip_masking;
use crate::event::TextId;
use crate::ingest::input::blocks::{OVERLONG_HEAD, OverlongLine};
use crate::prehashed::hex;
use crate::settings::IpPolicy;
use crate::store::key::SecretKey;
use crate::store::rejects::RejectRecord;
use crate::time::{Clock, Micros, format_utc};

/// The largest part of a rejected line that is retained, in bytes.
pub(crate) const RAW_LIMIT: usize = OVERLONG_HEAD;

/// The reason why a line, or an event of an envelope, is rejected. If several apply, the first one
/// is reported.
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
}

impl RejectReason {
    /// The number of reasons.
    pub const COUNT: usize = RejectReason::ALL.len();

    /// All reasons, in order of precedence.
    pub const ALL: [RejectReason; 13] = [
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
    /// Number of the line in its input, from 1.
    pub line: u64,
    /// Index of the event in its envelope, from 0; `None` for a whole line.
    pub index: Option<u32>,
    /// The reason.
    pub reason: RejectReason,
    /// Length in bytes of the line without its end, or of the event of an envelope.
    pub length: u64,
    /// SHA-256 of those bytes.
    pub sha256: [u8; 32],
    /// Keyed hash of the line before IP addresses were masked. A forgotten line is recognized by
    /// it.
    pub keyed_hash: String,
    /// The first 64 KiB of those bytes.
    pub raw: Box<[u8]>,
    /// The ids that the line names, if its fields could be read. Lines of a forgotten person are
    /// not stored.
    pub identity: Option<Box<RejectedIdentity>>,
}

/// The ids that a rejected line names: texts of its block.
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
    /// Unless IP addresses are stored in full, they are masked first; length and hash are those of
    /// the masked text. The hash of the original would reveal the address to an attacker who hashes
    /// the line with every possible address.
    pub(crate) fn new(
        line: u64,
        reason: RejectReason,
        bytes: &[u8],
        ip: IpPolicy,
        key: &SecretKey,
    ) -> RejectedLine {
        let original = Sha256::digest(bytes).into();
        let masked = ip_masking::mask_text(bytes, ip);
        let bytes = masked.as_deref().unwrap_or(bytes);
        RejectedLine {
            line,
            index: None,
            reason,
            length: bytes.len() as u64,
            sha256: masked.as_ref().map_or(original, |masked| Sha256::digest(masked).into()),
            keyed_hash: line_hash(key, &original),
            raw: truncated(bytes),
            identity: None,
        }
    }

    /// Creates a rejected line whose beginning alone is in memory.
    ///
    /// Unless IP addresses are stored in full, the hash is that of the retained, masked part. The
    /// hash of the whole line could reveal an address after that part in the same way.
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
            reason: RejectReason::LineTooLong,
            length: long.length,
            sha256,
            keyed_hash: line_hash(key, &long.sha256),
            raw,
            identity: None,
        }
    }

    /// Returns the estimated memory in bytes of this line and of the buffer to which it will be
    /// written. Even a line of two bytes takes hundreds.
    pub(crate) fn memory_size(&self) -> usize {
        let identity = self.identity.as_ref().map_or(0, |_| size_of::<RejectedIdentity>());
        let texts = self.keyed_hash.len() + self.raw.len();
        // The texts count twice, since the buffer may have twice the capacity that it needs.
        size_of::<RejectedLine>()
            + identity
            + size_of::<RejectRecord>()
            + 160
            + 2 * (texts + escaped_bytes(&self.raw))
    }

    /// Returns the line in the form in which the store keeps it; `file` is the name of its input.
    pub(crate) fn to_record(&self, file: &str, clock: Clock) -> RejectRecord {
        RejectRecord {
            file: file.to_owned(),
            line: self.line,
            index: self.index,
            reason: self.reason.name().to_owned(),
            length: self.length,
            sha256: hex(&self.sha256),
            keyed_hash: Some(self.keyed_hash.clone()),
            rejected_at: format_utc(clock.now),
            raw: None,
            raw_base64: None,
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
    // Text may be truncated within its last character; that is no invalid UTF-8.
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
        let clock = Clock { now: 0 };
        let stored = long_line.to_record("a.ndjson", clock);
        assert_eq!((stored.raw, stored.raw_base64), (Some("x".repeat(RAW_LIMIT - 1)), None));
        let bytes = rejected(RejectReason::NotUtf8, b"\xff\xfe", IpPolicy::Keep).to_record("a.ndjson", clock);
        assert_eq!((bytes.raw, bytes.raw_base64.as_deref()), (None, Some("//4=")));
    }

    #[test]
    fn memory_size_covers_the_written_line() {
        let clock = Clock { now: 0 };
        for bytes in
            [&[b'x'; 5000][..], &[1; 5000], &[b'"'; 5000], &[0xff; 5000], "é\n".repeat(900).as_bytes()]
        {
            let rejected = rejected(RejectReason::NotJson, bytes, IpPolicy::Keep);
            let written = serde_json::to_string(&rejected.to_record("a.ndjson", clock)).unwrap().len();
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
    fn reason_names_agree_with_json() {
        for (index, reason) in RejectReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            assert_eq!(serde_json::to_string(&reason).unwrap(), format!("\"{reason}\""));
            assert_eq!(RejectReason::from_name(reason.name()), Some(reason));
        }
    }
}

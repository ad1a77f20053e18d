//! A refused line: why, and what is kept of it.

use sha2::{Digest, Sha256};

use super::reason::RejectReason;
use crate::event::TextId;
use crate::ingest::batch::suppression::line_hash;
use crate::ingest::input::blocks::OverlongLine;
use crate::ingest::parse::ip_masking;
use crate::prehashed::hex;
use crate::settings::IpPolicy;
use crate::store::key::SecretKey;
use crate::store::rejects::RejectRecord;
use crate::time::{Clock, Micros, format_utc};

/// The most that is kept of a refused line, in bytes.
pub const RAW_LIMIT: usize = 64 << 10;

/// A line, or an event of an envelope, that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedLine {
    /// The number of the line in its input, from 1.
    pub line: u64,
    /// Which of an envelope's events it is, from 0; `None` for a whole line.
    pub index: Option<u32>,
    /// Why it was refused.
    pub reason: RejectReason,
    /// Length in bytes of the line without its end (of an envelope's event: of that event).
    pub length: u64,
    /// SHA-256 of the same bytes.
    pub sha256: [u8; 32],
    /// Keyed hash of the line as it came, addresses and all: by it a line is known that was forgotten.
    pub keyed_hash: String,
    /// Up to [`RAW_LIMIT`] of the same bytes.
    pub raw: Box<[u8]>,
    /// Whose line it is, as far as it says so: lines of forgotten persons are not kept.
    pub person: Option<Box<RejectedIdentity>>,
}

/// The ids that a refused line names: texts of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the fields of the same names
pub struct RejectedIdentity {
    pub chatbot_id: TextId,
    pub session_id: TextId,
    pub anonymous_id: TextId,
    pub user_id: TextId,
    pub user_email: TextId,
    /// The event's time, where it could be told.
    pub time: Option<Micros>,
}

impl RejectedLine {
    /// Makes a refused line out of its bytes, without its line end.
    ///
    /// Where addresses are not to be kept as they are, they are masked first, and length and hash
    /// are those of the masked text: from the hash of the original they could be found by trial.
    pub fn new(line: u64, reason: RejectReason, bytes: &[u8], ip: IpPolicy, key: &SecretKey) -> RejectedLine {
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
            raw: cut(bytes),
            person: None,
        }
    }

    /// Returns about how much memory it takes, once as it is here and once as it is to be written:
    /// hundreds of bytes, were it a line of two.
    pub fn weight(&self) -> usize {
        let person = self.person.as_ref().map_or(0, |_| size_of::<RejectedIdentity>());
        let texts = self.keyed_hash.len() + self.raw.len();
        // Once as it is written, in a buffer that may have twice the room.
        size_of::<RejectedLine>()
            + person
            + size_of::<RejectRecord>()
            + 160
            + 2 * (texts + escapes(&self.raw))
    }

    /// Returns it as it is kept in the store, a line of the given file.
    pub fn reject(&self, file: &str, clock: Clock) -> RejectRecord {
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

    /// Makes a refused line that was never held whole.
    ///
    /// Where addresses are not to be kept as they are, its hash is that of what is kept of it, masked: an
    /// address behind that would be found from the hash of the whole by trial.
    pub fn overlong(long: &OverlongLine, ip: IpPolicy, key: &SecretKey) -> RejectedLine {
        let masked = ip_masking::mask_truncated_text(&long.head, ip);
        let raw = cut(masked.as_deref().unwrap_or(&long.head));
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
            person: None,
        }
    }
}

/// Returns up to [`RAW_LIMIT`] of some bytes.
fn cut(bytes: &[u8]) -> Box<[u8]> {
    bytes.get(..RAW_LIMIT).unwrap_or(bytes).into()
}

/// Returns how many bytes more some take among the rejects: control characters are written as six, and bytes
/// that are not UTF-8 in base64.
fn escapes(bytes: &[u8]) -> usize {
    let more = |byte: &u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 1,
        0..=31 => 5,
        _ => 0,
    };
    // Text may be cut within its last character.
    match std::str::from_utf8(bytes) {
        Err(e) if e.error_len().is_some() => bytes.len().div_ceil(3),
        _ => bytes.iter().map(more).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(reason: RejectReason, bytes: &[u8], ip: IpPolicy) -> RejectedLine {
        RejectedLine::new(3, reason, bytes, ip, &SecretKey::from_bytes([7; 32]))
    }

    #[test]
    fn the_raw_text_is_cut_between_characters_and_bytes_are_base64() {
        let long = "x".repeat(RAW_LIMIT - 1) + "é" + "tail";
        let cut = rejected(RejectReason::NotJson, long.as_bytes(), IpPolicy::Keep);
        assert_eq!((cut.raw.len(), cut.length), (RAW_LIMIT, RAW_LIMIT as u64 + 5));
        let clock = Clock { now: 0 };
        let kept = cut.reject("a.ndjson", clock);
        assert_eq!((kept.raw, kept.raw_base64), (Some("x".repeat(RAW_LIMIT - 1)), None));
        let bytes = rejected(RejectReason::NotUtf8, b"\xff\xfe", IpPolicy::Keep).reject("a.ndjson", clock);
        assert_eq!((bytes.raw, bytes.raw_base64.as_deref()), (None, Some("//4=")));
    }

    #[test]
    fn what_a_line_weighs_is_no_less_than_what_is_written_of_it() {
        let clock = Clock { now: 0 };
        for bytes in
            [&[b'x'; 5000][..], &[1; 5000], &[b'"'; 5000], &[0xff; 5000], "é\n".repeat(900).as_bytes()]
        {
            let rejected = rejected(RejectReason::NotJson, bytes, IpPolicy::Keep);
            let written = serde_json::to_string(&rejected.reject("a.ndjson", clock)).unwrap().len();
            let held = rejected.raw.len();
            assert!(rejected.weight() >= held + written, "{} of {held} and {written}", rejected.weight());
        }
    }

    #[test]
    fn the_hash_is_sha_256_of_the_whole_line() {
        // The first test vector of FIPS 180-2.
        let abc = rejected(RejectReason::NotJson, b"abc", IpPolicy::Keep);
        let hex: String = abc.sha256.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_masked_line_is_hashed_as_it_is_kept() {
        let one = rejected(RejectReason::NotJson, b"from 192.0.2.1", IpPolicy::Drop);
        let two = rejected(RejectReason::NotJson, b"from 192.0.2.2", IpPolicy::Drop);
        assert_eq!((one.sha256, &one.raw), (two.sha256, &two.raw));
        // With the key alone they can be told apart, under any policy.
        assert_ne!(one.keyed_hash, two.keyed_hash);
        assert_eq!(
            one.keyed_hash,
            rejected(RejectReason::NotJson, b"from 192.0.2.1", IpPolicy::Keep).keyed_hash
        );
        assert_eq!(*one.raw, *b"from -");
        assert_eq!(one.length, 6);
    }
}

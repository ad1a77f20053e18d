//! Hashes of session keys, and UUIDs.

use super::KeyKind;

/// Returns the hash of a session key: chatbot, kind of id, and id.
///
/// The chatbot and the kind seed the hash of the id, so keys whose concatenations are equal still
/// have different hashes. A visitor's hash is the session key hash of its own id and kind.
pub fn session_key_hash(chatbot_id: &str, kind: KeyKind, value: &str) -> u128 {
    id_hash(chatbot_seed(chatbot_id), kind, value)
}

/// Returns the seed for the hashes of a chatbot's keys.
pub(crate) fn chatbot_seed(chatbot_id: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(chatbot_id.as_bytes())
}

/// Returns the [`session_key_hash`] of an id, given the seed of its chatbot.
#[inline]
pub(crate) fn id_hash(chatbot_seed: u64, kind: KeyKind, value: &str) -> u128 {
    xxhash_rust::xxh3::xxh3_128_with_seed(value.as_bytes(), chatbot_seed ^ ((kind as u64) << 1))
}

/// The namespace of the version 5 UUIDs that `wa` derives.
///
/// It is the version 5 UUID of the name `wa` in the DNS namespace of RFC 9562.
pub const NAMESPACE: uuid::Uuid = uuid::uuid!("cf109a11-e4ef-5833-84a3-58e1b3a7f392");

/// Returns the version 5 UUID of a name in [`NAMESPACE`].
///
/// Equals [`uuid::Uuid::new_v5`], but uses the SHA-1 instructions of the CPU if it has them.
pub fn name_uuid(name: &[u8]) -> uuid::Uuid {
    use sha1::digest::core_api::{Buffer, FixedOutputCore, UpdateCore};
    // `Sha1` copies its state and its buffer several times, which takes longer than the hash.
    let (mut core, mut buffer) = (sha1::Sha1Core::default(), Buffer::<sha1::Sha1Core>::default());
    for part in [NAMESPACE.as_bytes(), name] {
        buffer.digest_blocks(part, |blocks| core.update_blocks(blocks));
    }
    let mut hash = sha1::digest::Output::<sha1::Sha1Core>::default();
    core.finalize_fixed_core(&mut buffer, &mut hash);
    let (first, _) = hash.as_slice().split_first_chunk().unwrap_or((&[0; 16], &[]));
    uuid::Builder::from_sha1_bytes(*first).into_uuid()
}

/// Parses a UUID in canonical form: 36 characters, lower case, hyphens; `None` for any other
/// string.
#[inline]
pub fn parse_uuid(text: &str) -> Option<u128> {
    let text: &[u8; 36] = text.as_bytes().try_into().ok()?;
    let [_, _, _, _, _, _, _, _, b'-', _, _, _, _, b'-', _, _, _, _, b'-', _, _, _, _, b'-', ..] = text
    else {
        return None;
    };
    // Digits and letters alternate at random, so a branch on them would be mispredicted. The four
    // parts have no data dependency on each other.
    let (mut parts, mut wrong) = ([0u32; 4], 0u8);
    for at in 0..8 {
        // Start of the second and the third part; a hyphen lies within each.
        let second = if at < 4 { 9 } else { 10 };
        let third = if at < 4 { 19 } else { 20 };
        for (part, byte) in parts.iter_mut().zip([at, second + at, third + at, 28 + at]) {
            let digit = HEX_DIGITS[usize::from(text[byte])];
            wrong |= digit;
            *part = *part << 4 | u32::from(digit & 15);
        }
    }
    let whole = parts.iter().fold(0, |whole, part| whole << 32 | u128::from(*part));
    (wrong < 16).then_some(whole)
}

/// The value of each lower-case hexadecimal digit; 0xf0 for all other bytes.
const HEX_DIGITS: [u8; 256] = {
    let mut digits = [0xf0; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parse_uuid_accepts_only_the_canonical_form() {
        let text = "b270790b-1d46-432b-80ff-41b0524bedc7";
        assert_eq!(parse_uuid(text), Some(text.parse::<uuid::Uuid>().unwrap().as_u128()));
        for other in [
            "B270790B-1D46-432B-80FF-41B0524BEDC7",
            "b270790b1d46432b80ff41b0524bedc7",
            "{b270790b-1d46-432b-80ff-41b0524bedc7}",
            "b270790b-1d46-432b-80ff-41b0524bedc",
            "b270790b-1d46-432b-80ff-41b0524bedcg",
            "b270790b-1d46-432b-80ff041b0524bedc7",
            "b270790b-1d46-432b-80ff-41b0524bedcé",
            "",
        ] {
            assert_eq!(parse_uuid(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn name_uuid_equals_uuid_new_v5(
            name in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            prop_assert_eq!(name_uuid(&name), uuid::Uuid::new_v5(&NAMESPACE, &name));
        }
    }
}

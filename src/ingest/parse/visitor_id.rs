//! The visitor made of address and user agent, for events that name nobody.

use std::net::IpAddr;

use crate::prehashed::hex;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Returns `ipua-` and the first 32 hexadecimal digits of HMAC-SHA256 of chatbot, address and user
/// agent, under the store's key.
///
/// Before each of the three stands its length, as eight bytes, the most significant first, so that no
/// two triples run together. The address is the full one, whatever is stored of it, in its usual
/// notation; an IPv4 address written as IPv6 is that IPv4 address.
pub fn made_of(key: &[u8; 32], chatbot_id: &str, address: IpAddr, user_agent: &str) -> String {
    let address = address.to_canonical().to_string();
    // A key of any length will do; `new_from_slice` has no way to fail.
    let Ok(mut hash) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    for part in [chatbot_id, &address, user_agent] {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize().into_bytes();
    format!("ipua-{}", hex(digest.get(..16).unwrap_or(&digest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_for_the_same_three_and_another_for_any_other() {
        let make = |key: u8, chatbot: &str, ip: &str, agent: &str| {
            made_of(&[key; 32], chatbot, ip.parse().unwrap(), agent)
        };
        let one = make(1, "c", "203.0.113.9", "Mozilla");
        // Worked out with another implementation of HMAC (Python's `hmac`).
        assert_eq!(one, "ipua-45c3039b1818b5f0cc3c56501e331819");
        assert_eq!(one, make(1, "c", "::ffff:203.0.113.9", "Mozilla"));
        for other in [
            make(2, "c", "203.0.113.9", "Mozilla"),
            make(1, "d", "203.0.113.9", "Mozilla"),
            make(1, "c", "203.0.113.8", "Mozilla"),
            make(1, "c", "203.0.113.9", "Mozill"),
        ] {
            assert_ne!(one, other);
        }
    }
}

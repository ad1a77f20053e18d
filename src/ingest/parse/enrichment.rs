//! Derives columns from user agent, IP address, URLs and campaign, once per distinct value in a
//! block.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use hashbrown::HashTable;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::text::Interner;
use crate::enrich::{Enricher, SourceFields, apply_ip_policy, first_ip_address};
use crate::event::{Channel, KeyKind, TextId, UserAgent, session_key_hash};
use crate::prehashed::hex;
use crate::settings::IpPolicy;

/// The traffic source of an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResolvedSource {
    /// The domain of the referrer.
    pub domain: TextId,
    /// `utm_source`, `utm_medium` and `utm_campaign` from the URL.
    pub utm: [TextId; 3],
    /// The channel.
    pub channel: Option<Channel>,
    /// Whether the event names a source.
    pub names_source: bool,
}

/// An IP address and the values derived from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResolvedIp {
    /// The full IP address.
    pub ip: IpAddr,
    /// The string that the IP policy allows to be stored.
    pub stored: TextId,
    /// The country of the IP address.
    pub country: TextId,
    /// The city.
    pub city: TextId,
}

/// Derives the columns of a block and caches the results.
pub(super) struct RowEnricher<'a> {
    enricher: &'a Enricher,
    policy: IpPolicy,
    /// HMAC with the secret key of the store, for the ids of visitors.
    visitor_mac: Option<Hmac<Sha256>>,
    /// The distinct user agents of the block.
    agents: Vec<Arc<UserAgent>>,
    memos: EnrichmentMemos,
}

/// The results of a block by the ids of the strings from which they were derived.
#[derive(Debug, Default)]
pub(super) struct EnrichmentMemos {
    agents: Memo<1, u32>,
    sources: Memo<5, ResolvedSource>,
    ips: Memo<1, Option<ResolvedIp>>,
    visitor_ids: Memo<3, TextId>,
    session_keys: Memo<3, u128>,
}

impl EnrichmentMemos {
    fn clear(&mut self) {
        self.agents.clear();
        self.sources.clear();
        self.ips.clear();
        self.visitor_ids.clear();
        self.session_keys.clear();
    }
}

impl<'a> RowEnricher<'a> {
    /// Creates an enricher for a block. It reuses the allocations of `memos`, not its values.
    pub fn new(
        enricher: &'a Enricher,
        policy: IpPolicy,
        visitor_key: &[u8; 32],
        mut memos: EnrichmentMemos,
    ) -> Self {
        memos.clear();
        // HMAC accepts keys of any length, so there is no error.
        let visitor_mac = Hmac::new_from_slice(visitor_key).ok();
        RowEnricher { enricher, policy, visitor_mac, agents: Vec::new(), memos }
    }

    /// Returns the user agents so far, and clears all results.
    pub fn take_agents(&mut self) -> Vec<Arc<UserAgent>> {
        self.memos.clear();
        std::mem::take(&mut self.agents)
    }

    /// Returns the user agents, and the memory for the next block.
    pub fn finish(self) -> (Vec<Arc<UserAgent>>, EnrichmentMemos) {
        (self.agents, self.memos)
    }

    /// Returns the index of a user agent among the user agents of the block.
    #[inline]
    pub fn agent(&mut self, interner: &Interner, user_agent: TextId) -> u32 {
        let (enricher, agents) = (self.enricher, &mut self.agents);
        self.memos.agents.get_or_insert([user_agent.0], || {
            agents.push(enricher.user_agent(interner.get(user_agent).unwrap_or("")));
            (agents.len() - 1) as u32
        })
    }

    /// Returns the traffic source that page, referrer and campaign (source, medium, name) imply.
    #[inline]
    pub fn source(
        &mut self,
        interner: &mut Interner,
        page_url: TextId,
        referrer: TextId,
        utm: [TextId; 3],
    ) -> ResolvedSource {
        let [utm_source, utm_medium, utm_campaign] = utm;
        let enricher = self.enricher;
        let key = [page_url, referrer, utm_source, utm_medium, utm_campaign].map(|text| text.0);
        self.memos.sources.get_or_insert(key, || {
            let derived = enricher.source(SourceFields {
                page_url: interner.get(page_url),
                referrer: interner.get(referrer),
                utm_source: interner.get(utm_source),
                utm_medium: interner.get(utm_medium),
                utm_campaign: interner.get(utm_campaign),
            });
            let from_url = [&derived.utm_source, &derived.utm_medium, &derived.utm_campaign];
            ResolvedSource {
                domain: interner.intern_optional(derived.referrer_domain.as_deref()),
                utm: from_url.map(|text| interner.intern_optional(text.as_deref())),
                channel: derived.channel,
                names_source: derived.names_source,
            }
        })
    }

    /// Resolves the first IP address in a string; `None` if there is none.
    #[inline]
    pub fn ip_address(&mut self, interner: &mut Interner, text: TextId) -> Option<ResolvedIp> {
        let (enricher, policy) = (self.enricher, self.policy);
        self.memos.ips.get_or_insert([text.0], || {
            // An IPv4 address has a single notation, so the string can be stored unchanged.
            let plain = interner.get(text)?.parse::<Ipv4Addr>().ok().map(IpAddr::V4);
            let ip = plain.or_else(|| first_ip_address(interner.get(text)?))?;
            let stored = match policy {
                IpPolicy::Keep if plain.is_some() => text,
                _ => interner.intern_optional(apply_ip_policy(policy, ip).as_deref()),
            };
            let location = enricher.location(ip).unwrap_or_default();
            let country = interner.intern_optional(location.country_code.as_deref());
            let city = interner.intern_optional(location.city.as_deref());
            Some(ResolvedIp { ip, stored, country, city })
        })
    }

    /// Returns the id of the visitor with an IP address and a user agent; `ip_text` is the string
    /// from which the IP address was resolved.
    pub fn visitor_id(
        &mut self,
        interner: &mut Interner,
        chatbot: TextId,
        ip_text: TextId,
        ip: ResolvedIp,
        user_agent: TextId,
    ) -> TextId {
        let mac = self.visitor_mac.as_ref();
        self.memos.visitor_ids.get_or_insert([chatbot.0, ip_text.0, user_agent.0], || {
            let chatbot = interner.get(chatbot).unwrap_or("");
            let user_agent = interner.get(user_agent).unwrap_or("");
            let id = mac.map(|mac| derive_visitor_id(mac.clone(), chatbot, ip.ip, user_agent));
            interner.intern_optional(id.as_deref())
        })
    }

    /// Returns the hash of a session key.
    #[inline]
    pub fn session_key(
        &mut self,
        interner: &Interner,
        chatbot: TextId,
        kind: KeyKind,
        value: TextId,
    ) -> u128 {
        self.memos.session_keys.get_or_insert([kind as u32, chatbot.0, value.0], || {
            session_key_hash(interner.get(chatbot).unwrap_or(""), kind, interner.get(value).unwrap_or(""))
        })
    }
}

/// Returns the id of a visitor that is identified only by IP address and user agent: `ipua-` and
/// the first 32 hexadecimal digits of the HMAC-SHA256 of chatbot, IP address and user agent, keyed
/// with the secret key of the store.
///
/// Each part is preceded by its length, as eight big-endian bytes, so that different triples never
/// have the same bytes. The IP address is the full one, regardless of the IP policy, in canonical
/// notation; an IPv4-mapped IPv6 address counts as the IPv4 address.
fn derive_visitor_id(mut hash: Hmac<Sha256>, chatbot_id: &str, ip: IpAddr, user_agent: &str) -> String {
    let ip = ip.to_canonical().to_string();
    for part in [chatbot_id, &ip, user_agent] {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize().into_bytes();
    format!("ipua-{}", hex(digest.get(..16).unwrap_or(&digest)))
}

/// Values by the ids of `N` interned strings.
#[derive(Debug)]
struct Memo<const N: usize, V> {
    table: HashTable<([u32; N], V)>,
}

impl<const N: usize, V> Default for Memo<N, V> {
    fn default() -> Self {
        Memo { table: HashTable::new() }
    }
}

impl<const N: usize, V: Copy> Memo<N, V> {
    /// Removes all values; keeps the memory.
    fn clear(&mut self) {
        self.table.clear();
    }

    /// Returns the value of a key; computes it if it is missing.
    #[inline]
    fn get_or_insert(&mut self, key: [u32; N], compute: impl FnOnce() -> V) -> V {
        if let Some((_, value)) = self.table.find(hash(&key), |(other, _)| *other == key) {
            return *value;
        }
        let value = compute();
        self.table.insert_unique(hash(&key), (key, value), |(key, _)| hash(key));
        value
    }
}

/// Spreads small numbers over all bits, because the hash table uses the highest and the lowest
/// bits.
#[inline]
fn hash(key: &[u32]) -> u64 {
    let mixed = key.iter().fold(0u64, |hash, number| {
        (hash.rotate_left(23) ^ u64::from(*number)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    mixed ^ mixed >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visitor_id_depends_on_key_chatbot_ip_and_user_agent() {
        let make = |key: u8, chatbot: &str, ip: &str, agent: &str| {
            let mac = Hmac::new_from_slice(&[key; 32]).unwrap();
            derive_visitor_id(mac, chatbot, ip.parse().unwrap(), agent)
        };
        let one = make(1, "c", "203.0.113.9", "Mozilla");
        // Computed with Python's `hmac`.
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

    #[test]
    fn memo_computes_once_per_key_until_cleared() {
        let mut memo = Memo::<2, u32>::default();
        let mut calls = 0;
        let mut get = |memo: &mut Memo<2, u32>, key| {
            memo.get_or_insert(key, || {
                calls += 1;
                calls
            })
        };
        assert_eq!(get(&mut memo, [1, 2]), 1);
        assert_eq!(get(&mut memo, [2, 1]), 2);
        assert_eq!(get(&mut memo, [1, u32::MAX]), 3);
        assert_eq!(
            [get(&mut memo, [1, 2]), get(&mut memo, [2, 1]), get(&mut memo, [1, u32::MAX])],
            [1, 2, 3]
        );
        memo.clear();
        assert_eq!(get(&mut memo, [1, 2]), 4);
    }
}

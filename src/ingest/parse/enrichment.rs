//! What is derived from an event's fields, each distinct text of a block asked about once.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::text::intern::Interner;
use super::text::memo::Memo;
use super::visitor_id;
use crate::enrich::{Channel, Enricher, SourceFields, UserAgent, apply_ip_policy, first_ip_address};
use crate::event::{KeyKind, TextId, session_key_hash};
use crate::settings::IpPolicy;

/// Where a visitor came from.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// The referrer's domain.
    pub domain: TextId,
    /// `utm_source`, `utm_medium` and `utm_campaign`, where the line lacks them and the URL has them.
    pub utm: [TextId; 3],
    /// The channel.
    pub channel: Option<Channel>,
    /// The event names a source.
    pub names_source: bool,
}

/// What an address comes to.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    /// The address, in full.
    pub ip: IpAddr,
    /// What may be stored of it.
    pub stored: TextId,
    /// The country of the address.
    pub country: TextId,
    /// The city.
    pub city: TextId,
}

/// Derives, and remembers for the rest of the block.
pub struct RowEnricher<'a> {
    enricher: &'a Enricher,
    policy: IpPolicy,
    visitor_key: &'a [u8; 32],
    /// The user agents so far, each once.
    pub agents: Vec<Arc<UserAgent>>,
    memos: EnrichmentMemos,
}

/// What was derived, by what it was derived from.
#[derive(Debug, Default)]
pub struct EnrichmentMemos {
    by_agent: Memo<1, u32>,
    by_source: Memo<5, Source>,
    by_address: Memo<1, Option<Address>>,
    by_visitor: Memo<3, TextId>,
    by_key: Memo<3, u128>,
}

impl EnrichmentMemos {
    fn clear(&mut self) {
        self.by_agent.clear();
        self.by_source.clear();
        self.by_address.clear();
        self.by_visitor.clear();
        self.by_key.clear();
    }
}

impl<'a> RowEnricher<'a> {
    /// Makes one that knows nothing yet, with the memory of one that is no longer needed.
    pub fn new(
        enricher: &'a Enricher,
        policy: IpPolicy,
        visitor_key: &'a [u8; 32],
        mut memos: EnrichmentMemos,
    ) -> Self {
        memos.clear();
        RowEnricher { enricher, policy, visitor_key, agents: Vec::new(), memos }
    }

    /// Forgets all, as at the beginning of another block; returns the agents.
    pub fn cut(&mut self) -> Vec<Arc<UserAgent>> {
        self.memos.clear();
        std::mem::take(&mut self.agents)
    }

    /// Ends; returns the agents and the memory.
    pub fn end(self) -> (Vec<Arc<UserAgent>>, EnrichmentMemos) {
        (self.agents, self.memos)
    }

    /// Returns the index of a user agent.
    #[inline]
    pub fn agent(&mut self, kept: &Interner, user_agent: TextId) -> u32 {
        let (enricher, agents) = (self.enricher, &mut self.agents);
        self.memos.by_agent.get([user_agent.0], || {
            agents.push(enricher.user_agent(kept.get(user_agent).unwrap_or("")));
            (agents.len() - 1) as u32
        })
    }

    /// Returns what page, referrer and campaign (source, medium, name) say.
    #[inline]
    pub fn source(
        &mut self,
        kept: &mut Interner,
        page_url: TextId,
        referrer: TextId,
        utm: [TextId; 3],
    ) -> Source {
        let [utm_source, utm_medium, utm_campaign] = utm;
        let enricher = self.enricher;
        let key = [page_url, referrer, utm_source, utm_medium, utm_campaign].map(|text| text.0);
        self.memos.by_source.get(key, || {
            let derived = enricher.source(SourceFields {
                page_url: kept.get(page_url),
                referrer: kept.get(referrer),
                utm_source: kept.get(utm_source),
                utm_medium: kept.get(utm_medium),
                utm_campaign: kept.get(utm_campaign),
            });
            let found = [&derived.utm_source, &derived.utm_medium, &derived.utm_campaign];
            Source {
                domain: kept.some(derived.referrer_domain.as_deref()),
                utm: found.map(|text| kept.some(text.as_deref())),
                channel: derived.channel,
                names_source: derived.names_source,
            }
        })
    }

    /// Reads an address; `None` where the text is none.
    #[inline]
    pub fn address(&mut self, kept: &mut Interner, text: TextId) -> Option<Address> {
        let (enricher, policy) = (self.enricher, self.policy);
        self.memos.by_address.get([text.0], || {
            // Of an IPv4 address there is one way to write it, that of a store.
            let plain = kept.get(text)?.parse::<Ipv4Addr>().ok().map(IpAddr::V4);
            let ip = plain.or_else(|| first_ip_address(kept.get(text)?))?;
            let stored = match policy {
                IpPolicy::Keep if plain.is_some() => text,
                _ => kept.some(apply_ip_policy(policy, ip).as_deref()),
            };
            let place = enricher.location(ip).unwrap_or_default();
            let country = kept.some(place.country_code.as_deref());
            Some(Address { ip, stored, country, city: kept.some(place.city.as_deref()) })
        })
    }

    /// Returns the id of the visitor made of address and user agent.
    pub fn visitor(
        &mut self,
        kept: &mut Interner,
        chatbot: TextId,
        text: TextId,
        address: Address,
        user_agent: TextId,
    ) -> TextId {
        let key = self.visitor_key;
        self.memos.by_visitor.get([chatbot.0, text.0, user_agent.0], || {
            let (chatbot, agent) = (kept.get(chatbot).unwrap_or(""), kept.get(user_agent).unwrap_or(""));
            let id = visitor_id::made_of(key, chatbot, address.ip, agent);
            kept.text(&id)
        })
    }

    /// Returns the hash of a session key.
    #[inline]
    pub fn key(&mut self, kept: &Interner, chatbot: TextId, kind: KeyKind, value: TextId) -> u128 {
        self.memos.by_key.get([kind as u32, chatbot.0, value.0], || {
            session_key_hash(kept.get(chatbot).unwrap_or(""), kind, kept.get(value).unwrap_or(""))
        })
    }
}

//! What is derived from an event's context, each distinct text of a block asked about once.

use std::net::IpAddr;
use std::sync::Arc;

use super::memo::{Memo, Pool};
use super::span::Span;
use super::visitor;
use crate::context::{Agent, Channel, Context, Given, apply, first_address};
use crate::settings::IpPolicy;

/// Where a visitor came from.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// The referrer's domain.
    pub domain: Span,
    /// `utm_source`, `utm_medium` and `utm_campaign`, where the line lacks them and the URL has them.
    pub utm: [Span; 3],
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
    pub stored: Span,
    /// The country of the address.
    pub country: Span,
    /// The city.
    pub city: Span,
}

/// Derives, and remembers for the rest of the block.
pub struct Derive<'a> {
    context: &'a Context,
    policy: IpPolicy,
    visitor_key: &'a [u8; 32],
    /// The user agents so far, each once.
    pub agents: Vec<Arc<Agent>>,
    memos: Memos,
}

/// What was derived, by what it was derived from.
#[derive(Debug, Default)]
pub struct Memos {
    by_agent: Memo<1, u32>,
    by_source: Memo<5, Source>,
    by_address: Memo<1, Option<Address>>,
    by_visitor: Memo<3, Span>,
}

impl Memos {
    fn clear(&mut self) {
        self.by_agent.clear();
        self.by_source.clear();
        self.by_address.clear();
        self.by_visitor.clear();
    }
}

impl<'a> Derive<'a> {
    /// Makes one that knows nothing yet, with the memory of one that is no longer needed.
    pub fn new(context: &'a Context, policy: IpPolicy, visitor_key: &'a [u8; 32], mut memos: Memos) -> Self {
        memos.clear();
        Derive { context, policy, visitor_key, agents: Vec::new(), memos }
    }

    /// Ends; returns the agents and the memory.
    pub fn end(self) -> (Vec<Arc<Agent>>, Memos) {
        (self.agents, self.memos)
    }

    /// Returns the index of a user agent.
    #[inline]
    pub fn agent(&mut self, pool: &mut Pool, user_agent: Span) -> u32 {
        let (context, agents) = (self.context, &mut self.agents);
        self.memos.by_agent.get(pool, [user_agent], |pool| {
            agents.push(context.agent(pool.get(user_agent).unwrap_or("")));
            (agents.len() - 1) as u32
        })
    }

    /// Returns what page, referrer and campaign (source, medium, name) say.
    #[inline]
    pub fn source(&mut self, pool: &mut Pool, page_url: Span, referrer: Span, utm: [Span; 3]) -> Source {
        let [utm_source, utm_medium, utm_campaign] = utm;
        let context = self.context;
        self.memos.by_source.get(pool, [page_url, referrer, utm_source, utm_medium, utm_campaign], |pool| {
            let derived = context.source(Given {
                page_url: pool.get(page_url),
                referrer: pool.get(referrer),
                utm_source: pool.get(utm_source),
                utm_medium: pool.get(utm_medium),
                utm_campaign: pool.get(utm_campaign),
            });
            let found = [&derived.utm_source, &derived.utm_medium, &derived.utm_campaign];
            Source {
                domain: pool.add_some(derived.referrer_domain.as_deref()),
                utm: found.map(|text| pool.add_some(text.as_deref())),
                channel: derived.channel,
                names_source: derived.names_source,
            }
        })
    }

    /// Reads an address; `None` where the text is none.
    #[inline]
    pub fn address(&mut self, pool: &mut Pool, text: Span) -> Option<Address> {
        let (context, policy) = (self.context, self.policy);
        self.memos.by_address.get(pool, [text], |pool| {
            let ip = first_address(pool.get(text)?)?;
            let stored = match apply(policy, ip) {
                Some(stored) if pool.get(text) == Some(&stored) => text,
                stored => pool.add_some(stored.as_deref()),
            };
            let place = context.place(ip).unwrap_or_default();
            let country = pool.add_some(place.country_code.as_deref());
            Some(Address { ip, stored, country, city: pool.add_some(place.city.as_deref()) })
        })
    }

    /// Returns the id of the visitor made of address and user agent.
    pub fn visitor(
        &mut self,
        pool: &mut Pool,
        chatbot: Span,
        text: Span,
        address: Address,
        user_agent: Span,
    ) -> Span {
        let key = self.visitor_key;
        self.memos.by_visitor.get(pool, [chatbot, text, user_agent], |pool| {
            let (chatbot, agent) = (pool.get(chatbot).unwrap_or(""), pool.get(user_agent).unwrap_or(""));
            let id = visitor::made_of(key, chatbot, address.ip, agent);
            pool.add(&id)
        })
    }
}

//! The traffic source of an event: referrer domain, campaign, channel.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::IpAddr;

use idna::uts46::{AsciiDenyList, Hyphens, Uts46};

use super::channel::{Campaign, channel};
use super::sites::{ClickId, Sites};
use super::url::{Url, decode, decode_repeatedly, parameters};
use crate::event::Channel;

/// The logged fields of an event that identify its traffic source. Empty strings are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SourceFields<'a> {
    /// The page URL.
    pub page_url: Option<&'a str>,
    /// The referring page.
    pub referrer: Option<&'a str>,
    /// The logged campaign source.
    pub utm_source: Option<&'a str>,
    /// The logged campaign medium.
    pub utm_medium: Option<&'a str>,
    /// The logged campaign name.
    pub utm_campaign: Option<&'a str>,
}

/// The derived traffic source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DerivedSource {
    /// The host of the referrer, in lower case and without `www.`; `None` without a referrer, and
    /// for a referrer of the page's own site.
    pub referrer_domain: Option<String>,
    /// The channel; `None` if the event names no source.
    pub channel: Option<Channel>,
    /// Whether the event names a source: an external referrer, a campaign, or a click id.
    pub names_source: bool,
    /// The campaign source from the page URL, if none is logged.
    pub utm_source: Option<String>,
    /// The campaign medium from the page URL, if none is logged.
    pub utm_medium: Option<String>,
    /// The campaign name from the page URL, if none is logged.
    pub utm_campaign: Option<String>,
}

/// The traffic source parameters of a page URL.
#[derive(Default)]
struct UrlTags {
    source: Option<String>,
    medium: Option<String>,
    campaign: Option<String>,
    click_id: Option<ClickId>,
}

/// Derives the traffic source of an event.
pub(super) fn source(sites: &Sites, fields: SourceFields<'_>) -> DerivedSource {
    let page = fields.page_url.map(Url::parse);
    let referrer_domain = fields.referrer.and_then(|referrer| {
        let host = domain(Url::parse(referrer).host?);
        let own = page.and_then(|page| page.host).is_some_and(|page| same_site(&domain(page), &host));
        (!own).then_some(host)
    });
    let tagged = page.and_then(|page| page.query).map(|query| tagged(sites, query)).unwrap_or_default();
    let mut derived = DerivedSource::default();
    if fields.utm_source.is_none() {
        derived.utm_source = tagged.source;
    }
    if fields.utm_medium.is_none() {
        derived.utm_medium = tagged.medium;
    }
    if fields.utm_campaign.is_none() {
        derived.utm_campaign = tagged.campaign;
    }
    let campaign = Campaign {
        source: fields.utm_source.or(derived.utm_source.as_deref()),
        medium: fields.utm_medium.or(derived.utm_medium.as_deref()),
        name: fields.utm_campaign.or(derived.utm_campaign.as_deref()),
        click_id: tagged.click_id,
        referrer: referrer_domain.as_deref(),
    };
    derived.names_source = campaign.names_source();
    derived.channel = derived.names_source.then(|| channel(sites, campaign));
    derived.referrer_domain = referrer_domain.map(Cow::into_owned);
    derived
}

/// Normalizes a host, so that two notations of one host are equal.
///
/// A domain is in lower case, without `www.` and trailing dot, and in Unicode form (UTS #46). An
/// IPv6 address is in canonical form (RFC 5952).
fn domain(host: &str) -> Cow<'_, str> {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
    let host = match host.bytes().all(is_plain) && !host.contains("xn--") {
        true => Cow::Borrowed(host),
        false => Cow::Owned(normalized(host)),
    };
    match host.strip_prefix("www.").is_some_and(|rest| rest.contains('.')) {
        false => host,
        true => match host {
            Cow::Borrowed(host) => Cow::Borrowed(host.get(4..).unwrap_or("")),
            Cow::Owned(host) => Cow::Owned(host.get(4..).unwrap_or("").to_owned()),
        },
    }
}

/// Normalizes a host that is not lower-case ASCII.
fn normalized(host: &str) -> String {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return ip.to_canonical().to_string();
    }
    let (domain, result) = Uts46::new().to_unicode(host.as_bytes(), AsciiDenyList::URL, Hyphens::Allow);
    match result {
        Ok(()) if !domain.is_empty() => domain.into_owned(),
        // A host that is not valid in IDNA is compared as logged, except for its case.
        _ => host.to_lowercase(),
    }
}

/// Returns whether two hosts belong to one site: they are equal, or below the same registrable
/// domain of the public suffix list (`a.example.co.uk` and `b.example.co.uk`, but not `a.github.io`
/// and `b.github.io`).
fn same_site(one: &str, other: &str) -> bool {
    one == other || registrable(one).is_some_and(|domain| Some(domain) == registrable(other))
}

/// Returns the registrable domain of a host; `None` for an IP address.
fn registrable(host: &str) -> Option<&str> {
    let top = host.rsplit('.').next()?;
    let is_ip_address = host.contains(':') || top.bytes().all(|b| b.is_ascii_digit());
    if is_ip_address { None } else { psl::domain_str(host) }
}

/// Returns the traffic source parameters of a query.
///
/// Keys are compared case-insensitively and values are decoded. For a repeated key, the first
/// non-empty value is used.
fn tagged(sites: &Sites, query: &str) -> UrlTags {
    let mut tagged = UrlTags::default();
    read_parameters(sites, query, &mut tagged);
    // A part of the query may have been encoded twice:
    // `?a=1&utm_source%3Dnews%26utm_medium%3Demail`.
    for part in query.split('&').filter(|part| !part.contains('=') && part.contains("%3")) {
        read_parameters(sites, &decode(part), &mut tagged);
    }
    tagged
}

fn read_parameters(sites: &Sites, query: &str, tagged: &mut UrlTags) {
    parameters(query, |key, value| {
        if value.is_empty() || key.len() > 48 {
            return;
        }
        let key = decode(key);
        let mut lower = [0u8; 16];
        let Some(lower) = lower.get_mut(..key.len()) else { return };
        lower.copy_from_slice(key.as_bytes());
        lower.make_ascii_lowercase();
        let Ok(key) = std::str::from_utf8(lower) else { return };
        let slot = match key {
            "utm_source" => &mut tagged.source,
            "utm_medium" => &mut tagged.medium,
            "utm_campaign" => &mut tagged.campaign,
            key => {
                if tagged.click_id.is_none() {
                    tagged.click_id = sites.click_id(key);
                }
                return;
            }
        };
        if slot.is_none() {
            let value = decode_repeatedly(value);
            let value = value.trim();
            if !value.is_empty() {
                *slot = Some(value.to_owned());
            }
        }
    });
}

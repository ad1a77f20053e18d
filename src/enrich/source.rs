//! Where a visit came from: the referrer's domain, the campaign, the channel.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::channel::{Campaign, Channel, channel};
use super::sites::{ClickId, Sites};
use super::url::{Url, decode, parameters};

/// What an event says of its source; all as logged, empty strings being null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Given<'a> {
    /// The address of the page.
    pub page_url: Option<&'a str>,
    /// The referring page.
    pub referrer: Option<&'a str>,
    /// The campaign's source, from the line.
    pub utm_source: Option<&'a str>,
    /// The campaign's medium, from the line.
    pub utm_medium: Option<&'a str>,
    /// The campaign's name, from the line.
    pub utm_campaign: Option<&'a str>,
}

/// What follows from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Derived {
    /// The referrer's host, lower case, without `www.`; `None` where there is none or it is of the
    /// page's own site: a direct visit.
    pub referrer_domain: Option<String>,
    /// The channel; `None` where the event names no source.
    pub channel: Option<Channel>,
    /// The event names a source: another site's referrer, a campaign, or an advertisement's click id.
    pub names_source: bool,
    /// The campaign's source, where the line lacks it and the page's address has it.
    pub utm_source: Option<String>,
    /// The campaign's medium, likewise.
    pub utm_medium: Option<String>,
    /// The campaign's name, likewise.
    pub utm_campaign: Option<String>,
}

/// What the query of a page's address says.
#[derive(Default)]
struct Tagged {
    source: Option<String>,
    medium: Option<String>,
    campaign: Option<String>,
    click_id: Option<ClickId>,
}

/// Derives where a visit came from.
pub(super) fn source(sites: &Sites, given: Given<'_>) -> Derived {
    let page = given.page_url.map(Url::read);
    let referrer_domain = given.referrer.and_then(|referrer| {
        let host = domain(Url::read(referrer).host?);
        let own = page.and_then(|page| page.host).is_some_and(|page| same_site(&domain(page), &host));
        (!own).then_some(host)
    });
    let tagged = page.and_then(|page| page.query).map(|query| tagged(sites, query)).unwrap_or_default();
    let mut derived = Derived::default();
    if given.utm_source.is_none() {
        derived.utm_source = tagged.source;
    }
    if given.utm_medium.is_none() {
        derived.utm_medium = tagged.medium;
    }
    if given.utm_campaign.is_none() {
        derived.utm_campaign = tagged.campaign;
    }
    let campaign = Campaign {
        source: given.utm_source.or(derived.utm_source.as_deref()),
        medium: given.utm_medium.or(derived.utm_medium.as_deref()),
        name: given.utm_campaign.or(derived.utm_campaign.as_deref()),
        click_id: tagged.click_id,
        referrer: referrer_domain.as_deref(),
    };
    derived.names_source = campaign.names_source();
    derived.channel = derived.names_source.then(|| channel(sites, campaign));
    derived.referrer_domain = referrer_domain.map(Cow::into_owned);
    derived
}

/// Returns a host as domains are stored: lower case, without `www.`.
fn domain(host: &str) -> Cow<'_, str> {
    let host = match host.bytes().any(|b| b.is_ascii_uppercase()) || !host.is_ascii() {
        true => Cow::Owned(host.to_lowercase()),
        false => Cow::Borrowed(host),
    };
    match host.strip_prefix("www.").is_some_and(|rest| rest.contains('.')) {
        false => host,
        true => match host {
            Cow::Borrowed(host) => Cow::Borrowed(host.get(4..).unwrap_or("")),
            Cow::Owned(host) => Cow::Owned(host.get(4..).unwrap_or("").to_owned()),
        },
    }
}

/// Tells whether two hosts are one site: the same, or below one registrable domain of the public
/// suffix list (`a.example.co.uk` and `b.example.co.uk`, but not `a.github.io` and `b.github.io`).
fn same_site(one: &str, other: &str) -> bool {
    one == other || registrable(one).is_some_and(|domain| Some(domain) == registrable(other))
}

/// Returns the registrable domain of a host; an address has none.
fn registrable(host: &str) -> Option<&str> {
    let top = host.rsplit('.').next()?;
    let address = host.contains(':') || top.bytes().all(|b| b.is_ascii_digit());
    if address { None } else { psl::domain_str(host) }
}

/// Reads the parameters of a query that speak of the source. Keys are compared without regard to
/// case, values decoded; of a repeated key the first that is not empty counts.
fn tagged(sites: &Sites, query: &str) -> Tagged {
    let mut tagged = Tagged::default();
    read_parameters(sites, query, &mut tagged);
    if !query.contains('=') && query.contains("%3") {
        // The whole query was encoded once too often: `?utm_source%3Dnews%26utm_medium%3Demail`.
        read_parameters(sites, &decode(query), &mut tagged);
    }
    tagged
}

fn read_parameters(sites: &Sites, query: &str, tagged: &mut Tagged) {
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
            let value = decode(value);
            let value = value.trim();
            if !value.is_empty() {
                *slot = Some(value.to_owned());
            }
        }
    });
}

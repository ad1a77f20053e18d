//! Marketing channels: the default channel grouping of Google Analytics 4, extended by AI
//! assistants.
//!
//! [`rule`] tests the rules in order; the first match wins. `docs/enrichment.md` lists them.

use super::sites::{ClickId, SiteKind, Sites};
use crate::event::Channel;

/// The inputs of the channel rules: campaign tags, a click id, and the domain of an external
/// referrer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Campaign<'a> {
    pub source: Option<&'a str>,
    pub medium: Option<&'a str>,
    pub name: Option<&'a str>,
    pub click_id: Option<ClickId>,
    pub referrer: Option<&'a str>,
}

impl Campaign<'_> {
    /// Returns whether any input is present.
    pub fn names_source(&self) -> bool {
        self.source.is_some()
            || self.medium.is_some()
            || self.name.is_some()
            || self.click_id.is_some()
            || self.referrer.is_some()
    }
}

/// Returns the channel of an event that names a traffic source.
///
/// Source and medium come from the campaign, else from the click id, else from the referrer (with
/// its domain as the source and `referral` as the medium).
pub(super) fn channel(sites: &Sites, campaign: Campaign<'_>) -> Channel {
    let name = campaign.name.map(lower).unwrap_or_default();
    let untagged = campaign.source.is_none() && campaign.medium.is_none();
    let referred = campaign.source.is_none() && campaign.click_id.is_none();
    let (source, site) = match (campaign.source, campaign.click_id, campaign.referrer) {
        (Some(source), _, _) => {
            let source = lower(source);
            let site = sites.source(&source);
            (source, site)
        }
        (None, Some(click), _) => (click.source.to_owned(), sites.source(click.source)),
        (None, None, Some(referrer)) => (String::new(), sites.domain(referrer)),
        (None, None, None) => (String::new(), None),
    };
    let medium = match (campaign.medium, campaign.click_id) {
        (Some(medium), _) => lower(medium),
        (None, Some(click)) => click.medium.to_owned(),
        (None, None) if untagged && campaign.referrer.is_some() => "referral".to_owned(),
        (None, None) => String::new(),
    };
    let input = RuleInput { source: &source, medium: &medium, name: &name, site, referred };
    rule(&input)
}

/// The normalized inputs of the rules: lower case, empty if missing.
struct RuleInput<'a> {
    source: &'a str,
    medium: &'a str,
    name: &'a str,
    site: Option<SiteKind>,
    /// Whether the source is the domain of the referrer.
    referred: bool,
}

/// Applies the rules in order and returns the channel of the first match.
fn rule(input: &RuleInput<'_>) -> Channel {
    let RuleInput { source, medium, name, site, referred } = *input;
    let is = |kind: SiteKind| site == Some(kind);
    let paid =
        medium.contains("cp") || medium == "ppc" || medium == "retargeting" || medium.starts_with("paid");
    let shopping = is(SiteKind::Shopping) || names_a_shop(name);
    match () {
        () if matches!(source, "(direct)" | "direct")
            && matches!(medium, "" | "(none)" | "(not set)" | "none") =>
        {
            Channel::Direct
        }
        () if name.contains("cross-network") || source == "cross-network" => Channel::CrossNetwork,
        () if paid && shopping => Channel::PaidShopping,
        () if paid && is(SiteKind::Search) => Channel::PaidSearch,
        () if paid && is(SiteKind::Social) => Channel::PaidSocial,
        () if paid && is(SiteKind::Video) => Channel::PaidVideo,
        () if matches!(medium, "display" | "banner" | "expandable" | "interstitial" | "cpm") => {
            Channel::Display
        }
        () if paid => Channel::PaidOther,
        () if is(SiteKind::Ai) || medium == "ai-assistant" => Channel::AiAssistant,
        () if shopping => Channel::OrganicShopping,
        () if is(SiteKind::Social) || SOCIAL_MEDIA.contains(&medium) => Channel::OrganicSocial,
        () if is(SiteKind::Video) || medium.contains("video") => Channel::OrganicVideo,
        () if is(SiteKind::Search) || medium == "organic" => Channel::OrganicSearch,
        () if EMAIL.contains(&medium) || EMAIL.contains(&source) || (referred && is(SiteKind::Mail)) => {
            Channel::Email
        }
        () if matches!(medium, "referral" | "app" | "link") => Channel::Referral,
        () if matches!(medium, "affiliate" | "affiliates") => Channel::Affiliates,
        () if medium == "audio" => Channel::Audio,
        () if medium == "sms" || source == "sms" => Channel::Sms,
        () if medium.ends_with("push") || medium.contains("mobile") || medium.contains("notification") => {
            Channel::MobilePush
        }
        () if source == "firebase" => Channel::MobilePush,
        () => Channel::Unassigned,
    }
}

const SOCIAL_MEDIA: [&str; 6] =
    ["social", "social-network", "social-media", "sm", "social network", "social media"];
const EMAIL: [&str; 4] = ["email", "e-mail", "e_mail", "e mail"];

/// Returns whether a campaign name refers to a shop.
///
/// Matches `shopping` anywhere, and `shop` at the start of a word or after an `e` (`eshop`), but
/// not in `workshop` or `bishop`.
fn names_a_shop(name: &str) -> bool {
    name.contains("shopping")
        || name.match_indices("shop").any(|(at, _)| {
            let before = at.checked_sub(1).and_then(|at| name.as_bytes().get(at));
            before.is_none_or(|before| *before == b'e' || !before.is_ascii_alphabetic())
        })
}

/// Normalizes a campaign tag for the rules.
fn lower(text: &str) -> String {
    text.trim().to_lowercase()
}

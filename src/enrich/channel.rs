//! The channel that brought a visitor: GA4's default channel grouping, with AI assistants.
//!
//! The rules are tested in the order of [`rule`], the first that fits wins; `docs/enrichment.md` has
//! them as a user reads them.

use super::sites::{ClickId, Site, Sites};

/// A marketing channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the names say it; the rules stand in `docs/enrichment.md`
pub enum Channel {
    Direct,
    CrossNetwork,
    PaidShopping,
    PaidSearch,
    PaidSocial,
    PaidVideo,
    Display,
    PaidOther,
    OrganicShopping,
    OrganicSocial,
    OrganicVideo,
    OrganicSearch,
    AiAssistant,
    Referral,
    Email,
    Affiliates,
    Audio,
    Sms,
    MobilePush,
    Unassigned,
}

impl Channel {
    /// All channels, in the order of the enum.
    pub const ALL: [Channel; 20] = [
        Channel::Direct,
        Channel::CrossNetwork,
        Channel::PaidShopping,
        Channel::PaidSearch,
        Channel::PaidSocial,
        Channel::PaidVideo,
        Channel::Display,
        Channel::PaidOther,
        Channel::OrganicShopping,
        Channel::OrganicSocial,
        Channel::OrganicVideo,
        Channel::OrganicSearch,
        Channel::AiAssistant,
        Channel::Referral,
        Channel::Email,
        Channel::Affiliates,
        Channel::Audio,
        Channel::Sms,
        Channel::MobilePush,
        Channel::Unassigned,
    ];

    /// Returns the name stored in tables and shown in reports.
    pub fn name(self) -> &'static str {
        match self {
            Channel::Direct => "Direct",
            Channel::CrossNetwork => "Cross-network",
            Channel::PaidShopping => "Paid Shopping",
            Channel::PaidSearch => "Paid Search",
            Channel::PaidSocial => "Paid Social",
            Channel::PaidVideo => "Paid Video",
            Channel::Display => "Display",
            Channel::PaidOther => "Paid Other",
            Channel::OrganicShopping => "Organic Shopping",
            Channel::OrganicSocial => "Organic Social",
            Channel::OrganicVideo => "Organic Video",
            Channel::OrganicSearch => "Organic Search",
            Channel::AiAssistant => "AI Assistant",
            Channel::Referral => "Referral",
            Channel::Email => "Email",
            Channel::Affiliates => "Affiliates",
            Channel::Audio => "Audio",
            Channel::Sms => "SMS",
            Channel::MobilePush => "Mobile Push Notifications",
            Channel::Unassigned => "Unassigned",
        }
    }

    /// Reads a stored name; `None` where it is none.
    pub fn from_name(name: &str) -> Option<Channel> {
        Channel::ALL.into_iter().find(|c| c.name() == name)
    }
}

/// What the channel is told by: what a campaign says, a click id, a referrer of another site.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Campaign<'a> {
    pub source: Option<&'a str>,
    pub medium: Option<&'a str>,
    pub name: Option<&'a str>,
    pub click_id: Option<ClickId>,
    pub referrer: Option<&'a str>,
}

impl Campaign<'_> {
    /// Tells whether there is anything to tell a channel by.
    pub fn names_source(&self) -> bool {
        self.source.is_some()
            || self.medium.is_some()
            || self.name.is_some()
            || self.click_id.is_some()
            || self.referrer.is_some()
    }
}

/// Returns the channel of an event that names a source.
///
/// Source and medium are those of the campaign; one that it lacks is that of the click id, then
/// that of the referrer: its domain, and `referral`.
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
    let facts = Facts { source: &source, medium: &medium, name: &name, site, referred };
    rule(&facts)
}

/// What the rules look at, lower case; nothing is an empty string.
struct Facts<'a> {
    source: &'a str,
    medium: &'a str,
    name: &'a str,
    site: Option<Site>,
    /// The source is the referrer's domain.
    referred: bool,
}

/// Applies the rules, in their order.
fn rule(facts: &Facts<'_>) -> Channel {
    let Facts { source, medium, name, site, referred } = *facts;
    let is = |kind: Site| site == Some(kind);
    let paid =
        medium.contains("cp") || medium == "ppc" || medium == "retargeting" || medium.starts_with("paid");
    let shopping = is(Site::Shopping) || names_a_shop(name);
    match () {
        () if matches!(source, "(direct)" | "direct")
            && matches!(medium, "" | "(none)" | "(not set)" | "none") =>
        {
            Channel::Direct
        }
        () if name.contains("cross-network") || source == "cross-network" => Channel::CrossNetwork,
        () if paid && shopping => Channel::PaidShopping,
        () if paid && is(Site::Search) => Channel::PaidSearch,
        () if paid && is(Site::Social) => Channel::PaidSocial,
        () if paid && is(Site::Video) => Channel::PaidVideo,
        () if matches!(medium, "display" | "banner" | "expandable" | "interstitial" | "cpm") => {
            Channel::Display
        }
        () if paid => Channel::PaidOther,
        () if is(Site::Ai) || medium == "ai-assistant" => Channel::AiAssistant,
        () if shopping => Channel::OrganicShopping,
        () if is(Site::Social) || SOCIAL_MEDIA.contains(&medium) => Channel::OrganicSocial,
        () if is(Site::Video) || medium.contains("video") => Channel::OrganicVideo,
        () if is(Site::Search) || medium == "organic" => Channel::OrganicSearch,
        () if EMAIL.contains(&medium) || EMAIL.contains(&source) || (referred && is(Site::Mail)) => {
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

/// Tells whether a campaign's name speaks of a shop: `shopping` anywhere, or `shop` where it starts
/// a word or follows an `e` (`eshop`); in `workshop` and `bishop` it is another word.
fn names_a_shop(name: &str) -> bool {
    name.contains("shopping")
        || name.match_indices("shop").any(|(at, _)| {
            let before = at.checked_sub(1).and_then(|at| name.as_bytes().get(at));
            before.is_none_or(|before| *before == b'e' || !before.is_ascii_alphabetic())
        })
}

/// Returns a word of a campaign as the rules compare it.
fn lower(text: &str) -> String {
    text.trim().to_lowercase()
}

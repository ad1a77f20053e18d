//! Lists of sites that refer visitors: search engines, social networks, mail, video, shopping, AI
//! assistants. The lists and their format are in `data/sources.txt`.

use hashbrown::HashMap;

const DATA: &str = include_str!("data/sources.txt");

/// The kind of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum SiteKind {
    Search,
    Social,
    Mail,
    Video,
    Shopping,
    Ai,
    /// A subdomain of a listed site that has none of these kinds.
    Plain,
}

/// The traffic source that a click id in a page URL implies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClickId {
    /// The campaign source.
    pub source: &'static str,
    /// The campaign medium; empty if the click id does not imply paid traffic.
    pub medium: &'static str,
}

/// The lists of sites, indexed for lookup.
#[derive(Debug)]
pub(super) struct Sites {
    /// Kinds by domain, and by campaign source (names without a dot).
    entries: HashMap<&'static str, SiteKind>,
    /// Kinds by the name that precedes any public suffix.
    anywhere: HashMap<&'static str, SiteKind>,
    click_ids: HashMap<&'static str, ClickId>,
}

impl Sites {
    /// Parses the data file.
    pub fn new() -> Sites {
        let mut sites =
            Sites { entries: HashMap::new(), anywhere: HashMap::new(), click_ids: HashMap::new() };
        let mut section = None;
        for line in DATA.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.split_once('=') {
                None => section = Some(line),
                Some((name, list)) => sites.add(section.unwrap_or(""), name.trim(), list),
            }
        }
        sites
    }

    fn add(&mut self, section: &str, name: &'static str, list: &'static str) {
        let site = match section {
            "[search]" => SiteKind::Search,
            "[social]" => SiteKind::Social,
            "[mail]" => SiteKind::Mail,
            "[video]" => SiteKind::Video,
            "[shopping]" => SiteKind::Shopping,
            "[ai]" => SiteKind::Ai,
            "[referral]" => SiteKind::Plain,
            _ => {
                let (source, medium) = list.split_once(',').unwrap_or((list, ""));
                self.click_ids.insert(name, ClickId { source: source.trim(), medium: medium.trim() });
                return;
            }
        };
        for entry in list.split(',').map(str::trim) {
            match entry.strip_suffix(".*") {
                Some(name) => self.anywhere.insert(name, site),
                None => self.entries.insert(entry, site),
            };
        }
    }

    /// Returns the kind of a domain in lower case.
    pub fn domain(&self, domain: &str) -> Option<SiteKind> {
        let mut rest = domain;
        loop {
            if rest.contains('.')
                && let Some(site) = self.entries.get(rest)
            {
                return Some(*site);
            }
            // An entry such as `google.*` matches the name before the suffix: `shopping.google.de`.
            if let Some((name, _)) = split_suffix(rest)
                && let Some(site) = self.anywhere.get(name)
            {
                return Some(*site);
            }
            match rest.split_once('.') {
                Some((_, parent)) => rest = parent,
                None => return None,
            }
        }
    }

    /// Returns the kind of a campaign source, a name or a domain in lower case.
    pub fn source(&self, source: &str) -> Option<SiteKind> {
        match self.entries.get(source) {
            Some(site) => Some(*site),
            None if source.contains('.') => self.domain(source),
            None => None,
        }
    }

    /// Returns the click id with a parameter name in lower case.
    pub fn click_id(&self, parameter: &str) -> Option<ClickId> {
        self.click_ids.get(parameter).copied()
    }
}

/// Splits a domain into name and public suffix.
fn split_suffix(domain: &str) -> Option<(&str, &str)> {
    let suffix = psl::suffix_str(domain)?;
    let name = domain.strip_suffix(suffix)?.strip_suffix('.')?;
    Some((name, suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_match_by_whole_labels() {
        let sites = Sites::new();
        assert_eq!(sites.domain("google.com"), Some(SiteKind::Search));
        assert_eq!(sites.domain("images.google.co.uk"), Some(SiteKind::Search));
        assert_eq!(sites.domain("notgoogle.com"), None);
        assert_eq!(sites.domain("google.com.evil.example"), None);
        assert_eq!(sites.domain("google"), None);
        assert_eq!(sites.domain("facebook.com"), Some(SiteKind::Social));
        assert_eq!(sites.domain("l.facebook.com"), Some(SiteKind::Social));
        assert_eq!(sites.domain("myfacebook.com"), None);
    }

    #[test]
    fn longest_entry_wins() {
        let sites = Sites::new();
        assert_eq!(sites.domain("mail.google.com"), Some(SiteKind::Mail));
        assert_eq!(sites.domain("gemini.google.com"), Some(SiteKind::Ai));
        assert_eq!(sites.domain("docs.google.com"), Some(SiteKind::Plain));
        assert_eq!(sites.domain("shopping.google.de"), Some(SiteKind::Shopping));
    }

    #[test]
    fn source_names_are_not_domains() {
        let sites = Sites::new();
        assert_eq!(sites.source("fb"), Some(SiteKind::Social));
        assert_eq!(sites.source("chatgpt.com"), Some(SiteKind::Ai));
        assert_eq!(sites.domain("fb"), None);
    }

    #[test]
    fn data_entries_are_lower_case_and_unique() {
        let mut seen = std::collections::BTreeSet::new();
        let mut section = "";
        for line in DATA.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let Some((_, list)) = line.split_once('=') else {
                section = line;
                continue;
            };
            if section == "[click ids]" {
                continue;
            }
            for entry in list.split(',').map(str::trim) {
                assert_eq!(entry, entry.to_lowercase());
                assert!(!entry.is_empty(), "{line}");
                assert!(seen.insert(entry), "duplicate entry {entry}");
            }
        }
        assert!(seen.len() > 400);
    }
}

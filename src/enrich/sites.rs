//! The lists of sites that send visitors: search engines, social networks, mail, video, shopping,
//! AI assistants. They are data, in `data/sources.txt`, which says how it is read.

use hashbrown::HashMap;

const DATA: &str = include_str!("data/sources.txt");

/// What a site is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Site {
    Search,
    Social,
    Mail,
    Video,
    Shopping,
    Ai,
    /// A part of a listed site that is nothing special.
    Plain,
}

/// What a click id in a page's address stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClickId {
    /// The source, as a campaign would name it.
    pub source: &'static str,
    /// The medium; empty where the id does not tell paid from unpaid.
    pub medium: &'static str,
}

/// The lists, ready to be looked up in.
#[derive(Debug)]
pub(super) struct Sites {
    /// Domains, and names of campaigns' sources, which have no dot.
    entries: HashMap<&'static str, Site>,
    /// Names below any public suffix.
    anywhere: HashMap<&'static str, Site>,
    click_ids: HashMap<&'static str, ClickId>,
}

impl Sites {
    /// Reads the data file.
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
            "[search]" => Site::Search,
            "[social]" => Site::Social,
            "[mail]" => Site::Mail,
            "[video]" => Site::Video,
            "[shopping]" => Site::Shopping,
            "[ai]" => Site::Ai,
            "[referral]" => Site::Plain,
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

    /// Tells what a domain is; it must be lower case.
    pub fn domain(&self, domain: &str) -> Option<Site> {
        let mut rest = domain;
        loop {
            if rest.contains('.')
                && let Some(site) = self.entries.get(rest)
            {
                return Some(*site);
            }
            // A name under any suffix counts from where its suffix begins: `shopping.google.de`.
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

    /// Tells what a campaign's source is, a name or a domain; it must be lower case.
    pub fn source(&self, source: &str) -> Option<Site> {
        match self.entries.get(source) {
            Some(site) => Some(*site),
            None if source.contains('.') => self.domain(source),
            None => None,
        }
    }

    /// Tells what a parameter stands for where it is a click id; it must be lower case.
    pub fn click_id(&self, parameter: &str) -> Option<ClickId> {
        self.click_ids.get(parameter).copied()
    }
}

/// Splits the public suffix off a domain.
fn split_suffix(domain: &str) -> Option<(&str, &str)> {
    let suffix = psl::suffix_str(domain)?;
    let name = domain.strip_suffix(suffix)?.strip_suffix('.')?;
    Some((name, suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_matched_by_whole_labels() {
        let sites = Sites::new();
        assert_eq!(sites.domain("google.com"), Some(Site::Search));
        assert_eq!(sites.domain("images.google.co.uk"), Some(Site::Search));
        assert_eq!(sites.domain("notgoogle.com"), None);
        assert_eq!(sites.domain("google.com.evil.example"), None);
        assert_eq!(sites.domain("google"), None);
        assert_eq!(sites.domain("facebook.com"), Some(Site::Social));
        assert_eq!(sites.domain("l.facebook.com"), Some(Site::Social));
        assert_eq!(sites.domain("myfacebook.com"), None);
    }

    #[test]
    fn the_longest_entry_wins() {
        let sites = Sites::new();
        assert_eq!(sites.domain("mail.google.com"), Some(Site::Mail));
        assert_eq!(sites.domain("gemini.google.com"), Some(Site::Ai));
        assert_eq!(sites.domain("docs.google.com"), Some(Site::Plain));
        assert_eq!(sites.domain("shopping.google.de"), Some(Site::Shopping));
    }

    #[test]
    fn names_of_sources_are_not_domains() {
        let sites = Sites::new();
        assert_eq!(sites.source("fb"), Some(Site::Social));
        assert_eq!(sites.source("chatgpt.com"), Some(Site::Ai));
        assert_eq!(sites.domain("fb"), None);
    }

    #[test]
    fn every_entry_of_the_data_is_lower_case_and_said_once() {
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
                assert!(seen.insert(entry), "{entry} is there twice");
            }
        }
        assert!(seen.len() > 400);
    }
}

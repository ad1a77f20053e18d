//! Classification of user agents by browser, operating system, device type and bot.
//!
//! First, woothee classifies a user agent ([`woothee`]). The rules in `rules/*.txt` extend and
//! correct its result ([`rules`]). [`bot`], [`browser`], [`os`] and [`device`] combine both. No
//! input causes an error: missing information becomes `None` or unknown.

mod bot;
mod browser;
mod contact;
mod device;
mod device_models;
mod normalize;
mod os;
mod rules;
mod version;
mod woothee;

use device_models::DeviceModels;
use normalize::Normalizer;
use rules::{Match, Rules, Table};
use woothee::Baseline;

use crate::event::{DeviceType, UserAgent};

/// Classifies user agents.
#[derive(Debug)]
pub struct Classifier {
    normalizer: Normalizer,
    rules: Rules,
    models: DeviceModels,
}

impl Classifier {
    /// Compiles the rules, which takes a few milliseconds.
    pub fn new() -> Classifier {
        Classifier { normalizer: Normalizer::new(), rules: Rules::new(), models: DeviceModels::new() }
    }

    /// Classifies a user agent.
    pub fn classify(&self, user_agent: &str) -> UserAgent {
        let text = self.normalizer.normalize(user_agent);
        let evidence = Evidence::new(&text, &self.rules);
        let os = os::os(&evidence);
        let (browser, device_type) = match bot::bot(&evidence, os.as_ref()) {
            Some(bot) => (bot.product, DeviceType::Bot),
            None => (
                browser::browser(&evidence, os.as_ref()),
                device::device_type(&evidence, os.as_ref(), &self.models),
            ),
        };
        let (browser_name, browser_version) = browser.map_or((None, None), Product::into_parts);
        let (os_name, os_version) = os.map_or((None, None), Product::into_parts);
        UserAgent {
            user_agent: user_agent.to_owned(),
            browser_name,
            browser_version,
            os_name,
            os_version,
            device_type,
            is_bot: device_type == DeviceType::Bot,
        }
    }
}

/// A normalized user agent, with woothee's classification and the rule tokens that it contains.
struct Evidence<'a> {
    /// The user agent.
    text: &'a str,
    /// `text` in lower case, with the same byte offsets.
    lower: String,
    /// The matches of all tables.
    matches: Vec<Match>,
    woothee: Baseline,
    rules: &'a Rules,
}

impl<'a> Evidence<'a> {
    fn new(text: &'a str, rules: &'a Rules) -> Evidence<'a> {
        Evidence {
            text,
            lower: text.to_ascii_lowercase(),
            matches: rules.find(text),
            woothee: Baseline::new(text),
            rules,
        }
    }

    /// Returns the browser or operating system of the first rule that matches a token or woothee's
    /// result. If no rule matches, returns woothee's result.
    fn product(&self, table: Table, baseline: &Option<Product>) -> Option<Product> {
        let token = self.first(table);
        let named =
            baseline.as_ref().and_then(|product| Some((self.rules.named(table, &product.name)?, product)));
        match (named, token) {
            (Some((rule, product)), token) if token.is_none_or(|token| rule <= token.rule) => {
                let version = product.version.clone().or_else(|| self.version(table, &product.name));
                Some(Product::new(&product.name, version))
            }
            (_, Some(token)) => Some(Product::new(token.name, self.version(table, token.name))),
            (_, None) => baseline.clone(),
        }
    }

    /// Returns the match of the first rule of a table.
    fn first(&self, table: Table) -> Option<&Match> {
        self.in_table(table).min_by_key(|found| (found.rule, found.range.start))
    }

    /// Returns the matches of a table.
    fn in_table(&self, table: Table) -> impl Iterator<Item = &Match> {
        self.matches.iter().filter(move |found| found.table == table)
    }

    /// Returns the version that follows a token of a rule, from the first token that has one.
    fn version(&self, table: Table, name: &str) -> Option<String> {
        self.in_table(table)
            .filter(|found| found.name == name)
            .find_map(|found| version::leading(self.text.get(found.range.end..)?))
    }

    /// Returns whether the user agent contains `word` in any case. `word` must be in lower case.
    fn has(&self, word: &str) -> bool {
        memchr::memmem::find(self.lower.as_bytes(), word.as_bytes()).is_some()
    }

    /// Returns the text after the first `word`, which must be in lower case.
    fn after(&self, word: &str) -> Option<&'a str> {
        let start = memchr::memmem::find(self.lower.as_bytes(), word.as_bytes())?;
        self.text.get(start + word.len()..)
    }

    /// Returns the version that directly follows one of `words`, in lower case, from the first word
    /// that has one.
    fn version_after(&self, words: &[&str]) -> Option<String> {
        words.iter().find_map(|word| version::leading(self.after(word)?))
    }
}

/// A name and a version.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Product {
    name: String,
    version: Option<String>,
}

impl Product {
    fn new(name: &str, version: Option<String>) -> Product {
        Product { name: name.to_owned(), version }
    }

    fn into_parts(self) -> (Option<String>, Option<String>) {
        (Some(self.name), self.version)
    }
}

#[cfg(test)]
mod tests;

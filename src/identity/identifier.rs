//! What names a person: an id or an e-mail address.
//!
//! An identifier is its text, in whichever of the fields of identity it stands: a log that puts the
//! user's id into `anonymous_id` after the login must not keep it there. Nor does it matter how the log
//! writes it there: [`for_each_reading`] takes encodings off. E-mail addresses are the same whatever the
//! case of their letters; everything else compares as it is.

use std::collections::HashMap;

use super::decoding;
use crate::store::key::SecretKey;

/// Which kind of identifier was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdentifierKind {
    /// A `user_id`.
    User,
    /// An `anonymous_id`.
    AnonymousId,
    /// A `user_email`.
    Email,
    /// A `session_id`.
    SessionId,
}

/// An identifier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier {
    /// What it was named as.
    pub kind: IdentifierKind,
    /// Its text.
    pub value: String,
}

impl Identifier {
    /// Makes an identifier.
    pub fn new(kind: IdentifierKind, value: impl Into<String>) -> Identifier {
        Identifier { kind, value: value.into() }
    }

    /// Returns the keyed hash by which it is known once it is forgotten.
    pub fn hash(&self, key: &SecretKey) -> String {
        match self.kind {
            IdentifierKind::Email => email_hash(key, &self.value),
            _ => value_hash(key, &self.value),
        }
    }
}

/// Returns the keyed hash of a text that may be a forgotten identifier.
pub fn value_hash(key: &SecretKey, value: &str) -> String {
    key.hash(&[b"forgotten value", value.as_bytes()])
}

/// Returns the keyed hash of a text that may be a forgotten e-mail address.
pub fn email_hash(key: &SecretKey, value: &str) -> String {
    key.hash(&[b"forgotten e-mail", to_lowercase(value).as_bytes()])
}

/// Returns a text in small letters, in which texts that differ in case alone are the same.
pub fn to_lowercase(text: &str) -> String {
    match text.is_ascii() {
        true => text.to_ascii_lowercase(),
        // Letter by letter: what a letter becomes must not depend on where it stands.
        false => text.chars().flat_map(char::to_lowercase).collect(),
    }
}

/// Goes through what a value of a field of identity can be read as: itself, without the space around
/// it, with percent-encoding (pluses too) and the escapes of JSON taken off; and each e-mail address
/// that stands in it (`mailto:ada@example.org`, `Ada <ada@example.org>`, a list).
pub fn for_each_reading(value: &str, mut each: impl FnMut(&str)) {
    each(value);
    if is_plain(value) {
        return;
    }
    let mut other = |text: &str| {
        if text != value {
            each(text);
        }
    };
    let mut decoded = None;
    for _ in 0..=decoding::MAX_LAYERS {
        let text = decoded.as_deref().unwrap_or(value);
        other(text.trim());
        if text.contains('+') {
            other(text.replace('+', " ").trim());
        }
        addresses(text).for_each(&mut other);
        let Some(next) = decoding::decoded(text) else { break };
        decoded = Some(next);
    }
}

/// What a byte of a value can be a sign of.
const ENCODED: u8 = 1;
const AT: u8 = 2;
const BETWEEN: u8 = 4;
const SIGNS: [u8; 256] = {
    let mut signs = [BETWEEN; 256];
    let mut byte = 0;
    while byte < 256 {
        match byte as u8 {
            b'%' | b'+' | b'\\' => signs[byte] = ENCODED,
            b'@' => signs[byte] = AT,
            b'.' | b'_' | b'-' => signs[byte] = 0,
            other if other.is_ascii_alphanumeric() => signs[byte] = 0,
            _ => {}
        }
        byte += 1;
    }
    signs
};

/// Tells whether a value can be read as itself alone. Nearly all are, and an erasure looks at those of
/// every event.
fn is_plain(value: &str) -> bool {
    let signs = value.bytes().fold(0, |signs, byte| signs | SIGNS[usize::from(byte)]);
    match signs {
        0 | BETWEEN => signs == 0 || value.trim().len() == value.len(),
        AT => !value.starts_with('.') && !value.ends_with('.'),
        _ => false,
    }
}

/// Returns the e-mail addresses in a text: each as it stands there, and without what hardly is a part of it.
fn addresses(text: &str) -> impl Iterator<Item = &str> {
    let between = |c: char| c.is_whitespace() || ",;:<>()[]\"?&=/|".contains(c);
    let beside = |c: char| !(c.is_alphanumeric() || "_-+%".contains(c));
    let is_address = |part: &&str| part.find('@').is_some_and(|at| 0 < at && at + 1 < part.len());
    text.split(between).filter(is_address).flat_map(move |part| {
        let bare = part.trim_matches(beside);
        std::iter::once(part.trim_matches(['.', '\''])).chain((bare.len() < part.len()).then_some(bare))
    })
}

/// A set of identifiers, each with a number, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct Identifiers {
    all: Vec<Identifier>,
    exact: HashMap<String, usize>,
    emails: HashMap<String, usize>,
    /// One of the e-mail addresses has no `@`: any text can be one.
    bare_emails: bool,
}

impl Identifiers {
    /// Makes a set; what is in it already is left out.
    pub fn new(identifiers: impl IntoIterator<Item = Identifier>) -> Identifiers {
        let mut set = Identifiers::default();
        identifiers.into_iter().for_each(|identifier| set.add(identifier));
        set
    }

    /// Adds an identifier. An e-mail address takes in the same text as an id.
    pub fn add(&mut self, identifier: Identifier) {
        let number = self.all.len();
        let known = match identifier.kind {
            IdentifierKind::Email => {
                self.bare_emails |= !identifier.value.contains('@');
                *self.emails.entry(to_lowercase(&identifier.value)).or_insert(number)
            }
            _ => *self.exact.entry(identifier.value.clone()).or_insert(number),
        };
        if known == number {
            self.all.push(identifier);
        }
    }

    /// Goes through the numbers of the identifiers that a value of a field of identity is, however it
    /// is written; a number can come twice.
    pub fn for_each_match(&self, value: &str, mut each: impl FnMut(usize)) {
        for_each_reading(value, |text| {
            if !self.emails.is_empty()
                && (self.bare_emails || text.contains('@'))
                && let Some(number) = self.emails.get(&to_lowercase(text))
            {
                each(*number);
            }
            if let Some(number) = self.exact.get(text) {
                each(*number);
            }
        });
    }

    /// Tells whether a value of a field of identity is one of the identifiers.
    pub fn contains(&self, value: &str) -> bool {
        let mut have = false;
        self.for_each_match(value, |_| have = true);
        have
    }

    /// Tells whether an e-mail address without an `@` is among them.
    pub fn has_bare_emails(&self) -> bool {
        self.bare_emails
    }

    /// Returns the identifiers, by their numbers.
    pub fn all(&self) -> &[Identifier] {
        &self.all
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_its_text_and_an_address_has_no_case() {
        let set = Identifiers::new([
            Identifier::new(IdentifierKind::User, "u1"),
            Identifier::new(IdentifierKind::Email, "Ada@Example.org"),
            Identifier::new(IdentifierKind::SessionId, "u1"),
        ]);
        assert_eq!(set.all().len(), 2);
        assert_eq!((find(&set, "u1"), find(&set, "U1"), find(&set, "u12")), (vec![0], vec![], vec![]));
        assert_eq!((find(&set, "ada@example.ORG"), find(&set, "ada")), (vec![1], vec![]));
    }

    fn find(set: &Identifiers, value: &str) -> Vec<usize> {
        let mut found = Vec::new();
        set.for_each_match(value, |number| found.push(number));
        found.sort_unstable();
        found.dedup();
        found
    }

    #[test]
    fn an_address_is_known_behind_however_many_others() {
        let set = Identifiers::new([Identifier::new(IdentifierKind::Email, "ada@example.org")]);
        let others: String = (0..300).map(|n| format!("u{n}@example.org, ")).collect();
        assert_eq!(find(&set, &format!("{others}ada@example.org")), [0]);
        assert!(find(&set, &others).is_empty());
    }

    #[test]
    fn an_identifier_is_known_however_the_log_writes_it() {
        let set = Identifiers::new([
            Identifier::new(IdentifierKind::Email, "ada@example.org"),
            Identifier::new(IdentifierKind::User, "user_123"),
            Identifier::new(IdentifierKind::User, "ada lovelace"),
        ]);
        for hers in [
            "ada%40example.org",
            "ADA%2540EXAMPLE.ORG",
            " ada@example.org ",
            "ada@example.org.",
            "'ada@example.org'",
            "mailto:ada@example.org",
            "mailto%3Aada%40example.org%3Fsubject=x",
            "Ada <ada@example.org>",
            "\"Ada\" <Ada@Example.org>.",
            "bob@example.org, ada@example.org",
            r"ada\u0040example.org",
            "ada@example.org!",
            "https://x.example/#ada@example.org",
            "*ada@example.org*",
            "“ada@example.org”",
            "ada@example.org\u{200b}",
            "ada@example.org\0",
        ] {
            assert_eq!(find(&set, hers), [0], "{hers}");
        }
        for id in ["user%5F123", "user_123\t", "user%255f123 "] {
            assert_eq!(find(&set, id), [1], "{id}");
        }
        for name in ["ada+lovelace", "ada%20lovelace"] {
            assert_eq!(find(&set, name), [2], "{name}");
        }
        for other in [
            "x.ada@example.org",
            "ada+x@example.org",
            "ada@example.org.uk",
            "user_123-b",
            "user_123,user_124",
            "user_123@example.org",
            "%",
            "\\",
            "",
        ] {
            assert_eq!(find(&set, other), [0; 0], "{other}");
        }
        let both =
            Identifiers::new(["a@b.c", "d@e.f"].map(|text| Identifier::new(IdentifierKind::Email, text)));
        assert_eq!(find(&both, "a@b.c;d@e.f"), [0, 1]);
    }

    #[test]
    fn an_address_without_an_at_sign_is_one_and_letters_beyond_ascii_have_no_case_either() {
        let set = Identifiers::new(
            ["noAt", "JÖRG@Example.org"].map(|text| Identifier::new(IdentifierKind::Email, text)),
        );
        assert_eq!(
            (find(&set, "NOAT"), find(&set, "no%61t"), find(&set, "noat2")),
            (vec![0], vec![0], vec![])
        );
        assert_eq!((find(&set, "jörg@example.org"), find(&set, "J%C3%B6rg@example.org")), (vec![1], vec![1]));
    }

    #[test]
    fn the_hash_tells_ids_from_addresses_and_knows_an_address_in_any_case() {
        let key = SecretKey::from_bytes([7; 32]);
        let email = |text: &str| Identifier::new(IdentifierKind::Email, text).hash(&key);
        assert_eq!(email("A@b.c"), email("a@B.c"));
        assert_eq!(email("Ö@b.c"), email("ö@b.c"));
        assert_ne!(email("a@b.c"), Identifier::new(IdentifierKind::User, "a@b.c").hash(&key));
    }
}

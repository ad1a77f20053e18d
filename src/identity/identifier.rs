//! Identifiers of people: ids and email addresses.
//!
//! An identifier matches an equal value in any identity field (`user_id`, `user_email`,
//! `anonymous_id`, `session_id`), since some logs write the user id into `anonymous_id` after a
//! login. [`for_each_reading`] removes the encodings that logs use. Values are compared in their
//! [`canonical`] form: email addresses ignore case, ids do not.

use std::borrow::Cow;
use std::collections::HashMap;

use super::canonical::{Case, canonical};
use super::{charsets, decoding};
use crate::store::key::SecretKey;

/// The field to which an identifier belongs.
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

/// An id or email address of a person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier {
    /// The kind.
    pub kind: IdentifierKind,
    /// The id or email address.
    pub value: String,
}

impl Identifier {
    /// Creates an identifier of the given kind.
    pub fn new(kind: IdentifierKind, value: impl Into<String>) -> Identifier {
        Identifier { kind, value: value.into() }
    }

    /// Returns the string by which the identifier is compared.
    pub(crate) fn canonical(&self) -> Cow<'_, str> {
        match self.kind {
            IdentifierKind::Email => canonical(&self.value, Case::Ignored),
            _ => canonical(&self.value, Case::Differs),
        }
    }

    /// Returns the keyed hash that replaces the identifier once it is erased.
    pub(crate) fn hash(&self, key: &SecretKey) -> String {
        match self.kind {
            IdentifierKind::Email => email_hash(key, &self.canonical()),
            _ => id_hash(key, &self.canonical()),
        }
    }
}

fn id_hash(key: &SecretKey, canonical: &str) -> String {
    key.hash(&[b"forgotten value", canonical.as_bytes()])
}

fn email_hash(key: &SecretKey, canonical: &str) -> String {
    key.hash(&[b"forgotten e-mail", canonical.as_bytes()])
}

/// Returns the keyed hashes that an erasure of this value would have recorded: as an id, and, if
/// `is_email`, also as an email address.
///
/// The first versions hashed ids unchanged, and email addresses in lower case. Old stores contain
/// these hashes. For values that are canonical, old and new hashes are equal.
pub(crate) fn erased_hashes(key: &SecretKey, text: &str, is_email: bool) -> Vec<String> {
    let id = canonical(text, Case::Differs);
    let mut hashes = vec![id_hash(key, &id)];
    if id != text {
        hashes.push(id_hash(key, text));
    }
    if is_email {
        let email = canonical(text, Case::Ignored);
        hashes.push(email_hash(key, &email));
        let lower: String = text.chars().flat_map(char::to_lowercase).collect();
        if lower != email {
            hashes.push(email_hash(key, &lower));
        }
    }
    hashes
}

/// Calls a function with every reading of a value of an identity field: the value itself; the value
/// trimmed; without percent-encoding (and with `+` as a space), JSON escapes and HTML character
/// references; and each email address in it (`mailto:ada@example.org`, `Ada <ada@example.org>`, a
/// list).
pub(crate) fn for_each_reading(value: &str, mut each: impl FnMut(&str)) {
    each(value);
    if is_plain(value) {
        return;
    }
    let mut other = |text: &str| {
        if text != value {
            each(text);
        }
    };
    let mut decoded: Option<String> = None;
    for _ in 0..=decoding::MAX_LAYERS {
        let text = decoded.as_deref().unwrap_or(value);
        each_part(text, &mut other);
        let Some(next) = decoding::decode(text.as_bytes(), None) else { break };
        decoded = Some(String::from_utf8(next.bytes).unwrap_or_else(|e| {
            charsets::readings(e.as_bytes()).iter().for_each(|text| each_part(text, &mut other));
            String::from_utf8_lossy(e.as_bytes()).into_owned()
        }));
    }
}

/// Calls a function with a decoded text, trimmed, also with `+` as a space, and with each email
/// address in it.
fn each_part(text: &str, each: &mut impl FnMut(&str)) {
    each(text.trim());
    if text.contains('+') {
        each(text.replace('+', " ").trim());
    }
    email_addresses(text).for_each(each);
}

/// Class of the bytes that can be part of an encoding.
const ENCODING: u8 = 1;
/// Class of `@`.
const AT_SIGN: u8 = 2;
/// Class of the bytes that can separate email addresses, or be trimmed.
const SEPARATOR: u8 = 4;

/// The class of each byte of a value; 0 for bytes that always stand for themselves.
const BYTE_CLASSES: [u8; 256] = {
    let mut classes = [SEPARATOR; 256];
    let mut byte = 0;
    while byte < 256 {
        match byte as u8 {
            b'%' | b'+' | b'\\' | b'&' => classes[byte] = ENCODING,
            b'@' => classes[byte] = AT_SIGN,
            b'.' | b'_' | b'-' => classes[byte] = 0,
            other if other.is_ascii_alphanumeric() => classes[byte] = 0,
            _ => {}
        }
        byte += 1;
    }
    classes
};

/// Returns whether a value has only one reading: it contains no encoding, no surrounding white
/// space and no email address within other text.
///
/// Nearly all values are plain. An erasure reads the values of every event, and this check saves
/// decoding them.
fn is_plain(value: &str) -> bool {
    let classes = value.bytes().fold(0, |classes, byte| classes | BYTE_CLASSES[usize::from(byte)]);
    match classes {
        0 => true,
        SEPARATOR => value.trim().len() == value.len(),
        AT_SIGN => !value.starts_with('.') && !value.ends_with('.'),
        _ => false,
    }
}

/// Returns the email addresses in a value, each as written and without surrounding punctuation.
fn email_addresses(text: &str) -> impl Iterator<Item = &str> {
    let separates = |c: char| c.is_whitespace() || ",;:<>()[]\"?&=/|".contains(c);
    let surrounds = |c: char| !(c.is_alphanumeric() || "_-+%".contains(c));
    let is_email = |part: &&str| part.find('@').is_some_and(|at| 0 < at && at + 1 < part.len());
    text.split(separates).filter(is_email).flat_map(move |part| {
        let bare = part.trim_matches(surrounds);
        std::iter::once(part.trim_matches(['.', '\''])).chain((bare.len() < part.len()).then_some(bare))
    })
}

/// A set of identifiers, numbered in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct Identifiers {
    all: Vec<Identifier>,
    /// Numbers of the ids, by canonical form.
    exact: HashMap<String, usize>,
    /// Numbers of the email addresses, by canonical form.
    emails: HashMap<String, usize>,
    has_bare_emails: bool,
}

impl Identifiers {
    /// Creates a set of identifiers, without duplicates.
    pub(crate) fn new(identifiers: impl IntoIterator<Item = Identifier>) -> Identifiers {
        let mut set = Identifiers::default();
        identifiers.into_iter().for_each(|identifier| set.add(identifier));
        set
    }

    /// Adds an identifier, unless the set has one with the same value. The kind of an id does not
    /// matter here, but an id and an email address are different identifiers.
    pub(crate) fn add(&mut self, identifier: Identifier) {
        let number = self.all.len();
        let existing = match identifier.kind {
            IdentifierKind::Email => {
                self.has_bare_emails |= !identifier.value.contains('@');
                *self.emails.entry(identifier.canonical().into_owned()).or_insert(number)
            }
            _ => *self.exact.entry(identifier.canonical().into_owned()).or_insert(number),
        };
        if existing == number {
            self.all.push(identifier);
        }
    }

    /// Calls a function with the number of each identifier that a value of an identity field
    /// matches in any of its readings. May pass a number twice.
    pub(crate) fn for_each_match(&self, value: &str, mut each: impl FnMut(usize)) {
        for_each_reading(value, |text| {
            // A full-width `＠` counts as an `@` too.
            if !self.emails.is_empty()
                && (self.has_bare_emails || text.contains('@') || !text.is_ascii())
                && let Some(number) = self.emails.get(&*canonical(text, Case::Ignored))
            {
                each(*number);
            }
            if !self.exact.is_empty()
                && let Some(number) = self.exact.get(&*canonical(text, Case::Differs))
            {
                each(*number);
            }
        });
    }

    /// Returns whether a value of an identity field matches one of the identifiers.
    pub(crate) fn contains(&self, value: &str) -> bool {
        let mut found = false;
        self.for_each_match(value, |_| found = true);
        found
    }

    /// Returns whether one of the email addresses has no `@`, so that any value can match it.
    pub(crate) fn has_bare_emails(&self) -> bool {
        self.has_bare_emails
    }

    /// Returns the identifiers by number.
    pub(crate) fn all(&self) -> &[Identifier] {
        &self.all
    }

    /// Returns whether the set is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_match_exactly_and_emails_without_case() {
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
    fn email_after_300_others_in_a_list_matches() {
        let set = Identifiers::new([Identifier::new(IdentifierKind::Email, "ada@example.org")]);
        let others: String = (0..300).map(|n| format!("u{n}@example.org, ")).collect();
        assert_eq!(find(&set, &format!("{others}ada@example.org")), [0]);
        assert!(find(&set, &others).is_empty());
    }

    #[test]
    fn encoded_and_wrapped_identifiers_match() {
        let set = Identifiers::new([
            Identifier::new(IdentifierKind::Email, "ada@example.org"),
            Identifier::new(IdentifierKind::User, "user_123"),
            Identifier::new(IdentifierKind::User, "ada lovelace"),
        ]);
        for value in [
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
            assert_eq!(find(&set, value), [0], "{value}");
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
    fn bare_and_non_ascii_emails_match_without_case() {
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
    fn other_unicode_forms_charsets_and_entities_match() {
        let set = Identifiers::new([
            Identifier::new(IdentifierKind::Email, "jörg@münchen.de"),
            Identifier::new(IdentifierKind::User, "josé-1"),
        ]);
        for value in [
            "JO\u{308}RG@MU\u{308}NCHEN.DE",
            "jörg@xn--mnchen-3ya.de",
            "J%F6rg@XN--MNCHEN-3YA.DE",
            "j%u00F6rg%40m%u00fcnchen.de",
            "j&ouml;rg&#64;m&uuml;nchen.de",
            "jörg＠münchen.de",
            "mailto:j%C3%B6rg@xn--mnchen-3ya.de",
        ] {
            assert_eq!(find(&set, value), [0], "{value}");
        }
        // In UTF-8, Latin-1 and Mac Roman, and with a combining accent.
        for id in ["jos%C3%A9-1", "jos%E9-1", "jos%8E-1", "jose%CC%81-1", "jos&#233;-1", "ｊosé-1"] {
            assert_eq!(find(&set, id), [1], "{id}");
        }
        for other in ["jose-1", "JOSÉ-1", "jos%E8-1", "jorg@münchen.de", "jörg@xn--mnchen-3yb.de"] {
            assert_eq!(find(&set, other), [0; 0], "{other}");
        }
    }

    #[test]
    fn hashes_of_older_versions_are_found() {
        let key = SecretKey::from_bytes([7; 32]);
        let old_email = key.hash(&[b"forgotten e-mail", "jo\u{308}rg@xn--mnchen-3ya.de".as_bytes()]);
        let old_id = key.hash(&[b"forgotten value", "jose\u{301}".as_bytes()]);
        assert!(erased_hashes(&key, "JO\u{308}RG@xn--mnchen-3ya.de", true).contains(&old_email));
        assert!(erased_hashes(&key, "jose\u{301}", false).contains(&old_id));
        let identifier = Identifier::new(IdentifierKind::Email, "jörg@münchen.de");
        assert!(erased_hashes(&key, "JO\u{308}RG@xn--mnchen-3ya.de", true).contains(&identifier.hash(&key)));
    }

    #[test]
    fn hash_of_email_ignores_case_and_differs_from_id() {
        let key = SecretKey::from_bytes([7; 32]);
        let email = |text: &str| Identifier::new(IdentifierKind::Email, text).hash(&key);
        assert_eq!(email("A@b.c"), email("a@B.c"));
        assert_eq!(email("Ö@b.c"), email("ö@b.c"));
        assert_ne!(email("a@b.c"), Identifier::new(IdentifierKind::User, "a@b.c").hash(&key));
    }
}

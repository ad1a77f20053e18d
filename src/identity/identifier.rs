//! Identifiers of persons: ids and email addresses.
//!
//! An identifier matches by its text in any identity field (`user_id`, `user_email`,
//! `anonymous_id`, `session_id`), since some logs write the user id into `anonymous_id` after a
//! login. [`for_each_reading`] undoes the encodings in which logs write it. Email addresses compare
//! without regard to case, everything else exactly.

use std::collections::HashMap;

use super::decoding;
use crate::store::key::SecretKey;

/// The field that a user named an identifier by.
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
    /// Returns an identifier of a kind.
    pub fn new(kind: IdentifierKind, value: impl Into<String>) -> Identifier {
        Identifier { kind, value: value.into() }
    }

    /// Returns the keyed hash that replaces the identifier once it is erased.
    pub(crate) fn hash(&self, key: &SecretKey) -> String {
        match self.kind {
            IdentifierKind::Email => email_hash(key, &self.value),
            _ => value_hash(key, &self.value),
        }
    }
}

/// Returns the keyed hash of a value as an erased id.
pub(crate) fn value_hash(key: &SecretKey, value: &str) -> String {
    key.hash(&[b"forgotten value", value.as_bytes()])
}

/// Returns the keyed hash of a value as an erased email address.
pub(crate) fn email_hash(key: &SecretKey, value: &str) -> String {
    key.hash(&[b"forgotten e-mail", to_lowercase(value).as_bytes()])
}

/// Returns the text in lower case, for comparisons without regard to case.
///
/// Unlike [`str::to_lowercase`], it maps each character by itself: the result for a part of a text
/// does not depend on what surrounds it.
pub(crate) fn to_lowercase(text: &str) -> String {
    match text.is_ascii() {
        true => text.to_ascii_lowercase(),
        false => text.chars().flat_map(char::to_lowercase).collect(),
    }
}

/// Calls a function with every text that a value of an identity field can mean: the value itself;
/// trimmed; with percent-encoding (and `+` for a space) and JSON escapes removed; and each email
/// address in it (`mailto:ada@example.org`, `Ada <ada@example.org>`, a list).
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
    let mut decoded = None;
    for _ in 0..=decoding::MAX_LAYERS {
        let text = decoded.as_deref().unwrap_or(value);
        other(text.trim());
        if text.contains('+') {
            other(text.replace('+', " ").trim());
        }
        email_addresses(text).for_each(&mut other);
        let Some(next) = decoding::decode_text(text) else { break };
        decoded = Some(next);
    }
}

/// The byte can be part of an encoding.
const ENCODING: u8 = 1;
/// The byte is `@`.
const AT_SIGN: u8 = 2;
/// The byte can separate email addresses, or be trimmed.
const SEPARATOR: u8 = 4;

/// The class of each byte of a value; 0 if it always stands for itself.
const BYTE_CLASSES: [u8; 256] = {
    let mut classes = [SEPARATOR; 256];
    let mut byte = 0;
    while byte < 256 {
        match byte as u8 {
            b'%' | b'+' | b'\\' => classes[byte] = ENCODING,
            b'@' => classes[byte] = AT_SIGN,
            b'.' | b'_' | b'-' => classes[byte] = 0,
            other if other.is_ascii_alphanumeric() => classes[byte] = 0,
            _ => {}
        }
        byte += 1;
    }
    classes
};

/// Returns whether a value contains no encoding.
///
/// Nearly all values are plain, and an erasure reads those of every event: this check spares them
/// the decoding.
fn is_plain(value: &str) -> bool {
    let classes = value.bytes().fold(0, |classes, byte| classes | BYTE_CLASSES[usize::from(byte)]);
    match classes {
        0 => true,
        SEPARATOR => value.trim().len() == value.len(),
        AT_SIGN => !value.starts_with('.') && !value.ends_with('.'),
        _ => false,
    }
}

/// Returns the email addresses in a text: each as written, and without surrounding punctuation.
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
    exact: HashMap<String, usize>,
    emails: HashMap<String, usize>,
    has_bare_emails: bool,
}

impl Identifiers {
    /// Returns the set of some identifiers, without duplicates.
    pub(crate) fn new(identifiers: impl IntoIterator<Item = Identifier>) -> Identifiers {
        let mut set = Identifiers::default();
        identifiers.into_iter().for_each(|identifier| set.add(identifier));
        set
    }

    /// Adds an identifier, unless one of the same text is in the set: ids of all kinds count as the
    /// same, an id and an email address do not.
    pub(crate) fn add(&mut self, identifier: Identifier) {
        let number = self.all.len();
        let existing = match identifier.kind {
            IdentifierKind::Email => {
                self.has_bare_emails |= !identifier.value.contains('@');
                *self.emails.entry(to_lowercase(&identifier.value)).or_insert(number)
            }
            _ => *self.exact.entry(identifier.value.clone()).or_insert(number),
        };
        if existing == number {
            self.all.push(identifier);
        }
    }

    /// Calls a function with the number of each identifier that a value of an identity field
    /// matches in any reading. A number can come twice.
    pub(crate) fn for_each_match(&self, value: &str, mut each: impl FnMut(usize)) {
        for_each_reading(value, |text| {
            if !self.emails.is_empty()
                && (self.has_bare_emails || text.contains('@'))
                && let Some(number) = self.emails.get(&to_lowercase(text))
            {
                each(*number);
            }
            if let Some(number) = self.exact.get(text) {
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

    /// Returns whether one of the email addresses has no `@`, so that any text can match it.
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
    fn hash_of_email_ignores_case_and_differs_from_id() {
        let key = SecretKey::from_bytes([7; 32]);
        let email = |text: &str| Identifier::new(IdentifierKind::Email, text).hash(&key);
        assert_eq!(email("A@b.c"), email("a@B.c"));
        assert_eq!(email("Ö@b.c"), email("ö@b.c"));
        assert_ne!(email("a@b.c"), Identifier::new(IdentifierKind::User, "a@b.c").hash(&key));
    }
}

//! What names a person: an id or an e-mail address.
//!
//! An identifier is its text, in whichever of the fields of identity it stands: a log that puts the
//! user's id into `anonymous_id` after the login must not keep it there. E-mail addresses are the
//! same whatever the case of their letters (of ASCII); everything else compares as it is.

use std::collections::HashMap;

use crate::store::key::SecretKey;

/// Which kind of identifier was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
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
    pub kind: Kind,
    /// Its text.
    pub value: String,
}

impl Identifier {
    /// Makes an identifier.
    pub fn new(kind: Kind, value: impl Into<String>) -> Identifier {
        Identifier { kind, value: value.into() }
    }

    /// Returns the keyed hash by which it is known once it is forgotten.
    pub fn hash(&self, key: &SecretKey) -> String {
        match self.kind {
            Kind::Email => email_hash(key, &self.value),
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
    key.hash(&[b"forgotten e-mail", value.to_ascii_lowercase().as_bytes()])
}

/// A set of identifiers, each with a number, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct Identifiers {
    all: Vec<Identifier>,
    exact: HashMap<String, usize>,
    emails: HashMap<String, usize>,
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
            Kind::Email => {
                let folded = identifier.value.to_ascii_lowercase();
                *self.emails.entry(folded).or_insert(number)
            }
            _ => *self.exact.entry(identifier.value.clone()).or_insert(number),
        };
        if known == number {
            self.all.push(identifier);
        }
    }

    /// Returns the number of the identifier that a value of a field of identity is.
    pub fn find(&self, value: &str) -> Option<usize> {
        if !self.emails.is_empty()
            && value.contains('@')
            && let Some(number) = self.emails.get(&value.to_ascii_lowercase())
        {
            return Some(*number);
        }
        self.exact.get(value).copied()
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
            Identifier::new(Kind::User, "u1"),
            Identifier::new(Kind::Email, "Ada@Example.org"),
            Identifier::new(Kind::SessionId, "u1"),
        ]);
        assert_eq!(set.all().len(), 2);
        assert_eq!((set.find("u1"), set.find("U1"), set.find("u12")), (Some(0), None, None));
        assert_eq!((set.find("ada@example.ORG"), set.find("ada")), (Some(1), None));
    }

    #[test]
    fn the_hash_tells_ids_from_addresses_and_knows_an_address_in_any_case() {
        let key = SecretKey::from_bytes([7; 32]);
        let email = |text: &str| Identifier::new(Kind::Email, text).hash(&key);
        assert_eq!(email("A@b.c"), email("a@B.c"));
        assert_ne!(email("a@b.c"), Identifier::new(Kind::User, "a@b.c").hash(&key));
    }
}

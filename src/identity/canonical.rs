//! The canonical form of a string, by which identifiers are compared.
//!
//! Unicode has several forms of one string (`é` as one character or as two, full-width letters,
//! ligatures), and a domain has a Unicode and an ASCII form (`münchen.de`, `xn--mnchen-3ya.de`).
//! The canonical form is NFKC, with the labels of domains in Unicode. For email addresses, it
//! ignores case.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;
use memchr::memmem;
use unicode_segmentation::UnicodeSegmentation;

use super::decoding::{DecodedLayer, original_offset};

/// The longest label of a domain, in bytes.
const MAX_LABEL: usize = 63;
/// The prefix of a label in ASCII that encodes Unicode.
const ACE_PREFIX: &str = "xn--";

/// Whether upper and lower case are distinguished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// Case matters, as in ids.
    Differs,
    /// Case is ignored, as in email addresses.
    Ignored,
}

/// Returns the canonical form of a string.
pub(crate) fn canonical(text: &str, case: Case) -> Cow<'_, str> {
    match layer(text.as_bytes(), None, case) {
        Some(layer) => Cow::Owned(String::from_utf8_lossy(&layer.bytes).into_owned()),
        None if case == Case::Ignored && text.bytes().any(|b| b.is_ascii_uppercase()) => {
            Cow::Owned(text.to_ascii_lowercase())
        }
        None => Cow::Borrowed(text),
    }
}

/// Returns the canonical form of a string with its offsets; `None` if the string can be compared as
/// it is: if it is canonical, or if it is ASCII without a label that encodes Unicode. The caller
/// must ignore the case of such an ASCII string itself. Bytes that are not UTF-8 are kept.
///
/// `offsets` are the offsets of `text`, if it is itself a decoded layer.
pub(crate) fn layer(text: &[u8], offsets: Option<&[usize]>, case: Case) -> Option<DecodedLayer> {
    // Two hyphens are rare, so most strings need only this search.
    let has_label = memmem::find(text, b"--").is_some_and(|_| find_label(text, 0).is_some());
    if !has_label {
        let normalizer = ComposingNormalizerBorrowed::new_nfkc();
        if text.is_ascii() {
            return None;
        }
        if case == Case::Differs && std::str::from_utf8(text).is_ok_and(|text| normalizer.is_normalized(text))
        {
            return None;
        }
    }
    let mut layer =
        DecodedLayer { bytes: Vec::with_capacity(text.len()), offsets: Vec::with_capacity(text.len() + 1) };
    let mut push = |bytes: &[u8], start: usize| {
        layer.bytes.extend_from_slice(bytes);
        layer.offsets.resize(layer.bytes.len(), original_offset(offsets, start));
    };
    let mut pos = 0;
    let mut next_label = if has_label { find_label(text, 0) } else { None };
    while pos < text.len() {
        if let Some((start, end, label)) = &next_label
            && *start == pos
        {
            push(normalized(label, case).as_bytes(), pos);
            pos = *end;
            next_label = find_label(text, pos);
            continue;
        }
        let end = next_label.as_ref().map_or(text.len(), |(start, ..)| *start);
        for chunk in text.get(pos..end).unwrap_or(&[]).utf8_chunks() {
            for segment in chunk.valid().graphemes(true) {
                match segment.is_ascii() && case == Case::Differs {
                    true => push(segment.as_bytes(), pos),
                    false => push(normalized(segment, case).as_bytes(), pos),
                }
                pos += segment.len();
            }
            for byte in chunk.invalid() {
                push(&[*byte], pos);
                pos += 1;
            }
        }
    }
    layer.offsets.push(original_offset(offsets, text.len()));
    Some(layer)
}

/// Returns the canonical form of a part of a string.
fn normalized(text: &str, case: Case) -> String {
    let normalizer = ComposingNormalizerBorrowed::new_nfkc();
    let normal = normalizer.normalize(text);
    match case {
        Case::Differs => normal.into_owned(),
        Case::Ignored => {
            let folded: String = normal.chars().flat_map(fold).collect();
            normalizer.normalize(&folded).into_owned()
        }
    }
}

/// Folds the case of a character through its capital letter, so that the two small sigmas become
/// equal. `ß` and `ı` remain distinct letters.
fn fold(letter: char) -> impl Iterator<Item = char> {
    let mut capitals = letter.to_uppercase();
    let capital = capitals.next().filter(|_| capitals.next().is_none() && letter != 'ı');
    capital.unwrap_or(letter).to_lowercase()
}

/// Returns the first label from `from` on that encodes Unicode: its range, and the decoded label.
fn find_label(text: &[u8], from: usize) -> Option<(usize, usize, String)> {
    let is_label = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-';
    let is_plausible = |label: &String| !label.is_empty() && !label.contains(char::is_control);
    let mut pos = from;
    loop {
        let hyphens = pos + memmem::find(text.get(pos..)?, b"--")?;
        pos = hyphens + 2;
        let Some(start) = hyphens.checked_sub(2).filter(|start| *start >= from) else { continue };
        let is_first = start.checked_sub(1).and_then(|at| text.get(at)).is_none_or(|b| !is_label(b));
        let rest = text.get(start..)?;
        let length = rest.iter().take(MAX_LABEL + 1).take_while(|b| is_label(b)).count();
        let label = rest.get(..length).and_then(|label| std::str::from_utf8(label).ok());
        let encoded = label.filter(|_| is_first && length <= MAX_LABEL).map(str::to_ascii_lowercase);
        if let Some(encoded) = encoded.as_deref().and_then(|label| label.strip_prefix(ACE_PREFIX))
            && let Some(decoded) = idna::punycode::decode_to_string(encoded).filter(is_plausible)
        {
            return Some((start, start + length, decoded));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms_of_one_text_are_equal() {
        for (one, other) in [
            ("jos\u{e9}", "jose\u{301}"),
            ("ａｄａ", "ada"),
            ("ﬁnn", "finn"),
            ("\u{1112}\u{1161}\u{11ab}", "\u{d55c}"),
            ("a@xn--mnchen-3ya.de", "a@m\u{fc}nchen.de"),
            ("XN--MNCHEN-3YA.de", "münchen.de"),
            ("a@xn--caf-dma.xn--mnchen-3ya.de", "a@café.münchen.de"),
        ] {
            assert_eq!(canonical(one, Case::Differs), canonical(other, Case::Differs), "{one}");
        }
        for (one, other) in
            [("JÖRG@X.DE", "jörg@x.de"), ("Σίσυφος", "σίσυφοσ"), ("\u{212a}im", "kim"), ("Ａda", "aDa")]
        {
            assert_eq!(canonical(one, Case::Ignored), canonical(other, Case::Ignored), "{one}");
        }
    }

    #[test]
    fn different_texts_stay_different() {
        for (one, other) in [("ada", "Ada"), ("jose", "josé"), ("xn--", ""), ("axn--mnchen-3ya", "amünchen")]
        {
            assert_ne!(canonical(one, Case::Differs), canonical(other, Case::Differs), "{one}");
        }
        for (one, other) in [("strauß", "strauss"), ("alı", "ali")] {
            assert_ne!(canonical(one, Case::Ignored), canonical(other, Case::Ignored), "{one}");
        }
        assert_eq!(canonical("xn--a b--c xn---", Case::Differs), "xn--a b--c xn---");
    }

    proptest! {
        #[test]
        fn canonical_form_is_stable_and_offsets_ascend(text in "(\\PC|xn--[a-z0-9-]{0,6}|é|e\u{301}|\\.){0,20}") {
            for case in [Case::Differs, Case::Ignored] {
                if let Some(layer) = layer(text.as_bytes(), None, case) {
                    prop_assert_eq!(layer.offsets.len(), layer.bytes.len() + 1);
                    prop_assert!(layer.offsets.is_sorted());
                    prop_assert!(layer.offsets.iter().all(|offset| text.is_char_boundary(*offset)));
                }
            }
        }

        #[test]
        fn any_bytes_have_a_canonical_form(bytes: Vec<u8>) {
            let _ = (layer(&bytes, None, Case::Differs), layer(&bytes, None, Case::Ignored));
        }
    }
}

//! Finds links, domains and email addresses in user agents.

use super::Evidence;

/// Returns whether a user agent starts with the package name of an Android app: `com.example.app`.
pub(super) fn is_package_name(text: &str) -> bool {
    let name = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_').next().unwrap_or("");
    let mut labels = name.split('.');
    labels.next().is_some_and(|label| TOP_LEVEL_DOMAINS.contains(&label)) && labels.count() >= 2
}

/// Returns whether a user agent contains a link.
pub(super) fn link(evidence: &Evidence<'_>) -> bool {
    ["http://", "https://", "www.", "+http"].iter().any(|start| evidence.has(start))
}

/// Top-level domains that operators of bots use.
const TOP_LEVEL_DOMAINS: [&str; 14] =
    ["com", "org", "net", "io", "ai", "de", "ru", "fr", "eu", "co", "app", "dev", "info", "me"];

/// Returns whether a user agent contains a domain such as `example.com`, in lower case.
///
/// Excludes package names of Android apps (`com.example.app`), `ASP.NET`, and names of apps such as
/// `radio.de/1.1`.
pub(super) fn domain(text: &str) -> bool {
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        let from = rest.get(start..).unwrap_or("");
        let end =
            from.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-').unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        let product = after.strip_prefix('/').is_some_and(|v| v.starts_with(|c: char| c.is_ascii_digit()));
        if !product && is_domain(word.trim_end_matches('.')) {
            return true;
        }
        rest = after;
    }
    false
}

/// Returns whether a word ends with one of [`TOP_LEVEL_DOMAINS`] and is not a package name.
fn is_domain(word: &str) -> bool {
    word.rsplit_once('.').is_some_and(|(name, top)| {
        TOP_LEVEL_DOMAINS.contains(&top)
            && name.len() > 1
            && name.bytes().any(|byte| byte.is_ascii_alphabetic())
            && !name.split('.').any(|label| TOP_LEVEL_DOMAINS.contains(&label))
    })
}

/// Returns the offsets of the `@` of the email addresses in a user agent.
pub(super) fn emails(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'@', bytes).filter(|at| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        let domain = text.get(at + 1..).unwrap_or("");
        let end =
            domain.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '.').unwrap_or(domain.len());
        let domain = domain.get(..end).unwrap_or("").trim_end_matches('.');
        before.is_some_and(u8::is_ascii_alphanumeric)
            && domain.rsplit_once('.').is_some_and(|(name, top)| {
                !name.is_empty() && top.len() >= 2 && top.bytes().all(|byte| byte.is_ascii_alphabetic())
            })
    })
}

/// Returns whether the email address with its `@` at `at` is in a comment or in a list, as bots
/// write it.
///
/// People who report security flaws append a bare address to the user agent of their browser, so
/// that the operator of a site can reach them: `Firefox/140.0 + name@example.org`.
pub(super) fn is_labelled(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or("");
    let in_comment = before.rfind('(') > before.rfind(')');
    let name = before.rfind([' ', ';', '+', '/', '(', ':', ',']).map_or(0, |separator| separator + 1);
    let before = before.get(..name).unwrap_or("").trim_end_matches([' ', '+']);
    in_comment || before.ends_with([';', ':', ','])
}

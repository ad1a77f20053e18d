//! The parts of an address that say where a visit came from, without allocation and without errors.
//!
//! Logs hold whatever a browser, a proxy or a stranger wrote. What is no address has no host; a
//! long one is looked at up to [`LOOKED_AT`] bytes.

use std::borrow::Cow;

/// How much of an address is looked at, in bytes.
const LOOKED_AT: usize = 16 * 1024;

/// An address, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Url<'a> {
    /// The host as it stands there, without user, port and brackets; `None` in `/a/path?query`.
    pub host: Option<&'a str>,
    /// What stands between `?` and `#`.
    pub query: Option<&'a str>,
}

impl<'a> Url<'a> {
    /// Reads an address of the web or of an Android app, absolute or not.
    pub fn read(text: &'a str) -> Url<'a> {
        let text = head(text.trim());
        let (scheme, rest) = scheme(text);
        let (before, query) = match rest.find(['?', '#']) {
            Some(at) if rest.as_bytes().get(at) == Some(&b'?') => {
                let query = rest.get(at + 1..).unwrap_or("");
                (rest.get(..at).unwrap_or(""), Some(query.split('#').next().unwrap_or("")))
            }
            Some(at) => (rest.get(..at).unwrap_or(""), None),
            None => (rest, None),
        };
        let host = match scheme {
            Scheme::Web | Scheme::App => host(before.trim_start_matches(['/', '\\'])),
            Scheme::Bare => bare_host(before),
            Scheme::Other => None,
        };
        Url { host, query }
    }
}

/// Returns the path of a page's address, without query and fragment: `/` where a host stands alone; `None` where
/// the address has no path (`mailto:`, `about:blank`, nothing).
pub fn path(text: &str) -> Option<&str> {
    let (scheme, rest) = scheme(text.trim());
    let rest = rest.split(['?', '#']).next().unwrap_or("");
    let separators = ['/', '\\'];
    let behind_slashes = match scheme {
        Scheme::Web | Scheme::App => Some(rest.trim_start_matches(separators)),
        // `shop.example/cart`; but `index.html` is a page.
        Scheme::Bare => (rest.contains('/') && bare_host(rest).is_some()).then_some(rest),
        Scheme::Other => rest.strip_prefix("//"),
    };
    match behind_slashes {
        Some(rest) => Some(rest.find(separators).and_then(|at| rest.get(at..)).unwrap_or("/")),
        None => (scheme == Scheme::Bare && !rest.is_empty()).then_some(rest),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Web,
    App,
    Bare,
    Other,
}

/// Splits the scheme off, as far as it is one that leads to a host.
fn scheme(text: &str) -> (Scheme, &str) {
    for (name, scheme) in [
        ("https:", Scheme::Web),
        ("http:", Scheme::Web),
        ("android-app:", Scheme::App),
        ("ios-app:", Scheme::Other),
    ] {
        if text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)) {
            return (scheme, text.get(name.len()..).unwrap_or(""));
        }
    }
    if text.starts_with("//") {
        return (Scheme::Web, text);
    }
    match text.find([':', '/', '?', '#']) {
        // `about:blank`, `file:///…`, `chrome-extension://…`; but `example.com:8080/…` is a host.
        Some(at) if text.as_bytes().get(at) == Some(&b':') && !port(text.get(at + 1..).unwrap_or("")) => {
            (Scheme::Other, text.get(at + 1..).unwrap_or(""))
        }
        _ => (Scheme::Bare, text),
    }
}

/// Tells whether a port number stands at the start of `text`.
fn port(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (1..=5).contains(&digits) && text.as_bytes().get(digits).is_none_or(|b| matches!(b, b'/' | b'?' | b'#'))
}

/// Returns the host at the start of `text`, what follows a scheme's slashes.
fn host(text: &str) -> Option<&str> {
    let authority = text.split(['/', '\\']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if let Some(v6) = authority.strip_prefix('[') {
        return v6.split_once(']').map(|(host, _)| host).filter(|host| host.contains(':'));
    }
    let host = authority.split(':').next()?.trim_end_matches('.');
    let valid = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') || (!c.is_ascii() && c.is_alphanumeric())
    };
    (!host.is_empty() && host.len() <= 253 && !host.starts_with('.') && host.chars().all(valid))
        .then_some(host)
}

/// Returns the host of an address that was written without a scheme: it needs a dot, and letters
/// behind the last one, or it is a path or a word.
fn bare_host(text: &str) -> Option<&str> {
    let host = host(text)?;
    let top = host.rsplit_once('.')?.1;
    (top.len() >= 2 && top.chars().all(char::is_alphabetic)).then_some(host)
}

/// Calls `visit` with the key and the value, undecoded, of each parameter of a query.
pub(super) fn parameters<'a>(query: &'a str, mut visit: impl FnMut(&'a str, &'a str)) {
    for pair in query.split('&') {
        // `&amp;` instead of `&`, from pages whose links were escaped twice.
        let pair = pair.strip_prefix("amp;").unwrap_or(pair);
        if let Some((key, value)) = pair.split_once('=') {
            visit(key, value);
        }
    }
}

/// Decodes `%41` and `+`; bytes that are not UTF-8 become replacement characters.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|b| b == b'%' || b == b'+') {
        return Cow::Borrowed(text);
    }
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let hex = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => match (hex(ahead.next()), hex(ahead.next())) {
                (Some(high), Some(low)) => {
                    decoded.push((high * 16 + low) as u8);
                    bytes = ahead;
                }
                _ => decoded.push(b'%'),
            },
            byte => decoded.push(byte),
        }
    }
    match String::from_utf8(decoded) {
        Ok(text) => Cow::Owned(text),
        Err(error) => Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned()),
    }
}

fn head(text: &str) -> &str {
    let mut end = text.len().min(LOOKED_AT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host_of(text: &str) -> Option<&str> {
        Url::read(text).host
    }

    #[test]
    fn a_host_stands_without_user_port_and_dot() {
        assert_eq!(host_of("https://www.Example.com:8443/a?b#c"), Some("www.Example.com"));
        assert_eq!(host_of("http://user:pa@ss@example.com./"), Some("example.com"));
        assert_eq!(host_of("HTTPS://EXAMPLE.COM"), Some("EXAMPLE.COM"));
        assert_eq!(host_of("https://example.com?x=http://other.org/"), Some("example.com"));
        assert_eq!(host_of("https://[2001:db8::1]:80/x"), Some("2001:db8::1"));
        assert_eq!(host_of("//cdn.example.com/x"), Some("cdn.example.com"));
        assert_eq!(host_of("http://localhost:3000/"), Some("localhost"));
    }

    #[test]
    fn an_android_app_is_a_host() {
        assert_eq!(host_of("android-app://com.google.android.gm/"), Some("com.google.android.gm"));
        assert_eq!(
            host_of("android-app://com.google.android.gm/https/mail.google.com"),
            Some("com.google.android.gm")
        );
    }

    #[test]
    fn a_host_may_stand_without_a_scheme_where_it_looks_like_one() {
        assert_eq!(host_of("google.com"), Some("google.com"));
        assert_eq!(host_of("www.google.com/search?q=x"), Some("www.google.com"));
        assert_eq!(host_of("example.com:8080/x"), Some("example.com"));
        assert_eq!(host_of("/pricing?x=1"), None);
        assert_eq!(host_of("pricing"), None);
        assert_eq!(host_of("(direct)"), None);
        assert_eq!(host_of("index.2"), None);
    }

    #[test]
    fn what_is_no_address_of_the_web_has_no_host() {
        for text in [
            "",
            "about:blank",
            "file:///tmp/x.html",
            "data:text/html,x",
            "javascript:void(0)",
            "http://",
            "https:///",
            "chrome-extension://abcdefgh/x.html",
            "http://exa mple.com/",
            "http://[::1",
            "http://<script>/",
            "-",
            "null",
        ] {
            assert_eq!(host_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_path_is_what_stands_behind_the_host() {
        for (address, expected) in [
            ("https://shop.example/cart?x=1#y", Some("/cart")),
            ("https://shop.example", Some("/")),
            ("https://shop.example?x=/y", Some("/")),
            ("//shop.example/cart", Some("/cart")),
            ("shop.example/cart", Some("/cart")),
            ("shop.example:8080/cart/", Some("/cart/")),
            ("/go/https://other.example/x", Some("/go/https://other.example/x")),
            ("/cart?next=https://other.example/x", Some("/cart")),
            ("index.html", Some("index.html")),
            ("pricing/team", Some("pricing/team")),
            ("file:///tmp/x.html", Some("/tmp/x.html")),
            ("chrome-extension://abcdefgh/x.html", Some("/x.html")),
            ("mailto:a@b.example", None),
            ("about:blank", None),
            ("?x=1", None),
            (" ", None),
        ] {
            assert_eq!(path(address), expected, "{address}");
        }
    }

    #[test]
    fn a_query_ends_at_the_fragment() {
        assert_eq!(Url::read("https://a.de/x?b=1#c?d=2").query, Some("b=1"));
        assert_eq!(Url::read("https://a.de/x#c?d=2").query, None);
        assert_eq!(Url::read("/x?b=1").query, Some("b=1"));
        assert_eq!(Url::read("?b=1").query, Some("b=1"));
    }

    #[test]
    fn values_are_decoded() {
        assert_eq!(decode("spring%20sale+now"), "spring sale now");
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz%4"), "%zz%4");
        assert_eq!(decode("%C3%BCber"), "über");
        assert_eq!(decode("%ff"), "\u{fffd}");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in ".*") {
            let url = Url::read(&text);
            if let Some(query) = url.query {
                parameters(query, |key, value| { decode(key); decode(value); });
            }
        }
    }
}

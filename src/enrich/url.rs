//! Lenient URL parsing: host, path and query of a logged URL, without allocation or errors.
//!
//! Logs contain whatever a browser, a proxy or an attacker sends. A string that is not a URL has no
//! host. Host and query are parsed from the first [`MAX_LENGTH`] bytes.

use std::borrow::Cow;

/// The maximum number of bytes of a URL from which host and query are parsed.
const MAX_LENGTH: usize = 16 * 1024;

/// The parts of a URL that identify a traffic source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Url<'a> {
    /// The host, without user, port and brackets; `None` for a relative URL such as `/path?query`.
    pub host: Option<&'a str>,
    /// The query, without `?` and fragment.
    pub query: Option<&'a str>,
}

impl<'a> Url<'a> {
    /// Parses a URL of the web or of an Android app, absolute or relative.
    pub fn parse(text: &'a str) -> Url<'a> {
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

/// Returns the path of a page URL, without query and fragment.
///
/// Returns `/` for a bare host, and `None` for a URL without a path (`mailto:`, `about:blank`,
/// empty).
pub fn path(text: &str) -> Option<&str> {
    let (scheme, rest) = scheme(text.trim());
    let rest = rest.split(['?', '#']).next().unwrap_or("");
    let separators = ['/', '\\'];
    let behind_slashes = match scheme {
        Scheme::Web | Scheme::App => Some(rest.trim_start_matches(separators)),
        // `shop.example/cart` has a host; `index.html` is a page.
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

/// Splits off the scheme.
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
        // `about:blank`, `file:///…` and `chrome-extension://…` have a scheme; `example.com:8080/…`
        // has a port.
        Some(at) if text.as_bytes().get(at) == Some(&b':') && !port(text.get(at + 1..).unwrap_or("")) => {
            (Scheme::Other, text.get(at + 1..).unwrap_or(""))
        }
        _ => (Scheme::Bare, text),
    }
}

/// Returns whether `text` starts with a port number.
fn port(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (1..=5).contains(&digits) && text.as_bytes().get(digits).is_none_or(|b| matches!(b, b'/' | b'?' | b'#'))
}

/// Returns the host at the start of `text`, the part after the slashes of the scheme.
fn host(text: &str) -> Option<&str> {
    let authority = text.split(['/', '\\']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if let Some(v6) = authority.strip_prefix('[') {
        return v6.split_once(']').map(|(host, _)| host).filter(|host| is_ipv6(host));
    }
    let host = authority.split(':').next()?.trim_end_matches('.');
    // U+0300 to U+036F are the combining marks of decomposed letters.
    let valid = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '.' | '-' | '_' | '\u{300}'..='\u{36f}')
            || (!c.is_ascii() && c.is_alphanumeric())
    };
    (!host.is_empty() && host.len() <= 253 && !host.starts_with('.') && host.chars().all(valid))
        .then_some(host)
}

/// Returns whether a string is an IPv6 address, which may have a zone (RFC 6874).
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, ""));
    address.parse::<std::net::Ipv6Addr>().is_ok()
        && zone.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '~'))
}

/// Returns the host of a URL without a scheme.
///
/// Requires a dot and letters after the last dot, which distinguish a host from a path or a word.
fn bare_host(text: &str) -> Option<&str> {
    let host = host(text)?;
    let top = host.rsplit_once('.')?.1;
    (top.len() >= 2 && top.chars().all(char::is_alphabetic)).then_some(host)
}

/// Calls `visit` with the undecoded key and value of each parameter of a query.
pub(super) fn parameters<'a>(query: &'a str, mut visit: impl FnMut(&'a str, &'a str)) {
    for pair in query.split('&') {
        // Links that were HTML-escaped twice have `&amp;` in place of `&`.
        let pair = pair.strip_prefix("amp;").unwrap_or(pair);
        if let Some((key, value)) = pair.split_once('=') {
            visit(key, value);
        }
    }
}

/// Decodes percent-encoding and `+`. Invalid UTF-8 becomes replacement characters.
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

/// Maximum number of layers of encoding that are removed from a value.
const MAX_LAYERS: usize = 3;

/// Decodes a value that may be encoded more than once, such as `no%2520code`.
///
/// Percent signs that remain after the first layer start another layer only if two hexadecimal
/// digits follow each of them, as an encoder writes them. A plus sign is a space in the first layer
/// only.
pub(super) fn decode_repeatedly(text: &str) -> Cow<'_, str> {
    let mut decoded = decode(text);
    for _ in 1..MAX_LAYERS {
        if !is_percent_encoded(&decoded) {
            break;
        }
        decoded = Cow::Owned(decode(&decoded.replace('+', "%2B")).into_owned());
    }
    decoded
}

/// Returns whether a string has percent signs, each followed by two hexadecimal digits.
fn is_percent_encoded(text: &str) -> bool {
    let bytes = text.as_bytes();
    let escape =
        |at: usize| bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    text.contains('%') && memchr::memchr_iter(b'%', bytes).all(escape)
}

fn head(text: &str) -> &str {
    let mut end = text.len().min(MAX_LENGTH);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host_of(text: &str) -> Option<&str> {
        Url::parse(text).host
    }

    #[test]
    fn host_excludes_user_port_and_trailing_dot() {
        assert_eq!(host_of("https://www.Example.com:8443/a?b#c"), Some("www.Example.com"));
        assert_eq!(host_of("http://user:pa@ss@example.com./"), Some("example.com"));
        assert_eq!(host_of("HTTPS://EXAMPLE.COM"), Some("EXAMPLE.COM"));
        assert_eq!(host_of("https://example.com?x=http://other.org/"), Some("example.com"));
        assert_eq!(host_of("https://[2001:db8::1]:80/x"), Some("2001:db8::1"));
        assert_eq!(host_of("//cdn.example.com/x"), Some("cdn.example.com"));
        assert_eq!(host_of("http://localhost:3000/"), Some("localhost"));
    }

    #[test]
    fn android_app_id_is_the_host() {
        assert_eq!(host_of("android-app://com.google.android.gm/"), Some("com.google.android.gm"));
        assert_eq!(
            host_of("android-app://com.google.android.gm/https/mail.google.com"),
            Some("com.google.android.gm")
        );
    }

    #[test]
    fn host_without_scheme_needs_a_dot_and_letters() {
        assert_eq!(host_of("google.com"), Some("google.com"));
        assert_eq!(host_of("www.google.com/search?q=x"), Some("www.google.com"));
        assert_eq!(host_of("example.com:8080/x"), Some("example.com"));
        assert_eq!(host_of("/pricing?x=1"), None);
        assert_eq!(host_of("pricing"), None);
        assert_eq!(host_of("(direct)"), None);
        assert_eq!(host_of("index.2"), None);
    }

    #[test]
    fn text_that_is_not_a_web_url_has_no_host() {
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
    fn path_follows_the_host() {
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
    fn query_ends_at_the_fragment() {
        assert_eq!(Url::parse("https://a.de/x?b=1#c?d=2").query, Some("b=1"));
        assert_eq!(Url::parse("https://a.de/x#c?d=2").query, None);
        assert_eq!(Url::parse("/x?b=1").query, Some("b=1"));
        assert_eq!(Url::parse("?b=1").query, Some("b=1"));
    }

    #[test]
    fn decode_handles_percent_and_plus() {
        assert_eq!(decode("spring%20sale+now"), "spring sale now");
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz%4"), "%zz%4");
        assert_eq!(decode("%C3%BCber"), "über");
        assert_eq!(decode("%ff"), "\u{fffd}");
    }

    #[test]
    fn decode_repeatedly_removes_only_surplus_layers() {
        for (text, expected) in [
            ("no%2520code%2520founders", "no code founders"),
            ("no%252520code", "no code"),
            ("a%252Bb", "a+b"),
            ("a%2Bb+c", "a+b c"),
            ("%C3%9Cber%2520uns", "Über uns"),
            ("50%25", "50%"),
            ("50%25+off", "50% off"),
            ("100%25%20sure", "100% sure"),
            ("%25zz", "%zz"),
        ] {
            assert_eq!(decode_repeatedly(text), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_accepted(text in ".*") {
            let url = Url::parse(&text);
            if let Some(query) = url.query {
                parameters(query, |key, value| { decode(key); decode_repeatedly(value); });
            }
        }
    }

    #[test]
    fn host_in_brackets_must_be_an_ipv6_address() {
        for text in ["[\u{0}001:db8::1]", "[a:b]", "[1:2]", "[::1%e\u{0}]", "[::g]", "[]"] {
            assert_eq!(host(text), None, "{text:?}");
        }
        assert_eq!(host("[::1]:80/x"), Some("::1"));
        assert_eq!(host("user@[2001:db8::1]"), Some("2001:db8::1"));
        assert_eq!(host("[fe80::1%25eth0]"), Some("fe80::1%25eth0"));
    }
}

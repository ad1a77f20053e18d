//! The page loads nothing, runs only its own script, and is small.

use base64::Engine as _;
use sha2::{Digest, Sha256};

use super::decoded::{Page, between};
use super::{logs, sample};
use crate::harness::Sandbox;

fn hash(text: &str) -> String {
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text));
    // The template escapes slashes in attributes.
    hash.replace('/', "&#x2f;")
}

#[test]
fn policy_allows_the_inline_style_and_script_and_nothing_else() {
    let html = sample().wa("dashboard --as-of latest --quiet").output();
    let policy = between(&html, "http-equiv=\"Content-Security-Policy\" content=\"", "\"");
    let style = between(&html, "<style>", "</style>");
    let script = between(&html, "<script>", "</script>");
    let expected = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(script),
        hash(style)
    );
    assert_eq!(policy.replace("&#x27;", "'"), expected);
    // The policy precedes everything that it restricts.
    assert!(html.find("Content-Security-Policy") < html.find("<style>"));
    for word in ["src=\"http", "href=\"http", "url(", "@import", "style=\"", " onclick", " onload"] {
        assert!(!html.contains(word), "{word}");
    }
}

#[test]
fn hostile_strings_do_not_reach_the_markup() {
    let sandbox = Sandbox::new();
    sandbox.write("log.ndjson", logs::hostile());
    sandbox.wa("ingest -q log.ndjson").exits(0);
    // Some of these strings look like the user agents of bots.
    let html = sandbox.wa("dashboard --as-of latest --limit all --include-bots").exits(0).stdout;
    // The data, the script, and nothing else.
    assert_eq!(html.matches("<script").count(), 2);
    assert_eq!(html.matches("</script").count(), 2);
    assert!(!html.contains("<img") && !html.contains("<!--") && !html.contains("<svg onload"));
    let controls = |text: &str| {
        text.chars().any(|c| (c.is_control() && c != '\n') || "\u{202e}\u{2066}\u{2028}\u{feff}".contains(c))
    };
    assert!(!controls(&html));
    let page = Page::new(&html);
    assert!(!controls(&page.json));
    assert_eq!(page.scopes().len(), 1 + logs::HOSTILE.len());
    assert!(page.data["texts"].as_array().unwrap().contains(&"<script>alert(1)</script>".into()));
    assert!(page.json.contains("\\\\u{202e}gnp.exe"), "bidirectional formatting is escaped visibly");
    for report in ["all", "events", "pages"] {
        let html = sandbox.wa(&format!("report {report} --as-of latest --format html")).exits(0).stdout;
        assert!(!html.contains("<script") && !html.contains("<img") && !controls(&html), "{report}");
    }
}

#[test]
fn page_of_90_days_of_20_chatbots_is_smaller_than_a_megabyte() {
    let sandbox = Sandbox::new();
    sandbox.write("log.ndjson", logs::busy(20, 90, 20_000));
    sandbox.wa("ingest -q log.ndjson").exits(0);
    let html = sandbox.wa("dashboard --days 90").exits(0).stdout;
    assert_eq!(Page::new(&html).scopes().len(), 21);
    assert!(html.len() < 1_000_000, "{} bytes", html.len());
}

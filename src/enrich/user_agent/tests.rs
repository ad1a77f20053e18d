//! Tests with the table in `tests/data/user_agents.txt` and with hostile input.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::normalize::MAX_LENGTH;
use super::*;

const TABLE: &str = include_str!("../../../tests/data/user_agents.txt");

static CLASSIFIER: LazyLock<Classifier> = LazyLock::new(Classifier::new);

/// Returns the rows of the table: device type, browser, operating system, user agent.
fn rows() -> Vec<[&'static str; 4]> {
    TABLE
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let mut parts = line.splitn(4, " | ");
            [(); 4].map(|()| parts.next().expect("a row has four parts"))
        })
        .collect()
}

/// Formats a name and a version like the table, which omits versions that it does not test.
fn shown(expected: &str, name: &Option<String>, version: &Option<String>) -> String {
    let name = name.clone().unwrap_or("-".to_owned());
    match version {
        Some(version) if format!("{name} {version}") == expected => expected.to_owned(),
        _ if name == expected => name,
        version => format!("{name} {}", version.as_deref().unwrap_or("")),
    }
}

/// Returns the rows that are classified differently after `rewrite`.
fn differing(rows: &[[&'static str; 4]], rewrite: impl Fn(&str) -> String) -> Vec<String> {
    let mut wrong = Vec::new();
    for &[device, browser, os, text] in rows {
        let text = rewrite(text);
        let classified = CLASSIFIER.classify(&text);
        let found = [
            classified.device_type.name().to_owned(),
            shown(browser, &classified.browser_name, &classified.browser_version),
            shown(os, &classified.os_name, &classified.os_version),
        ];
        assert_eq!(classified.is_bot, classified.device_type == DeviceType::Bot);
        assert_eq!(classified.user_agent, text);
        if found != [device, browser, os] {
            wrong.push(format!("{found:?}\n  is not {:?}\n  {text}", [device, browser, os]));
        }
    }
    wrong
}

/// Returns the rows of browsers: rows with the full form of a browser's user agent.
fn browser_rows() -> Vec<[&'static str; 4]> {
    let escaped = |text: &str| text.contains('%') || text.contains(")+") || !text.contains(' ');
    rows()
        .into_iter()
        .filter(|row| row[0] != "bot" && row[3].starts_with("Mozilla/5.0 (") && !escaped(row[3]))
        .collect()
}

#[test]
fn table_of_user_agents_is_classified_as_listed() {
    let rows = rows();
    assert!(rows.len() >= 150, "{}", rows.len());
    let wrong = differing(&rows, str::to_owned);
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn user_agents_in_one_case_are_classified_alike() {
    let rows = browser_rows();
    assert!(rows.len() >= 150, "{}", rows.len());
    let mut wrong = differing(&rows, str::to_ascii_lowercase);
    wrong.extend(differing(&rows, str::to_ascii_uppercase));
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn user_agents_with_escaped_spaces_are_classified_alike() {
    let rows = browser_rows();
    let mut wrong = differing(&rows, |text| text.replace(' ', "+"));
    wrong.extend(differing(&rows, |text| text.replace(' ', "%20")));
    wrong.extend(differing(&rows, |text| text.replace(' ', "%2520")));
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn hostile_user_agent_costs_as_much_as_a_long_one() {
    for part in [
        "Mozilla/5.0 (",
        "bot",
        "Android;",
        "a.com ",
        "@",
        "((((",
        "\u{1f980}",
        "Chrome/1 Version/2 ",
        "Android M bot ",
        "cubot ",
        "a@b",
        "http://",
        "%25",
        "+(",
        ";_",
        "[FB",
        "(compatible;",
        "iPhone;",
    ] {
        let hostile = part.repeat((1 << 20) / part.len());
        let start = std::time::Instant::now();
        let classified = CLASSIFIER.classify(&hostile);
        assert!(start.elapsed() < std::time::Duration::from_millis(100), "{part}");
        assert!(classified.browser_name.is_none_or(|name| name.len() <= MAX_LENGTH));
    }
}

#[test]
fn version_too_large_to_increment_is_unchanged() {
    for (text, version) in [
        ("Mozilla/5.0 (Windows NT 10.0; Trident/4294967295.0) like Gecko", "4294967295.0"),
        ("Mozilla/5.0 (Windows NT 10.0; Trident/4294967295.0; rv:11.0) like Gecko", "11.0"),
    ] {
        let classified = CLASSIFIER.classify(text);
        assert_eq!(
            (classified.browser_name.as_deref(), classified.browser_version.as_deref()),
            (Some("Internet Explorer"), Some(version))
        );
    }
}

#[test]
fn end_of_a_long_user_agent_is_not_read() {
    let long = format!("Mozilla/5.0 {} Googlebot/2.1", "x ".repeat(MAX_LENGTH));
    assert!(!CLASSIFIER.classify(&long).is_bot);
}

#[test]
fn token_that_ends_in_slash_leaves_the_version_out_of_the_name() {
    for (text, name, version) in [
        ("Python/3.12 aiohttp/3.9.5", "Python", "3.12"),
        ("Dart/3.3 (dart:io)", "Dart", "3.3"),
        ("Prometheus/2.51.0", "Prometheus", "2.51.0"),
        ("Stripe/1.0 (+https://stripe.com/docs/webhooks)", "Stripe", "1.0"),
    ] {
        let classified = CLASSIFIER.classify(text);
        assert!(classified.is_bot, "{text}");
        assert_eq!(classified.browser_name.as_deref(), Some(name), "{text}");
        assert_eq!(classified.browser_version.as_deref(), Some(version), "{text}");
    }
}

/// Some toolbars add random letters to the user agent of a browser.
#[test]
fn word_bot_in_random_letters_is_not_a_bot() {
    let browser = |word| format!("Mozilla/5.0 (Windows NT 6.1; Trident/7.0; {word}; rv:11.0) like Gecko");
    for word in ["rTqBOt", "x1bOT", "WkbOtz", "boT"] {
        assert!(!CLASSIFIER.classify(&browser(word)).is_bot, "{word}");
    }
    for word in ["AcmeBot", "acmebot", "ACMEBOT", "AcmeBoT"] {
        assert!(CLASSIFIER.classify(&browser(word)).is_bot, "{word}");
    }
}

/// Operators of AI crawlers and agents document these names.
#[test]
fn ai_agents_are_bots() {
    let names = [
        "AI2Bot",
        "Amazonbot",
        "Amzn-SearchBot",
        "Amzn-User",
        "Applebot-Extended",
        "Bytespider",
        "CCBot",
        "ChatGPT-User",
        "Claude-Code",
        "Claude-SearchBot",
        "Claude-User",
        "Claude-Web",
        "ClaudeBot",
        "DeepSeekBot",
        "Diffbot",
        "DuckAssistBot",
        "FacebookBot",
        "FirecrawlAgent",
        "GPTBot",
        "Google-CloudVertexBot",
        "Google-Extended",
        "Google-NotebookLM",
        "GoogleAgent-Mariner",
        "GoogleOther",
        "ICC-Crawler",
        "ImagesiftBot",
        "Kimi-User",
        "LinerBot",
        "Manus-User",
        "MistralAI-User",
        "NovaAct",
        "OAI-SearchBot",
        "PanguBot",
        "Perplexity-User",
        "PerplexityBot",
        "PetalBot",
        "PhindBot",
        "SBIntuitionsBot",
        "TikTokSpider",
        "Timpibot",
        "TongyiBot",
        "YandexAdditional",
        "YouBot",
        "anthropic-ai",
        "cohere-ai",
        "cohere-training-data-crawler",
        "img2dataset",
        "meta-externalagent",
        "meta-externalfetcher",
        "meta-webindexer",
        "omgili",
        "webzio-extended",
    ];
    for name in names {
        for text in [
            name.to_owned(),
            format!("{name}/1.0"),
            format!(
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; {name}/1.0; \
                 +https://example.com/about) Chrome/138.0.0.0 Safari/537.36"
            ),
            format!(
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/138.0.0.0 Mobile Safari/537.36 (compatible; {name}/1.0)"
            ),
        ] {
            let classified = CLASSIFIER.classify(&text);
            assert!(classified.is_bot, "{text}");
            assert_eq!(classified.browser_name.as_deref(), Some(name), "{text}");
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_classified(text in ".{0,400}") {
        CLASSIFIER.classify(&text);
    }

    #[test]
    fn any_bytes_are_classified(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        CLASSIFIER.classify(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn words_of_user_agents_in_any_order_are_classified(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "Mozilla/5.0", "(", ")", "[", "]", ";", "Android", "Build/", "like Gecko", "Trident/", "compatible;",
                "Windows NT ", "CrOS ", "iPad", "Version/", "@a.b", "Adr ", "Opera", "http", "://", ".", "é", "bot",
                "CUBOT", "[FB", "%20", "%2520", "%F", "+", "_", "cfnetwork/", "rowser/", "Chrome/", "com.a.b",
                "OpenHarmony", "MSIE ", "\u{1f980}",
            ]),
            0..30,
        )
    ) {
        CLASSIFIER.classify(&words.concat());
    }
}

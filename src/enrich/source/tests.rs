//! Tests with the tables in `tests/data/referrers.txt` and `tests/data/campaigns.txt`.

use super::*;

const REFERRERS: &str = include_str!("../../../tests/data/referrers.txt");
const CAMPAIGNS: &str = include_str!("../../../tests/data/campaigns.txt");

/// Returns the rows of a table.
fn rows(table: &'static str) -> Vec<Vec<&'static str>> {
    let lines = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split(" | ").collect()).collect()
}

/// Returns the text of a cell; `missing` means no text.
fn cell<'a>(text: &'a str, missing: &str) -> Option<&'a str> {
    Some(text).filter(|text| *text != missing)
}

fn channel_name(derived: &DerivedSource) -> &'static str {
    derived.channel.map_or("-", Channel::name)
}

#[test]
fn referrers_map_to_listed_domains_and_channels() {
    let sites = Sites::new();
    let rows = rows(REFERRERS);
    assert!(rows.len() >= 100, "{}", rows.len());
    let mut wrong = Vec::new();
    for row in rows {
        let page = row.get(3).copied().unwrap_or("https://shop.example.com/");
        let derived = source(
            &sites,
            SourceFields { page_url: Some(page), referrer: Some(row[2]), ..SourceFields::default() },
        );
        let found = [derived.referrer_domain.as_deref().unwrap_or("-"), channel_name(&derived)];
        assert_eq!(derived.names_source, derived.channel.is_some());
        if found != [row[0], row[1]] {
            wrong.push(format!("{found:?} is not {row:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn campaigns_map_to_listed_channels() {
    let sites = Sites::new();
    let mut wrong = Vec::new();
    for row in rows(CAMPAIGNS) {
        let utm: Vec<_> = row[1].split(' ').map(|word| cell(word, ".")).collect();
        let page =
            cell(row[2], "-").map(|query| format!("https://shop.example.com/x?{query}#utm_medium=sms"));
        let derived = source(
            &sites,
            SourceFields {
                page_url: page.as_deref(),
                referrer: cell(row[3], "-"),
                utm_source: utm[0],
                utm_medium: utm[1],
                utm_campaign: utm[2],
            },
        );
        assert!(derived.names_source, "{row:?}");
        if channel_name(&derived) != row[0] {
            wrong.push(format!("{} is not {row:?}", channel_name(&derived)));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn campaign_tags_of_the_page_url_fill_missing_fields() {
    let sites = Sites::new();
    let page =
        "https://a.example/?utm_source=From+Page&utm_medium=cpc%2Fppc&utm_campaign=%C3%9Cber&utm_campaign=b";
    let derived = source(
        &sites,
        SourceFields { page_url: Some(page), utm_source: Some("line"), ..SourceFields::default() },
    );
    assert_eq!(derived.utm_source, None);
    assert_eq!(derived.utm_medium.as_deref(), Some("cpc/ppc"));
    assert_eq!(derived.utm_campaign.as_deref(), Some("Über"));
}

#[test]
fn campaign_tags_encoded_twice_are_decoded() {
    let sites = Sites::new();
    let tags = |query: &str| {
        let page = format!("https://shop.example/?{query}");
        let found = source(&sites, SourceFields { page_url: Some(&page), ..SourceFields::default() });
        [found.utm_source, found.utm_medium, found.utm_campaign].map(Option::unwrap_or_default)
    };
    assert_eq!(tags("utm_source%3Dnews%26utm_medium%3Demail"), ["news", "email", ""]);
    assert_eq!(tags("lang=de&utm_source%3Dnews%26utm_medium%3Demail"), ["news", "email", ""]);
    assert_eq!(tags("utm_source=a&x%3Dy%26utm_medium%3Demail&utm_campaign=c"), ["a", "email", "c"]);
    assert_eq!(tags("utm_source=no%2520code%2520founders"), ["no code founders", "", ""]);
    assert_eq!(tags("utm_source=a%2526utm_medium%253Db"), ["a&utm_medium=b", "", ""]);
}

#[test]
fn hosts_in_two_spellings_are_one_host() {
    let sites = Sites::new();
    let referrer_domain = |page: &str, referrer: &str| {
        let fields =
            SourceFields { page_url: Some(page), referrer: Some(referrer), ..SourceFields::default() };
        source(&sites, fields).referrer_domain
    };
    for (page, referrer) in [
        ("https://müller.example/kasse", "https://xn--mller-kva.example/"),
        ("https://xn--mller-kva.example/kasse", "https://MÜLLER.example/"),
        ("https://mu\u{308}ller.example/", "https://www.müller.example/"),
        ("https://магазин.рф/", "https://блог.магазин.рф/x"),
        ("https://магазин.рф/", "https://xn--80aairftm.xn--p1ai/"),
        ("https://[2001:db8::1]/x", "https://[2001:DB8:0:0::1]:8443/"),
        ("https://[::ffff:192.0.2.7]/", "http://192.0.2.7/"),
        ("https://www.shop.example:8443/x", "http://shop.example./"),
    ] {
        assert_eq!(referrer_domain(page, referrer), None, "{page} {referrer}");
    }
    for referrer in
        ["https://MÜLLER.example/", "https://xn--mller-kva.example/", "https://www.müller.example./"]
    {
        assert_eq!(referrer_domain("https://shop.example/", referrer).as_deref(), Some("müller.example"));
    }
    // An invalid label stays as logged.
    assert_eq!(referrer_domain("/x", "https://xn--a.example/").as_deref(), Some("xn--a.example"));
}

#[test]
fn copilot_in_the_sidebar_is_an_ai_assistant() {
    let referrer = Some("https://edgeservices.bing.com/edgesvc/");
    let derived = source(&Sites::new(), SourceFields { referrer, ..SourceFields::default() });
    assert_eq!(channel_name(&derived), "AI Assistant");
}

#[test]
fn empty_fields_name_no_source() {
    assert_eq!(source(&Sites::new(), SourceFields::default()), DerivedSource::default());
}

proptest::proptest! {
    #[test]
    fn any_text_is_accepted(page in ".*", referrer in ".*", utm in ".*") {
        let given = SourceFields { page_url: Some(&page), referrer: Some(&referrer), utm_source: Some(&utm), ..SourceFields::default() };
        let derived = source(&Sites::new(), given);
        proptest::prop_assert!(derived.referrer_domain.is_none_or(|domain| !domain.is_empty() && !domain.starts_with("www..")));
    }

    #[test]
    fn referrer_of_the_same_site_names_no_source(
        host in "[a-z]{1,8}(\\.[a-z]{1,8}){1,3}"
    ) {
        let page = format!("https://{host}/");
        let referrer = format!("https://www.{host}/");
        let own = source(&Sites::new(), SourceFields { page_url: Some(&page), referrer: Some(&page), ..SourceFields::default() });
        proptest::prop_assert!(!own.names_source);
        let given = SourceFields { page_url: Some(&page), referrer: Some(&referrer), ..SourceFields::default() };
        proptest::prop_assert!(!source(&Sites::new(), given).names_source);
    }
}

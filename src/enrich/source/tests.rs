//! Tests over the tables in `tests/data/referrers.txt` and `tests/data/campaigns.txt`.

use super::*;

const REFERRERS: &str = include_str!("../../../tests/data/referrers.txt");
const CAMPAIGNS: &str = include_str!("../../../tests/data/campaigns.txt");

/// Returns the rows of a table.
fn rows(table: &'static str) -> Vec<Vec<&'static str>> {
    let lines = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split(" | ").collect()).collect()
}

/// Returns a text of a table; `nothing` stands for none.
fn given<'a>(text: &'a str, nothing: &str) -> Option<&'a str> {
    Some(text).filter(|text| *text != nothing)
}

fn channel_name(derived: &Derived) -> &'static str {
    derived.channel.map_or("-", Channel::name)
}

#[test]
fn referrers_lead_to_the_domains_and_channels_of_the_table() {
    let sites = Sites::new();
    let rows = rows(REFERRERS);
    assert!(rows.len() >= 100, "{}", rows.len());
    let mut wrong = Vec::new();
    for row in rows {
        let page = row.get(3).copied().unwrap_or("https://shop.example.com/");
        let derived =
            source(&sites, Given { page_url: Some(page), referrer: Some(row[2]), ..Given::default() });
        let found = [derived.referrer_domain.as_deref().unwrap_or("-"), channel_name(&derived)];
        assert_eq!(derived.names_source, derived.channel.is_some());
        if found != [row[0], row[1]] {
            wrong.push(format!("{found:?} is not {row:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn campaigns_lead_to_the_channels_of_the_table() {
    let sites = Sites::new();
    let mut wrong = Vec::new();
    for row in rows(CAMPAIGNS) {
        let utm: Vec<_> = row[1].split(' ').map(|word| given(word, ".")).collect();
        let page =
            given(row[2], "-").map(|query| format!("https://shop.example.com/x?{query}#utm_medium=sms"));
        let derived = source(
            &sites,
            Given {
                page_url: page.as_deref(),
                referrer: given(row[3], "-"),
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
fn campaigns_are_read_from_the_address_where_the_line_lacks_them() {
    let sites = Sites::new();
    let page =
        "https://a.example/?utm_source=From+Page&utm_medium=cpc%2Fppc&utm_campaign=%C3%9Cber&utm_campaign=b";
    let derived =
        source(&sites, Given { page_url: Some(page), utm_source: Some("line"), ..Given::default() });
    assert_eq!(derived.utm_source, None);
    assert_eq!(derived.utm_medium.as_deref(), Some("cpc/ppc"));
    assert_eq!(derived.utm_campaign.as_deref(), Some("Über"));
}

#[test]
fn nothing_given_names_no_source() {
    assert_eq!(source(&Sites::new(), Given::default()), Derived::default());
}

proptest::proptest! {
    #[test]
    fn any_text_is_read(page in ".*", referrer in ".*", utm in ".*") {
        let given = Given { page_url: Some(&page), referrer: Some(&referrer), utm_source: Some(&utm), ..Given::default() };
        let derived = source(&Sites::new(), given);
        proptest::prop_assert!(derived.referrer_domain.is_none_or(|domain| !domain.is_empty() && !domain.starts_with("www..")));
    }

    #[test]
    fn a_site_never_refers_to_itself(
        host in "[a-z]{1,8}(\\.[a-z]{1,8}){1,3}"
    ) {
        let page = format!("https://{host}/");
        let referrer = format!("https://www.{host}/");
        let own = source(&Sites::new(), Given { page_url: Some(&page), referrer: Some(&page), ..Given::default() });
        proptest::prop_assert!(!own.names_source);
        let given = Given { page_url: Some(&page), referrer: Some(&referrer), ..Given::default() };
        proptest::prop_assert!(!source(&Sites::new(), given).names_source);
    }
}

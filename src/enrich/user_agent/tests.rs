//! Tests over the table in `tests/data/user_agents.txt`, and over what strangers may send.

use super::*;

const TABLE: &str = include_str!("../../../tests/data/user_agents.txt");

/// Returns the rows of the table: device, browser, system, user agent.
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

/// Writes a name and a version as the table does: the version only where the table has one.
fn shown(expected: &str, name: &Option<String>, version: &Option<String>) -> String {
    let name = name.clone().unwrap_or("-".to_owned());
    match version {
        Some(version) if format!("{name} {version}") == expected => expected.to_owned(),
        _ if name == expected => name,
        version => format!("{name} {}", version.as_deref().unwrap_or("")),
    }
}

#[test]
fn user_agents_say_what_the_table_says() {
    let reader = Reader::new();
    let rows = rows();
    assert!(rows.len() >= 150, "{}", rows.len());
    let mut wrong = Vec::new();
    for [device, browser, system, user_agent] in rows {
        let agent = reader.read(user_agent);
        let found = [
            agent.device_type.name().to_owned(),
            shown(browser, &agent.browser_name, &agent.browser_version),
            shown(system, &agent.os_name, &agent.os_version),
        ];
        assert_eq!(agent.is_bot, agent.device_type == DeviceType::Bot);
        assert_eq!(agent.user_agent, user_agent);
        if found != [device, browser, system] {
            wrong.push(format!("{found:?}\n  is not {:?}\n  {user_agent}", [device, browser, system]));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_hostile_user_agent_costs_no_more_than_a_long_one() {
    let reader = Reader::new();
    for part in
        ["Mozilla/5.0 (", "bot", "Android;", "a.com ", "@", "((((", "\u{1f980}", "Chrome/1 Version/2 "]
    {
        let hostile = part.repeat((1 << 20) / part.len());
        let start = std::time::Instant::now();
        let agent = reader.read(&hostile);
        assert!(start.elapsed() < std::time::Duration::from_millis(100), "{part}");
        assert!(agent.browser_name.is_none_or(|name| name.len() <= LOOKED_AT));
    }
}

#[test]
fn a_version_that_is_too_large_to_be_counted_on_stays_as_it_is_stated() {
    let agent = Reader::new().read("Mozilla/5.0 (Windows NT 10.0; Trident/4294967295.0; rv:11.0) like Gecko");
    assert_eq!(
        (agent.browser_name.as_deref(), agent.browser_version),
        (Some("Internet Explorer"), Some("4294967295.0".to_owned()))
    );
}

#[test]
fn the_end_of_a_long_user_agent_is_not_looked_at() {
    let long = format!("Mozilla/5.0 {} Googlebot/2.1", "x ".repeat(LOOKED_AT));
    assert!(!Reader::new().read(&long).is_bot);
}

proptest::proptest! {
    #[test]
    fn any_text_is_read(text in ".{0,400}") {
        Reader::new().read(&text);
    }

    #[test]
    fn words_of_user_agents_in_any_order_are_read(
        words in proptest::collection::vec(
            proptest::sample::select(vec!["Mozilla/5.0", "(", ")", ";", "Android", "Build/", "like Gecko", "Trident/",
                "compatible;", "Windows NT ", "CrOS ", "iPad", "Version/", "@a.b", "Adr", "Opera", "http", ".", "é"]), 0..30)
    ) {
        Reader::new().read(&words.concat());
    }
}

//! Guesses which keys contain which fields, by names and values.
//!
//! Guesses are used for draft maps and for hints in messages. No event is read according to a
//! guess.

use super::keys::Key;
use super::names;
use super::times::{self, TimeColumn, is_time};
use crate::enrich;
use crate::ingest::fields::Field;
use crate::ingest::map::local_time::TimeRules;
use crate::time::Zone;

/// For each field, the likely names of its key in order of preference, in lower case and without
/// separators between words.
const NAMES: [(Field, &[&str]); 22] = {
    use Field::*;
    [
        (
            EventName,
            &[
                "eventname",
                "event",
                "eventtype",
                "action",
                "eventaction",
                "activity",
                "type",
                "kind",
                "name",
                "verb",
                "act",
                "op",
                "intent",
                "method",
                "csmethod",
                "requestmethod",
                "eventtablename",
                "eventcode",
                "evt",
            ],
        ),
        (
            Timestamp,
            &[
                "timestamp",
                "eventtimestamp",
                "eventtime",
                "occurredat",
                "originaltimestamp",
                "time",
                "datetime",
                "ts",
                "createdat",
                "date",
                "sentat",
                "receivedat",
                "when",
                "created",
                "loggedat",
                "timelocal",
            ],
        ),
        (EventId, &["eventid", "messageid", "uuid", "insertid", "rowid", "id"]),
        (ChatbotId, &["chatbotid", "botid", "widgetid", "siteid", "appid", "projectid", "tenantid"]),
        (
            SessionId,
            &[
                "sessionid",
                "session",
                "visitid",
                "visit",
                "conversationid",
                "conv",
                "chatid",
                "threadid",
                "dialogid",
                "conversation",
                "sid",
                "ticketid",
            ],
        ),
        (
            AnonymousId,
            &[
                "anonymousid",
                "visitorid",
                "visitor",
                "deviceid",
                "clientid",
                "distinctid",
                "cookieid",
                "cookie",
                "anonid",
                "userpseudoid",
                "fingerprint",
            ],
        ),
        (
            UserId,
            &[
                "userid",
                "user",
                "memberid",
                "member",
                "customerid",
                "customer",
                "accountid",
                "contactid",
                "senderid",
                "uid",
            ],
        ),
        (UserEmail, &["useremail", "email", "mail", "emailaddress"]),
        (UserName, &["username", "fullname", "displayname"]),
        (Properties, &["properties", "props", "eventproperties", "attributes", "params", "payload", "data"]),
        (
            PageUrl,
            &[
                "pageurl",
                "url",
                "currenturl",
                "pageaddress",
                "pagelocation",
                "location",
                "href",
                "page",
                "uri",
                "requesturi",
                "csuristem",
                "path",
            ],
        ),
        (PageTitle, &["pagetitle", "title"]),
        (
            Referrer,
            &["referrer", "referer", "httpreferer", "httpreferrer", "camefrom", "csreferer", "pagereferrer"],
        ),
        (UserAgent, &["useragent", "httpuseragent", "csuseragent", "ua", "browser"]),
        (
            IpAddress,
            &["ipaddress", "ip", "clientip", "remoteaddr", "remoteip", "cip", "networkaddress", "host"],
        ),
        (CountryCode, &["countrycode", "country"]),
        (City, &["city"]),
        (UtmSource, &["utmsource"]),
        (UtmMedium, &["utmmedium"]),
        (UtmCampaign, &["utmcampaign"]),
        (ScreenWidth, &["screenwidth", "width"]),
        (ScreenHeight, &["screenheight", "height"]),
    ]
};

/// Guesses which keys contain which fields.
#[derive(Debug, Default)]
pub struct Guesses {
    /// The fields with their pointers or templates, in the order of a map.
    pub fields: Vec<(Field, String)>,
    /// The pattern of the times, if they need one.
    pub time_format: Option<String>,
    /// Another pattern that reads all samples: see [`TimeColumn::other_format`].
    pub other_time_format: Option<String>,
}

/// Returns the fields that keys are likely to contain.
pub fn guesses(keys: &[Key]) -> Guesses {
    let mut fields = fields(keys);
    let (mut time_format, mut other_time_format) = (None, None);
    if !fields.iter().any(|(field, _)| *field == Field::Timestamp)
        && let Some(TimeColumn { place, format, other_format }) = times::in_other_form(keys)
    {
        (time_format, other_time_format) = (format, other_format);
        fields.push((Field::Timestamp, place));
    }
    // The author of a message determines whether it was sent or received.
    if let Some(side) = keys.iter().find(|key| identifies_author(key)).map(|key| key.place.clone()) {
        let name = fields.iter_mut().find(|(field, _)| *field == Field::EventName);
        match name {
            Some((_, place)) if *place != side => *place = format!("{{{place}}} {{{side}}}"),
            Some(_) => {}
            None => fields.insert(0, (Field::EventName, side)),
        }
    }
    Guesses { fields, time_format, other_time_format }
}

/// Returns whether a key identifies the author of a message.
fn identifies_author(key: &Key) -> bool {
    const NAMES: [&str; 9] = [
        "actortype",
        "sendertype",
        "authortype",
        "participanttype",
        "sentby",
        "from",
        "direction",
        "dir",
        "sender",
    ];
    let is_named = names_of(&key.place).iter().any(|name| NAMES.contains(&name.as_str()));
    is_named && !key.samples.is_empty() && key.samples.iter().all(|sample| names::side(sample).is_some())
}

fn fields(keys: &[Key]) -> Vec<(Field, String)> {
    let mut found: Vec<(Field, String)> = Vec::new();
    for (field, names) in NAMES {
        let free = |key: &&Key| !found.iter().any(|(_, place)| *place == key.place);
        let best = names.iter().find_map(|name| {
            let is_named =
                |key: &&Key| names_of(&key.place).iter().any(|own| own == name) && suits(field, key);
            let mut named: Vec<&Key> = keys.iter().filter(free).filter(is_named).collect();
            named.sort_by_key(|key| key.place.matches('/').count());
            named.first().map(|key| key.place.clone())
        });
        let date_and_time = || (field == Field::Timestamp).then(|| date_and_time(keys)).flatten();
        let by_value = || {
            let has_value = |key: &&Key| match field {
                Field::Timestamp => is_time(key),
                _ => is_unnamed(&key.place) && has_value_of(field, key),
            };
            keys.iter().filter(free).find(has_value).map(|key| key.place.clone())
        };
        let place = match field {
            Field::Timestamp => date_and_time().or(best).or_else(by_value),
            _ => best.or_else(by_value),
        };
        found.extend(place.map(|place| (field, place)));
    }
    found
}

/// Returns whether a pointer has a generated name: that of a column without a header, or of a group
/// of a pattern.
fn is_unnamed(place: &str) -> bool {
    let name = place.trim_start_matches('/').trim_end_matches(|c: char| c.is_ascii_digit());
    ["column", "text", "url", "ip", "user_agent"].contains(&name)
}

/// Returns whether the samples of a key can belong only to this field.
fn has_value_of(field: Field, key: &Key) -> bool {
    let all = |is: &dyn Fn(&str) -> bool| !key.samples.is_empty() && key.samples.iter().all(|text| is(text));
    let is_url = |text: &str| text.starts_with("https://") || text.starts_with("http://");
    match field {
        Field::PageUrl => all(&|text| is_url(text) || (text.len() > 1 && text.starts_with('/'))),
        Field::Referrer => all(&is_url),
        Field::UserAgent => all(&|text| text.starts_with("Mozilla/")),
        Field::IpAddress => all(&|text| enrich::first_ip_address(text).is_some()),
        _ => false,
    }
}

/// Returns the template that joins a date and a time in two columns, as in W3C logs.
fn date_and_time(keys: &[Key]) -> Option<String> {
    let named = |name: &str| keys.iter().find(|key| key.place == name);
    let (date, time) = (named("/date")?.samples.first()?, named("/time")?.samples.first()?);
    TimeRules::UTC.text(&format!("{date} {time}")).map(|_| "{/date} {/time}".to_owned())
}

/// Returns the names of a key, in lower case and without separators: its last step, unless that is
/// too general in an object, and its last two steps joined.
fn names_of(place: &str) -> Vec<String> {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let mut steps = place.rsplit('/').map(plain);
    let (last, before) = (steps.next().unwrap_or_default(), steps.next().unwrap_or_default());
    if before.is_empty() {
        return vec![last];
    }
    let both = format!("{before}{last}");
    let is_general = ["id", "name", "type", "kind", "host", "page", "title"].contains(&last.as_str());
    if is_general { vec![both] } else { vec![last, both] }
}

/// Returns the key that is likely to contain the response time in milliseconds.
pub fn response_time(keys: &[Key]) -> Option<&Key> {
    let suits = |key: &&Key| {
        let name = names_of(&key.place).concat();
        ["answer", "response", "latency"].iter().any(|word| name.contains(word))
            && name.ends_with("ms")
            && key.types.keys().any(|kind| kind.starts_with("number"))
    };
    keys.iter().find(suits)
}

/// Returns whether the values of a key can be values of a field.
fn suits(field: Field, key: &Key) -> bool {
    let has = |kinds: &[&str]| key.types.keys().any(|kind| kinds.contains(kind));
    match field {
        Field::Timestamp => is_time(key),
        Field::Properties => has(&["object", "JSON as text"]),
        Field::EventName | Field::PageUrl | Field::City => has(&["text"]),
        // A browser name such as `Chrome 141` is not a user agent.
        Field::UserAgent => key.samples.iter().any(|sample| sample.contains('/')),
        Field::UserEmail => key.samples.iter().any(|sample| sample.contains('@')),
        Field::IpAddress => key.samples.iter().any(|sample| enrich::first_ip_address(sample).is_some()),
        Field::ScreenWidth | Field::ScreenHeight => has(&["number", "number as text"]),
        _ => has(&["text", "number", "number as text", "boolean"]),
    }
}

impl TimeRules {
    /// The rules that read times without an offset as UTC.
    const UTC: TimeRules = TimeRules { zone: Zone::UTC, local_epoch: false };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::shape::keys::Keys;

    fn guessed(record: &str) -> Vec<(&'static str, String)> {
        let mut keys = Keys::default();
        assert!(keys.add_json(record));
        guesses(&keys.into_list()).fields.into_iter().map(|(field, place)| (field.name(), place)).collect()
    }

    #[test]
    fn fields_are_guessed_from_names_and_values() {
        let found = guessed(
            r#"{"Event Type":"chat opened","id":7,"who":{"id":3},"occurred_at":"2026-11-09 10:00:00","visitor":{"id":"v"},
                "visitorId":"v","session":"s","props":{"a":1},"ip":"192.0.2.1","email":"none","href":"/x"}"#
                .replace('\n', " ")
                .as_str(),
        );
        let expected = [
            ("event_name", "/Event Type"),
            ("timestamp", "/occurred_at"),
            ("event_id", "/id"),
            ("session_id", "/session"),
            ("anonymous_id", "/visitorId"),
            ("properties", "/props"),
            ("page_url", "/href"),
            ("ip_address", "/ip"),
        ];
        assert_eq!(found, expected.map(|(field, place)| (field, place.to_owned())));
    }

    #[test]
    fn author_of_a_message_is_part_of_the_event_name() {
        let found = guessed(r#"{"type":"TEXT","sentBy":"Agent"}"#);
        assert_eq!(found, [("event_name", "{/type} {/sentBy}".to_owned())]);
        assert_eq!(guessed(r#"{"ActorType":"USER"}"#), [("event_name", "/ActorType".to_owned())]);
        assert_eq!(guessed(r#"{"from":"https://www.example.com/"}"#), []);
    }

    #[test]
    fn values_identify_columns_without_names() {
        let mut keys = Keys::default();
        let row = [
            "6900000000000000000",
            "2026-11-09 10:00:00",
            "/a",
            "http://b.example/",
            "Mozilla/5.0 (X11)",
            "192.0.2.1",
        ];
        let columns: Vec<String> = (1..=row.len()).map(|number| format!("column{number}")).collect();
        keys.add_row(&columns, row.into_iter().map(Some));
        let found: Vec<(&str, String)> = guesses(&keys.into_list())
            .fields
            .into_iter()
            .map(|(field, place)| (field.name(), place))
            .collect();
        let expected = [
            ("timestamp", "/column2"),
            ("page_url", "/column3"),
            ("referrer", "/column4"),
            ("user_agent", "/column5"),
            ("ip_address", "/column6"),
        ];
        assert_eq!(found, expected.map(|(field, place)| (field, place.to_owned())));
    }

    #[test]
    fn times_are_recognized_by_their_values() {
        assert_eq!(guessed(r#"{"time":"soon","at":1794214800}"#), [("timestamp", "/at".to_owned())]);
        assert_eq!(guessed(r#"{"time":12,"n":5}"#), []);
        let date = guessed(r#"{"date":"2026-11-09","time":"10:00:00"}"#);
        assert_eq!(date, [("timestamp", "{/date} {/time}".to_owned())]);
    }
}

//! The built-in maps. They are data files, not code.

use std::sync::{Arc, OnceLock};

pub use super::describe::Description;
use super::describe::describe;
use super::detect::Candidates;
use super::{Map, SharedMap};

/// The files: first the formats, then the wrappings.
const FILES: [(&str, &str); 40] = [
    ("amplitude", include_str!("presets/amplitude.toml")),
    ("apache_combined", include_str!("presets/apache_combined.toml")),
    ("caddy", include_str!("presets/caddy.toml")),
    ("chatwoot", include_str!("presets/chatwoot.toml")),
    ("cloudfront", include_str!("presets/cloudfront.toml")),
    ("dialogflow", include_str!("presets/dialogflow.toml")),
    ("ga4", include_str!("presets/ga4.toml")),
    ("intercom", include_str!("presets/intercom.toml")),
    ("jitsu", include_str!("presets/jitsu.toml")),
    ("matomo", include_str!("presets/matomo.toml")),
    ("mixpanel", include_str!("presets/mixpanel.toml")),
    ("nginx", include_str!("presets/nginx.toml")),
    ("plausible", include_str!("presets/plausible.toml")),
    ("posthog", include_str!("presets/posthog.toml")),
    ("rasa", include_str!("presets/rasa.toml")),
    ("rasa_tracker", include_str!("presets/rasa_tracker.toml")),
    ("segment", include_str!("presets/segment.toml")),
    ("snowplow", include_str!("presets/snowplow.toml")),
    ("traefik", include_str!("presets/traefik.toml")),
    ("umami", include_str!("presets/umami.toml")),
    ("airbyte", include_str!("presets/airbyte.toml")),
    ("airbyte_protocol", include_str!("presets/airbyte_protocol.toml")),
    ("cloudevents", include_str!("presets/cloudevents.toml")),
    ("cloudwatch", include_str!("presets/cloudwatch.toml")),
    ("cloudwatch_lambda", include_str!("presets/cloudwatch_lambda.toml")),
    ("cri", include_str!("presets/cri.toml")),
    ("debezium", include_str!("presets/debezium.toml")),
    ("docker", include_str!("presets/docker.toml")),
    ("filebeat", include_str!("presets/filebeat.toml")),
    ("fluent_bit", include_str!("presets/fluent_bit.toml")),
    ("fluentd", include_str!("presets/fluentd.toml")),
    ("gcp", include_str!("presets/gcp.toml")),
    ("journald", include_str!("presets/journald.toml")),
    ("kafka", include_str!("presets/kafka.toml")),
    ("kafka_connect", include_str!("presets/kafka_connect.toml")),
    ("logstash", include_str!("presets/logstash.toml")),
    ("logstash_message", include_str!("presets/logstash_message.toml")),
    ("syslog3164", include_str!("presets/syslog3164.toml")),
    ("syslog5424", include_str!("presets/syslog5424.toml")),
    ("vector", include_str!("presets/vector.toml")),
];

/// Returns the names and the TOML of all maps.
pub fn files() -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES.into_iter()
}

/// Returns the TOML of a map; `None` if there is no map of that name.
pub fn text(name: &str) -> Option<&'static str> {
    FILES.into_iter().find(|(known, _)| *known == name).map(|(_, text)| text)
}

/// Returns all maps with their descriptions.
pub fn descriptions() -> impl Iterator<Item = (&'static SharedMap, Description)> {
    all().iter().filter_map(|map| Some((map, describe(map, text(&map.name)?))))
}

/// Returns all maps.
pub fn all() -> &'static [SharedMap] {
    static MAPS: OnceLock<Vec<SharedMap>> = OnceLock::new();
    MAPS.get_or_init(|| {
        // A test checks that every map is valid.
        FILES.into_iter().filter_map(|(name, text)| Map::parse(name, text).ok()).map(Arc::new).collect()
    })
}

/// Returns the map with a name.
pub fn named(name: &str) -> Option<SharedMap> {
    all().iter().find(|map| map.name == name).cloned()
}

/// Returns the built-in maps as candidates for detecting a format.
pub fn candidates() -> Candidates {
    Candidates { maps: all().to_vec(), chosen: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_a_valid_map_that_can_be_found() {
        for (name, text) in FILES {
            let map = Map::parse(name, text).unwrap_or_else(|e| panic!("{e}"));
            assert!(map.conditions() > 0 && !map.about.is_empty(), "{name}");
        }
        assert_eq!(all().len(), FILES.len());
        assert!(named("segment").is_some() && named("sgment").is_none() && text("ga4").is_some());
    }
}

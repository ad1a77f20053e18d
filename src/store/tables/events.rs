//! Events to the `events` table, and back.

use std::sync::Arc;

use polars::prelude::DataFrame;

use super::build::{self, Reader};
use crate::context::{Agent, Channel, DeviceType};
use crate::error::Result;
use crate::event::{Block, Event, KeyKind, NO_NUMBER, NO_TIME, Row, Text, key_hash};
use crate::ingest::properties;
use crate::store::columns::EVENTS;
use crate::time::Micros;

/// Makes a frame of events, stored at `now`, in the order given.
pub fn frame(events: &[Event<'_>], now: Micros) -> Result<DataFrame> {
    let rows = events.len();
    let text = |name: &str, field: Text| build::text(name, rows, events.iter().map(|e| e.text(field)));
    let agent = |name: &str, value: fn(&Agent) -> Option<&str>| {
        build::text(name, rows, events.iter().map(|e| e.agent().and_then(|a| value(a))))
    };
    let time = |name: &str, value: fn(&Row) -> Micros| {
        build::timestamp_option(name, events.iter().map(|e| Some(value(e.row)).filter(|&t| t != NO_TIME)))
    };
    let number = |name: &str, value: fn(&Row) -> i32| {
        build::int32_option(name, events.iter().map(|e| Some(value(e.row)).filter(|&n| n != NO_NUMBER)))
    };
    let columns = EVENTS
        .iter()
        .map(|column| match column.name {
            name @ "id" => build::uuid(name, rows, events.iter().map(|e| e.row.id)),
            name @ "timestamp" => build::timestamp(name, events.iter().map(|e| e.row.time)),
            name @ "client_timestamp" => time(name, |r| r.client_timestamp),
            name @ "sent_at" => time(name, |r| r.sent_at),
            name @ "received_at" => time(name, |r| r.received_at),
            name @ "channel" => {
                build::text(name, rows, events.iter().map(|e| e.row.channel.map(Channel::name)))
            }
            name @ "browser_name" => agent(name, |a| a.browser_name.as_deref()),
            name @ "browser_version" => agent(name, |a| a.browser_version.as_deref()),
            name @ "os_name" => agent(name, |a| a.os_name.as_deref()),
            name @ "os_version" => agent(name, |a| a.os_version.as_deref()),
            name @ "device_type" => agent(name, |a| Some(a.device_type.name())),
            name @ "is_bot" => {
                build::boolean(name, events.iter().map(|e| e.agent().is_some_and(|a| a.is_bot)))
            }
            name @ "screen_width" => number(name, |r| r.screen_width),
            name @ "screen_height" => number(name, |r| r.screen_height),
            name @ "created_at" => build::timestamp(name, events.iter().map(|_| now)),
            name => text(name, field(name)),
        })
        .collect();
    build::frame(rows, EVENTS, columns)
}

/// Returns the text field that a column of text holds.
fn field(column: &str) -> Text {
    FIELDS.iter().find(|(name, _)| *name == column).map_or(Text::Extra, |&(_, field)| field)
}

/// The columns that hold a text field as it is.
pub const FIELDS: [(&str, Text); Text::COUNT] = [
    ("event_id", Text::EventId),
    ("chatbot_id", Text::ChatbotId),
    ("session_id", Text::SessionId),
    ("anonymous_id", Text::AnonymousId),
    ("user_id", Text::UserId),
    ("user_email", Text::UserEmail),
    ("user_name", Text::UserName),
    ("user_metadata", Text::UserMetadata),
    ("event_name", Text::EventName),
    ("event_category", Text::EventCategory),
    ("properties", Text::Properties),
    ("page_url", Text::PageUrl),
    ("page_title", Text::PageTitle),
    ("referrer", Text::Referrer),
    ("referrer_domain", Text::ReferrerDomain),
    ("landing_page", Text::LandingPage),
    ("utm_source", Text::UtmSource),
    ("utm_medium", Text::UtmMedium),
    ("utm_campaign", Text::UtmCampaign),
    ("user_agent", Text::UserAgent),
    ("ip_address", Text::IpAddress),
    ("country_code", Text::CountryCode),
    ("city", Text::City),
    ("extra", Text::Extra),
];

/// Reads a frame of whole rows of the table back into a block of events.
pub fn read(frame: &DataFrame) -> Result<Block> {
    let reader = Reader(frame);
    let ids = reader.text("id")?;
    let times = reader.int64("timestamp")?;
    let (client, sent, received) =
        (reader.int64("client_timestamp")?, reader.int64("sent_at")?, reader.int64("received_at")?);
    let channels = reader.text("channel")?;
    let agents = [
        reader.text("browser_name")?,
        reader.text("browser_version")?,
        reader.text("os_name")?,
        reader.text("os_version")?,
        reader.text("device_type")?,
    ];
    let bots = reader.boolean("is_bot")?;
    let (widths, heights) = (reader.int32("screen_width")?, reader.int32("screen_height")?);
    let texts =
        FIELDS.iter().map(|&(name, field)| Ok((reader.text(name)?, field))).collect::<Result<Vec<_>>>()?;

    let mut block = Block::default();
    let mut known_agents = std::collections::HashMap::new();
    for i in 0..frame.height() {
        let mut row = Row::EMPTY;
        row.id = ids.get(i).and_then(|id| uuid::Uuid::try_parse(id).ok()).map_or(0, |id| id.as_u128());
        row.has_own_id = true;
        row.time = times.get(i).unwrap_or(0);
        row.client_timestamp = client.get(i).unwrap_or(NO_TIME);
        row.sent_at = sent.get(i).unwrap_or(NO_TIME);
        row.received_at = received.get(i).unwrap_or(NO_TIME);
        row.screen_width = widths.get(i).unwrap_or(NO_NUMBER);
        row.screen_height = heights.get(i).unwrap_or(NO_NUMBER);
        row.channel = channels.get(i).and_then(Channel::from_name);
        for (values, field) in &texts {
            if let Some(text) = values.get(i) {
                row.text[*field as usize] = block.add(text);
            }
        }
        let value = |field: Text| block.text(row.text[field as usize]);
        row.key_kind = match (value(Text::SessionId), value(Text::AnonymousId)) {
            (Some(_), _) => KeyKind::Session,
            (None, Some(_)) => KeyKind::Anonymous,
            (None, None) => KeyKind::User,
        };
        row.names_source = row.channel.is_some();
        if let Some(user_agent) = value(Text::UserAgent).map(str::to_owned) {
            row.agent = match known_agents.get(&user_agent) {
                Some(&index) => index,
                None => {
                    let text = |n: usize| agents[n].get(i).map(str::to_owned);
                    let agent = Agent {
                        user_agent,
                        browser_name: text(0),
                        browser_version: text(1),
                        os_name: text(2),
                        os_version: text(3),
                        device_type: DeviceType::from_name(agents[4].get(i).unwrap_or("")),
                        is_bot: bots.get(i).unwrap_or(false),
                    };
                    let index = block.agents.len() as u32;
                    known_agents.insert(agent.user_agent.clone(), index);
                    block.agents.push(Arc::new(agent));
                    index
                }
            };
        }
        let value = |field: Text| block.text(row.text[field as usize]);
        let (properties, name) = (value(Text::Properties), value(Text::EventName));
        let (response_us, triggered_by) = match (name, properties) {
            (Some("message_received"), Some(p)) => (properties::response_us(p), None),
            (Some("widget_opened"), Some(p)) => (None, properties::triggered_by(p)),
            _ => (None, None),
        };
        row.response_us = response_us.unwrap_or(crate::event::NO_RESPONSE);
        if let Some(triggered_by) = triggered_by {
            row.triggered_by = block.add(&triggered_by);
        }
        let event = Event { block: &block, row: &row };
        let key = key_hash(event.chatbot_id(), row.key_kind, event.key_value());
        row.key = key;
        block.rows.push(row);
    }
    Ok(block)
}

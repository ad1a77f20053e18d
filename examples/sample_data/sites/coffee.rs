//! The log of the coffee shop, and its late lines.

use super::super::calendar::{DAY, HOUR, MINUTE, SECOND, at, rfc3339};
use super::super::json::Object;
use super::super::log::{Identity, Line, Record};
use super::super::rng::Rng;
use super::super::traffic::{Action, Site, Step, Traffic, Visit, Visitor, edge_cases, traffic};

/// A coffee shop: every event has an id, and the first one of a visit has the context.
static COFFEE: Site = Site {
    chatbot: "harbor-coffee",
    host: "https://www.harbor-coffee.example",
    pages: &[
        (9, ("/", "Harbor Coffee")),
        (6, ("/beans", "Beans")),
        (4, ("/beans/autumn-blend", "Autumn Blend")),
        (3, ("/pricing", "Subscriptions")),
        (2, ("/checkout", "Checkout")),
        (2, ("/help/shipping", "Shipping")),
    ],
    visits: (5, 7),
    opens: 55,
    talks: 60,
    known: 0,
    bots: 6,
    slow_evenings: false,
};

/// Generates the lines, and the late ones.
pub fn coffee() -> (Vec<Line>, Vec<Line>) {
    let mut rng = Rng::new(1);
    let mut traffic = traffic(&COFFEE, &mut rng);
    edge_cases(&COFFEE, &mut traffic, &mut rng);
    let (mut lines, mut late) = (Vec::new(), Vec::new());
    for visit in &traffic.visits {
        let visitor = &traffic.visitors[visit.visitor];
        let held_back = rng.chance(6).then(|| rng.below(visit.steps.len() as u64) as usize);
        for (i, step) in visit.steps.iter().enumerate() {
            let mut line = coffee_line(visit, visitor, step, i == 0, &rng.uuid());
            if held_back == Some(i) {
                line.written += rng.from(DAY, 5 * DAY);
                late.push(line);
                continue;
            }
            // The widget got no acknowledgement and sent the event again.
            if rng.chance(2) {
                let mut again = line.clone();
                again.written += rng.from(SECOND, MINUTE);
                if rng.chance(30) { late.push(again) } else { lines.push(again) }
            }
            lines.push(line);
        }
    }
    late.extend(joining_line(&traffic, &mut lines, &mut rng));
    (lines, late)
}

/// Adds two page views 50 minutes apart, which are two sessions. Returns a late line between them,
/// which merges the two sessions.
fn joining_line(traffic: &Traffic, lines: &mut Vec<Line>, rng: &mut Rng) -> Option<Line> {
    let visitor = traffic.visitors.iter().find(|visitor| !visitor.is_bot)?;
    let visit = Visit {
        visitor: 0,
        session: "s_joined_by_a_late_line".to_owned(),
        source: Default::default(),
        steps: Vec::new(),
    };
    let start = at(20, 15 * HOUR);
    let mut page_views = [0, 25, 50].into_iter().map(|minutes| {
        let action = Action::Event("page_viewed", Object::new());
        let step = Step { time: start + minutes * MINUTE, action, page: "/beans", title: "Beans" };
        coffee_line(&visit, visitor, &step, minutes == 0, &rng.uuid())
    });
    let (first, mut middle, last) = (page_views.next()?, page_views.next()?, page_views.next()?);
    middle.written += 2 * DAY;
    lines.extend([first, last]);
    Some(middle)
}

fn coffee_line(visit: &Visit, visitor: &Visitor, step: &Step, first: bool, id: &str) -> Line {
    let Action::Event(name, properties) = &step.action else {
        unreachable!("visitors of this site are not identified")
    };
    let mut url = format!("{}{}", COFFEE.host, step.page);
    let source = &visit.source;
    if let (true, Some(query)) = (first, source.query) {
        url = format!("{url}?{query}");
    }
    // The later page views of a visit have the shop's home page as referrer.
    let own = format!("{}/", COFFEE.host);
    let mut line = Object::new()
        .text("event_id", id)
        .text("chatbot_id", COFFEE.chatbot)
        .text("session_id", &visit.session)
        .text("anonymous_id", &visitor.id)
        .text("event_name", name)
        .object("properties", properties)
        .text("timestamp", &rfc3339(step.time))
        .text("page_url", &url)
        .maybe("referrer", if first { source.referrer } else { (*name == "page_viewed").then_some(&own) });
    if first {
        line = line
            .text("page_title", step.title)
            .maybe("utm_source", source.utm_source)
            .maybe("utm_medium", source.utm_medium)
            .maybe("utm_campaign", source.utm_campaign)
            .text("user_agent", visitor.device.agent)
            .number("screen_width", visitor.device.width)
            .number("screen_height", visitor.device.height)
            .text("ip_address", &visitor.ip_address)
            .text("country_code", visitor.location.0)
            .text("city", visitor.location.1)
            .text("widget_version", "4.2.0");
    }
    let record = Record {
        chatbot: COFFEE.chatbot,
        identity: Identity::Id(id.to_owned()),
        key: visit.session.clone(),
        time: step.time,
        name,
        visitor: visitor.id.clone(),
        is_bot: visitor.is_bot,
    };
    Line { written: step.time + 40, text: line.json(), records: vec![record] }
}

//! `places`: countries and cities that visits came from.

use hashbrown::HashMap;
use serde::Serialize;

use super::answer::{Body, Report};
use super::metric::group_count::{Add, Tally};
use super::metric::{Group, Listed, rows};
use super::pages::{Visits, ranked, sum_of};
use super::query::Query;
use super::query::session_report;
use super::query::tables::{Tables, map_frames};
use crate::decimal::fixed::Percent;
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::frame::Frame;

rows! {
    /// A country.
    Country {
        names {
            /// ISO 3166-1 alpha-2; `unknown` where the address has no place.
            country_code = "country_code",
        }
        figures {
            /// Sessions.
            sessions: u64,
            /// Those with at least one message sent.
            conversations: u64,
            /// 100 × conversations / sessions.
            conversion_rate: Percent,
        }
    }
}

rows! {
    /// A city of a country.
    City {
        names {
            /// The city; `unknown` where the address has none.
            city = "city",
            /// Its country, as above.
            country_code = "country_code",
        }
        figures {
            /// Sessions.
            sessions: u64,
            /// Those with at least one message sent.
            conversations: u64,
            /// 100 × conversations / sessions.
            conversion_rate: Percent,
        }
    }
}

/// The answer of `places`.
#[derive(Clone, Debug, Serialize)]
pub struct Places {
    /// Countries, most sessions first.
    pub countries: Listed<Country>,
    /// Cities, likewise.
    pub cities: Listed<City>,
}

impl Body for Places {
    const NAME: &'static str = "places";

    fn groups(&self) -> Vec<Group<'_>> {
        vec![
            Group::many("countries", &self.countries).share("sessions"),
            Group::many("cities", &self.cities).share("sessions"),
        ]
    }
}

/// Answers `places`, at most `limit` rows a part.
pub fn places(tables: &dyn Tables, query: &Query, limit: Option<usize>) -> Result<Report<Places>> {
    session_report::report(tables, query, false, |query| count(tables, query, limit))
}

fn count(tables: &dyn Tables, query: &Query, limit: Option<usize>) -> Result<(Places, u64)> {
    let columns = query.columns(&["country_code", "city", "had_conversation"]);
    let days = Some(query.window.range());
    let parts = map_frames(tables, Table::Sessions, days, &columns, |_, frame| of_frame(frame, query))?;
    let bots = parts.iter().map(|(_, bots)| bots).sum();
    let cities = parts.into_iter().map(|(tally, _)| tally).fold(Tally::default(), Tally::merge);
    let mut countries: Tally<String, Visits> = Tally::default();
    for ((country, _), visits) in &cities.0 {
        countries.add(country.clone(), *visits);
    }
    let country = |(country_code, visits): (String, Visits)| Country {
        country_code,
        sessions: visits.sessions,
        conversations: visits.conversations,
        conversion_rate: visits.rate(),
    };
    let city = |((country_code, city), visits): ((String, String), Visits)| City {
        city,
        country_code,
        sessions: visits.sessions,
        conversations: visits.conversations,
        conversion_rate: visits.rate(),
    };
    let countries = ranked(countries.0).into_iter().map(country).collect();
    let mut cities: Vec<City> = cities.0.into_iter().map(city).collect();
    cities.sort_unstable_by(|a, b| {
        let order = b.sessions.cmp(&a.sessions);
        order.then_with(|| (&a.city, &a.country_code).cmp(&(&b.city, &b.country_code)))
    });
    let body = Places {
        countries: Listed::cut(countries, limit, |rest| {
            let sum = sum_of(rest.iter().map(|row| (row.sessions, row.conversations)));
            country((String::new(), sum))
        }),
        cities: Listed::cut(cities, limit, |rest| {
            let sum = sum_of(rest.iter().map(|row| (row.sessions, row.conversations)));
            city(((String::new(), String::new()), sum))
        }),
    };
    Ok((body, bots))
}

type ByCity = Tally<(String, String), Visits>;

fn of_frame(frame: &Frame, query: &Query) -> Result<(ByCity, u64)> {
    let selected = query.select(frame)?;
    let (countries, cities) = (frame.texts("country_code")?, frame.texts("city")?);
    let conversation = frame.bools("had_conversation")?;
    let mut counts: HashMap<(Option<u128>, Option<u128>), (usize, Visits)> = HashMap::new();
    for &row in &selected.rows {
        let row = row as usize;
        let (_, visits) = counts
            .entry((countries.token(row), cities.token(row)))
            .or_insert_with(|| (row, Visits::default()));
        visits.add(Visits::one(conversation.is_true(row)));
    }
    let mut tally: ByCity = Tally::default();
    for (row, visits) in counts.into_values() {
        let name = |text: Option<&str>| text.unwrap_or("unknown").to_owned();
        tally.add((name(countries.get(row)), name(cities.get(row))), visits);
    }
    Ok((tally, selected.bots))
}

//! `locations`: sessions and conversations by country and city.

use hashbrown::HashMap;
use serde::Serialize;

use super::answer::rows::{Group, RowList, rows};
use super::answer::{Report, ReportBody, session_report};
use super::metric::group_count::{Count, GroupCount};
use super::metric::values::Percent;
use super::metric::visits::{self, Visits};
use super::query::Query;
use super::query::cells::merge_frames;
use super::query::tables::Tables;
use crate::error::Result;
use crate::store::frame::Frame;

rows! {
    /// A country.
    Country {
        dimensions {
            /// The ISO 3166-1 alpha-2 code; `unknown` for sessions without a country.
            country_code = "country_code",
        }
        metrics {
            /// The number of sessions.
            sessions: u64,
            /// The number of sessions with at least one message sent.
            conversations: u64,
            /// 100 × conversations / sessions.
            conversion_rate: Percent,
        }
    }
}

impl Country {
    fn new((country_code, visits): (String, Visits)) -> Country {
        Country {
            country_code,
            sessions: visits.sessions,
            conversations: visits.conversations,
            conversion_rate: visits.conversion_rate(),
        }
    }
}

rows! {
    /// A city of a country.
    City {
        dimensions {
            /// The city; `unknown` for sessions without one.
            city = "city",
            /// The code of the city's country; `unknown` for sessions without a country.
            country_code = "country_code",
        }
        metrics {
            /// The number of sessions.
            sessions: u64,
            /// The number of sessions with at least one message sent.
            conversations: u64,
            /// 100 × conversations / sessions.
            conversion_rate: Percent,
        }
    }
}

impl City {
    fn new(((country_code, city), visits): ((String, String), Visits)) -> City {
        City {
            city,
            country_code,
            sessions: visits.sessions,
            conversations: visits.conversations,
            conversion_rate: visits.conversion_rate(),
        }
    }
}

/// The body of `locations`.
#[derive(Clone, Debug, Serialize)]
pub struct Locations {
    /// The countries, most sessions first.
    pub countries: RowList<Country>,
    /// The cities, most sessions first.
    pub cities: RowList<City>,
}

impl ReportBody for Locations {
    const NAME: &'static str = "locations";

    fn groups(&self) -> Vec<Group<'_>> {
        vec![
            Group::list("countries", &self.countries).with_share("sessions"),
            Group::list("cities", &self.cities).with_share("sessions"),
        ]
    }
}

/// Computes `locations` with at most `limit` countries and cities. With `compare`, compares it with
/// the previous period.
pub(crate) fn locations(
    tables: &dyn Tables,
    query: &Query,
    limit: Option<usize>,
    compare: bool,
) -> Result<Report<Locations>> {
    session_report::build(tables, query, compare, |query| count(tables, query, limit))
}

fn count(tables: &dyn Tables, query: &Query, limit: Option<usize>) -> Result<(Locations, u64)> {
    let columns = query.columns(&["country_code", "city", "had_conversation"]);
    let (by_city, bots) = merge_frames(tables, Locations::NAME, query, &columns, count_frame, visits::merge)?;
    let mut by_country: GroupCount<String, Visits> = GroupCount::default();
    for ((country, _), visits) in &by_city.0 {
        by_country.add(country.clone(), *visits);
    }
    let countries = Visits::ranked(by_country).into_iter().map(Country::new).collect();
    let mut cities: Vec<City> = by_city.0.into_iter().map(City::new).collect();
    cities.sort_unstable_by(|a, b| {
        let order = b.sessions.cmp(&a.sessions);
        order.then_with(|| (&a.city, &a.country_code).cmp(&(&b.city, &b.country_code)))
    });
    let body = Locations {
        countries: RowList::limited(countries, limit, |hidden| {
            let visits = hidden.iter().map(|row| (row.sessions, row.conversations));
            Country::new((String::new(), Visits::sum(visits)))
        }),
        cities: RowList::limited(cities, limit, |hidden| {
            let visits = hidden.iter().map(|row| (row.sessions, row.conversations));
            City::new(((String::new(), String::new()), Visits::sum(visits)))
        }),
    };
    Ok((body, bots))
}

/// Counts by country code and city.
type VisitsByCity = GroupCount<(String, String), Visits>;

fn count_frame(frame: &Frame, query: &Query) -> Result<(VisitsByCity, u64)> {
    let selected = query.select(frame)?;
    let (countries, cities) = (frame.texts("country_code")?, frame.texts("city")?);
    let had_conversation = frame.bools("had_conversation")?;
    // Counts by the tokens of country and city, with the index of the first row that has both
    // tokens.
    let mut by_tokens: HashMap<(Option<u128>, Option<u128>), (usize, Visits)> = HashMap::new();
    for &row in &selected.rows {
        let row = row as usize;
        let tokens = (countries.token(row), cities.token(row));
        let (_, visits) = by_tokens.entry(tokens).or_insert_with(|| (row, Visits::default()));
        visits.add(Visits::from_session(had_conversation.is_true(row)));
    }
    let mut by_city = VisitsByCity::default();
    for (row, visits) in by_tokens.into_values() {
        let name = |text: Option<&str>| text.unwrap_or("unknown").to_owned();
        by_city.add((name(countries.get(row)), name(cities.get(row))), visits);
    }
    Ok((by_city, selected.bots))
}

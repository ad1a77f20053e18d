//! Country and city of an IP address, from a database in MaxMind's format.

#[cfg(test)]
pub(crate) mod tests;

use std::net::IpAddr;
use std::path::Path;

use maxminddb::{LookupResult, PathElement, Reader};

use crate::error::{Error, Result};

/// The location of an IP address in the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocationLookup {
    /// The country code (ISO 3166-1 alpha-2).
    pub country_code: Option<String>,
    /// The name of the city, in English if available.
    pub city: Option<String>,
}

/// Records that are inspected to decide whether a database holds locations.
const PROBED_RECORDS: usize = 2000;

/// Languages of city names, in order of preference.
const LANGUAGES: [&str; 8] = ["en", "de", "fr", "es", "pt-BR", "ru", "ja", "zh-CN"];

/// A location database, loaded into memory.
pub(super) struct LocationDatabase {
    reader: Reader<Vec<u8>>,
}

impl LocationDatabase {
    /// Loads a database and probes it, so that a wrong file fails before any event is read.
    ///
    /// # Errors
    /// Fails if the file cannot be read, is not in MaxMind's format or holds no locations.
    pub fn open(path: &Path) -> Result<LocationDatabase> {
        let hint =
            "use a database in MaxMind's format (.mmdb) with countries or cities, or remove the option";
        let bytes =
            std::fs::read(path).map_err(|cause| Error::io("read the location database", path, cause))?;
        let broken = |cause| {
            Error::failed(format!("{} is not a location database in MaxMind's format", path.display()))
                .caused_by(cause)
                .hint(hint)
        };
        let reader = Reader::from_source(bytes).map_err(broken)?;
        let database = LocationDatabase { reader };
        match database.holds_locations() {
            Ok(true) => Ok(database),
            Ok(false) => Err(Error::failed(format!(
                "{} holds neither countries nor cities: its type is {}",
                path.display(),
                database.reader.metadata().database_type.escape_debug(),
            ))
            .hint(hint)),
            Err(cause) => Err(broken(cause)),
        }
    }

    /// Returns the location of an IP address; `None` if it is private or not in the database.
    pub fn find(&self, ip: IpAddr) -> Option<LocationLookup> {
        let ip = ip.to_canonical();
        if is_private(ip) {
            return None;
        }
        // An IPv4 database returns an error for an IPv6 address, which then has no location.
        let found = read(&self.reader.lookup(ip).ok()?);
        (found != LocationLookup::default()).then_some(found)
    }

    /// Returns whether any of the first records has a location.
    fn holds_locations(&self) -> Result<bool, maxminddb::MaxMindDbError> {
        let mut seen = false;
        for record in self.reader.networks(Default::default())?.take(PROBED_RECORDS) {
            seen = true;
            if read(&record?) != LocationLookup::default() {
                return Ok(true);
            }
        }
        Ok(!seen)
    }
}

/// Decodes a record, nested (`country.iso_code`, `city.names.en`) or flat (`country_code`, `city`).
fn read(record: &LookupResult<'_, Vec<u8>>) -> LocationLookup {
    let text = |path: &[&str]| {
        let path: Vec<PathElement<'_>> = path.iter().map(|key| PathElement::Key(key)).collect();
        // A field of another type counts as missing.
        record.decode_path::<&str>(&path).ok().flatten().map(str::trim).filter(|text| !text.is_empty())
    };
    let country =
        text(&["country", "iso_code"]).or_else(|| text(&["country_code"])).or_else(|| text(&["country"]));
    let city = LANGUAGES
        .iter()
        .find_map(|language| text(&["city", "names", language]))
        .or_else(|| text(&["city"]))
        .or_else(|| text(&["city_name"]));
    LocationLookup {
        country_code: country.filter(|code| is_code(code)).map(str::to_ascii_uppercase),
        city: city.filter(|city| *city != "-").map(str::to_owned),
    }
}

/// Returns whether a text is a country code. `ZZ` and `XX` mean "unknown".
fn is_code(text: &str) -> bool {
    text.len() == 2
        && text.bytes().all(|b| b.is_ascii_alphabetic())
        && !matches!(text.to_ascii_uppercase().as_str(), "ZZ" | "XX")
}

/// Returns whether an IP address is private, local, shared or reserved, and so has no location.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_broadcast()
                || a == 0
                || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(ip) => {
            ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local()
        }
    }
}

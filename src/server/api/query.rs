//! Reading query strings strictly: a key that means nothing is a slip, not a filter to pass over in silence.

use std::fmt::Display;
use std::str::FromStr;

use actix_web::HttpRequest;
use jiff::Timestamp;

use crate::event::duration;
use crate::server::problems::Problem;
use crate::yaml::nearest;

const DEFAULT_LIMIT: usize = 50;
const MOST: usize = 1000;

/// The pairs of one query string, all with known keys.
#[derive(Debug)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the request's query string.
    ///
    /// # Errors
    /// A key that is not among `known`, with the nearest one that is.
    pub fn read(request: &HttpRequest, known: &[&str]) -> Result<Query, Problem> {
        Query::parse(request.query_string(), known)
    }

    fn parse(text: &str, known: &[&str]) -> Result<Query, Problem> {
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        for (key, _) in &pairs {
            if !known.contains(&key.as_str()) {
                let cure = match nearest(key, known.iter().copied()) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None if known.is_empty() => "it takes none.".to_owned(),
                    None => format!("known are {}.", known.join(", ")),
                };
                return Err(Problem::bad(format!("Unknown query key {key:?}; {cure}")));
            }
        }
        Ok(Query(pairs))
    }

    /// All values of a key.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// The value of a key that may be given once.
    pub fn one<'a>(&'a self, key: &'a str) -> Result<Option<&'a str>, Problem> {
        let mut all = self.all(key);
        let first = all.next();
        match all.next() {
            Some(_) => Err(Problem::bad(format!("The query key {key:?} is given twice; give it once."))),
            None => Ok(first),
        }
    }

    /// As text of one's own.
    pub fn text(&self, key: &str) -> Result<Option<String>, Problem> {
        Ok(self.one(key)?.map(str::to_owned))
    }

    /// An ID, or another word that says itself what it can be.
    pub fn id<T: FromStr<Err: Display>>(&self, key: &str) -> Result<Option<T>, Problem> {
        self.one(key)?.map(|text| text.parse().map_err(|e| Problem::bad(format!("{key}: {e}")))).transpose()
    }

    /// `true` or `false`.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, Problem> {
        self.one(key)?
            .map(|text| text.parse().map_err(|_| Problem::bad(format!("{key}: {text:?} is neither true nor false."))))
            .transpose()
    }

    /// A time: RFC 3339, or how long ago (`2h`).
    pub fn time(&self, key: &str, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.one(key)? else { return Ok(None) };
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(Some(time));
        }
        duration::parse(text).ok().and_then(|ago| now.checked_sub(ago).ok()).map(Some).ok_or_else(|| {
            Problem::bad(format!("{key}: {text:?} is neither a time (2026-03-01T08:00:00Z) nor how long ago (2h, 7d)."))
        })
    }

    /// How many items: 50 unless said, at most 1,000.
    pub fn limit(&self) -> Result<usize, Problem> {
        match self.one("limit")? {
            None => Ok(DEFAULT_LIMIT),
            Some(text) => match text.parse() {
                Ok(limit @ 1..=MOST) => Ok(limit),
                _ => Err(Problem::bad(format!("limit: {text:?} is not a number from 1 to {MOST}."))),
            },
        }
    }
}

/// The ID in a path.
pub fn path_id<T: FromStr<Err: Display>>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|e| Problem::not_found(format!("{e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventId;

    const KNOWN: [&str; 5] = ["state", "test", "since", "before", "limit"];

    fn query(text: &str) -> Query {
        Query::parse(text, &KNOWN).unwrap()
    }

    #[test]
    fn an_unknown_key_is_refused_with_what_is_known() {
        let problem = Query::parse("stat=DONE", &KNOWN).unwrap_err();
        assert_eq!(problem.to_string(), "400: Unknown query key \"stat\"; did you mean \"state\"?");
        let problem = Query::parse("colour=red", &KNOWN).unwrap_err();
        assert!(problem.detail().ends_with("known are state, test, since, before, limit."), "{problem}");
    }

    #[test]
    fn values_are_decoded_and_a_key_for_one_is_given_once() {
        let query = query("state=a%20b+c&state=*");
        assert_eq!(query.all("state").collect::<Vec<_>>(), ["a b c", "*"]);
        assert!(query.one("state").is_err());
        assert_eq!(query.one("before").unwrap(), None);
    }

    #[test]
    fn limits_have_bounds() {
        for (text, expected) in [
            ("", Some(50)),
            ("limit=1", Some(1)),
            ("limit=1000", Some(1000)),
            ("limit=0", None),
            ("limit=1001", None),
            ("limit=x", None),
        ] {
            assert_eq!(query(text).limit().ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_time_is_a_time_or_how_long_ago() {
        let now: Timestamp = "2026-03-01T08:00:00Z".parse().unwrap();
        let at = |text: &str| query(text).time("since", now).map(|time| time.map(|t| t.to_string()));
        assert_eq!(at("").unwrap(), None);
        assert_eq!(at("since=2026-02-01T00:00:00Z").unwrap().unwrap(), "2026-02-01T00:00:00Z");
        assert_eq!(at("since=2h").unwrap().unwrap(), "2026-03-01T06:00:00Z");
        assert!(at("since=yesterday").unwrap_err().detail().contains("how long ago"));
    }

    #[test]
    fn ids_and_flags_say_what_they_are_not() {
        let id = EventId(77).to_string();
        assert_eq!(query(&format!("before={id}")).id::<EventId>("before").unwrap(), Some(EventId(77)));
        assert!(query("before=7").id::<EventId>("before").unwrap_err().detail().contains("not an event ID"));
        assert_eq!(query("test=true").flag("test").unwrap(), Some(true));
        assert!(query("test=yes").flag("test").is_err());
    }
}

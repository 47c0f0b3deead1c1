//! The proxies that the environment names: by whom the relay runs, not by whom its routes.yaml is written.
//!
//! `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in either case, mean to the HTTP library what they mean to curl. A proxy
//! named so may be private whatever `--deny-private` says, but never link-local or a metadata service.

use std::collections::HashMap;

use url::{Host, Url};

use super::guard::forbidden_name;

const VARIABLES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// One of them.
pub(super) struct EnvironmentProxy {
    pub variable: &'static str,
    host: Host,
}

impl EnvironmentProxy {
    /// Why it must not be called, if it is named by its IP address.
    pub fn forbidden(&self) -> Option<String> {
        forbidden_name(&self.host.to_string(), false)
    }
}

pub(super) fn environment_proxies() -> impl Iterator<Item = EnvironmentProxy> {
    VARIABLES.into_iter().filter_map(|variable| {
        let host = host_of(&std::env::var(variable).ok()?)?;
        Some(EnvironmentProxy { variable, host })
    })
}

/// Whether a name, as it goes to a resolver, is a proxy's of the environment.
pub(super) fn is_environment_proxy(name: &str) -> bool {
    let same = |host: &str| host.trim_end_matches('.').eq_ignore_ascii_case(name.trim_end_matches('.'));
    environment_proxies().any(|proxy| matches!(&proxy.host, Host::Domain(host) if same(host)))
}

/// The scheme may be left out.
fn host_of(proxy: &str) -> Option<Host> {
    let proxy = proxy.trim();
    let url = if proxy.contains("://") { Url::parse(proxy) } else { Url::parse(&format!("http://{proxy}")) };
    Some(url.ok()?.host()?.to_owned())
}

/// The proxy settings of the environment, to be shown at start: (variable, value without credentials).
#[must_use]
pub fn proxies_in_environment() -> HashMap<&'static str, String> {
    VARIABLES
        .into_iter()
        .chain(["NO_PROXY", "no_proxy"])
        .filter_map(|name| {
            let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
            let shown = match Url::parse(&value) {
                Ok(url) if url.has_host() => format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default()),
                _ if name.eq_ignore_ascii_case("no_proxy") => value,
                _ => "(set)".to_owned(),
            };
            Some((name, shown))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_known_by_its_host_however_it_is_written() {
        for (value, host) in [
            ("http://proxy.corp:3128", "proxy.corp"),
            ("proxy.corp:3128", "proxy.corp"),
            ("https://me:secret@PROXY.corp/", "proxy.corp"),
            ("10.0.0.1:3128", "10.0.0.1"),
            ("http://0xa9fea9fe:3128", "169.254.169.254"),
            ("[fe80::1]:3128", "[fe80::1]"),
        ] {
            assert_eq!(host_of(value).map(|host| host.to_string()).as_deref(), Some(host), "{value}");
        }
        assert_eq!(host_of(""), None);
        let named = |value| EnvironmentProxy { variable: "ALL_PROXY", host: host_of(value).expect("a host") };
        assert!(named("[fe80::1]:3128").forbidden().is_some() && named("http://2852039166").forbidden().is_some());
        assert!(named("10.0.0.1:3128").forbidden().is_none() && named("proxy.corp:3128").forbidden().is_none());
    }
}

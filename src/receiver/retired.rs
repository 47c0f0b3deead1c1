//! Services that are retired, or about to be: found when the file is read, not when the first alert is refused.

use super::SecretUrl;

/// What is retired, and the way to go now.
pub(super) struct Retired {
    pub what: &'static str,
    pub instead: &'static str,
}

const OFFICE_CONNECTORS: Retired = Retired {
    what: "Microsoft has retired the Office 365 connectors: nothing sent there arrives",
    instead: "make a webhook with the Workflows app of the Teams channel, and use its URL with `kind: webhook` and a `body` that is an Adaptive Card",
};

const OPSGENIE: Retired = Retired {
    what: "Opsgenie is retired in April 2027",
    instead: "use Jira Service Management: `kind: jsm`; until then it also speaks to Opsgenie, with `url: https://api.opsgenie.com/v2/alerts`",
};

/// By the name someone would give its kind.
pub(super) fn kind(name: &str) -> Option<&'static Retired> {
    match name.to_ascii_lowercase().replace(['-', '_', ' '], "").as_str() {
        "opsgenie" => Some(&OPSGENIE),
        "office365" | "o365" | "office365connector" | "teamsconnector" | "msteamsconnector" => Some(&OFFICE_CONNECTORS),
        _ => None,
    }
}

/// By its address.
pub(super) fn address(url: &str) -> Option<&'static Retired> {
    let url = SecretUrl::parse(url).ok()?;
    let host = url.expose().host_str()?.to_ascii_lowercase();
    (host == "webhook.office.com" || host.ends_with(".webhook.office.com")).then_some(&OFFICE_CONNECTORS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retired_services_are_known_by_name_and_address() {
        for name in ["opsgenie", "OpsGenie", "office-365", "teams_connector"] {
            assert!(kind(name).is_some(), "{name}");
        }
        assert!(kind("slack").is_none() && kind("teams").is_none());
        assert!(address("https://acme.webhook.office.com/webhookb2/x").is_some());
        for url in ["https://hooks.slack.com/services/x", "https://notwebhook.office.com/x", "no url"] {
            assert!(address(url).is_none(), "{url}");
        }
    }
}

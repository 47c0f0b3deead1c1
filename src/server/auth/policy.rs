//! Closed by default: what must be said before the relay listens to other machines, and what to type into the sender.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::credential::Credential;
use super::door::{Access, Door};
use crate::server::ingest::WEBHOOK;

/// The doors of a relay that listens on `listen`.
///
/// # Errors
/// A text for a person: a flag that cannot be read; or an address other than loopback without credentials, with ready-made random
/// ones to use.
pub fn start_policy(listen: &[SocketAddr], ingest_auth: &[String], admin_token: Option<&str>) -> Result<Door, String> {
    let door = Door::parse(ingest_auth, admin_token)?;
    match refusal(listen, &door, random_key) {
        Some(text) => Err(text),
        None => Ok(door),
    }
}

fn refusal(listen: &[SocketAddr], door: &Door, key: impl Fn() -> String) -> Option<String> {
    let public = listen.iter().find(|address| !address.ip().to_canonical().is_loopback())?;
    let mut missing = Vec::new();
    if door.webhook == Access::Local {
        missing.push((
            "--ingest-auth",
            "JOBRELAY_INGEST_AUTH",
            format!("header:X-API-KEY:{}", key()),
            "who may send events",
        ));
    }
    if door.admin == Access::Local {
        missing.push(("--admin-token", "JOBRELAY_ADMIN_TOKEN", key(), "who may read and operate the relay"));
    }
    if missing.is_empty() {
        return None;
    }
    let unsaid = missing.iter().map(|(flag, _, _, who)| format!("{who} ({flag})")).collect::<Vec<_>>().join(" and ");
    let mut text = format!(
        "{public} can be reached from other machines, and nothing says {unsaid}.\n\
         Use these, made at random just now, as flags:\n"
    );
    for (flag, _, value, _) in &missing {
        let _ = writeln!(text, "  {flag} '{value}'");
    }
    text.push_str("or in the environment:\n");
    for (_, variable, value, _) in &missing {
        let _ = writeln!(text, "  {variable}='{value}'");
    }
    let flags = missing.iter().map(|(flag, ..)| format!("`{flag} none`")).collect::<Vec<_>>().join(" and ");
    let _ = write!(
        text,
        "To let anyone in, say {flags}. To be reached from this machine only, use `--listen 127.0.0.1:{}`.",
        public.port()
    );
    Some(text)
}

/// 192 random bits as 48 hex digits: no shell, header or YAML reads anything into them.
fn random_key() -> String {
    let mut bytes = [0u8; 24];
    getrandom::fill(&mut bytes).expect("the system has a source of random numbers");
    bytes.iter().fold(String::with_capacity(48), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Exactly what to type into the sender. No secret is in it.
#[must_use]
pub fn instructions(listen: &[SocketAddr], public_url: Option<&str>, door: &Door) -> String {
    let mut text = String::from("Type this into the sender:\n");
    let url = match public_url {
        Some(url) => format!("{}{WEBHOOK}", url.trim_end_matches('/')),
        None => listen
            .first()
            .map_or_else(|| WEBHOOK.to_owned(), |address| format!("http://{}{WEBHOOK}", reachable(address))),
    };
    let _ = writeln!(text, "  URL       {url}");
    match &door.webhook {
        Access::Local => {
            text.push_str("  header    none; only programs on this machine are answered, until --ingest-auth is set\n");
        }
        Access::Anyone => {
            text.push_str("  header    none; anyone who reaches this address can send events (--ingest-auth none)\n");
        }
        Access::Holders(holders) => {
            for (index, holder) in holders.iter().enumerate() {
                let label = if index == 0 { "header" } else { "or" };
                let _ = match holder {
                    Credential::Basic { user, .. } => {
                        writeln!(
                            text,
                            "  {label:<9} Authorization: Basic, user {user:?}, the password you gave with --ingest-auth"
                        )
                    }
                    holder => writeln!(text, "  {label:<9} {}: the value you gave with --ingest-auth", holder.label()),
                };
            }
        }
    }
    if public_url.is_none() {
        text.push_str(
            "The sender calls over HTTPS from outside: with a proxy in front, say its address with --public-url.\n",
        );
    }
    text
}

/// The address as another program would type it.
fn reachable(address: &SocketAddr) -> String {
    let port = address.port();
    match address.ip() {
        ip if ip.is_unspecified() => format!("<this machine's name>:{port}"),
        IpAddr::V4(ip) => format!("{ip}:{port}"),
        IpAddr::V6(ip) => format!("[{ip}]:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(ingest: &[&str], admin: Option<&str>) -> Door {
        let ingest: Vec<String> = ingest.iter().map(|&text| text.to_owned()).collect();
        Door::parse(&ingest, admin).unwrap()
    }

    fn at(address: &str) -> Vec<SocketAddr> {
        vec![address.parse().unwrap()]
    }

    #[test]
    fn only_loopback_may_do_without_credentials() {
        let full = (&["basic:u:p"][..], Some("t"));
        let none = (&["none"][..], Some("none"));
        let cases = [
            ("127.0.0.1:8080", (&[][..], None), true),
            ("[::1]:8080", (&[][..], None), true),
            ("[::ffff:127.0.0.1]:8080", (&[][..], None), true),
            ("0.0.0.0:8080", (&[][..], None), false),
            ("[::]:8080", (&[][..], None), false),
            ("10.0.0.7:8080", (full.0, None), false),
            ("10.0.0.7:8080", (&[][..], full.1), false),
            ("10.0.0.7:8080", full, true),
            ("0.0.0.0:8080", none, true),
        ];
        for (address, (ingest, admin), fine) in cases {
            let said = refusal(&at(address), &door(ingest, admin), || "KEY".into());
            assert_eq!(said.is_none(), fine, "{address} {ingest:?} {admin:?}: {said:?}");
        }
        let mixed: Vec<SocketAddr> = [at("127.0.0.1:1"), at("10.0.0.7:2")].concat();
        assert!(refusal(&mixed, &door(&[], None), || "KEY".into()).unwrap().starts_with("10.0.0.7:2 can be reached"));
    }

    #[test]
    fn the_refusal_can_be_copied_into_a_shell() {
        assert_eq!(
            refusal(&at("0.0.0.0:8080"), &door(&[], None), || "KEY".into()).unwrap(),
            "0.0.0.0:8080 can be reached from other machines, and nothing says who may send events (--ingest-auth) and who may read and operate the relay (--admin-token).
Use these, made at random just now, as flags:
  --ingest-auth 'header:X-API-KEY:KEY'
  --admin-token 'KEY'
or in the environment:
  JOBRELAY_INGEST_AUTH='header:X-API-KEY:KEY'
  JOBRELAY_ADMIN_TOKEN='KEY'
To let anyone in, say `--ingest-auth none` and `--admin-token none`. To be reached from this machine only, use `--listen 127.0.0.1:8080`."
        );
        let half = refusal(&at("0.0.0.0:8080"), &door(&["none"], None), || "KEY".into()).unwrap();
        assert!(!half.contains("--ingest-auth") && half.contains("--admin-token 'KEY'"), "{half}");
    }

    #[test]
    fn the_ready_made_credentials_work_and_differ() {
        let text = start_policy(&at("0.0.0.0:8080"), &[], None).unwrap_err();
        let value = |flag: &str| {
            text.lines().find_map(|line| line.trim().strip_prefix(flag)).unwrap().trim_matches([' ', '\'']).to_owned()
        };
        let (ingest, admin) = (value("--ingest-auth"), value("--admin-token"));
        assert!(!ingest.ends_with(&admin) && admin.len() == 48);
        assert!(start_policy(&at("0.0.0.0:8080"), &[ingest], Some(&admin)).is_ok());
    }

    #[test]
    fn instructions_are_what_to_type_and_keep_the_secrets() {
        let door = door(&["header:X-API-KEY:hunter2", "basic:tamr:hunter2"], Some("hunter2"));
        assert_eq!(
            instructions(&at("0.0.0.0:8080"), Some("https://relay.example/"), &door),
            "Type this into the sender:
  URL       https://relay.example/webhooks/v1alpha1/jobEvents
  header    X-API-KEY: the value you gave with --ingest-auth
  or        Authorization: Basic, user \"tamr\", the password you gave with --ingest-auth
"
        );
    }

    #[test]
    fn instructions_without_a_public_address_use_the_one_listened_on() {
        let cases = [
            ("127.0.0.1:8080", "http://127.0.0.1:8080/webhooks"),
            ("[::1]:8080", "http://[::1]:8080/webhooks"),
            ("0.0.0.0:80", "http://<this machine's name>:80/webhooks"),
        ];
        for (address, expected) in cases {
            let text = instructions(&at(address), None, &door(&[], None));
            assert!(text.contains(expected) && text.contains("--public-url"), "{text}");
        }
    }
}

//! What `serve` would stumble over though the file reads well: certificates that cannot be read, addresses that are never called.

use crate::config::Config;
use crate::delivery::{Client, check_addresses, check_mail_server, place_of};
use crate::yaml::{Code, Problems};

/// Records every receiver that could not be put to use.
pub fn check(config: &Config, text: &str, deny_private: bool, problems: &mut Problems) {
    check_addresses(config, text, deny_private, problems);
    for receiver in config.receivers.values() {
        let name = &receiver.name;
        if let Some(Err(why)) = receiver.kind.mail_server().map(|server| check_mail_server(&server)) {
            let help = "`ca` takes the path of a PEM file that the relay's user can read".to_owned();
            let place = place_of(text, name, &["ca"]);
            problems.error(Code::UnusableReceiver, place, format!("receiver {name:?}: {why}"), help);
        }
        if let Err(why) = Client::new(&receiver.common, deny_private) {
            let help = "`tls` takes paths of PEM files that the relay's user can read; `proxy` an http(s) address";
            let place = place_of(text, name, &["tls", "proxy"]);
            problems.error(Code::UnusableReceiver, place, format!("receiver {name:?}: {why}"), help.to_owned());
        }
    }
}

//! The kinds there are, a file each.

mod alertmanager;
mod console;
mod discord;
mod google_chat;
mod inbox;
mod incident_io;
mod jsm;
mod mailgun;
mod matrix;
mod mattermost;
mod ntfy;
mod pagerduty;
mod postmark;
mod resend;
mod rocketchat;
mod sendgrid;
mod ses;
mod slack;
mod slack_body;
mod slack_judge;
mod slack_mrkdwn;
mod smtp;
mod teams;
mod teams_markdown;
mod telegram;
mod telegram_html;
mod twilio;
mod webex;
mod webhook;
mod zulip;
mod zulip_markdown;

#[cfg(test)]
mod chat_tests;
#[cfg(test)]
mod mail_tests;
#[cfg(test)]
mod running_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod verdict_tests;

use super::kind::Entry;

/// The kinds. Adding a service is its file, and a line here.
pub(super) static KINDS: [Entry; 25] = [
    slack::ENTRY,
    teams::ENTRY,
    google_chat::ENTRY,
    discord::ENTRY,
    mattermost::ENTRY,
    rocketchat::ENTRY,
    telegram::ENTRY,
    zulip::ENTRY,
    matrix::ENTRY,
    ntfy::ENTRY,
    webex::ENTRY,
    sendgrid::ENTRY,
    mailgun::ENTRY,
    postmark::ENTRY,
    ses::ENTRY,
    resend::ENTRY,
    smtp::ENTRY,
    pagerduty::ENTRY,
    jsm::ENTRY,
    incident_io::ENTRY,
    alertmanager::ENTRY,
    twilio::ENTRY,
    webhook::ENTRY,
    console::ENTRY,
    inbox::ENTRY,
];

/// The names of the kinds, as written in `kind`.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|entry| entry.name)
}

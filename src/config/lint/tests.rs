//! Files that can be used, and what is said about them.

use crate::config::load_without_secrets;
use crate::yaml::report;

const RECEIVERS: &str = "receivers: { a: { kind: console }, b: { kind: inbox } }\n";
/// So that only what a test is about is warned of.
const REST: &str = "  - { name: relay, when: { event_type: jobrelay.* }, to: [a, b] }\n  - { name: failed, when: { outcome: failed }, to: [a, b] }\n";

/// `code: message | help at line:token`, one for each warning.
fn warned(text: &str) -> Vec<String> {
    let (config, problems) = load_without_secrets(text);
    assert!(config.is_some(), "{}", report("routes.yaml", text, &problems, false));
    let warned = problems.iter().map(|problem| {
        let token = &text[problem.span.start..problem.span.end];
        let line = text[..problem.span.start].matches('\n').count() + 1;
        let help = problem.help.as_deref().unwrap_or_default();
        format!("{} at {line} `{token}`: {} | {help}", problem.code.name(), problem.message)
    });
    warned.collect()
}

fn of_routes(routes: &str) -> Vec<String> {
    warned(&format!("{RECEIVERS}routes:\n{routes}"))
}

#[test]
fn routes_that_never_apply_name_the_one_that_is_in_their_way() {
    let below = |route: &str| of_routes(&format!("{REST}{route}"));
    insta::assert_snapshot!(of_routes("  - { name: all, to: [a, b], stop: true }\n  - { name: x, when: { source: CRM }, to: a }\n").join("\n"), @r#"
        unreachable-route at 4 `x`: this route never applies: every event it is for ends at the route "all" (line 3), which says `stop` | move it above that route, or take `stop` out there
        "#);
    insta::assert_snapshot!(below("  - { name: x, otherwise: true, when: { outcome: failed, type: load }, to: a }\n").join("\n"), @r#"
        unreachable-route at 5 `otherwise`: this route never applies: whenever it would, the route "failed" (line 4) does | take `otherwise` out, or move it above that route
        "#);
    insta::assert_snapshot!(below("  - { name: x, when: { outcome: failed, reason: OOM }, to: b, message: { title: OOM } }\n").join("\n"), @r#"
        redundant-route at 5 `x`: this route sends nothing: whenever it applies, its receivers have their message from "failed" (line 4) already | move it above that route if its `message` should be sent; otherwise take it out
        "#);
    insta::assert_snapshot!(below("  - { name: x, when: { type: load, not: [{ type: load_* }, { job: x }] }, to: b }\n").join("\n"), @r"
        unreachable-route at 5 `when`: no event can fulfil this condition: what it requires contradicts what it excludes | take one of its conditions out
        ");
    insta::assert_snapshot!(of_routes("  - { name: x, otherwise: true, when: {}, to: [a, b] }\n").join("\n"), @r"
        no-effect at 3 `otherwise`: `otherwise` has no effect: no route stands above | take it out, or move the route below those it is the rest of
        always-holds at 3 `{}`: an empty condition always holds | leave `when` out: a route without it is for every event
        ");
}

#[test]
fn failures_that_nobody_hears_of_are_named() {
    let relay = "  - { name: relay, when: { event_type: jobrelay.* }, to: [a, b] }\n";
    for (routes, said) in [
        ("{ outcome: succeeded }", "those of any type,"),
        ("{ outcome: failed, reason: [PLANNING_FAILED, '*_QUOTA'] }", "those of any type,"),
        (
            "{ outcome: failed, type: [load, update_*] }",
            "those of type `publish_configuration`, `publish_destination`,",
        ),
        (
            "{ outcome: failed, not: { destination: '*' } }",
            "those of type `publish_configuration`, `publish_destination`,",
        ),
        ("{ outcome: failed, time: Mon-Fri 08:00-18:00 }", "those of any type at some times, such as Monday 00:00,"),
        (
            "{ any: [{ outcome: failed, time: Mon-Fri }, { type: load }] }",
            "those of type `update_data_product`, `update_workflow`, `publish_configuration`, `publish_destination` at some times, such as Saturday 00:00,",
        ),
        (
            "{ outcome: failed, source: '*' }",
            "those of type `update_data_product`, `update_workflow`, `publish_configuration`, `publish_destination`,",
        ),
        ("{ outcome: failed, resource: '*' }", ""),
        ("{ outcome: failed, tenant: acme }", ""),
        ("{ outcome: failed, event_type: tamr.*, tenant: '*.tamr.cloud' }", ""),
        ("{ outcome: failed, not: { reason: QUOTA } }", ""),
        ("{ any: [{ outcome: failed, time: Mon-Fri }, { outcome: failed, time: 'Sat, Sun' }] }", ""),
    ] {
        let told = of_routes(&format!("{relay}  - {{ name: x, when: {routes}, to: a }}\n"));
        let expected = format!("uncaught-failure at 2 `routes`: failed jobs can go unheard: {said}");
        assert_eq!(told.len(), usize::from(!said.is_empty()), "{routes}: {told:?}");
        assert!(said.is_empty() || told[0].starts_with(&expected), "{routes}: {told:?}");
    }
    let sandbox = "  - { name: s, when: { tenant: sandbox }, to: [], stop: true }\n";
    assert_eq!(
        of_routes(&format!("{relay}{sandbox}")).len(),
        1,
        "that nobody hears of one tenant says nothing of others"
    );
    assert!(of_routes(&format!("{relay}  - {{ name: none, otherwise: true, to: [] }}\n")).is_empty());
}

#[test]
fn somebody_should_hear_the_relay_itself() {
    let failed = "  - { name: failed, when: { outcome: failed }, to: [a, b] }\n";
    insta::assert_snapshot!(of_routes(failed).join("\n"), @r"
        unheard-relay at 2 `routes`: nobody hears what the relay says about itself: of a receiver that is down, a message given up, a routes.yaml refused | add a route such as `{ name: the relay itself, when: { event_type: jobrelay.* }, to: a }`
        ");
    for route in [
        "  - { name: rest, otherwise: true, to: a }\n",
        "  - { name: dead, when: { event_type: jobrelay.delivery_dead }, to: a }\n",
        "  - { name: by day, when: { event_type: jobrelay.*, time: 08:00-18:00 }, to: a }\n",
        "  - { name: nobody, when: { event_type: jobrelay.* }, to: [] }\n",
    ] {
        assert_eq!(of_routes(&format!("{failed}{route}")), [""; 0], "{route}");
    }
}

#[test]
fn secrets_in_the_file_are_found_where_they_stand() {
    let receivers = "receivers:
  team: { kind: slack, url: https://hooks.slack.com/services/T0/B0/XYZ }
  safe: { kind: slack, url: \"${URL}\" }
  a-b:
    kind: webhook
    url: https://example.com/in?team=data&api_key=k-77
    auth: { basic: \"relay:hunter2\" }
    headers:
      X-Team: data
      X-Token: 't\\u00f6ken'
      Authorization-2: \"${OTHER}\"
    sign: [whsec_AAAA, whsec_BBBB]
    body: { text: hunter2 }
  plain: { kind: webhook, url: https://example.com/api/incidents, proxy: \"http://proxy:3128\" }
  shared: &s { kind: webhook, url: https://example.com/0b0c1d2e-1111-4222-8333-944455556666 }
  also: { <<: *s, timeout: 3s }
";
    let to = "[team, safe, a-b, plain, shared, also]";
    let text = format!("{receivers}routes: [{{ name: all, to: {to} }}]\n");
    insta::assert_snapshot!(warned(&text).join("\n"), @r#"
        plain-secret at 2 `https://hooks.slack.com/services/T0/B0/XYZ`: `url` is a secret in plain text: whoever reads this file can use it | write "${TEAM_URL}" in its place, and put the value into the environment as TEAM_URL, or into a file of that name in the directory given with --secrets
        plain-secret at 6 `k-77`: `url` contains a secret in plain text: whoever reads this file can use it | write "${A_B_URL}" in its place, and put the value into the environment as A_B_URL, or into a file of that name in the directory given with --secrets
        plain-secret at 7 `relay:hunter2`: `auth.basic` is a secret in plain text: whoever reads this file can use it | write "${A_B_BASIC}" in its place, and put the value into the environment as A_B_BASIC, or into a file of that name in the directory given with --secrets
        plain-secret at 10 `t\u00f6ken`: `headers.X-Token` is a secret in plain text: whoever reads this file can use it | write "${A_B_X_TOKEN}" in its place, and put the value into the environment as A_B_X_TOKEN, or into a file of that name in the directory given with --secrets
        plain-secret at 12 `whsec_AAAA`: `sign` is a secret in plain text: whoever reads this file can use it | write "${A_B_SIGN}" in its place, and put the value into the environment as A_B_SIGN, or into a file of that name in the directory given with --secrets
        plain-secret at 12 `whsec_BBBB`: `sign` is a secret in plain text: whoever reads this file can use it | write "${A_B_SIGN}" in its place, and put the value into the environment as A_B_SIGN, or into a file of that name in the directory given with --secrets
        plain-secret at 15 `0b0c1d2e-1111-4222-8333-944455556666`: `url` contains a secret in plain text: whoever reads this file can use it | write "${SHARED_URL}" in its place, and put the value into the environment as SHARED_URL, or into a file of that name in the directory given with --secrets
        "#);
}

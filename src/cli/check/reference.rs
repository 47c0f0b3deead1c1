//! The reference of problem codes, docs/problems.md: built in, so that it explains this version's.

use super::super::failure::Failure;
use crate::yaml::{Code, nearest};

const REFERENCE: &str = include_str!("../../../docs/problems.md");

/// What the reference says about a code.
pub fn section(code: &str) -> Result<&'static str, Failure> {
    // As it stands in a report, too: `error[unknown-key]`.
    let name = code.trim_start_matches("error").trim_start_matches("warning").trim_matches(['[', ']']);
    sections().find(|(heading, _)| *heading == name).map(|(_, section)| section).ok_or_else(|| {
        let known = || Code::ALL.iter().map(|code| code.name());
        let help = match nearest(name, known()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the codes are {}", known().collect::<Vec<_>>().join(", ")),
        };
        Failure::usage(format!("there is no code {name:?}")).help(help)
    })
}

/// Each code's heading, and its section with the heading.
fn sections() -> impl Iterator<Item = (&'static str, &'static str)> {
    let starts: Vec<usize> = REFERENCE.match_indices("\n## ").map(|(at, _)| at + 1).collect();
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([REFERENCE.len()]).collect();
    starts.into_iter().zip(ends).map(|(start, end)| {
        let section = REFERENCE[start..end].trim_end();
        (section["## ".len()..].lines().next().unwrap_or_default(), section)
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Variables, examine};
    use super::*;
    use crate::config::Secrets;

    /// Problems that no text of a routes.yaml has by itself; their sections show no file.
    const WITHOUT_A_FILE: [Code; 5] =
        [Code::NotUtf8, Code::UnreadableSecrets, Code::FailedJobUnheard, Code::UnseenName, Code::UnmatchedRoute];

    /// What the examples find under --secrets.
    const SECRETS: &str = "SLACK_WEBHOOK_URL=https://hooks.slack.com/services/T0/B0/key\nSIGNATURE={{ raw }}\n";

    /// The YAML blocks of a section.
    fn examples(section: &str) -> Vec<String> {
        section.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).map(completed).collect()
    }

    /// An example shows what matters; the rest of its file is as the head of the reference says.
    fn completed(example: &str) -> String {
        let has = |section: &str| example.lines().any(|line| line.starts_with(section));
        let receivers = if has("receivers") { "" } else { "receivers: { ops: { kind: console } }\n" };
        let routes = if has("routes") { "" } else { "routes: [{ name: everything, to: ops }]\n" };
        format!("{receivers}{routes}{example}")
    }

    /// The codes of a file's problems, and the report.
    fn problems(text: String) -> (Vec<Code>, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets");
        std::fs::write(&path, SECRETS).unwrap();
        let report = text.clone();
        let checked =
            examine("routes.yaml", text.into(), &Variables::Known(&Secrets { path: Some(path) }), false, true);
        let codes = checked.problems.iter().map(|problem| problem.code).collect();
        (codes, crate::yaml::report("routes.yaml", &report, &checked.problems, false))
    }

    #[test]
    fn each_code_has_its_heading_in_order() {
        let documented: Vec<&str> = sections().map(|(heading, _)| heading).collect();
        let codes: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        for code in &codes {
            assert!(
                documented.contains(code),
                "docs/problems.md has no `## {code}`: add what is wrong, a ```yaml example that has just this problem, the cure, \
                 and the mended example, at the place the code has in src/yaml/code.rs"
            );
        }
        assert_eq!(documented, codes, "the reference has each code once, in the order of src/yaml/code.rs");
    }

    #[test]
    fn each_example_has_its_problem_and_the_mended_one_has_not() {
        let mut wrong = Vec::new();
        for (heading, section) in sections() {
            let Some(code) = Code::ALL.iter().copied().find(|code| code.name() == heading) else { continue };
            let examples = examples(section);
            if WITHOUT_A_FILE.contains(&code) {
                assert!(examples.is_empty(), "{heading}: an example of this cannot be checked");
                continue;
            }
            let [broken, mended] = examples.as_slice() else {
                panic!("{heading} needs two examples, a broken and a mended one: {section}");
            };
            let (found, report) = problems(broken.clone());
            if !found.contains(&code) {
                wrong.push(format!("{heading}: the first example must have this problem\n{broken}\n{report}"));
            }
            let (found, report) = problems(mended.clone());
            if found.contains(&code) || report.contains("error[") {
                wrong.push(format!(
                    "{heading}: the second example must be without it and without errors\n{mended}\n{report}"
                ));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    }

    #[test]
    fn a_code_is_explained_by_its_section_alone() {
        let section = section("error[unknown-key]").unwrap();
        assert!(section.starts_with("## unknown-key\n") && section.matches("\n## ").count() == 0, "{section}");
        let failure = super::section("unknwon-key").unwrap_err().to_string();
        assert!(failure.ends_with("help: did you mean unknown-key?"), "{failure}");
        assert!(super::section("x").unwrap_err().to_string().contains("the codes are not-utf8, bad-yaml"));
    }
}

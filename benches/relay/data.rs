//! What was measured, for programs: `docs/benchmarks/data.json`, and the plots beside it.

use std::path::Path;

use serde_json::{Value, json};

use crate::cases::{BY_RATE, BY_RECEIVERS, HISTORY, MEMORY, ROUTES};
use crate::figures::{self, Figure};
use crate::machine::Machine;
use crate::plot::{Curve, Plot};
use crate::report::{Budget, Report, Row};
use crate::statistics::Summary;

/// A plot that a case's curve makes.
struct Drawn {
    file: &'static str,
    case: &'static str,
    figure: &'static Figure,
    title: &'static str,
    across: &'static str,
}

const DRAWN: [Drawn; 7] = [
    Drawn {
        file: "cpu-by-rate",
        case: BY_RATE,
        figure: &figures::CPU_PER_EVENT,
        title: "What an event costs at which rate",
        across: "events per second",
    },
    Drawn {
        file: "latency-by-rate",
        case: BY_RATE,
        figure: &figures::P99,
        title: "End-to-end latency, 99th percentile",
        across: "events per second",
    },
    Drawn {
        file: "cpu-by-history",
        case: HISTORY,
        figure: &figures::CPU_PER_EVENT,
        title: "What an event costs after a long history",
        across: "events in the store before",
    },
    Drawn {
        file: "rate-by-history",
        case: HISTORY,
        figure: &figures::RATE,
        title: "Sustained rate after a long history",
        across: "events in the store before",
    },
    Drawn {
        file: "cpu-by-routes",
        case: ROUTES,
        figure: &figures::CPU_PER_EVENT,
        title: "What an event costs with more routes",
        across: "routes",
    },
    Drawn {
        file: "memory-by-owed",
        case: MEMORY,
        figure: &figures::PEAK,
        title: "Memory while a dead receiver is owed more and more",
        across: "deliveries owed",
    },
    Drawn {
        file: "cpu-by-receivers",
        case: BY_RECEIVERS,
        figure: &figures::CPU_PER_EVENT,
        title: "What an event costs, spread over more receivers",
        across: "receivers",
    },
];

/// Writes what was measured into `dir`. Of a run of some cases, the rest of the data stays as it was.
///
/// # Errors
/// What cannot be written.
pub fn write(report: &Report, dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let path = dir.join("data.json");
    let before: Value =
        std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let mut cases = before["cases"].as_object().cloned().unwrap_or_default();
    let machine = json!(Machine::here());
    let mut names: Vec<&str> = report.rows.iter().map(|row| row.point.case).collect();
    names.dedup();
    for case in names {
        let rows: Vec<Value> =
            report.rows.iter().filter(|row| row.point.case == case).map(|row| of(row, report)).collect();
        cases.insert(case.to_owned(), json!({ "machine": machine, "rows": rows }));
    }
    let text = serde_json::to_string_pretty(&json!({ "cases": cases })).expect("strings, numbers and maps");
    std::fs::write(path, text + "\n")?;
    for Drawn { file, case, figure, title, across } in DRAWN {
        let curves = curves(report, case, figure);
        if curves.iter().any(|curve| curve.points.len() > 1) {
            let down = format!("{}, {}", figure.name, figure.unit);
            let plot = Plot { title, across, down: &down, curves };
            std::fs::write(dir.join(format!("{file}.svg")), plot.svg())?;
        }
    }
    Ok(())
}

fn of(row: &Row, report: &Report) -> Value {
    let subjects = report.subjects.iter().zip(&row.values).filter_map(|(name, values)| {
        let Summary { median, min, max } = Summary::of(values)?;
        Some(json!({
            "name": name, "median": median, "min": min, "max": max, "values": values,
            "to_floor": row.to_floor(values), "kept": row.kept(values),
        }))
    });
    json!({
        "point": row.point.name, "at": row.point.at, "figure": row.figure.name, "unit": row.figure.unit,
        "budget": row.budget.map(|budget| match budget {
            Budget::Itself(limit) => json!({ "limit": limit }),
            Budget::ToFloor(limit) => json!({ "limit_to_floor": limit }),
        }),
        "subjects": subjects.collect::<Vec<_>>(),
    })
}

fn curves(report: &Report, case: &str, figure: &'static Figure) -> Vec<Curve> {
    let rows = || report.rows.iter().filter(|row| row.point.case == case && row.figure == figure);
    let curve = |(place, name): (usize, &String)| {
        let mut points: Vec<(f64, Summary)> =
            rows().filter_map(|row| Some((row.point.at?, Summary::of(&row.values[place])?))).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Curve { name: name.clone(), points }
    };
    report.subjects.iter().enumerate().map(curve).filter(|curve| !curve.points.is_empty()).collect()
}

//! A curve over decades as an SVG: medians joined by a line, lowest and highest as whiskers. Readable on light and dark pages.

use std::fmt::Write as _;

use crate::statistics::{Summary, float};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 56.0;
const COLOURS: [&str; 3] = ["#888888", "#2f81f7", "#d9730d"];
const GREY: &str = "#808080";

/// One line.
pub struct Curve {
    pub name: String,
    /// From left to right.
    pub points: Vec<(f64, Summary)>,
}

/// Curves with axes.
pub struct Plot<'a> {
    pub title: &'a str,
    /// What the horizontal axis tells; it counts decades, with 0 to the left of 1.
    pub across: &'a str,
    /// What the vertical axis tells; it begins at 0, unless values are so far apart that it counts decades, too.
    pub down: &'a str,
    pub curves: Vec<Curve>,
}

/// From values to places.
struct Scale {
    first: f64,
    last: f64,
    vertical: Vertical,
}

/// From 0 to the top, or from decade to decade.
enum Vertical {
    Even { top: f64 },
    Decades { first: f64, last: f64 },
}

/// Values further apart would be one line at the bottom.
const FAR_APART: f64 = 20.0;

impl Scale {
    fn of(curves: &[Curve]) -> Scale {
        let points = || curves.iter().flat_map(|curve| &curve.points);
        let across = || points().map(|(at, _)| decade(*at));
        let first = across().fold(f64::INFINITY, f64::min);
        let last = across().fold(f64::NEG_INFINITY, f64::max);
        let most = points().map(|(_, value)| value.max).fold(0.0, f64::max);
        let lowest = points().map(|(_, value)| value.min).filter(|min| *min > 0.0).fold(most, f64::min);
        let vertical = if most / lowest > FAR_APART {
            Vertical::Decades { first: lowest.log10().floor(), last: most.log10().ceil() }
        } else {
            Vertical::Even { top: (most / step(most)).ceil() * step(most) }
        };
        Scale { first, last, vertical }
    }

    /// Where lines are drawn across.
    fn lines(&self) -> Vec<f64> {
        let (mut lines, mut at) = (Vec::new(), 0.0);
        match self.vertical {
            Vertical::Even { top } => {
                while at <= top * 1.001 {
                    lines.push(at);
                    at += step(top).max(1e-9);
                }
            }
            Vertical::Decades { first, last } => {
                while first + at <= last {
                    lines.push(10_f64.powf(first + at));
                    at += 1.0;
                }
            }
        }
        lines
    }

    fn x(&self, at: f64) -> f64 {
        LEFT + (decade(at) - self.first) / (self.last - self.first).max(1e-9) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        let share = match self.vertical {
            Vertical::Even { top } => value / top.max(1e-9),
            Vertical::Decades { first, last } => (value.max(1e-9).log10() - first).max(0.0) / (last - first),
        };
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }
}

/// 0 stands a decade before 1.
fn decade(at: f64) -> f64 {
    if at <= 0.0 { -1.0 } else { at.log10() }
}

/// Between lines: 1, 2 or 5 times a power of ten, so that there are four to ten of them.
fn step(most: f64) -> f64 {
    let power = 10_f64.powf((most.max(1e-9) / 5.0).log10().floor());
    let times = [1.0, 2.0, 5.0].into_iter().find(|times| most / (power * times) <= 8.0);
    power * times.unwrap_or(10.0)
}

impl Plot<'_> {
    /// The drawing.
    pub fn svg(&self) -> String {
        let mut svg = String::new();
        self.draw(&mut svg).expect("a String takes any text");
        svg
    }

    fn draw(&self, svg: &mut String) -> std::fmt::Result {
        let scale = Scale::of(&self.curves);
        let (right, floor) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        writeln!(
            svg,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12" fill="{GREY}" role="img" aria-label="{}">"#,
            self.title
        )?;
        writeln!(svg, r#"<text x="{LEFT}" y="20" font-size="15" font-weight="bold">{}</text>"#, self.title)?;
        for value in scale.lines() {
            let y = scale.y(value);
            writeln!(
                svg,
                r#"<line x1="{LEFT}" x2="{right}" y1="{y:.1}" y2="{y:.1}" stroke="{GREY}" stroke-opacity="0.3"/><text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
                LEFT - 8.0,
                y + 4.0,
                short(value)
            )?;
        }
        let mut marks: Vec<f64> = self.curves.iter().flat_map(|curve| &curve.points).map(|(at, _)| *at).collect();
        marks.sort_by(f64::total_cmp);
        marks.dedup();
        for at in marks {
            let x = scale.x(at);
            writeln!(
                svg,
                r#"<line x1="{x:.1}" x2="{x:.1}" y1="{floor}" y2="{}" stroke="{GREY}"/><text x="{x:.1}" y="{}" text-anchor="middle">{}</text>"#,
                floor + 5.0,
                floor + 20.0,
                short(at)
            )?;
        }
        writeln!(
            svg,
            r#"<text x="{:.1}" y="{}" text-anchor="middle">{}</text>"#,
            f64::midpoint(LEFT, right),
            HEIGHT - 12.0,
            self.across
        )?;
        let middle = f64::midpoint(TOP, floor);
        writeln!(
            svg,
            r#"<text transform="translate(18 {middle:.1}) rotate(-90)" text-anchor="middle">{}</text>"#,
            self.down
        )?;
        for (place, curve) in self.curves.iter().enumerate() {
            let colour = if curve.name == "floor" { COLOURS[0] } else { COLOURS[1 + place % 2] };
            curve.draw(svg, &scale, colour)?;
            let x = LEFT + 120.0 * float(place);
            writeln!(svg, r#"<text x="{x:.1}" y="38" fill="{colour}">● {}</text>"#, curve.name)?;
        }
        writeln!(svg, "</svg>")
    }
}

impl Curve {
    fn draw(&self, svg: &mut String, scale: &Scale, colour: &str) -> std::fmt::Result {
        let line: Vec<String> =
            self.points.iter().map(|(at, value)| format!("{:.1},{:.1}", scale.x(*at), scale.y(value.median))).collect();
        writeln!(svg, r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#, line.join(" "))?;
        for (at, value) in &self.points {
            let (x, y) = (scale.x(*at), scale.y(value.median));
            writeln!(
                svg,
                r#"<line x1="{x:.1}" x2="{x:.1}" y1="{:.1}" y2="{:.1}" stroke="{colour}"/><circle cx="{x:.1}" cy="{y:.1}" r="3.5" fill="{colour}"/>"#,
                scale.y(value.min),
                scale.y(value.max)
            )?;
        }
        Ok(())
    }
}

/// 1000000 is 1M.
fn short(value: f64) -> String {
    let shown = |value: f64, unit: &str| {
        let text = format!("{value:.2}");
        format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    match value {
        value if value >= 1e6 => shown(value / 1e6, "M"),
        value if value >= 1e4 => shown(value / 1e3, "k"),
        value => shown(value, ""),
    }
}

//! Figures as a picture: how far each is from its bar.
//!
//! Ratios of 0.08 and of 80 stand side by side, some of them better when smaller. So each row is drawn as "how many times
//! as good as its bar" on one logarithmic axis: right of the bar's line is reached, left of it is not.

use std::fmt::Write as _;

use crate::figure::Figure;
use crate::report::{grouped, short};

const WIDTH: f64 = 1_080.0;
/// Left and right end of the axis; names stand left of it, numbers right of it.
const AXIS: (f64, f64) = (150.0, 700.0);
const TOP: f64 = 84.0;
const ROW: f64 = 38.0;
/// The axis always shows so much: from a fourth of the bar to eight times it.
const SHOWN: (f64, f64) = (0.25, 8.0);
/// No more than this: what is beyond is drawn at the edge.
const SHOWN_MAX: (f64, f64) = (0.01, 100.0);

struct Axis {
    from: f64,
    to: f64,
}

impl Axis {
    fn around(figures: &[Figure]) -> Self {
        let margins = figures.iter().flat_map(|figure| {
            let bar = figure.goal.bar;
            [figure.ratio(), figure.least, figure.most, figure.goal.aim].map(|ratio| bar.margin(ratio))
        });
        let (from, to) = margins
            .filter(|margin| margin.is_finite() && *margin > 0.0)
            .fold(SHOWN, |(from, to), margin| (from.min(margin / 1.2), to.max(margin * 1.2)));
        Self { from: from.max(SHOWN_MAX.0), to: to.min(SHOWN_MAX.1) }
    }

    fn x(&self, margin: f64) -> f64 {
        let within = if margin > 0.0 { margin.clamp(self.from, self.to) } else { self.from };
        let share = (within / self.from).ln() / (self.to / self.from).ln();
        AXIS.0 + share * (AXIS.1 - AXIS.0)
    }
}

/// The picture as an SVG document.
pub fn svg(title: &str, figures: &[Figure]) -> String {
    let axis = Axis::around(figures);
    let rows: f64 = figures.iter().map(|_| ROW).sum();
    let (bottom, height) = (TOP + rows, TOP + rows + 44.0);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"#222\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"16\" y=\"30\" font-size=\"17\" font-weight=\"600\">{}</text>\n\
         <text x=\"16\" y=\"52\" fill=\"#666\">Times as good as the bar: dot = median, whisker = smallest and largest round, \
         diamond = aim. Ratio = value ÷ reference.</text>\n",
        escaped(title)
    );
    for mark in [0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0] {
        if mark < axis.from || mark > axis.to {
            continue;
        }
        let x = axis.x(mark);
        let (stroke, width) = if mark == 1.0 { ("#222", 2) } else { ("#ddd", 1) };
        let label = if mark == 1.0 { "bar".to_owned() } else { format!("{mark}×") };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"{stroke}\" stroke-width=\"{width}\"/>\n\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#666\">{label}</text>",
            bottom + 20.0
        );
    }
    let mut y = TOP + ROW / 2.0;
    for figure in figures {
        text.push_str(&row(figure, &axis, y));
        y += ROW;
    }
    text.push_str("</svg>\n");
    text
}

fn row(figure: &Figure, axis: &Axis, y: f64) -> String {
    let goal = figure.goal;
    let [value, least, most, aim] =
        [figure.ratio(), figure.least, figure.most, goal.aim].map(|ratio| axis.x(goal.bar.margin(ratio)));
    let (left, right) = (least.min(most), least.max(most));
    let color = if figure.holds() { "#1a7f37" } else { "#c62828" };
    let (baseline, high, low) = (y + 4.5, y - 6.0, y + 6.0);
    let (name, verdict) = (escaped(goal.name), if figure.holds() { "holds" } else { "does not hold" });
    let ratio = short(figure.ratio());
    let numbers = format!(
        "{ratio} (bar {}, aim {}): {} to {} {}",
        goal.bar,
        short(goal.aim),
        grouped(figure.value),
        grouped(figure.reference),
        goal.unit
    );
    format!(
        "<g><title>{name}: {verdict}</title>\n\
         <text x=\"{:.1}\" y=\"{baseline:.1}\" text-anchor=\"end\" font-weight=\"600\">{name}</text>\n\
         <path d=\"M{left:.1} {y:.1}H{right:.1}M{left:.1} {high:.1}V{low:.1}M{right:.1} {high:.1}V{low:.1}\" \
         stroke=\"{color}\" stroke-width=\"2\" fill=\"none\"/>\n\
         <path d=\"M{aim:.1} {:.1}l6 6l-6 6l-6 -6z\" fill=\"none\" stroke=\"#b26a00\" stroke-width=\"1.5\"/>\n\
         <circle cx=\"{value:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"{color}\"/>\n\
         <text x=\"{:.1}\" y=\"{baseline:.1}\" fill=\"{color}\">{}</text></g>\n",
        AXIS.0 - 14.0,
        y - 6.0,
        AXIS.1 + 16.0,
        escaped(&numbers)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Bar, Goal};

    fn figure(bar: Bar, value: f64, reference: f64) -> Figure {
        let ratio = value / reference;
        let goal = Goal { name: "a<b", unit: "ms", bar, aim: bar.limit() };
        Figure { goal, value, reference, least: ratio * 0.9, most: ratio * 1.1, note: String::new() }
    }

    #[test]
    fn what_holds_stands_right_of_the_bar_in_either_direction() {
        let figures = [figure(Bar::AtLeast(0.5), 8.0, 10.0), figure(Bar::AtMost(6.0), 90.0, 10.0)];
        let axis = Axis::around(&figures);
        let x = |figure: &Figure| axis.x(figure.goal.bar.margin(figure.ratio()));
        assert!(x(&figures[0]) > axis.x(1.0) && x(&figures[1]) < axis.x(1.0));
        for wild in [0.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!((AXIS.0..=AXIS.1).contains(&axis.x(wild)), "{wild}");
        }
    }

    #[test]
    fn the_picture_is_well_formed() {
        let picture = svg("bench ledger <sqlite>", &[figure(Bar::AtLeast(0.5), 8.0, 10.0)]);
        let opened = picture.matches("<g>").count();
        assert_eq!((opened, picture.matches("</g>").count()), (1, 1));
        assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
        assert!(
            picture.contains("&lt;sqlite&gt;") && !picture.contains("a<b") && picture.contains("#1a7f37")
        );
        assert!(!picture.contains("NaN"));
    }
}

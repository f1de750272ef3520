//! The figure: every county by its number of houses, as its own houses alone have it and as it is with the others' help.

use std::fmt::Write;

/// A county.
pub struct County {
    /// Its rows.
    pub rows: usize,
    /// Its level from its own rows alone.
    pub alone: f64,
    /// Its level under partial pooling.
    pub shared: f64,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 440.0;
/// The frame of the data: left, top, right, bottom.
const FRAME: [f64; 4] = [62.0, 74.0, 736.0, 388.0];
const SHARED: &str = "#1f6feb";
const ALONE: &str = "#9a6700";
const INK: &str = "#57606a";

/// Draws the figure; `common` is the mean of the population that counties are drawn from.
pub fn draw(counties: &[County], common: f64) -> String {
    let [left, top, right, bottom] = FRAME;
    let levels = || counties.iter().flat_map(|c| [c.alone, c.shared]);
    let low = (levels().fold(f64::INFINITY, f64::min) * 2.0).floor() / 2.0;
    let high = (levels().fold(f64::NEG_INFINITY, f64::max) * 2.0).ceil() / 2.0;
    let most = counties.iter().map(|c| c.rows).max().unwrap_or(1) as f64;
    let x = |rows: f64| left + 18.0 + (right - left - 36.0) * rows.ln() / most.ln();
    let y = |level: f64| bottom - (bottom - top) * (level - low) / (high - low);
    let mut svg = String::new();
    let mut add = |line: String| {
        let _ = writeln!(svg, "{line}");
    };
    add(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"13\">"
    ));
    add(format!(
        "<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>"
    ));
    let text = |x: f64, y: f64, anchor: &str, style: &str, text: &str| {
        format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {style}>{text}</text>")
    };
    let heading = "font-size=\"17\" font-weight=\"bold\" fill=\"#1f2328\"";
    let title = "Counties with few houses borrow from the others";
    add(text(left, 28.0, "start", heading, title));
    let ink = format!("fill=\"{INK}\"");
    // The legend.
    add(format!(
        "<circle cx=\"{:.1}\" cy=\"48\" r=\"4\" fill=\"none\" stroke=\"{ALONE}\" stroke-width=\"1.5\"/>",
        left + 5.0
    ));
    add(text(
        left + 15.0,
        52.5,
        "start",
        &ink,
        "from its own houses alone",
    ));
    add(format!(
        "<circle cx=\"{:.1}\" cy=\"48\" r=\"4\" fill=\"{SHARED}\"/>",
        left + 205.0
    ));
    add(text(left + 215.0, 52.5, "start", &ink, "partial pooling"));
    add(format!(
        "<line x1=\"{:.1}\" y1=\"48\" x2=\"{:.1}\" y2=\"48\" stroke=\"{INK}\" stroke-dasharray=\"5 4\"/>",
        left + 335.0,
        left + 363.0
    ));
    add(text(
        left + 371.0,
        52.5,
        "start",
        &ink,
        "the mean of counties, learned",
    ));
    // The axes.
    let mut level = low;
    while level <= high + 1e-9 {
        let at = y(level);
        add(format!(
            "<line x1=\"{left}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\" stroke=\"#eaeef2\"/>"
        ));
        add(text(
            left - 8.0,
            at + 4.5,
            "end",
            &ink,
            &format!("{level:.1}"),
        ));
        level += 0.5;
    }
    for rows in [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0] {
        if rows <= most {
            add(text(
                x(rows),
                bottom + 20.0,
                "middle",
                &ink,
                &format!("{rows}"),
            ));
            add(format!(
                "<line x1=\"{0:.1}\" y1=\"{bottom}\" x2=\"{0:.1}\" y2=\"{1:.1}\" stroke=\"{INK}\"/>",
                x(rows),
                bottom + 5.0
            ));
        }
    }
    add(format!(
        "<line x1=\"{left}\" y1=\"{bottom}\" x2=\"{right}\" y2=\"{bottom}\" stroke=\"{INK}\"/>"
    ));
    let middle = (left + right) / 2.0;
    add(text(
        middle,
        bottom + 42.0,
        "middle",
        &ink,
        "houses measured in the county",
    ));
    let turned = format!(
        "{ink} transform=\"rotate(-90 18 {:.1})\"",
        (top + bottom) / 2.0
    );
    add(text(
        18.0,
        (top + bottom) / 2.0,
        "middle",
        &turned,
        "log radon in a basement",
    ));
    let at = y(common);
    add(format!(
        "<line x1=\"{left}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\" stroke=\"{INK}\" stroke-dasharray=\"5 4\"/>"
    ));
    // The counties: those of one size side by side.
    for (i, county) in counties.iter().enumerate() {
        let alike = |c: &&County| c.rows == county.rows;
        let before = counties[..i].iter().filter(alike).count() as f64;
        let all = counties.iter().filter(alike).count() as f64;
        let at = x(county.rows as f64) + (before - (all - 1.0) / 2.0) * (26.0 / all).min(5.0);
        let (from, to) = (y(county.alone), y(county.shared));
        add(format!(
            "<line x1=\"{at:.1}\" y1=\"{from:.1}\" x2=\"{at:.1}\" y2=\"{to:.1}\" stroke=\"#8c959f\" stroke-width=\"1\"/>"
        ));
        add(format!(
            "<circle cx=\"{at:.1}\" cy=\"{from:.1}\" r=\"3\" fill=\"#ffffff\" stroke=\"{ALONE}\" stroke-width=\"1.3\"/>"
        ));
        add(format!(
            "<circle cx=\"{at:.1}\" cy=\"{to:.1}\" r=\"3\" fill=\"{SHARED}\"/>"
        ));
    }
    add("</svg>".to_owned());
    svg
}

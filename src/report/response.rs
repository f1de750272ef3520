//! The sds of the globals as the guide has them, and as linear response corrects them.

use super::display;
use super::number;
use super::table::Align;
use super::table::decimals_for;
use super::table::fixed;
use super::table::lay_out;
use super::text::Paint;
use super::text::Role;
use indexmap::IndexMap;
use serde::Deserialize;
use serde::Serialize;

/// One number that depends on the globals alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Responding {
    /// The variable's name.
    pub name: String,
    /// As in the fit.
    pub index: Vec<usize>,
    /// As in the fit.
    pub label: IndexMap<String, String>,
    /// Its sd under the guide.
    #[serde(deserialize_with = "number")]
    pub guide_sd: f64,
    /// Its sd by linear response.
    #[serde(deserialize_with = "number")]
    pub sd: f64,
}

/// Both sds side by side.
pub fn render(responding: &[Responding], paint: Paint) -> String {
    let heading = ["", "sd of the guide", "sd", "ratio"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for number in responding {
        let decimals = decimals_for(number.sd, 2);
        rows.push(vec![
            display(&number.name, &number.index, &number.label),
            fixed(number.guide_sd, decimals),
            fixed(number.sd, decimals),
            fixed(number.sd / number.guide_sd, 2),
        ]);
    }
    let mut aligns = [Align::Point; 4];
    aligns[0] = Align::Left;
    let mut out = paint.paint(Role::Heading, "globals by linear response");
    out.push('\n');
    for line in lay_out(&rows, &aligns) {
        out.push_str(&format!("  {line}\n"));
    }
    out
}

//! Spans over time, laid out for any picture: which row, which place on the axis, and as SVG.
//!
//! Pure. The terminal's chart, the page and the report draw the same layout.

mod axis;
mod rows;
mod shape;
mod svg;

pub use axis::{Axis, Step};
pub use rows::{Row, SiteRows, arrange};
pub use shape::{Shape, extent};
pub use svg::{Drawing, Mark};

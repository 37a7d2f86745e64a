//! The opinion on one measurement, as a table of rules (DESIGN 4). Pure.

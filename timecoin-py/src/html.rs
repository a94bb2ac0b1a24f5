//! Tables for notebooks, and the texts that `repr` gives.

use std::fmt::{Display, Write as _};

/// `Class(name=value, …)`.
pub(crate) fn fields(class: &str, fields: &[(&str, &dyn Display)]) -> String {
    let shown: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{class}({})", shown.join(", "))
}

/// A table of two columns under a caption.
pub(crate) fn table(caption: &str, fields: &[(&str, &dyn Display)]) -> String {
    let rows = fields.iter().map(|(name, value)| vec![(*name).to_owned(), value.to_string()]);
    let rows: Vec<_> = rows.collect();
    rows_table(caption, &[], &rows)
}

/// A table with a heading for each column, under a caption.
pub(crate) fn rows_table(caption: &str, headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut html = format!("<table><caption>{}</caption>", escape(caption));
    if !headings.is_empty() {
        row(&mut html, "th", headings);
    }
    for cells in rows {
        row(&mut html, "td", cells);
    }
    html.push_str("</table>");
    html
}

fn row(html: &mut String, tag: &str, cells: &[impl AsRef<str>]) {
    html.push_str("<tr>");
    for cell in cells {
        let _ = write!(html, "<{tag} style=\"text-align:left\">{}</{tag}>", escape(cell.as_ref()));
    }
    html.push_str("</tr>");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// An optional value, or `None` as Python writes it.
pub(crate) struct Maybe<T>(pub(crate) Option<T>);

impl<T: Display> Display for Maybe<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("None"),
        }
    }
}

/// A truth value as Python writes it.
pub(crate) fn truth(is: bool) -> &'static str {
    if is { "True" } else { "False" }
}

//! A report as headings, lists, tables and bars: built once, shown by [`super::human`] and [`super::html`]. Every text in it
//! is safe on a terminal; it is not yet safe in HTML.

/// A report.
pub struct Page {
    /// How the verdict is to be taken.
    pub tone: Tone,
    /// `ADMISSIBLE`, `REFUSED`.
    pub verdict: String,
    /// What that means, or why.
    pub words: String,
    /// The file, its size.
    pub subject: String,
    /// `sha256 ...`.
    pub digest: String,
    /// In the order in which they are read.
    pub sections: Vec<Section>,
}

/// What stands under one heading.
pub struct Section {
    pub heading: &'static str,
    /// What to keep in mind of what stands here.
    pub note: Option<&'static str>,
    pub parts: Vec<Part>,
}

/// A piece of a section.
pub enum Part {
    Items(Vec<Item>),
    Table(Table),
    Bars(Vec<Bar>),
}

/// One line of a list.
pub struct Item {
    pub tone: Tone,
    pub text: String,
}

/// How a text is to be taken; never said by colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Good,
    Bad,
    /// Worth a second look.
    Look,
}

/// Rows of cells.
pub struct Table {
    pub head: Vec<Column>,
    pub rows: Vec<Vec<Item>>,
}

/// A column's heading.
pub struct Column {
    pub heading: &'static str,
    /// Whether its cells are figures, which stand to the right.
    pub figures: bool,
}

/// A share of a whole.
pub struct Bar {
    pub label: String,
    pub value: String,
    /// In thousandths.
    pub share: u16,
}

impl Page {
    /// Adds what stands under a heading, unless that is nothing.
    pub fn add(&mut self, heading: &'static str, note: Option<&'static str>, parts: Vec<Part>) {
        let parts: Vec<Part> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        if !parts.is_empty() {
            self.sections.push(Section { heading, note, parts });
        }
    }

    /// Adds a list.
    pub fn list<I: Into<Item>>(&mut self, heading: &'static str, items: impl IntoIterator<Item = I>) {
        self.add(heading, None, vec![Part::items(items)]);
    }
}

impl Part {
    /// A list.
    pub fn items<I: Into<Item>>(items: impl IntoIterator<Item = I>) -> Part {
        Part::Items(items.into_iter().map(Into::into).collect())
    }

    /// A table.
    pub fn table(head: Vec<Column>, rows: impl IntoIterator<Item = Vec<Item>>) -> Part {
        Part::Table(Table { head, rows: rows.into_iter().collect() })
    }

    fn is_empty(&self) -> bool {
        match self {
            Part::Items(items) => items.is_empty(),
            Part::Table(table) => table.rows.is_empty(),
            Part::Bars(bars) => bars.is_empty(),
        }
    }
}

impl Item {
    /// A line with a tone.
    pub fn new(tone: Tone, text: impl Into<String>) -> Item {
        Item { tone, text: text.into() }
    }
}

impl From<String> for Item {
    fn from(text: String) -> Item {
        Item::new(Tone::Plain, text)
    }
}

impl From<&str> for Item {
    fn from(text: &str) -> Item {
        Item::new(Tone::Plain, text)
    }
}

impl From<u64> for Item {
    fn from(figure: u64) -> Item {
        Item::new(Tone::Plain, figure.to_string())
    }
}

/// A column of words.
pub fn words(heading: &'static str) -> Column {
    Column { heading, figures: false }
}

/// A column of figures.
pub fn figures(heading: &'static str) -> Column {
    Column { heading, figures: true }
}

/// What a part of a whole is in thousandths.
pub fn share(part: u64, whole: u64) -> u16 {
    let thousandths = u128::from(part).saturating_mul(1000).checked_div(whole.into()).unwrap_or(0);
    u16::try_from(thousandths.min(1000)).unwrap_or(1000)
}

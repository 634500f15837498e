//! Aligned columns that fit the terminal.

use std::io::{Result, Write};

use anstyle::Style;
use console::{Term, measure_text_width, truncate_str};

use crate::domain::validation::is_hidden;

/// Spaces between two columns.
const GAP: usize = 2;
/// Minimum width of a column when the grid is fitted to a terminal.
const NARROWEST: usize = 8;
/// Maximum width of a column without a terminal.
const WIDEST: usize = 60;

/// Characters after which a long word may be broken.
const SEPARATORS: [char; 7] = ['.', '_', ',', '/', ':', '=', '-'];

/// A text with its style.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// Creates a cell. Replaces control characters and other hidden ones by spaces.
    pub(super) fn new(text: &str, style: Style) -> Self {
        let text = text.chars().map(|c| if is_hidden(c) { ' ' } else { c }).collect();
        Self { text, style }
    }
}

/// The space available for a grid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Width of the terminal in columns; `None` if there is no terminal.
    width: Option<usize>,
}

impl Room {
    /// Returns the space of standard output.
    pub(super) fn of_stdout() -> Self {
        let size = Term::stdout().size_checked();
        Self {
            width: size.map(|(_, columns)| usize::from(columns)),
        }
    }

    /// Returns the maximum number of lines per cell: one without a terminal, for programs that read line by line.
    fn lines(self) -> usize {
        if self.width.is_some() { 2 } else { 1 }
    }
}

/// Returns whether all rows fit without narrower columns. Without a terminal, they do.
pub(super) fn fit<const N: usize>(rows: &[[Cell; N]], room: Room) -> bool {
    let Some(width) = room.width else {
        return true;
    };
    let needed =
        (0..N).filter_map(|column| rows.iter().map(|row| measure_text_width(&row[column].text)).max());
    needed.sum::<usize>() + GAP * N.saturating_sub(1) <= width
}

/// Writes rows of aligned columns. If they do not fit, the widest columns are narrowed first.
pub(super) fn write_rows<const N: usize>(out: &mut impl Write, rows: &[[Cell; N]], room: Room) -> Result<()> {
    write_rows_with_notes(out, rows, &[], room)
}

/// Writes rows of aligned columns, each with its note below it, which may be as long as it is.
pub(super) fn write_rows_with_notes<const N: usize>(
    out: &mut impl Write,
    rows: &[[Cell; N]],
    notes: &[Option<Cell>],
    room: Room,
) -> Result<()> {
    let widths = widths(rows, room);
    for (number, row) in rows.iter().enumerate() {
        let mut columns: [std::vec::IntoIter<String>; N] =
            std::array::from_fn(|i| wrap(&row[i].text, widths[i], room.lines()).into_iter());
        let lines = columns.iter().map(ExactSizeIterator::len).max();
        for _ in 0..lines.unwrap_or_default() {
            write_line(out, row, &mut columns, &widths)?;
        }
        if let Some(Some(Cell { text, style })) = notes.get(number) {
            writeln!(out, "{:GAP$}{style}{text}{style:#}", "")?;
        }
    }
    Ok(())
}

fn write_line<const N: usize>(
    out: &mut impl Write,
    row: &[Cell; N],
    columns: &mut [std::vec::IntoIter<String>; N],
    widths: &[usize; N],
) -> Result<()> {
    // Spaces are written only before the next text, so that no line ends with spaces.
    let mut owed = 0;
    for ((cell, column), width) in row.iter().zip(columns).zip(widths) {
        let text = column.next().unwrap_or_default();
        if !text.is_empty() {
            let style = cell.style;
            write!(out, "{:owed$}{style}{text}{style:#}", "")?;
            owed = 0;
        }
        owed += width.saturating_sub(measure_text_width(&text)) + GAP;
    }
    writeln!(out)
}

fn widths<const N: usize>(rows: &[[Cell; N]], room: Room) -> [usize; N] {
    let widest = |column: usize| rows.iter().map(|row| measure_text_width(&row[column].text)).max();
    let mut widths: [usize; N] = std::array::from_fn(|column| widest(column).unwrap_or_default());
    let Some(width) = room.width else {
        return widths.map(|width| width.min(WIDEST));
    };
    let available = width.saturating_sub(GAP * N.saturating_sub(1));
    while widths.iter().sum::<usize>() > available {
        // If several columns are the widest, the last one is narrowed, because the first columns identify the row.
        match widths.iter_mut().max_by_key(|width| **width) {
            Some(width) if *width > NARROWEST => *width -= 1,
            _ => break,
        }
    }
    widths
}

/// Wraps a text at spaces or separators into at most `lines` lines of at most `width` columns. Truncates the last line.
fn wrap(text: &str, width: usize, lines: usize) -> Vec<String> {
    let mut done = Vec::new();
    let mut rest = text.trim();
    while done.len() + 1 < lines && measure_text_width(rest) > width {
        let fits = truncate_str(rest, width, "").len();
        let (line, next) = rest.split_at(fits);
        let at = if next.starts_with(' ') {
            fits
        } else {
            let behind = |break_at: usize| break_at + 1;
            let blank = line.rfind(' ');
            blank
                .or_else(|| line.rfind(SEPARATORS).map(behind))
                .unwrap_or(fits)
        };
        if at == 0 {
            break;
        }
        done.push(rest[..at].trim_end().to_owned());
        rest = rest[at..].trim_start();
    }
    done.push(truncate_str(rest, width, "…").into_owned());
    done
}

#[cfg(test)]
mod tests;

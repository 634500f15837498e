use anstyle::Style;

use super::{Cell, Room, fit, wrap, write_rows, write_rows_with_notes};

fn grid(width: Option<usize>, rows: &[[&str; 3]]) -> String {
    let rows: Vec<[Cell; 3]> = rows
        .iter()
        .map(|row| row.map(|text| Cell::new(text, Style::new())))
        .collect();
    let mut out = Vec::new();
    write_rows(&mut out, &rows, Room { width }).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn columns_are_aligned_and_lines_have_no_trailing_blanks() {
    let text = grid(
        None,
        &[["NAME", "X", "AGE"], ["web-1", "", "3d"], ["日本", "1", ""]],
    );
    assert_eq!(text, "NAME   X  AGE\nweb-1     3d\n日本   1\n");
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let long = "a long text of many words that cannot possibly fit into what there is";
    for width in [28, 40, 60, 80] {
        let text = grid(
            Some(width),
            &[["NAME", "X", "AGE"], [long, &long.replace(' ', "_"), "3d"]],
        );
        for line in text.lines() {
            assert!(console::measure_text_width(line) <= width, "{width}: {line:?}");
        }
        assert_eq!(text.lines().count(), 3, "the long row has two lines");
        assert!(text.contains('…') && text.contains("3d"), "{text}");
    }
}

#[test]
fn without_a_terminal_a_row_is_one_line_and_long_cells_are_cut() {
    let text = grid(None, &[[&"x".repeat(500), "y", "z"]]);
    assert_eq!(text, format!("{}…  y  z\n", "x".repeat(59)));
}

#[test]
fn text_is_wrapped_at_blanks_else_after_separators_else_at_any_character() {
    assert_eq!(wrap("one two three", 8, 2), ["one two", "three"]);
    assert_eq!(wrap("one two", 3, 2), ["one", "two"]);
    assert_eq!(
        wrap("redirect_http_to_https", 18, 2),
        ["redirect_http_to_", "https"]
    );
    assert_eq!(wrap("abcdefghij", 4, 2), ["abcd", "efg…"]);
    assert_eq!(wrap("日本語", 1, 2), ["…"], "not even one letter fits");
    assert_eq!(wrap("", 4, 2), [""]);
}

#[test]
fn control_and_bidirectional_characters_become_blanks() {
    let text = grid(None, &[["a\u{1b}[2Jb", "c\nd", "e\u{202e}f"]]);
    assert_eq!(text, "a [2Jb  c d  e f\n");
}

#[test]
fn a_note_is_written_as_a_whole_below_its_row() {
    let cell = |text: &str| Cell::new(text, Style::new());
    let rows = [[cell("a"), cell("b")], [cell("c"), cell("d")]];
    let notes = [None, Some(cell("a note that is wider than the terminal"))];
    let mut out = Vec::new();
    let room = |width| Room { width };
    write_rows_with_notes(&mut out, &rows, &notes, room(Some(10))).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text, "a  b\nc  d\n  a note that is wider than the terminal\n");
    assert!(fit(&rows, room(Some(4))) && fit(&rows, room(None)) && !fit(&rows, room(Some(3))));
}

/** Tables as text for a terminal and as Markdown. */

/**
 * @typedef {object} Table
 * @property {string[]} head
 * @property {string[][]} rows
 */

/** @param {Table} table */
export function asText({ head, rows }) {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => [...row[column]].length)));
  const pad = (cell, column) => {
    const blanks = " ".repeat(widths[column] - [...cell].length);
    return column === 0 ? cell + blanks : blanks + cell;
  };
  return all.map((row) => row.map(pad).join("  ").trimEnd()).join("\n");
}

/** @param {Table} table */
export function asMarkdown({ head, rows }) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const rule = head.map((_, column) => (column === 0 ? "---" : "--:"));
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

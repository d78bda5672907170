import { markup, type Html, type Part } from "./markup.cjs";

export interface Column {
  readonly name: string;
  /** Numbers stand to the right. */
  readonly numeric?: boolean;
}

/** A box in which something wide scrolls, by keyboard too. */
export function scrolling(label: string, content: Part): Html {
  return markup`<div class="scroll" role="region" aria-label="${label}" tabindex="0">${content}</div>
`;
}

/** A table whose first column heads the rows. */
export function table(
  caption: string,
  columns: readonly Column[],
  rows: readonly (readonly Part[])[],
): Html {
  const style = (i: number) => (columns[i]?.numeric === true ? "number" : "text");
  const head = columns.map(
    ({ name }, i) => markup`<th scope="col" class="${style(i)}">${name}</th>`,
  );
  const cells = (row: readonly Part[]) =>
    row.map((cell, i) =>
      i === 0
        ? markup`<th scope="row" class="${style(i)}">${cell}</th>`
        : markup`<td class="${style(i)}">${cell}</td>`,
    );
  return scrolling(
    caption,
    markup`<table><caption>${caption}</caption><thead><tr>${head}</tr></thead>
<tbody>${rows.map((row) => markup`<tr>${cells(row)}</tr>\n`)}</tbody></table>`,
  );
}

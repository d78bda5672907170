/** Markup that is ready to be written; everything else is escaped. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What may stand in a template: null and false leave nothing. */
export type Part = Html | string | number | null | false | readonly Part[];

const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const CONTROLS = /\p{Control}/gu;
/** Embeddings, overrides and isolates: they could turn round what stands after the text. */
const DIRECTIONS = /[\u202a-\u202e\u2066-\u2069]/g;

function visibleControl(character: string): string {
  const code = character.charCodeAt(0);
  if (character === "\n" || character === "\t" || character === "\r") return character;
  if (code < 0x20) return String.fromCharCode(0x2400 + code); // its picture
  return code === 0x7f ? "\u2421" : "\ufffd";
}

/**
 * Text that is safe in elements and in quoted attributes. Control characters and those that change the direction of
 * what follows are shown, not obeyed; halves of surrogate pairs, which UTF-8 does not have, are replaced.
 */
export function escape(text: string): string {
  return text
    .replace(CONTROLS, visibleControl)
    .replace(DIRECTIONS, (mark) => `[U+${mark.charCodeAt(0).toString(16).toUpperCase()}]`)
    .replace(/\p{Surrogate}/gu, "\ufffd")
    .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}

function render(part: Part): string {
  if (part === null || part === false) return "";
  if (part instanceof Html) return part.text;
  if (typeof part === "object") return part.map(render).join("");
  return escape(String(part));
}

/** A template whose values are escaped, wherever they stand. */
export function markup(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  let text = strings[0] ?? "";
  for (const [i, part] of parts.entries()) text += render(part) + (strings[i + 1] ?? "");
  return new Html(text);
}

/** The first `most` characters (code points), with an ellipsis where there are more. */
export function cut(text: string, most: number): string {
  // Twice as many units hold at least so many code points, and a long text need not be taken apart.
  const characters = Array.from(text.slice(0, 2 * most + 2));
  return characters.length > most ? `${characters.slice(0, most).join("")}…` : text;
}

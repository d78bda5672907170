import { createHash } from "node:crypto";

import { markup, Html, type Part } from "./markup.cjs";
import { STYLE } from "./style.cjs";

/** A part of the page that the list of contents names. */
export interface Section {
  readonly id: string;
  readonly title: string;
  readonly content: Part;
}

const hash = createHash("sha256").update(STYLE).digest("base64");

/**
 * Nothing may be loaded, run, framed or sent: whatever a text among the data says. The style sheet is named by its
 * hash, the icon is an empty one, for which no server is asked.
 */
const POLICY = `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; base-uri 'none'; form-action 'none'`;

/** A whole document in one piece. */
export function page(title: string, head: Part, sections: readonly Section[], foot: Part): string {
  const contents = sections.map(
    (section) => markup`<li><a href="#${section.id}">${section.title}</a></li>`,
  );
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${new Html(POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<header>
${head}
<nav aria-label="Contents"><ul>${contents}</ul></nav>
</header>
<main>
${sections.map(sectionElement)}</main>
<footer>${foot}</footer>
</body>
</html>
`.text;
}

function sectionElement({ id, title, content }: Section): Html {
  return markup`<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${title}</h2>
${content}
</section>
`;
}
